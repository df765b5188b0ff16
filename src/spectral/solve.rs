//! The part of a series' variance that a model of Fourier terms explains, from trigonometric sums.

use num_complex::Complex;

use crate::spectral::model::Model;
use crate::spectral::sums::Sums;

/// The explained sum of squares `bᵀ A⁻¹ b` at each frequency of a block, where A is the normal matrix of the model and
/// b the product of its columns and the data; NaN where A is so close to singular that the sums' errors, amplified,
/// would be seen: of some column, less than `independent` of the mean square of
/// a wave is perpendicular to the columns before it.
///
/// `explained` is the part of the block from `first` on.
pub(super) fn explained(
    [values, weights]: [&Sums; 2],
    model: Model,
    independent: f64,
    first: usize,
    explained: &mut [f64],
) {
    let Model { terms, mean } = model;
    let range = first..first + explained.len();
    if terms > 1 {
        let mut normal = Normal::new(model);
        range
            .zip(explained)
            .for_each(|(index, explained)| *explained = normal.solve(values, weights, index, independent));
        return;
    }
    let (values, second) = (&values[0][range.clone()], &weights[1][range.clone()]);
    let pairs = explained.iter_mut().zip(values).zip(second);
    if mean {
        for (((explained, &y), &second), &first) in pairs.zip(&weights[0][range]) {
            *explained = one_term(y, first, second, independent);
        }
    } else {
        for ((explained, &y), &second) in pairs {
            *explained = one_term(y, Complex::default(), second, independent);
        }
    }
}

/// One term in closed form (Zechmeister and Kürster 2009), from `YC + i YS`, `C + i S` (0 without a mean) and
/// `C₂ + i S₂`.
#[inline(always)]
fn one_term(y: Complex<f64>, first: Complex<f64>, second: Complex<f64>, independent: f64) -> f64 {
    let (cc, ss) = (0.5 * (1.0 + second.re) - first.re * first.re, 0.5 * (1.0 - second.re) - first.im * first.im);
    let cs = 0.5 * second.im - first.re * first.im;
    let determinant = cc * ss - cs * cs;
    let explained = (ss * y.re * y.re + cc * y.im * y.im - 2.0 * cs * y.re * y.im) / determinant;
    // The parts perpendicular to earlier columns, of the cosine and the sine without the mean, relative to a half,
    // their mean square.
    let least = 0.5 * independent;
    if cc > least && ss > least && determinant > least * cc.max(ss) { explained } else { f64::NAN }
}

/// The normal matrix of the columns 1, cos, sin, cos 2.., sin 2.., and its Cholesky factor.
struct Normal {
    terms: usize,
    mean: bool,
    size: usize,
    matrix: Vec<f64>,
    data: Vec<f64>,
}

impl Normal {
    fn new(Model { terms, mean }: Model) -> Self {
        let size = Model { terms, mean }.len();
        Self { terms, mean, size, matrix: vec![0.0; size * size], data: vec![0.0; size] }
    }

    fn solve(&mut self, values: &Sums, weights: &Sums, index: usize, independent: f64) -> f64 {
        let Self { terms, mean, size, ref mut matrix, ref mut data } = *self;
        let wave = |order: usize| if order == 0 { Complex::new(1.0, 0.0) } else { weights[order - 1][index] };
        let first = usize::from(mean);
        if mean {
            // The data are centred, so that the mean's product with them is 0.
            (matrix[0], data[0]) = (1.0, 0.0);
        }
        for a in 1..=terms {
            let row = first + 2 * (a - 1);
            let of_data = values[a - 1][index];
            (data[row], data[row + 1]) = (of_data.re, of_data.im);
            if mean {
                let wave = wave(a);
                (matrix[row * size], matrix[(row + 1) * size]) = (wave.re, wave.im);
            }
            for b in 1..=a {
                let column = first + 2 * (b - 1);
                let (plus, minus) = (wave(a + b), wave(a - b));
                matrix[row * size + column] = 0.5 * (minus.re + plus.re);
                matrix[row * size + column + 1] = 0.5 * (plus.im - minus.im);
                matrix[(row + 1) * size + column] = 0.5 * (plus.im + minus.im);
                matrix[(row + 1) * size + column + 1] = 0.5 * (minus.re - plus.re);
            }
        }
        // The factor L of A = L Lᵀ replaces the lower triangle, L⁻¹ b the data; bᵀ A⁻¹ b is the square of that.
        let mut explained = 0.0;
        for row in 0..size {
            for column in 0..=row {
                let mut value = matrix[row * size + column];
                for k in 0..column {
                    value -= matrix[row * size + k] * matrix[column * size + k];
                }
                if column < row {
                    matrix[row * size + column] = value / matrix[column * size + column];
                } else if value > 0.5 * independent {
                    matrix[row * size + row] = value.sqrt();
                } else {
                    return f64::NAN;
                }
            }
            let product: f64 = (0..row).map(|k| matrix[row * size + k] * data[k]).sum();
            data[row] = (data[row] - product) / matrix[row * size + row];
            explained += data[row] * data[row];
        }
        explained
    }
}
