//! The direct sums that define types 1, 2 and 3: the oracle of every test. They are slow, parallel, and in f64.
//!
//! Coordinates become 128-bit turns, so that `k·x` is an exact product that wraps; only then is a sine taken. Sums are
//! compensated. The error is a few units in the last place of f64 times the root mean square of the terms.

use ndarray::{ArrayD, ArrayView1, ArrayViewD, IxDyn};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::machine::pages;
use crate::machine::parallel;
use crate::nufft::points::{Points, Unit};
use crate::numeric::float::{Coordinate, Float};
use crate::numeric::sign::Sign;
use crate::numeric::turns;
use crate::shape;

/// `f[k] = Σ_j c[j] exp(±i k·x[j])` for all modes `-(N/2) .. N-N/2-1`, centred order.
///
/// # Errors
/// As [`type1_at`].
pub fn type1<T: Float, C: Coordinate>(
    points: &[ArrayView1<'_, C>],
    strengths: &[Complex<T>],
    modes: &[usize],
    sign: Sign,
) -> Result<ArrayD<Complex<f64>>> {
    if modes.len() != points.len() {
        return Err(Error::shape("modes", format!("{} extents", points.len()), modes.len()));
    }
    let count = shape::product("the modes", modes)?;
    pages::room("the modes", modes, size_of::<[i64; 3]>() + size_of::<Complex<f64>>(), "use fewer modes")?;
    let at: Vec<[i64; 3]> = (0..count).map(|index| mode_at(index, modes)).collect();
    let values = type1_at(points, strengths, &at, sign)?;
    ArrayD::from_shape_vec(IxDyn(modes), values).map_err(|error| Error::shape("modes", count, error))
}

/// `f[k]` for the given modes k only; on axes that the points do not have, k must be 0.
///
/// # Errors
/// [`Error::Shape`] for lengths that differ, [`Error::NotFinite`] for a NaN or infinity among the coordinates.
pub fn type1_at<T: Float, C: Coordinate>(
    points: &[ArrayView1<'_, C>],
    strengths: &[Complex<T>],
    modes_at: &[[i64; 3]],
    sign: Sign,
) -> Result<Vec<Complex<f64>>> {
    let turns = all_turns(points)?;
    if turns[0].len() != strengths.len() {
        return Err(Error::shape("strengths", turns[0].len(), strengths.len()));
    }
    let sum = |k: &[i64; 3]| {
        let mut sum = Sum::default();
        for (j, strength) in strengths.iter().enumerate() {
            let phase =
                turns.iter().zip(k).fold(0u128, |phase, (axis, &k)| phase.wrapping_add(turns::times(axis[j], k)));
            sum.add(wide(*strength) * unit(phase, sign));
        }
        sum.value()
    };
    Ok(parallel::collect(modes_at.len(), |index| sum(&modes_at[index])))
}

/// `c[j] = Σ_k f[k] exp(±i k·x[j])` at all points, f in centred order.
///
/// # Errors
/// As [`type2_at`].
pub fn type2<T: Float, C: Coordinate>(
    points: &[ArrayView1<'_, C>],
    modes: ArrayViewD<'_, Complex<T>>,
    sign: Sign,
) -> Result<Vec<Complex<f64>>> {
    let all: Vec<usize> = (0..points.first().map_or(0, ArrayView1::len)).collect();
    type2_at(points, modes, sign, &all)
}

/// `c[j]` for the points with the given indices only.
///
/// # Errors
/// [`Error::Shape`] where modes and points differ in dimension, [`Error::Parameter`] for an index past the points,
/// [`Error::NotFinite`] for a NaN or infinity among the coordinates.
pub fn type2_at<T: Float, C: Coordinate>(
    points: &[ArrayView1<'_, C>],
    modes: ArrayViewD<'_, Complex<T>>,
    sign: Sign,
    indices: &[usize],
) -> Result<Vec<Complex<f64>>> {
    let count = points.iter().map(ArrayView1::len).min().unwrap_or(0);
    if let Some(past) = indices.iter().find(|&&index| index >= count) {
        return Err(Error::parameter("indices", format!("each below the number of points, {count}"), past));
    }
    let chosen: Vec<_> = points.iter().map(|axis| axis.select(ndarray::Axis(0), indices)).collect();
    let turns = all_turns(&chosen.iter().map(|axis| axis.view()).collect::<Vec<_>>())?;
    let extents = modes.shape().to_vec();
    if extents.len() != points.len() {
        return Err(Error::shape("modes", format!("{} axes", points.len()), extents.len()));
    }
    let modes: Vec<Complex<f64>> = modes.iter().map(|&mode| wide(mode)).collect();
    let value = |j: usize| {
        // One exponential for each axis and mode; multiplying them adds two roundings.
        let factors: Vec<Vec<Complex<f64>>> = (turns.iter().zip(&extents))
            .map(|(axis, &extent)| {
                (0..extent as i64).map(|i| unit(turns::times(axis[j], i - (extent / 2) as i64), sign)).collect()
            })
            .collect();
        let (outer, last) = (&factors[..factors.len() - 1], &factors[factors.len() - 1]);
        let mut sum = Sum::default();
        for (row, line) in modes.chunks(last.len()).enumerate() {
            let mut rest = row;
            let mut factor = Complex::new(1.0, 0.0);
            for axis in outer.iter().rev() {
                factor *= axis[rest % axis.len()];
                rest /= axis.len();
            }
            for (mode, last) in line.iter().zip(last) {
                sum.add(mode * (factor * last));
            }
        }
        sum.value()
    };
    Ok(parallel::collect(indices.len(), value))
}

/// `f[k] = Σ_j c[j] exp(±i s[k]·x[j])` for any real targets s, where each product s·x is an exact number of turns.
///
/// # Errors
/// As [`type1_at`].
pub fn type3<T: Float, C: Coordinate, S: Coordinate>(
    sources: &[ArrayView1<'_, C>],
    strengths: &[Complex<T>],
    targets: &[ArrayView1<'_, S>],
    sign: Sign,
) -> Result<Vec<Complex<f64>>> {
    let sources = Points::new(sources, targets.len())?;
    let targets = Points::new(targets, targets.len())?;
    sources.finite()?;
    targets.finite()?;
    if sources.len() != strengths.len() {
        return Err(Error::shape("strengths", sources.len(), strengths.len()));
    }
    let value = |k: usize| {
        let mut sum = Sum::default();
        for (j, strength) in strengths.iter().enumerate() {
            let phase = sources.axes.iter().zip(&targets.axes).fold(0u128, |phase, (x, s)| {
                phase.wrapping_add(Unit::Radians { step: s[k].into() }.exact(x[j].into()))
            });
            sum.add(wide(*strength) * unit(phase, sign));
        }
        sum.value()
    };
    Ok(parallel::collect(targets.len(), value))
}

/// The mode at a C-order index, for modes in centred order.
fn mode_at(mut index: usize, modes: &[usize]) -> [i64; 3] {
    let mut k = [0; 3];
    for (axis, &extent) in modes.iter().enumerate().rev() {
        k[axis] = (index % extent) as i64 - (extent / 2) as i64;
        index /= extent;
    }
    k
}

fn all_turns<C: Coordinate>(points: &[ArrayView1<'_, C>]) -> Result<Vec<Vec<u128>>> {
    if points.is_empty() || points.len() > 3 {
        return Err(Error::shape("points", "one to three coordinate arrays", points.len()));
    }
    let points = Points::new(points, points.len())?;
    for axis in 0..points.axes.len() {
        let bad = points.first_bad(axis, 0, points.len());
        if bad != usize::MAX {
            return Err(points.not_finite(bad));
        }
    }
    Ok(points.axes.iter().map(|axis| axis.iter().map(|&x| turns::of_radians(x.into())).collect()).collect())
}

fn unit(phase: u128, sign: Sign) -> Complex<f64> {
    let (sin, cos) = turns::radians(phase).sin_cos();
    match sign {
        Sign::Plus => Complex::new(cos, sin),
        Sign::Minus => Complex::new(cos, -sin),
    }
}

fn wide<T: Float>(value: Complex<T>) -> Complex<f64> {
    Complex::new(value.re.into(), value.im.into())
}

/// A compensated sum (Knuth's two-sum on each part).
#[derive(Default)]
struct Sum {
    total: Complex<f64>,
    rest: Complex<f64>,
}

impl Sum {
    fn add(&mut self, term: Complex<f64>) {
        let part = |total: &mut f64, rest: &mut f64, term: f64| {
            let sum = *total + term;
            let back = sum - *total;
            *rest += (*total - (sum - back)) + (term - back);
            *total = sum;
        };
        part(&mut self.total.re, &mut self.rest.re, term.re);
        part(&mut self.total.im, &mut self.rest.im, term.im);
    }

    fn value(self) -> Complex<f64> {
        self.total + self.rest
    }
}
