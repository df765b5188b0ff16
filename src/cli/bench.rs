//! The `bench` command: every case on every device, with progress, and then the report.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use wavemill::{Device, Kind};

use crate::args;
use crate::cases::{self, Problem};
use crate::rows::{Report, Skip};
use crate::{device, families, measure, output};

/// The most points for which `--quick` measures a software GPU: with more, an execution took up to a minute.
const SOFTWARE_POINTS: usize = 1 << 17;

/// The devices to measure, with the names they have in the report.
fn devices(args: &args::Bench) -> Result<Vec<(String, Device)>> {
    if let Some(choice) = args.device {
        let device = device::choose(choice, f64::INFINITY)?;
        return Ok(vec![(device.name(), device)]);
    }
    let candidates = Device::all();
    let mut devices = Vec::new();
    for (selector, candidate) in device::selectors(&candidates).into_iter().zip(candidates) {
        match candidate.device {
            Ok(_) if candidate.kind == Kind::SoftwareGpu && !args.software => {
                output::print(&format!(
                    "{selector} ({}) is a software GPU: --software measures it too\n",
                    candidate.name
                ))?;
            }
            Ok(device) => devices.push((device.name(), device)),
            Err(error) => output::print(&format!("{selector} ({}) is left out: {error}\n", candidate.name))?,
        }
    }
    if devices.is_empty() {
        bail!("no device can be measured; `wavemill devices` says why");
    }
    Ok(devices)
}

/// Runs the command.
pub(crate) fn run(args: &args::Bench) -> Result<()> {
    #[cfg(feature = "gpu")]
    if let Some(folder) = &args.gpu_report {
        return crate::gpu_report::run(args, folder);
    }
    // Before the work, so that an unusable folder costs no time.
    output::make_folder(&args.out)?;
    let devices = devices(args)?;
    let budget = Duration::from_secs_f64(args.seconds.unwrap_or(if args.quick { 0.2 } else { 2.0 }));
    let cases = cases::all(args.quick);
    let count = cases.iter().map(|case| case.accuracies().len() * devices.len()).sum::<usize>();
    // Progress is drawn on stderr, and only if that is a terminal.
    let progress = ProgressBar::new(count as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, about {eta} left")?);
    let start = Instant::now();
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for case in cases {
        progress.set_message(format!("{} {}", case.label(), case.extents()));
        let problem = Problem::new(case)?;
        for &accuracy in problem.case.accuracies() {
            for (number, (name, device)) in devices.iter().enumerate() {
                let slow = args.quick && device.kind() == Kind::SoftwareGpu && problem.case.points > SOFTWARE_POINTS;
                let measured = if slow {
                    Err(anyhow!("a software GPU would take minutes over it; without --quick it is measured"))
                } else {
                    measure::measure(&problem, (number, device), accuracy, budget).map_err(Into::into)
                };
                match measured {
                    Ok(row) => rows.push(row),
                    Err(error) => skipped.push(Skip {
                        device: name.clone(),
                        case: format!(
                            "{} {} {} {:e}",
                            problem.case.label(),
                            problem.case.extents(),
                            accuracy.0,
                            accuracy.1
                        ),
                        reason: error.to_string(),
                    }),
                }
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    let mut rates = Vec::new();
    for (number, (name, device)) in devices.iter().enumerate() {
        match families::measure(number, device, args.quick, budget) {
            Ok(measured) => rates.extend(measured),
            Err(error) => skipped.push(Skip {
                device: name.clone(),
                case: "reductions and products".into(),
                reason: error.to_string(),
            }),
        }
    }
    let names = devices.into_iter().map(|(name, _)| name).collect();
    Report { quick: args.quick, devices: names, rows, rates, skipped, seconds: start.elapsed().as_secs_f64() }
        .publish(&args.out)
}
