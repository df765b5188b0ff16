//! The frequencies of a periodogram: evenly spaced, or any.

use crate::error::{Error, Result};

/// Frequencies, in cycles per unit of time.
///
/// Evenly spaced ones take one uniform transform of their number; any others take a transform of type 3, whose cost
/// grows with the highest of them times the length of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies(pub(super) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Regular { first: f64, step: f64, count: usize },
    Any(Vec<f64>),
}

impl Frequencies {
    /// `first + k·step` for k from 0 to `count - 1`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `first` or the last frequency is not finite, or `step` is not above 0.
    pub fn regular(first: f64, step: f64, count: usize) -> Result<Self> {
        if !first.is_finite() {
            return Err(Error::parameter("the first frequency", "a finite number", first));
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::parameter("the step of frequencies", "a finite number above 0", step));
        }
        if !(first + step * count as f64).is_finite() {
            return Err(Error::parameter(
                "the last frequency",
                "a finite number: ask for fewer, or a smaller step",
                step,
            ));
        }
        Ok(Self(Kind::Regular { first, step, count }))
    }

    /// Any frequencies, in any order.
    ///
    /// # Errors
    /// [`Error::Parameter`] if one is not finite.
    pub fn any(frequencies: impl Into<Vec<f64>>) -> Result<Self> {
        let frequencies = frequencies.into();
        match frequencies.iter().position(|f| !f.is_finite()) {
            Some(index) => {
                let got = format!("{} at index {index}", frequencies[index]);
                Err(Error::parameter("frequencies", "finite numbers", got))
            }
            None => Ok(Self(Kind::Any(frequencies))),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Regular { count, .. } => *count,
            Kind::Any(frequencies) => frequencies.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frequency at an index below [`Frequencies::len`].
    ///
    /// # Panics
    /// If the index is not below that.
    #[must_use]
    pub fn get(&self, index: usize) -> f64 {
        assert!(index < self.len(), "frequency {index} of {}", self.len());
        match &self.0 {
            Kind::Regular { first, step, .. } => first + step * index as f64,
            Kind::Any(frequencies) => frequencies[index],
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The largest magnitude, or 0 if there are none.
    #[must_use]
    pub fn highest(&self) -> f64 {
        match &self.0 {
            Kind::Regular { count: 0, .. } => 0.0,
            Kind::Regular { first, count, .. } => first.abs().max(self.get(count - 1).abs()),
            Kind::Any(frequencies) => frequencies.iter().fold(0.0, |highest, f| f64::max(highest, f.abs())),
        }
    }
}

/// How [`super::LombScargle::autofrequency`] chooses frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoFrequency {
    /// Frequencies for each resolution element, which is one over the length of the series. Default: 5.
    pub samples_per_peak: f64,
    /// The highest frequency as a multiple of half the mean rate of sampling. Default: 5.
    pub nyquist_factor: f64,
    /// The lowest frequency. Default: half a step.
    pub minimum: Option<f64>,
    /// The highest frequency; `nyquist_factor` then has no meaning.
    pub maximum: Option<f64>,
}

impl Default for AutoFrequency {
    fn default() -> Self {
        Self { samples_per_peak: 5.0, nyquist_factor: 5.0, minimum: None, maximum: None }
    }
}

/// The most frequencies that are chosen automatically: more would fill the memory of a laptop.
const MOST: f64 = (1u64 << 30) as f64;

impl AutoFrequency {
    /// The frequencies for `samples` values over a time `span`.
    pub(super) fn choose(&self, samples: usize, span: f64) -> Result<Frequencies> {
        let Self { samples_per_peak, nyquist_factor, minimum, maximum } = *self;
        for (what, value) in [("samples_per_peak", samples_per_peak), ("nyquist_factor", nyquist_factor)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::parameter(what, "a finite number above 0", value));
            }
        }
        if span <= 0.0 {
            return Err(Error::parameter("times", "at least two different times to choose frequencies by", "one"));
        }
        let step = 1.0 / span / samples_per_peak;
        let minimum = minimum.unwrap_or(0.5 * step);
        let maximum = maximum.unwrap_or(nyquist_factor * 0.5 * samples as f64 / span);
        let steps = ((maximum - minimum) / step).round();
        if !(steps >= 0.0 && minimum.is_finite()) {
            return Err(Error::parameter("minimum", format!("at most the highest frequency {maximum}"), minimum));
        }
        if steps >= MOST {
            let expected = format!("fewer than {MOST:e} frequencies: a smaller maximum or fewer samples_per_peak");
            return Err(Error::parameter("maximum", expected, format!("{maximum}, which makes {steps:e}")));
        }
        Frequencies::regular(minimum, step, 1 + steps as usize)
    }
}
