//! Waves of several frequencies, fitted at once to a series by non-linear least squares.

use std::f64::consts::TAU;

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::nufft::points::Coordinates;
use crate::numeric::normal::Normal;
use crate::numeric::turns::wave_at;
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
/// The model is `Σ_i p_i T_i(τ) + Σ_waves Σ_n A_n cos(2π(n f (t - epoch) - φ_n))`, where `T_i` are Chebyshev
/// polynomials up to the degree of the trend, and τ is time on the span of the series, from -1 to 1. Coefficients are
/// fitted by linear least squares with the weights 1/σ², frequencies by Gauss-Newton steps from those given, each of
/// which lowers the weighted sum of squares. Standard deviations are those of the linearised problem, in which
/// frequencies and coefficients are correlated; they hold for white noise.
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
        let shape = Shape { degree: Some(degree), terms };
        let fit = Fit::refined(&sampling, &values, shape, frequencies.to_vec());
        let left = if values.energy > 0.0 { fit.squares / values.energy } else { 0.0 };
        let residuals = fit.residual.iter().map(|rest| rest * values.scale).collect();
        Ok(Self { residuals, left, waves: fit.waves(&sampling, values.scale) })
    }
}

/// Values that one task takes at a time. Sums over such blocks are added in order, so that threads change no bit.
const BLOCK: usize = 2048;

/// What is fitted: Chebyshev polynomials up to a degree, or none, and waves of some Fourier terms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) degree: Option<usize>,
    pub(super) terms: usize,
}

/// A fit of waves, and a trend, at some frequencies.
pub(super) struct Fit {
    frequencies: Vec<f64>,
    shape: Shape,
    coefficients: Vec<f64>,
    /// The values less the model.
    pub(super) residual: Vec<f64>,
    /// `Σ w r²` of these.
    pub(super) squares: f64,
    /// The normal matrix of the columns and, after them, the derivatives of the model by the frequencies.
    joint: Normal,
    /// The Gauss-Newton step of each frequency.
    steps: Vec<f64>,
}

impl Shape {
    /// Where the coefficients of a wave begin.
    fn first(self, wave: usize) -> usize {
        self.degree.map_or(0, |degree| degree + 1) + 2 * self.terms * wave
    }

    /// The columns at some times from the middle of a series, one after the other: polynomials, then sine and cosine of
    /// each term of each wave.
    fn columns(self, times: &[f64], span: f64, frequencies: &[f64], columns: &mut Vec<f64>) {
        columns.clear();
        let half = if span > 0.0 { 0.5 * span } else { 1.0 };
        for degree in 0..self.first(0) {
            for (index, &time) in times.iter().enumerate() {
                let x = time / half;
                let before = |back: usize| columns[(degree - back) * times.len() + index];
                let value = match degree {
                    0 => 1.0,
                    1 => x,
                    _ => 2.0 * x * before(1) - before(2),
                };
                columns.push(value);
            }
        }
        for &frequency in frequencies {
            let first = columns.len();
            columns.resize(first + 2 * self.terms * times.len(), 0.0);
            let columns = &mut columns[first..];
            for (index, &time) in times.iter().enumerate() {
                let wave = wave_at(frequency, time);
                let mut power = wave;
                for term in 0..self.terms {
                    columns[2 * term * times.len() + index] = power.im;
                    columns[(2 * term + 1) * times.len() + index] = power.re;
                    power *= wave;
                }
            }
        }
    }
}

impl Fit {
    /// The fit at the frequencies near the given ones for which the least is left.
    pub(super) fn refined(sampling: &Sampling, values: &Values, shape: Shape, frequencies: Vec<f64>) -> Self {
        let at = |frequencies| Self::at(sampling, values, shape, frequencies);
        let mut best = at(frequencies);
        for _ in 0..STEPS {
            let longest = best.steps.iter().fold(0.0, |longest, step| f64::max(longest, step.abs())) * sampling.span;
            if longest.is_nan() || longest <= SHORTEST {
                break;
            }
            let mut part = (LONGEST / longest).min(1.0);
            let mut better = None;
            while better.is_none() && part * longest > SHORTEST {
                let moved = best.frequencies.iter().zip(&best.steps).map(|(f, step)| f + part * step).collect();
                let next = at(moved);
                better = (next.squares < best.squares).then_some(next);
                part *= 0.5;
            }
            match better {
                Some(next) => best = next,
                None => break,
            }
        }
        best
    }

    /// The fit at these frequencies: coefficients from the normal equations, corrected once from the residual.
    fn at(sampling: &Sampling, values: &Values, shape: Shape, frequencies: Vec<f64>) -> Self {
        let times: Vec<f64> = sampling.centred().collect();
        let (samples, waves) = (times.len(), frequencies.len());
        let size = shape.first(waves);
        // Sums over blocks of values, of which `add` makes each.
        let sum = |size: usize, add: &(dyn Fn(std::ops::Range<usize>, &mut Normal) + Sync)| {
            let block = |block: usize| {
                let mut normal = Normal::new(size);
                add(block * BLOCK..samples.min((block + 1) * BLOCK), &mut normal);
                normal
            };
            let blocks = parallel::collect(samples.div_ceil(BLOCK), block);
            blocks.into_iter().fold(Normal::new(size), Normal::plus)
        };
        let mut linear = sum(size, &|block, normal| {
            let mut columns = Vec::new();
            shape.columns(&times[block.clone()], sampling.span, &frequencies, &mut columns);
            normal.add(&columns, &values.values[block.clone()], &sampling.weights[block]);
        });
        linear.factor();
        let mut coefficients = linear.solve();
        let mut residual = vec![0.0; samples];
        // The first time corrects the coefficients, the second sees their derivatives by the frequencies.
        for _ in 0..2 {
            let rest = |block: usize, residual: &mut [f64]| {
                let range = block * BLOCK..samples.min((block + 1) * BLOCK);
                let mut columns = Vec::new();
                shape.columns(&times[range.clone()], sampling.span, &frequencies, &mut columns);
                residual.copy_from_slice(&values.values[range]);
                for (column, coefficient) in columns.chunks_exact(residual.len()).zip(&coefficients) {
                    residual.iter_mut().zip(column).for_each(|(rest, value)| *rest -= coefficient * value);
                }
            };
            parallel::each_chunk(&mut residual, BLOCK, rest);
            let correction = sum(size, &|block, normal| {
                let mut columns = Vec::new();
                shape.columns(&times[block.clone()], sampling.span, &frequencies, &mut columns);
                normal.add_data(&columns, &residual[block.clone()], &sampling.weights[block]);
            });
            let correction = linear.solve_for(correction.data());
            coefficients.iter_mut().zip(correction).for_each(|(coefficient, correction)| *coefficient += correction);
        }
        let squares = residual.iter().zip(&sampling.weights).map(|(rest, weight)| weight * rest * rest).sum();
        let mut joint = sum(size + waves, &|block, normal| {
            let (mut columns, times) = (Vec::new(), &times[block.clone()]);
            shape.columns(times, sampling.span, &frequencies, &mut columns);
            for wave in 0..waves {
                let mut derivative = vec![0.0; times.len()];
                for term in 0..shape.terms {
                    let first = shape.first(wave) + 2 * term;
                    let factor = TAU * (term + 1) as f64;
                    let (of_sine, of_cosine) = (factor * coefficients[first], factor * coefficients[first + 1]);
                    let pair = &columns[first * times.len()..(first + 2) * times.len()];
                    let (sines, cosines) = pair.split_at(times.len());
                    for (((sum, time), sine), cosine) in derivative.iter_mut().zip(times).zip(sines).zip(cosines) {
                        *sum += time * (of_sine * cosine - of_cosine * sine);
                    }
                }
                columns.extend(derivative);
            }
            normal.add(&columns, &residual[block.clone()], &sampling.weights[block]);
        });
        joint.factor();
        let steps = joint.solve().split_off(size);
        Self { frequencies, shape, coefficients, residual, squares, joint, steps }
    }

    /// The waves with their standard deviations, for values in units of `scale`.
    pub(super) fn waves(&self, sampling: &Sampling, scale: f64) -> Vec<Wave> {
        let Self { coefficients, shape, .. } = self;
        let covariance = self.joint.inverse();
        // In units of the scale, in which the values and these coefficients are.
        let variance = if sampling.errors_known {
            1.0 / sampling.precision / scale / scale
        } else {
            let free = sampling.len().saturating_sub(self.joint.rank());
            if free == 0 { f64::INFINITY } else { self.squares / free as f64 }
        };
        let deviation = |square: f64| if variance.is_finite() { (variance * square).max(0.0).sqrt() } else { variance };
        let waves = self.frequencies.iter().enumerate().map(|(wave, &frequency)| {
            let place = coefficients.len() + wave;
            let term = |n: usize| {
                let at = shape.first(wave) + 2 * n;
                let (sine, cosine) = (coefficients[at], coefficients[at + 1]);
                let amplitude = sine.hypot(cosine);
                // The derivatives of amplitude and phase by the two coefficients.
                let even = 0.5f64.sqrt();
                let (by_sine, by_cosine) =
                    if amplitude > 0.0 { (sine / amplitude, cosine / amplitude) } else { (even, even) };
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
                terms: (0..shape.terms).map(term).collect(),
                epoch: sampling.middle,
            }
        });
        waves.collect()
    }
}
