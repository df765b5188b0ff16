//! Waves of several frequencies, fitted at once to a series by non-linear least squares.

use std::f64::consts::TAU;

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::nufft::points::Coordinates;
use crate::numeric::least_squares::{LeastSquares, dot};
use crate::spectral::model::Model;
use crate::spectral::series::{Errors, Sampling, Values};

/// The most steps of the refinement; it needs some five.
const STEPS: usize = 50;
/// The longest step, in resolution elements: a peak is about one wide.
const LONGEST: f64 = 0.25;
/// Frequencies are refined until steps are shorter than this, in resolution elements.
const SHORTEST: f64 = 1e-10;
/// The highest degree of a trend.
const MOST_DEGREE: usize = 9;

/// A value and its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// Its standard deviation: from the errors of the data if these are given, otherwise from the residuals. Infinite
    /// if there are no more values than coefficients.
    pub error: f64,
}

/// One Fourier term of a wave: `amplitude · cos(2π(n f (t - epoch) - phase))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// In units of the values.
    pub amplitude: Measured,
    /// In turns, from -1/2 to 1/2.
    pub phase: Measured,
}

/// A wave that was fitted to a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// In cycles per unit of time.
    pub frequency: Measured,
    /// The term of the frequency itself, and those of its multiples.
    pub terms: Vec<Term>,
    /// The time to which phases belong, the middle of the series, where they are known best.
    pub epoch: f64,
}

/// A trend and waves, fitted to a series at once.
///
/// The model is `Σ_i p_i T_i(τ) + Σ_waves Σ_n A_n cos(2π(n f (t - epoch) - φ_n))`, where `T_i` are Chebyshev polynomials
/// up to the degree of the trend, and τ is time on the span of the series, from -1 to 1. Coefficients are fitted by
/// linear least squares with the weights 1/σ², frequencies by Gauss-Newton steps from those given, each of which lowers
/// the weighted sum of squares. Standard deviations are those of the linearised problem, in which frequencies and
/// coefficients are correlated; they hold for white noise.
#[derive(Debug, Clone)]
pub struct Waves {
    /// The waves, in the order of the frequencies given.
    pub waves: Vec<Wave>,
    /// The values less the model.
    pub residuals: Array1<f64>,
    /// The part of the weighted sum of squares about the mean that is left.
    pub left: f64,
}

impl Waves {
    /// Fits waves of `terms` Fourier terms each, starting from these frequencies, and a trend of a degree from 0, a
    /// mean, to 9.
    ///
    /// # Errors
    /// [`Error::Shape`] for arrays of different lengths; [`Error::Parameter`] for numbers that are not finite, errors
    /// that are not above 0, no terms, or a degree above 9.
    pub fn fit<T: Coordinates, Y: Coordinates>(
        times: &T,
        values: &Y,
        errors: Option<&[f64]>,
        frequencies: &[f64],
        terms: usize,
        degree: usize,
    ) -> Result<Self> {
        let errors = errors.map_or(Errors::None, |errors| Errors::Each(errors.to_vec()));
        if let Some(frequency) = frequencies.iter().find(|frequency| !frequency.is_finite()) {
            return Err(Error::parameter("frequencies", "finite numbers", frequency));
        }
        if terms == 0 {
            return Err(Error::parameter("terms", "at least 1", terms));
        }
        if degree > MOST_DEGREE {
            return Err(Error::parameter("degree", format!("0 to {MOST_DEGREE}"), degree));
        }
        let sampling = Sampling::new(times, &errors)?;
        let values = Values::new(values, &sampling, true)?;
        let fit = Fit::refined(&sampling, &values, Trend::Polynomial(degree), terms, frequencies.to_vec());
        let residuals = fit.linear.residual.iter().zip(&fit.roots).map(|(rest, root)| rest / root * values.scale);
        let left = if values.energy > 0.0 { fit.squares() / values.energy } else { 0.0 };
        Ok(Self { residuals: residuals.collect(), left, waves: fit.waves(&sampling, values.scale) })
    }
}

/// What is fitted besides waves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trend {
    None,
    Polynomial(usize),
}

/// A fit of a trend and of waves at their frequencies.
pub(super) struct Fit {
    frequencies: Vec<f64>,
    terms: usize,
    trend: Trend,
    /// The square roots of the weights, by which data and columns are multiplied.
    roots: Vec<f64>,
    linear: LeastSquares,
}

impl Fit {
    /// The fit at the frequencies near the given ones for which the least is left.
    pub(super) fn refined(
        sampling: &Sampling,
        values: &Values,
        trend: Trend,
        terms: usize,
        frequencies: Vec<f64>,
    ) -> Self {
        let roots: Vec<f64> = sampling.weights.iter().map(|weight| weight.sqrt()).collect();
        let at = |roots, frequencies| Self::at(sampling, values, trend, terms, roots, frequencies);
        let mut best = at(roots, frequencies);
        for _ in 0..STEPS {
            let (steps, _) = best.steps(sampling);
            let longest = steps.iter().fold(0.0, |longest, step| f64::max(longest, step.abs())) * sampling.span;
            if !(longest > SHORTEST) {
                break;
            }
            let mut part = (LONGEST / longest).min(1.0);
            let mut better = None;
            while better.is_none() && part * longest > SHORTEST {
                let moved = best.frequencies.iter().zip(&steps).map(|(f, step)| f + part * step).collect();
                let next = at(best.roots.clone(), moved);
                better = (next.squares() < best.squares()).then_some(next);
                part *= 0.5;
            }
            match better {
                Some(next) => best = next,
                None => break,
            }
        }
        best
    }

    fn at(
        sampling: &Sampling,
        values: &Values,
        trend: Trend,
        terms: usize,
        roots: Vec<f64>,
        frequencies: Vec<f64>,
    ) -> Self {
        let weighted = |column: Vec<f64>| column.iter().zip(&roots).map(|(value, root)| value * root).collect();
        let mut linear = LeastSquares::new(weighted(values.values.clone()));
        let times = sampling.centred();
        if let Trend::Polynomial(degree) = trend {
            let half = if sampling.span > 0.0 { 0.5 * sampling.span } else { 1.0 };
            let angle = |time: f64| (time / half).clamp(-1.0, 1.0).acos();
            for n in 0..=degree {
                linear.add(weighted(times.clone().map(|time| (n as f64 * angle(time)).cos()).collect()));
            }
        }
        for &frequency in &frequencies {
            let columns = Model { terms, mean: false }.columns(times.clone(), frequency);
            columns.into_iter().for_each(|column| linear.add(weighted(column)));
        }
        Self { frequencies, terms, trend, roots, linear }
    }

    /// The weighted sum of squares that is left.
    pub(super) fn squares(&self) -> f64 {
        dot(&self.linear.residual, &self.linear.residual)
    }

    /// Where a wave's coefficients begin.
    fn first(&self, wave: usize) -> usize {
        let trend = if let Trend::Polynomial(degree) = self.trend { degree + 1 } else { 0 };
        trend + 2 * self.terms * wave
    }

    /// The Gauss-Newton step of each frequency, and the fit that has the derivatives by them as further columns.
    fn steps(&self, sampling: &Sampling) -> (Vec<f64>, LeastSquares) {
        let (coefficients, mut joint) = (self.linear.coefficients(), self.linear.clone());
        let times = sampling.centred();
        for (wave, &frequency) in self.frequencies.iter().enumerate() {
            let columns = Model { terms: self.terms, mean: false }.columns(times.clone(), frequency);
            let mut derivative = vec![0.0; sampling.len()];
            for (n, pair) in columns.chunks_exact(2).enumerate() {
                let factor = TAU * (n + 1) as f64;
                let first = self.first(wave) + 2 * n;
                let (of_sine, of_cosine) = (factor * coefficients[first], factor * coefficients[first + 1]);
                for (((sum, sine), cosine), time) in
                    derivative.iter_mut().zip(&pair[0]).zip(&pair[1]).zip(times.clone())
                {
                    *sum += time * (of_sine * cosine - of_cosine * sine);
                }
            }
            derivative.iter_mut().zip(&self.roots).for_each(|(value, root)| *value *= root);
            joint.add(derivative);
        }
        let steps = joint.coefficients().split_off(coefficients.len());
        (steps, joint)
    }

    /// The waves with their standard deviations, for values in units of `scale`.
    pub(super) fn waves(&self, sampling: &Sampling, scale: f64) -> Vec<Wave> {
        let (_, joint) = self.steps(sampling);
        let (coefficients, covariance) = (self.linear.coefficients(), joint.covariance());
        // In units of the scale, in which the values and these coefficients are.
        let variance = if sampling.errors_known {
            1.0 / sampling.precision / scale / scale
        } else {
            let free = sampling.len().saturating_sub(joint.rank());
            if free == 0 { f64::INFINITY } else { self.squares() / free as f64 }
        };
        let deviation = |square: f64| if variance.is_finite() { (variance * square).max(0.0).sqrt() } else { variance };
        let waves = self.frequencies.iter().enumerate().map(|(wave, &frequency)| {
            let place = coefficients.len() + wave;
            let term = |n: usize| {
                let at = self.first(wave) + 2 * n;
                let (sine, cosine) = (coefficients[at], coefficients[at + 1]);
                let amplitude = sine.hypot(cosine);
                // The derivatives of amplitude and phase by the two coefficients.
                let (by_sine, by_cosine) = if amplitude > 0.0 {
                    (sine / amplitude, cosine / amplitude)
                } else {
                    (0.5f64.sqrt(), 0.5f64.sqrt())
                };
                let square = |a: f64, b: f64| {
                    a * a * covariance[at][at]
                        + 2.0 * a * b * covariance[at][at + 1]
                        + b * b * covariance[at + 1][at + 1]
                };
                Term {
                    amplitude: Measured {
                        value: amplitude * scale,
                        error: deviation(square(by_sine, by_cosine)) * scale,
                    },
                    phase: Measured {
                        value: sine.atan2(cosine) / TAU,
                        error: deviation(square(by_cosine, -by_sine)) / (TAU * amplitude),
                    },
                }
            };
            Wave {
                frequency: Measured { value: frequency, error: deviation(covariance[place][place]) },
                terms: (0..self.terms).map(term).collect(),
                epoch: sampling.middle,
            }
        });
        waves.collect()
    }
}
