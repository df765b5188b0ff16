//! Freivalds' check of a matrix product: whether C is A·B, in the time of three products with a vector.

use ndarray::{Array1, ArrayView2};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::numeric::float::{Float, Numeric};
use crate::shape;

/// The result of [`freivalds`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Check {
    /// The largest `|A(Bx) - Cx|` of a row, in units of the rounding error that a right product may have there.
    pub worst: f64,
    /// Vectors that were tried.
    pub rounds: usize,
}

impl Check {
    /// Whether no row was further off than rounding explains.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.worst <= 1.0
    }
}

/// Compares A·(B·x) with C·x for `rounds` vectors x of random signs, in f64.
///
/// The bound of a row is `(k + 8) u (|A| |B| 1)` and `n u (|C| 1)` in the roundoff u of the elements, and twice that
/// for complex ones; NaN and infinity in C fail. An element that is off by more than the bound of its row, alone there,
/// is always found; errors of several elements cancel for at most half of the vectors, so that a wrong product passes
/// with probability 2^-rounds.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit.
///
/// # References
/// R. Freivalds, Probabilistic machines can use less running time (IFIP 1977).
pub fn freivalds<V: Numeric>(
    a: ArrayView2<'_, V>,
    b: ArrayView2<'_, V>,
    c: ArrayView2<'_, V>,
    rounds: usize,
    seed: u64,
) -> Result<Check> {
    let ([m, n], k) = ([a.nrows(), b.ncols()], a.ncols());
    if b.nrows() != k {
        return Err(Error::shape("B", format!("{k} rows, as A has columns"), b.nrows()));
    }
    if c.shape() != [m, n] {
        return Err(Error::shape("C", shape::written(&[m, n]), shape::written(c.shape())));
    }
    let sizes = |x: ArrayView2<'_, V>, by: &Array1<f64>| {
        let row = |row: ndarray::ArrayView1<'_, V>| row.iter().zip(by).map(|(&x, y)| wide(x).norm() * y).sum::<f64>();
        x.outer_iter().map(row).collect::<Array1<f64>>()
    };
    let times = |x: ArrayView2<'_, V>, by: &Array1<Complex<f64>>| {
        let row = |row: ndarray::ArrayView1<'_, V>| row.iter().zip(by).map(|(&x, y)| wide(x) * y).sum::<Complex<f64>>();
        x.outer_iter().map(row).collect::<Array1<Complex<f64>>>()
    };
    let of_products = sizes(a, &sizes(b, &Array1::ones(n)));
    let of_c = sizes(c, &Array1::ones(n));
    let unit = V::Real::ROUNDOFF * V::PARTS as f64;
    let bounds = of_products.iter().zip(&of_c).map(|(p, c)| unit * ((k + 8) as f64 * p + n as f64 * c));
    let bounds: Vec<f64> = bounds.collect();
    let mut state = seed;
    let mut worst = 0.0f64;
    for _ in 0..rounds {
        let signs = (0..n).map(|_| if bits(&mut state) >> 63 == 0 { 1.0 } else { -1.0 });
        let x: Array1<Complex<f64>> = signs.map(|sign| Complex::new(sign, 0.0)).collect();
        let (expected, got) = (times(a, &times(b, &x)), times(c, &x));
        for ((expected, got), bound) in expected.iter().zip(&got).zip(&bounds) {
            let off = (expected - got).norm();
            // NaN and infinity are within no bound.
            let units = if off == 0.0 { 0.0 } else { off / bound };
            worst = if units.is_nan() { f64::INFINITY } else { worst.max(units) };
        }
    }
    Ok(Check { worst, rounds })
}

fn wide<V: Numeric>(x: V) -> Complex<f64> {
    let z = x.complex();
    Complex::new(z.re.into(), z.im.into())
}

/// Random bits (splitmix64, Steele et al. 2014).
fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
