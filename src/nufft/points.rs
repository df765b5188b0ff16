//! Coordinates: their validation, and their folding into a cell of the fine grid and a fraction.

use ndarray::{ArrayBase, ArrayView1, Data, Ix1, aview1, s};

use crate::error::{Error, Result};
use crate::machine::simd;
use crate::numeric::float::Coordinate;
use crate::numeric::sums::{product_rest, two_sum};
use crate::numeric::turns;

/// The coordinates of points on one axis: a slice, a `Vec`, or an array of one dimension at any stride.
pub trait Coordinates {
    /// f64 or f32.
    type Value: Coordinate;
    /// A view of them.
    fn coordinates(&self) -> ArrayView1<'_, Self::Value>;
}

impl<C: Coordinate> Coordinates for [C] {
    type Value = C;
    fn coordinates(&self) -> ArrayView1<'_, C> {
        aview1(self)
    }
}

impl<C: Coordinate, const N: usize> Coordinates for [C; N] {
    type Value = C;
    fn coordinates(&self) -> ArrayView1<'_, C> {
        aview1(self)
    }
}

impl<C: Coordinate> Coordinates for Vec<C> {
    type Value = C;
    fn coordinates(&self) -> ArrayView1<'_, C> {
        aview1(self)
    }
}

impl<C: Coordinate, S: Data<Elem = C>> Coordinates for ArrayBase<S, Ix1> {
    type Value = C;
    fn coordinates(&self) -> ArrayView1<'_, C> {
        self.view()
    }
}

impl<X: Coordinates + ?Sized> Coordinates for &X {
    type Value = X::Value;
    fn coordinates(&self) -> ArrayView1<'_, X::Value> {
        (**self).coordinates()
    }
}

/// The coordinates of points: one view for each axis, all of one length, at any stride.
#[derive(Debug)]
pub(crate) struct Points<'a, C: Coordinate> {
    pub(crate) axes: Vec<ArrayView1<'a, C>>,
}

impl<'a, C: Coordinate> Points<'a, C> {
    /// Takes one view for each axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not `dimensions` views or their lengths differ.
    pub(crate) fn new(views: &[ArrayView1<'a, C>], dimensions: usize) -> Result<Self> {
        if views.len() != dimensions {
            return Err(Error::shape("points", format!("{dimensions} coordinate arrays, one an axis"), views.len()));
        }
        let len = views[0].len();
        if let Some(other) = views.iter().find(|view| view.len() != len) {
            return Err(Error::shape("points", format!("{len} coordinates on each axis"), other.len()));
        }
        Ok(Self { axes: views.to_vec() })
    }

    /// Number of points.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.axes[0].len()
    }

    /// Whether there are no points.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index of the first coordinate that is not finite among `count` from `first` on, or `usize::MAX`.
    pub(crate) fn first_bad(&self, axis: usize, first: usize, count: usize) -> usize {
        let found = self.axes[axis].slice(s![first..first + count]).iter().position(|&x| !x.into().is_finite());
        found.map_or(usize::MAX, |index| first + index)
    }

    /// An error naming the first coordinate that is not finite, if there is one.
    pub(crate) fn finite(&self) -> Result<()> {
        match (0..self.axes.len()).map(|axis| self.first_bad(axis, 0, self.len())).min() {
            Some(index) if index != usize::MAX => Err(self.not_finite(index)),
            _ => Ok(()),
        }
    }

    /// The error for a point that has a coordinate which is not finite.
    pub(crate) fn not_finite(&self, index: usize) -> Error {
        let value = |axis: usize| -> f64 { self.axes[axis][index].into() };
        let axis = (0..self.axes.len()).find(|&axis| !value(axis).is_finite()).unwrap_or(0);
        Error::NotFinite { index, axis, value: value(axis) }
    }
}

/// The unit of coordinates, relative to the transform's period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// `step` radians: the period is 2π/step.
    Radians { step: f64 },
    /// One period is this many units.
    Period(f64),
}

impl Unit {
    /// Turns in one unit, as a sum of two f64.
    fn turns(self) -> (f64, f64) {
        match self {
            Self::Radians { step } => turns::per_unit(step),
            Self::Period(period) => {
                let high = 1.0 / period;
                (high, (-high).mul_add(period, 1.0) / period)
            }
        }
    }

    /// The turns of any finite coordinate, modulo 1, in units of 2⁻¹²⁸ turns.
    pub(crate) fn exact(self, x: f64) -> u128 {
        match self {
            Self::Radians { step } => turns::of_product(x, step),
            Self::Period(period) => {
                let rest = x % period;
                let high = rest / period;
                let low = (-high).mul_add(period, rest) / period;
                from_signed(high).wrapping_add(from_signed(low))
            }
        }
    }
}

/// A number in [-1, 1] in units of 2⁻¹²⁸, modulo 1.
fn from_signed(x: f64) -> u128 {
    let high = (x * 2f64.powi(64)).floor();
    let low = (x * 2f64.powi(64) - high) * 2f64.powi(64);
    (high as i128 as u128).wrapping_shl(64).wrapping_add(low as u128)
}

/// The folding of one axis' coordinates into first stencil cells and fractions.
///
/// A coordinate x is converted to turns `t = x · (high + low)` with an error near 2⁻¹⁰⁶ |t|. The nearest integer is
/// subtracted from t exactly, and `t · n` is split into the stencil's first cell `ceil(t n - w/2)` and the distance to
/// it. So only the fraction is ever rounded to the data's precision, and the error does not grow with the number of
/// modes.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    unit: Unit,
    high: f64,
    low: f64,
    cells: f64,
    half: f64,
    reach: f64,
    /// Whether places may be computed as one f64, with an error of `2⁻⁵³ n` cells.
    plain: bool,
}

/// The most turns for which double-double arithmetic is exact enough: 2⁻¹⁰⁴ · 2²⁹ turns times 2³¹ cells is below 2⁻⁴³
/// of a cell, and below 2⁻⁵³ for the 2²¹ cells of a million modes.
const FAST_TURNS: f64 = (1u64 << 29) as f64;
/// Coordinates folded together; each such block is checked for ones that are not finite or too large.
pub(crate) const FOLDED: usize = 256;

impl Fold {
    pub(crate) fn new(unit: Unit, cells: usize, width: usize) -> Self {
        let (high, low) = unit.turns();
        let half = if width % 2 == 1 { 0.5 } else { 0.0 };
        Self { unit, high, low, cells: cells as f64, half, reach: (width / 2) as f64, plain: false }
    }

    /// The same folding for fractions of `bits` bits: if f64 places are eight times as exact as that, they save a third
    /// of the work.
    pub(crate) fn with_bits(&self, bits: u32) -> Self {
        Self { plain: self.cells * 2f64.powi(bits as i32 + 3) <= 2f64.powi(53), ..self.clone() }
    }

    /// Computes cells and fractions of up to [`FOLDED`] coordinates; false if one is not finite.
    pub(crate) fn fold<C: Coordinate>(
        &self,
        coordinates: ArrayView1<'_, C>,
        cells: &mut [u32; FOLDED],
        fractions: &mut [f64; FOLDED],
    ) -> bool {
        let mut wide = [0f64; FOLDED];
        if let Some(neighbours) = coordinates.as_slice() {
            wide.iter_mut().zip(neighbours).for_each(|(wide, &x)| *wide = x.into());
        } else {
            wide.iter_mut().zip(coordinates).for_each(|(wide, &x)| *wide = x.into());
        }
        self.block(&wide, cells, fractions)
    }

    /// Folds one block; false if a coordinate is not finite (its cell is then 0).
    fn block(&self, x: &[f64; FOLDED], cells: &mut [u32; FOLDED], fractions: &mut [f64; FOLDED]) -> bool {
        let ordinary = if self.plain {
            simd::run(Ordinary::<true> { fold: self, x, cells: &mut *cells, fractions: &mut *fractions })
        } else {
            simd::run(Ordinary::<false> { fold: self, x, cells: &mut *cells, fractions: &mut *fractions })
        };
        ordinary || self.any(x, cells, fractions)
    }

    /// Folds a block fast; false if some coordinate is too large for that or not finite.
    #[inline(always)]
    fn ordinary<const FMA: bool, const PLAIN: bool>(
        &self,
        x: &[f64; FOLDED],
        cells: &mut [u32; FOLDED],
        fractions: &mut [f64; FOLDED],
    ) -> bool {
        // The compiler vectorises the loop only with local arrays, to which nothing else can point.
        let (x, mut own_cells, mut own_fractions) = (*x, [0u32; FOLDED], [0f64; FOLDED]);
        let mut far = 0u64;
        for i in 0..FOLDED {
            let turns = x[i] * self.high;
            let rest = product_rest::<FMA>(x[i], self.high, turns) + x[i] * self.low;
            // This is false for NaN too; without fused arithmetic the rest of a huge coordinate is NaN.
            let near = (turns + rest).abs() < FAST_TURNS;
            far |= u64::from(!near);
            let turns = turns - turns.round_ties_even();
            let (place, rest) = if PLAIN {
                ((turns + rest) * self.cells, 0.0)
            } else {
                let (turns, rest) = two_sum(turns, rest);
                let place = turns * self.cells;
                (place, product_rest::<FMA>(turns, self.cells, place) + rest * self.cells)
            };
            let below = place.floor();
            let within = (place - below) + rest - self.half;
            let up = within.ceil();
            let fraction = up - within;
            let fraction = if fraction > 0.0 { fraction } else { 0.0 };
            own_fractions[i] = if fraction < 1.0 { fraction } else { 1.0 };
            own_cells[i] = low_bits(wrap(below - self.reach + up, self.cells));
        }
        (*cells, *fractions) = (own_cells, own_fractions);
        far == 0
    }

    /// Folds coordinates of any size, in 128-bit turns.
    #[cold]
    fn any(&self, x: &[f64; FOLDED], cells: &mut [u32; FOLDED], fractions: &mut [f64; FOLDED]) -> bool {
        let mut finite = true;
        for ((&x, cell), fraction) in x.iter().zip(cells).zip(fractions) {
            if !x.is_finite() {
                finite = false;
                *cell = 0;
                continue;
            }
            let (below, within) = turns::split(self.unit.exact(x), self.cells as u32);
            let within = within - self.half;
            let up = within.ceil();
            *fraction = up - within;
            *cell = low_bits(wrap(f64::from(below) - self.reach + up, self.cells));
        }
        finite
    }
}

struct Ordinary<'a, const PLAIN: bool> {
    fold: &'a Fold,
    x: &'a [f64; FOLDED],
    cells: &'a mut [u32; FOLDED],
    fractions: &'a mut [f64; FOLDED],
}

impl<const PLAIN: bool> simd::Vectorised for Ordinary<'_, PLAIN> {
    type Output = bool;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> bool {
        self.fold.ordinary::<FMA, PLAIN>(self.x, self.cells, self.fractions)
    }
}

/// Wraps a cell at most one period outside of the grid into it.
#[inline(always)]
fn wrap(cell: f64, cells: f64) -> f64 {
    let cell = if cell < 0.0 { cell + cells } else { cell };
    if cell >= cells { cell - cells } else { cell }
}

/// Converts a whole number in [0, 2³²) to an integer: its bits after adding 2⁵², which vectorises where a cast does
/// not.
#[inline(always)]
pub(crate) fn low_bits(x: f64) -> u32 {
    (x + 4_503_599_627_370_496.0).to_bits() as u32
}

#[cfg(test)]
mod tests {
    use ndarray::aview1;

    use super::*;

    /// Position of the stencil's left edge plus the fraction must be the folded coordinate, to the last bit of a cell.
    fn check(unit: Unit, x: f64, cells: usize, width: usize) {
        let fold = Fold::new(unit, cells, width);
        let (mut cell, mut fraction) = ([0u32; FOLDED], [0f64; FOLDED]);
        assert!(fold.fold(aview1(&[x]), &mut cell, &mut fraction));
        assert!((0.0..=1.0).contains(&fraction[0]) && (cell[0] as usize) < cells);
        let (below, within) = turns::split(unit.exact(x), cells as u32);
        let left = f64::from(below) - f64::from(cell[0]) - width as f64 / 2.0;
        let left = left - (left / cells as f64).round() * cells as f64;
        let off = left + within + fraction[0];
        // Tiny grids may be off by a whole turn.
        let off = off - (off / cells as f64).round() * cells as f64;
        assert!(off.abs() < 1.2e-15 * width as f64, "x = {x:e}, n = {cells}, w = {width}: off by {off:e}");
        if let quick @ Fold { plain: true, .. } = fold.with_bits(23) {
            let (mut near, mut other) = ([0u32; FOLDED], [0f64; FOLDED]);
            assert!(quick.fold(aview1(&[x]), &mut near, &mut other) && (near[0] as usize) < cells);
            let off = (f64::from(near[0]) - f64::from(cell[0])) + (fraction[0] - other[0]);
            let off = off - (off / cells as f64).round() * cells as f64;
            assert!(off.abs() <= cells as f64 * 2f64.powi(-53), "x = {x:e}, n = {cells}: off by {off:e} in f64");
        }
        let mut plain = ([0u32; FOLDED], [0f64; FOLDED]);
        let mut block = [0.0; FOLDED];
        block[0] = x;
        if fold.ordinary::<false, false>(&block, &mut plain.0, &mut plain.1) {
            assert_eq!(
                (plain.0[0], plain.1[0]),
                (cell[0], fraction[0]),
                "with and without fused arithmetic, x = {x:e}"
            );
        }
    }

    #[test]
    fn folds_to_the_last_bit() {
        let pi = std::f64::consts::PI;
        let mut values = vec![0.0, -0.0, pi, -pi, 1e-300, 5e-324, 1e300, -1e300, 1e15, 0.1, 6.0, -6.0, 3e9, 2e10];
        for x in [pi, -pi, 2.0 * pi, pi / 2.0, 100.0 * pi] {
            values.extend([x.next_up(), x.next_down(), x]);
        }
        let mut seed = 0.37;
        for _ in 0..500 {
            seed = (seed * 997.13f64 + 0.123).fract();
            values.push((seed - 0.5) * 2e3);
        }
        for &x in &values {
            for (cells, width) in [(4, 2), (30, 7), (1 << 21, 16), (2_000_000, 5), (1, 1), (2, 2), (9, 9), (16, 16)] {
                check(Unit::Radians { step: 1.0 }, x, cells, width);
                check(Unit::Radians { step: 2.5 }, x, cells, width);
                check(Unit::Period(1.0), x, cells, width);
                check(Unit::Period(0.3), x, cells, width);
            }
        }
    }
}
