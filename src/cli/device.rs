//! The choice of a device by `--device`, and the list that `wavemill devices` prints.

use std::fmt::Write;

use anyhow::{Result, anyhow, bail};
use wavemill::{Candidate, Cpu, Device, Kind};

use crate::args::Choice;
use crate::output;

/// The argument of `--device` for each candidate: GPUs are numbered in the order in which they are found.
pub(crate) fn selectors(candidates: &[Candidate]) -> Vec<String> {
    let mut gpus = 0;
    let mut next = || {
        gpus += 1;
        format!("gpu:{}", gpus - 1)
    };
    candidates.iter().map(|candidate| if candidate.kind == Kind::Cpu { "cpu".to_owned() } else { next() }).collect()
}

/// A list of the GPUs found, for error messages.
fn found(candidates: &[Candidate]) -> String {
    let each = |(selector, candidate): (String, &Candidate)| {
        let state = match (&candidate.device, candidate.kind) {
            (Err(error), _) => format!(" which cannot be used: {error}"),
            (Ok(_), Kind::SoftwareGpu) => " in software".to_owned(),
            (Ok(_), _) => String::new(),
        };
        format!("{selector} ({}{state})", candidate.name)
    };
    let gpus: Vec<_> =
        selectors(candidates).into_iter().zip(candidates).filter(|(_, c)| c.kind != Kind::Cpu).map(each).collect();
    if gpus.is_empty() { "no GPU was found".to_owned() } else { format!("found: {}", gpus.join(", ")) }
}

/// The least seconds of work for which `auto` looks for a GPU: to open its driver and test it takes about as long.
const WORTH_A_DRIVER: f64 = 0.2;

/// The device asked for, or an error that says why it cannot be used; there is no fallback to another device. `seconds`
/// is the estimated time of the work on a processor.
pub(crate) fn choose(choice: Choice, seconds: f64) -> Result<Device> {
    let number = match choice {
        Choice::Auto if seconds < WORTH_A_DRIVER => return Ok(Device::from(Cpu::new())),
        Choice::Auto => return Ok(Device::auto()),
        Choice::Cpu => return Ok(Device::from(Cpu::new())),
        Choice::Gpu(number) => number,
    };
    if !cfg!(feature = "gpu") {
        bail!("this program was built without GPU support; build it with `--features cli,gpu` or use --device cpu");
    }
    let candidates = Device::all();
    let found = found(&candidates);
    let mut gpus = candidates.into_iter().filter(|candidate| candidate.kind != Kind::Cpu);
    match number {
        None => gpus
            .find(|candidate| candidate.kind == Kind::Gpu && candidate.device.is_ok())
            .and_then(|candidate| candidate.device.ok())
            .ok_or_else(|| anyhow!("no hardware GPU can be used ({found}); use --device cpu or a gpu:N listed")),
        Some(number) => {
            let candidate = gpus
                .nth(number)
                .ok_or_else(|| anyhow!("there is no gpu:{number} ({found}); use --device cpu or a gpu:N listed"))?;
            candidate.device.map_err(|error| anyhow!("gpu:{number} cannot be used: {error}"))
        }
    }
}

/// Prints every device found, with its properties.
pub(crate) fn print_all() -> Result<()> {
    let candidates = Device::all();
    let mut text = String::new();
    let names = candidates.iter().flat_map(|candidate| &candidate.facts).map(|(name, _)| name.len());
    let width = names.max().unwrap_or(0).max("--device auto".len()) + 2;
    for (selector, candidate) in selectors(&candidates).iter().zip(&candidates) {
        let kind = match candidate.kind {
            Kind::Cpu => "processor",
            Kind::Gpu => "GPU",
            Kind::SoftwareGpu => "software GPU",
            _ => "device",
        };
        writeln!(text, "{selector:<6} {} ({kind})", candidate.name)?;
        let mut line = |name: &str, value: &str| writeln!(text, "       {name:<width$}{value}");
        for (name, value) in &candidate.facts {
            line(name, value)?;
        }
        match (&candidate.self_test, &candidate.device) {
            (Some(error), Ok(_)) => line("self-test", &format!("passed, relative error {error:.1e}"))?,
            (Some(error), Err(_)) => line("self-test", &format!("failed, relative error {error:.1e}"))?,
            (None, _) => {}
        }
        if let Err(error) = &candidate.device {
            line("cannot be used", &error.to_string())?;
        }
        line(
            "--device auto",
            &format!("{}: {}", if candidate.chosen { "picks it" } else { "passes it over" }, candidate.why),
        )?;
    }
    if !cfg!(feature = "gpu") {
        text.push_str("This program was built without GPU support; `--features cli,gpu` adds it.\n");
    }
    output::print(&text)
}
