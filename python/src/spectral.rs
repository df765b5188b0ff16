//! The Lomb-Scargle periodogram.

use ndarray::ArrayView1;
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use wavemill::spectral::{AutoFrequency, FalseAlarm, Frequencies, LombScargle, Normalization};

use crate::devices::Device;
use crate::errors::raised;

/// Frequencies as Python gives them: evenly spaced, or any.
#[derive(FromPyObject)]
enum Grid<'py> {
    Regular((f64, f64, usize)),
    Any(PyReadonlyArray1<'py, f64>),
}

impl Grid<'_> {
    fn frequencies(&self) -> PyResult<Frequencies> {
        match self {
            Self::Regular((first, step, count)) => Frequencies::regular(*first, *step, *count),
            Self::Any(any) => Frequencies::any(any.as_array().to_vec()),
        }
        .map_err(raised)
    }
}

/// The search for periods in one series.
#[pyclass(frozen, module = "wavemill._wavemill")]
pub(crate) struct Periodogram(LombScargle);

#[pymethods]
impl Periodogram {
    /// Checks times, values and errors: none, one for all, or one for each value.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "the options of a periodogram")]
    fn new(
        py: Python<'_>,
        times: PyReadonlyArray1<'_, f64>,
        values: PyReadonlyArray1<'_, f64>,
        errors: Option<PyReadonlyArray1<'_, f64>>,
        error: Option<f64>,
        fit_mean: bool,
        centre: bool,
        terms: usize,
        normalization: &str,
        device: &Device,
    ) -> PyResult<Self> {
        let normalization = match normalization {
            "standard" => Normalization::Standard,
            "model" => Normalization::Model,
            "log" => Normalization::Log,
            "psd" => Normalization::Psd,
            other => {
                let expected = "must be 'standard', 'model', 'log' or 'psd'";
                return Err(PyValueError::new_err(format!("normalization = {other:?}; {expected}")));
            }
        };
        let (times, values) = (times.as_array(), values.as_array());
        let errors = errors.as_ref().map(PyReadonlyArray1::as_array);
        py.detach(|| {
            let builder = LombScargle::builder(times, values).fit_mean(fit_mean).centre(centre).terms(terms);
            let builder = builder.normalization(normalization);
            let builder = match (&errors, error) {
                (Some(errors), _) => builder.errors(errors),
                (None, Some(error)) => builder.error(error),
                (None, None) => builder,
            };
            builder.build(&device.0)
        })
        .map(Self)
        .map_err(raised)
    }

    /// The first frequency, the step and the number of evenly spaced frequencies that resolve every peak.
    fn autofrequency(
        &self,
        samples_per_peak: f64,
        nyquist_factor: f64,
        minimum: Option<f64>,
        maximum: Option<f64>,
    ) -> PyResult<(f64, f64, usize)> {
        let options = AutoFrequency { samples_per_peak, nyquist_factor, minimum, maximum };
        let found = self.0.autofrequency(&options).map_err(raised)?;
        let first = found.get(0);
        let step = if found.len() > 1 { found.get(1) - first } else { first.abs().max(1.0) };
        Ok((first, step, found.len()))
    }

    /// The power at each frequency.
    fn power<'py>(&self, py: Python<'py>, frequencies: Grid<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let frequencies = frequencies.frequencies()?;
        Ok(py.detach(|| self.0.power(&frequencies)).map_err(raised)?.to_pyarray(py))
    }

    /// The probability that noise has a peak of each power.
    fn false_alarm(
        &self,
        py: Python<'_>,
        powers: Vec<f64>,
        method: &str,
        highest: f64,
        grid: (f64, f64, usize),
        draws: usize,
        seed: u64,
    ) -> PyResult<Vec<f64>> {
        if method == "bootstrap" {
            let highest = self.drawn(py, grid, draws, seed)?;
            let above = |power: f64| highest.len() - highest.partition_point(|&drawn| drawn < power);
            return Ok(powers.into_iter().map(|power| above(power) as f64 / highest.len() as f64).collect());
        }
        let method = named(method)?;
        powers.into_iter().map(|power| self.0.false_alarm(method, power, highest).map_err(raised)).collect()
    }

    /// The power that noise exceeds with each probability.
    fn false_alarm_level(
        &self,
        py: Python<'_>,
        probabilities: Vec<f64>,
        method: &str,
        highest: f64,
        grid: (f64, f64, usize),
        draws: usize,
        seed: u64,
    ) -> PyResult<Vec<f64>> {
        if method == "bootstrap" {
            let highest = self.drawn(py, grid, draws, seed)?;
            let at = |p: f64| highest[(((1.0 - p) * highest.len() as f64) as usize).min(highest.len() - 1)];
            return Ok(probabilities.into_iter().map(at).collect());
        }
        let method = named(method)?;
        let level = |p: f64| self.0.false_alarm_level(method, p, highest).map_err(raised);
        probabilities.into_iter().map(level).collect()
    }

    /// The coefficients of the model at a frequency.
    fn coefficients<'py>(&self, py: Python<'py>, frequency: f64) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.0.coefficients(frequency).map_err(raised)?.to_pyarray(py))
    }

    /// What the model adds to its columns.
    fn offset(&self) -> f64 {
        self.0.offset()
    }

    /// The model of a frequency at given times.
    fn model<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
        frequency: f64,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let times: ArrayView1<'_, f64> = times.as_array();
        Ok(py.detach(|| self.0.model(&times, frequency)).map_err(raised)?.to_pyarray(py))
    }
}

impl Periodogram {
    fn drawn(&self, py: Python<'_>, grid: (f64, f64, usize), draws: usize, seed: u64) -> PyResult<Vec<f64>> {
        if draws == 0 {
            return Err(PyValueError::new_err("n_bootstraps = 0; must be at least 1"));
        }
        let frequencies = Frequencies::regular(grid.0, grid.1, grid.2).map_err(raised)?;
        py.detach(|| self.0.bootstrap(&frequencies, draws, seed)).map_err(raised)
    }
}

fn named(method: &str) -> PyResult<FalseAlarm> {
    match method {
        "baluev" => Ok(FalseAlarm::Baluev),
        "davies" => Ok(FalseAlarm::Davies),
        "naive" => Ok(FalseAlarm::Naive),
        other => Err(PyValueError::new_err(format!(
            "method = {other:?}; must be 'baluev', 'davies', 'naive' or 'bootstrap'"
        ))),
    }
}
