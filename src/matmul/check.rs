//! Freivalds' check of a matrix product: whether C is A·B, in the time of three products with a vector.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::numeric::float::{Float, Numeric};
use crate::numeric::random::Random;
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
/// for complex ones; and what is lost where numbers below the least normal one are taken as 0. An element that is off
/// by more than the bound of its row, alone there, is always found; errors of several elements cancel for at most half
/// of the vectors, so that a wrong product passes with probability 2^-rounds.
///
/// An element of C whose row of A or column of B is not finite is compared by itself: it must be NaN where there is a
/// NaN, and where there is an infinity what the sum of products is (of complex numbers: not finite). Any other element
/// may be infinite or NaN only if the products of absolute values add up to more than the range.
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
    let rows: Vec<Kind> = a.outer_iter().map(Kind::of).collect();
    let columns: Vec<Kind> = b.axis_iter(Axis(1)).map(Kind::of).collect();
    let scales = [scale(a), scale(b)];
    let single = size_of::<V::Real>() == 4;
    // Products, in place of the elements of C that overflowed.
    let mut overflowed = Vec::new();
    for ((i, j), &element) in c.indexed_iter() {
        let kind = rows[i].max(columns[j]);
        if kind == Kind::Finite && finite(element) {
            continue;
        }
        let products = a.row(i).into_iter().zip(b.column(j)).map(|(&x, &y)| [wide(x), wide(y)]);
        let scaled = || products.clone().map(|[x, y]| (x * scales[0]) * (y * scales[1]));
        let got = wide(element);
        let right = match kind {
            Kind::NotANumber => got.is_nan(),
            Kind::Infinite if V::PARTS == 2 => !finite(element),
            Kind::Infinite => {
                let sum = products.clone().map(|[x, y]| x.re * y.re).sum::<f64>();
                sum == got.re || (sum.is_nan() && got.re.is_nan())
            }
            Kind::Finite => {
                overflowed.push((i, j, scaled().sum::<Complex<f64>>()));
                let most: f64 = if single { f32::MAX.into() } else { f64::MAX };
                scaled().map(|product| product.re.abs() + product.im.abs()).sum::<f64>() >= most * scales[0] * scales[1]
            }
        };
        if !right {
            return Ok(Check { worst: f64::INFINITY, rounds });
        }
    }
    // From here on what is not finite counts as 0: it was compared above.
    let number = |x: V, scales: &[f64]| if finite(x) { scales.iter().fold(wide(x), |x, by| x * by) } else { ZERO };
    let sizes = |x: ArrayView2<'_, V>, by: &Array1<f64>, scales: &[f64]| {
        let row = |row: ArrayView1<'_, V>| row.iter().zip(by).map(|(&x, y)| number(x, scales).norm() * y).sum::<f64>();
        x.outer_iter().map(row).collect::<Array1<f64>>()
    };
    let times = |x: ArrayView2<'_, V>, by: &Array1<Complex<f64>>, scales: &[f64]| {
        let row =
            |row: ArrayView1<'_, V>| row.iter().zip(by).map(|(&x, y)| number(x, scales) * y).sum::<Complex<f64>>();
        x.outer_iter().map(row).collect::<Array1<Complex<f64>>>()
    };
    let ones = Array1::ones(n);
    let of_b = sizes(b, &ones, &scales[1..]);
    let of_products = sizes(a, &of_b, &scales[..1]);
    let (of_a, of_c) = (sizes(a, &Array1::ones(k), &scales[..1]), sizes(c, &ones, &scales));
    let unit = V::Real::ROUNDOFF * V::PARTS as f64;
    let least: f64 = if single { f32::MIN_POSITIVE.into() } else { f64::MIN_POSITIVE };
    let in_b = of_b.sum();
    let bound = |i: usize| {
        let lost = in_b + n as f64 * (of_a[i] + (k + 1) as f64);
        unit * ((k + 8) as f64 * of_products[i] + n as f64 * of_c[i]) + least * V::PARTS as f64 * lost
    };
    let mut random = Random::new(seed);
    let mut worst = 0.0f64;
    for _ in 0..rounds {
        let x: Array1<Complex<f64>> = columns
            .iter()
            .map(|&kind| {
                let sign = if random.bits() >> 63 == 0 { 1.0 } else { -1.0 };
                Complex::new(if kind == Kind::Finite { sign } else { 0.0 }, 0.0)
            })
            .collect();
        let (expected, mut got) = (times(a, &times(b, &x, &scales[1..]), &scales[..1]), times(c, &x, &scales));
        overflowed.iter().for_each(|&(i, j, product)| got[i] += product * x[j]);
        for i in (0..m).filter(|&i| rows[i] == Kind::Finite) {
            let off = (expected[i] - got[i]).norm();
            let units = if off == 0.0 { 0.0 } else { off / bound(i) };
            worst = if units.is_nan() { f64::INFINITY } else { worst.max(units) };
        }
    }
    Ok(Check { worst, rounds })
}

const ZERO: Complex<f64> = Complex::new(0.0, 0.0);

/// What the numbers of a row or column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Finite,
    /// Some are infinite, none is NaN.
    Infinite,
    /// Some are NaN.
    NotANumber,
}

impl Kind {
    fn of<V: Numeric>(numbers: ArrayView1<'_, V>) -> Self {
        let kind = |&x: &V| match wide(x) {
            x if x.is_nan() => Self::NotANumber,
            x if x.is_finite() => Self::Finite,
            _ => Self::Infinite,
        };
        numbers.iter().map(kind).max().unwrap_or(Self::Finite)
    }
}

/// A power of two that brings the numbers far enough below the limit of f64 for sums of products of them; 1 for others.
fn scale<V: Numeric>(x: ArrayView2<'_, V>) -> f64 {
    let largest = x.iter().filter(|&&x| finite(x)).map(|&x| wide(x)).fold(0.0f64, |most, x| most.max(x.l1_norm()));
    if largest > 2f64.powi(400) { 2f64.powi(-624) } else { 1.0 }
}

fn finite<V: Numeric>(x: V) -> bool {
    wide(x).is_finite()
}

fn wide<V: Numeric>(x: V) -> Complex<f64> {
    let z = x.complex();
    Complex::new(z.re.into(), z.im.into())
}
