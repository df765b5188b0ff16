//! The choice of a device by name, and the list of those found.

use std::fmt::Write as _;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use wavemill::{Candidate, Cpu, Kind};

use crate::errors::raised;

/// A device on which transforms, reductions and products run.
#[pyclass(frozen, module = "wavemill")]
#[derive(Debug)]
pub(crate) struct Device(pub(crate) wavemill::Device);

#[pymethods]
impl Device {
    /// Opens a device: "cpu", with its own threads (0: one for each core), "auto", "gpu" or "gpu:N".
    #[new]
    fn new(py: Python<'_>, name: &str, threads: usize) -> PyResult<Self> {
        py.detach(|| open(name, threads)).map(Self)
    }

    /// The device's name.
    #[getter]
    fn name(&self) -> String {
        self.0.name()
    }

    /// Why this device was chosen.
    #[getter]
    fn reason(&self) -> String {
        self.0.reason().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("<wavemill.Device {}>", self.0.name())
    }
}

fn open(name: &str, threads: usize) -> PyResult<wavemill::Device> {
    // A pool of its own, because the crate's global pool does not survive a fork.
    let cpu = || Ok(wavemill::Device::from(Cpu::with_threads(threads).map_err(raised)?));
    match name {
        "cpu" => return cpu(),
        "auto" => {
            let device = wavemill::Device::auto();
            return if device.kind() == Kind::Cpu { cpu() } else { Ok(device) };
        }
        _ => {}
    }
    let number: Option<usize> = match name.strip_prefix("gpu") {
        Some("") => None,
        Some(rest) => match rest.strip_prefix(':').map(str::parse) {
            Some(Ok(number)) => Some(number),
            _ => return Err(unknown(name)),
        },
        None => return Err(unknown(name)),
    };
    if !cfg!(feature = "gpu") {
        return Err(PyRuntimeError::new_err(format!(
            "device = {name}: expected \"cpu\", because this wheel was built without GPU support; build it with the \
             feature `gpu`"
        )));
    }
    let found = wavemill::Device::all();
    let names: Vec<_> = selectors(&found).into_iter().zip(&found).map(|(s, c)| format!("{s} ({})", c.name)).collect();
    let missing = || PyRuntimeError::new_err(format!("device = {name}: expected one of {}", names.join(", ")));
    let mut gpus = found.into_iter().filter(|candidate| candidate.kind != Kind::Cpu);
    let chosen = match number {
        None => gpus.find(|candidate| candidate.kind == Kind::Gpu && candidate.device.is_ok()),
        Some(number) => gpus.nth(number),
    };
    chosen.ok_or_else(missing)?.device.map_err(raised)
}

fn unknown(name: &str) -> PyErr {
    PyValueError::new_err(format!("device = {name:?}; must be \"cpu\", \"auto\", \"gpu\" or \"gpu:N\""))
}

/// The name of each candidate: GPUs are numbered in the order in which they are found.
fn selectors(found: &[Candidate]) -> Vec<String> {
    let mut gpus = 0..;
    let name = |candidate: &Candidate| match candidate.kind {
        Kind::Cpu => "cpu".to_owned(),
        _ => format!("gpu:{}", gpus.next().unwrap_or(0)),
    };
    found.iter().map(name).collect()
}

/// Every device found with its properties, as the program's `devices` prints them.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> String {
    py.detach(|| {
        let found = wavemill::Device::all();
        let names = found.iter().flat_map(|candidate| &candidate.facts).map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0).max("--device auto".len()) + 2;
        let mut text = String::new();
        for (selector, candidate) in selectors(&found).iter().zip(&found) {
            describe(&mut text, selector, candidate, width);
        }
        if !cfg!(feature = "gpu") {
            text.push_str("This wheel was built without GPU support; the feature `gpu` adds it.\n");
        }
        text
    })
}

fn describe(text: &mut String, selector: &str, candidate: &Candidate, width: usize) {
    let kind = match candidate.kind {
        Kind::Cpu => "processor",
        Kind::Gpu => "GPU",
        Kind::SoftwareGpu => "software GPU",
        _ => "device",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{selector:<6} {} ({kind})", candidate.name);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "       {name:<width$}{value}");
    };
    candidate.facts.iter().for_each(|(name, value)| line(name, value));
    if let Some(error) = candidate.self_test {
        let verdict = if candidate.device.is_ok() { "passed" } else { "failed" };
        line("self-test", &format!("{verdict}, relative error {error:.1e}"));
    }
    if let Err(error) = &candidate.device {
        line("cannot be used", &error.to_string());
    }
    let picks = if candidate.chosen { "picks it" } else { "passes it over" };
    line("--device auto", &format!("{picks}: {}", candidate.why));
}
