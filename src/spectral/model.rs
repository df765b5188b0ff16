//! The model of a series at one frequency: a mean and Fourier terms, fitted by least squares with all digits.

use ndarray::{Array1, Array2};

use crate::numeric::least_squares::LeastSquares;
use crate::numeric::turns::wave_at;
use crate::spectral::series::{Sampling, Values};

/// A model's columns: a mean or not, then sine and cosine of each term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) terms: usize,
    pub(super) mean: bool,
}

impl Model {
    /// The number of coefficients.
    pub(super) fn len(self) -> usize {
        2 * self.terms + usize::from(self.mean)
    }

    /// The columns `1, sin(2πft), cos(2πft), sin(4πft), ..` at these times.
    pub(super) fn columns(self, times: impl ExactSizeIterator<Item = f64>, frequency: f64) -> Vec<Vec<f64>> {
        let mut columns = Vec::with_capacity(self.len());
        if self.mean {
            columns.push(vec![1.0; times.len()]);
        }
        let waves: Vec<_> = times.map(|time| wave_at(frequency, time)).collect();
        let mut powers = waves.clone();
        for term in 0..self.terms {
            if term > 0 {
                powers.iter_mut().zip(&waves).for_each(|(power, wave)| *power *= wave);
            }
            columns.push(powers.iter().map(|power| power.im).collect());
            columns.push(powers.iter().map(|power| power.re).collect());
        }
        columns
    }

    /// The fit of values, in units of their scale, with times counted from `origin`.
    pub(super) fn fit(self, sampling: &Sampling, values: &Values, frequency: f64, origin: f64) -> LeastSquares {
        let roots: Vec<f64> = sampling.weights.iter().map(|weight| weight.sqrt()).collect();
        let weighted = |column: Vec<f64>| column.iter().zip(&roots).map(|(value, root)| value * root).collect();
        let mut fit = LeastSquares::new(weighted(values.values.clone()));
        let times = sampling.times.iter().map(|time| time - origin);
        self.columns(times, frequency).into_iter().for_each(|column| fit.add(weighted(column)));
        fit
    }

    /// The design matrix, `[times, coefficients]`.
    pub(super) fn matrix(self, times: &[f64], frequency: f64) -> Array2<f64> {
        let columns = self.columns(times.iter().copied(), frequency);
        Array2::from_shape_fn((times.len(), columns.len()), |(row, column)| columns[column][row])
    }

    /// The model's values.
    pub(super) fn evaluate(self, coefficients: &[f64], times: &[f64], frequency: f64) -> Array1<f64> {
        self.matrix(times, frequency).dot(&ndarray::aview1(coefficients))
    }
}
