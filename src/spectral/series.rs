//! A series of values at uneven times, checked and brought to a scale on which nothing overflows or cancels.

use crate::error::{Error, Result};
use crate::nufft::points::Coordinates;
use crate::numeric::least_squares::dot;

/// When a series was sampled, and how much each value weighs: `w = σ⁻²/Σσ⁻²`, 1/M where no errors are given.
#[derive(Debug, Clone)]
pub(super) struct Sampling {
    pub(super) times: Vec<f64>,
    /// The middle of the times.
    pub(super) middle: f64,
    /// From the first to the last time.
    pub(super) span: f64,
    pub(super) weights: Vec<f64>,
    /// `Σσ⁻²`.
    pub(super) precision: f64,
    /// Whether the errors were given.
    pub(super) errors_known: bool,
}

/// The errors of the values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Errors {
    /// Not known: all values weigh the same.
    None,
    /// One standard deviation for all values.
    One(f64),
    /// One standard deviation for each value.
    Each(Vec<f64>),
}

impl Sampling {
    pub(super) fn new(times: &impl Coordinates, errors: &Errors) -> Result<Self> {
        let times = finite("times", times)?;
        if times.is_empty() {
            return Err(Error::parameter("times", "at least one value", 0));
        }
        let (weights, precision) = weigh(errors, times.len())?;
        let (low, high) = ends(&times);
        let span = high - low;
        if !span.is_finite() {
            return Err(Error::parameter("times", "a difference of first and last that an f64 holds", span));
        }
        let (middle, errors_known) = (low + 0.5 * span, *errors != Errors::None);
        Ok(Self { times, middle, span, weights, precision, errors_known })
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The part of it that is kept.
    pub(super) fn part(&self, kept: &[bool]) -> Self {
        let of = |numbers: &[f64]| -> Vec<f64> {
            numbers.iter().zip(kept).filter(|(_, kept)| **kept).map(|(number, _)| *number).collect()
        };
        let (times, mut weights) = (of(&self.times), of(&self.weights));
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let (low, high) = ends(&times);
        let (middle, span, precision) = (low + 0.5 * (high - low), high - low, self.precision * total);
        Self { times, middle, span, weights, precision, errors_known: self.errors_known }
    }

    /// The times from the middle.
    pub(super) fn centred(&self) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
        self.times.iter().map(|time| time - self.middle)
    }
}

/// Checked values, less their mean and on a scale on which their squares neither overflow nor vanish.
#[derive(Debug, Clone)]
pub(super) struct Values {
    /// The weighted mean, or 0 if they are not centred.
    pub(super) mean: f64,
    /// The unit of `values`, a power of two.
    pub(super) scale: f64,
    /// The values less the mean, in units of `scale`: at most 2 in magnitude.
    pub(super) values: Vec<f64>,
    /// `Σ w v²` of these.
    pub(super) energy: f64,
}

impl Values {
    pub(super) fn new(raw: &impl Coordinates, sampling: &Sampling, centre: bool) -> Result<Self> {
        let mut values = finite("values", raw)?;
        if values.len() != sampling.len() {
            let expected = format!("{}, one for each time", sampling.len());
            return Err(Error::shape("values", expected, values.len()));
        }
        let weights = &sampling.weights;
        // Differences from the first value are exact where values vary little, so that constant values give zeros.
        let unit = to_unit_scale(&mut values);
        let mut mean = 0.0;
        if centre {
            let first = values[0];
            values.iter_mut().for_each(|value| *value -= first);
            let shift = subtract_mean(&mut values, weights);
            // What rounding has left of the mean.
            let rest = subtract_mean(&mut values, weights);
            mean = (first + (shift + rest)) * unit;
        }
        let scale = unit * to_unit_scale(&mut values);
        let energy = energy(&values, weights);
        Ok(Self { mean, scale, values, energy })
    }

    /// Values taken from the given places, to be weighted by `weights`.
    pub(super) fn drawn(&self, places: &[usize], weights: &[f64], centre: bool) -> Self {
        let mut values: Vec<f64> = places.iter().map(|&place| self.values[place]).collect();
        if centre {
            subtract_mean(&mut values, weights);
        }
        let energy = energy(&values, weights);
        Self { mean: self.mean, scale: self.scale, values, energy }
    }

    /// Half of `χ₀²`.
    pub(super) fn half(&self, sampling: &Sampling) -> f64 {
        0.5 * sampling.precision * self.energy * self.scale * self.scale
    }
}

/// The first and the last time.
fn ends(times: &[f64]) -> (f64, f64) {
    times.iter().fold((f64::MAX, f64::MIN), |(low, high), &time| (low.min(time), high.max(time)))
}

fn energy(values: &[f64], weights: &[f64]) -> f64 {
    weights.iter().zip(values).map(|(w, v)| w * v * v).sum()
}

/// Subtracts the weighted mean, and returns it.
fn subtract_mean(values: &mut [f64], weights: &[f64]) -> f64 {
    let mean = dot(weights, values);
    values.iter_mut().for_each(|value| *value -= mean);
    mean
}

/// Divides numbers by the power of two next below the largest magnitude, and returns it.
fn to_unit_scale(values: &mut [f64]) -> f64 {
    let scale = power_of_two(values.iter().fold(0.0, |most, value| f64::max(most, value.abs())));
    values.iter_mut().for_each(|value| *value /= scale);
    scale
}

/// The largest power of two that is at most `x`; 1 for 0.
fn power_of_two(x: f64) -> f64 {
    if x < f64::MIN_POSITIVE { 1.0 } else { f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000) }
}

/// The numbers as f64, or an error that names the first that is not finite.
pub(super) fn finite(what: &'static str, numbers: &impl Coordinates) -> Result<Vec<f64>> {
    let numbers: Vec<f64> = numbers.coordinates().iter().map(|&number| number.into()).collect();
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => {
            let got = format!("{} at index {index}", numbers[index]);
            Err(Error::parameter(what, "finite numbers: leave gaps out", got))
        }
        None => Ok(numbers),
    }
}

/// The weights, whose sum is 1, and the sum of the inverse variances.
fn weigh(errors: &Errors, len: usize) -> Result<(Vec<f64>, f64)> {
    let usable = |error: f64| error > 0.0 && error.is_finite();
    match errors {
        Errors::None => Ok((vec![1.0 / len as f64; len], len as f64)),
        Errors::One(error) if usable(*error) => Ok((vec![1.0 / len as f64; len], len as f64 / error / error)),
        Errors::One(error) => Err(Error::parameter("error", "a finite number above 0", error)),
        Errors::Each(errors) => {
            if errors.len() != len {
                return Err(Error::shape("errors", format!("{len}, one for each value"), errors.len()));
            }
            if let Some(index) = errors.iter().position(|&error| !usable(error)) {
                let got = format!("{} at index {index}", errors[index]);
                return Err(Error::parameter("errors", "finite numbers above 0: leave such values out", got));
            }
            let least = errors.iter().fold(f64::MAX, |least, &error| least.min(error));
            let weights: Vec<f64> = errors.iter().map(|error| (least / error).powi(2)).collect();
            let total: f64 = weights.iter().sum();
            Ok((weights.iter().map(|weight| weight / total).collect(), total / least / least))
        }
    }
}
