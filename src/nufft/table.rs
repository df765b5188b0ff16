//! The tables by which backends know a kernel: its polynomials and the modes' correction factors.

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

use crate::machine::parallel;
use crate::machine::simd::{self, Vectorised, multiply_add};
use crate::nufft::kernel::KernelShape;
use crate::nufft::recipe::ModeOrder;
use crate::numeric::float::Float;

/// The kernel as piecewise polynomials. A point whose stencil begins a fraction z ∈ [0, 1] of a cell before cell 0
/// gives cell i the value `φ(2(i + z)/w - 1) = Σ_p coefficients[p][i] · s^(degree - p)`, s = 2z - 1: all w panels have
/// the same argument.
#[derive(Debug, Clone)]
pub(crate) struct KernelTable<T> {
    /// Cells a stencil covers on each axis.
    pub width: usize,
    /// Panels stored, `width` rounded up to an even number (to 32 past 16); the panels past `width` are zero.
    pub padded: usize,
    /// Degree of the polynomials.
    pub degree: usize,
    /// `(degree + 1) × padded` coefficients, highest power first.
    pub coefficients: Vec<T>,
}

/// One axis of modes, in the caller's order.
#[derive(Debug, Clone)]
pub(crate) struct ModeAxis<T> {
    modes: usize,
    cells: usize,
    order: ModeOrder,
    /// The correction factors of the modes k and -k: `1 / ((w/2) φ̂(π w k / n))`.
    by_distance: Arc<Vec<T>>,
}

impl<T: Float> KernelTable<T> {
    /// Fits polynomials to a shape, of the least degree whose error stays below `accuracy` (relative to φ(0) = 1).
    ///
    /// Each panel is interpolated at Chebyshev nodes and rewritten in powers of s. Panels mirror each other, so only
    /// half of them are computed.
    #[must_use]
    pub(crate) fn fit(shape: &dyn KernelShape, width: usize, accuracy: f64) -> Self {
        const NODES: usize = 24;
        let w = width as f64;
        let half = width.div_ceil(2);
        static COSINES: LazyLock<Vec<f64>> = LazyLock::new(|| cosines(NODES));
        let nodes: Vec<f64> = (0..NODES).map(|j| COSINES[2 * j + 1]).collect();
        let series: Vec<Vec<f64>> = (0..half)
            .map(|panel| {
                let values: Vec<f64> = nodes
                    .iter()
                    .map(|s| shape.value((2.0 * (panel as f64 + 0.5 * (s + 1.0)) / w - 1.0).clamp(-1.0, 1.0)))
                    .collect();
                chebyshev_series(&values, &COSINES)
            })
            .collect();
        let tail = |degree: usize| {
            series.iter().map(|c| c[degree + 1..].iter().map(|c| c.abs()).sum::<f64>()).fold(0.0, f64::max)
        };
        let degree = (2..NODES - 1).find(|&degree| tail(degree) < accuracy).unwrap_or(NODES - 2);

        let padded = if width > 16 { 32 } else { width.next_multiple_of(2) };
        let mut coefficients = vec![T::zero(); (degree + 1) * padded];
        for (panel, series) in series.iter().enumerate() {
            for (power, coefficient) in monomials(&series[..=degree]).into_iter().enumerate() {
                let row = (degree - power) * padded;
                let mirrored = if power % 2 == 0 { coefficient } else { -coefficient };
                coefficients[row + width - 1 - panel] = T::nearest(mirrored);
                coefficients[row + panel] = T::nearest(coefficient);
            }
        }
        if width % 2 == 1 {
            // The middle panel is even, so its odd powers are only rounding errors.
            for power in (1..=degree).step_by(2) {
                coefficients[(degree - power) * padded + half - 1] = T::zero();
            }
        }
        Self { width, padded, degree, coefficients }
    }
}

impl<T: Float> ModeAxis<T> {
    /// The correction factors of an axis with `modes` modes on a grid of `cells` cells.
    #[must_use]
    pub(crate) fn new(shape: &dyn KernelShape, width: usize, modes: usize, cells: usize, order: ModeOrder) -> Self {
        let half = modes / 2;
        let step = 2.0 * PI / cells as f64;
        let correction = Correction::new(shape, width, step * half as f64);
        let mut by_distance = vec![T::zero(); half + 1];
        parallel::chunks(&mut by_distance, 4096, 16, |index, chunk| {
            for (block, factors) in chunk.chunks_mut(TOGETHER).enumerate() {
                let first = index * 4096 + block * TOGETHER;
                let angles = std::array::from_fn(|i| step * (first + i) as f64);
                let values = correction.at(angles);
                factors.iter_mut().zip(values).for_each(|(factor, value)| *factor = T::nearest(value));
            }
        });
        Self { modes, cells, order, by_distance: Arc::new(by_distance) }
    }

    /// An axis that is interpolated exactly, whose modes all have the same factor.
    pub(crate) fn exact(modes: usize, cells: usize, order: ModeOrder) -> Self {
        let half = modes / 2;
        let factor = T::nearest((2 * half + 1) as f64 / cells as f64);
        Self { modes, cells, order, by_distance: Arc::new(vec![factor; half + 1]) }
    }

    /// The same axis with as many modes below zero as above, in rising order.
    pub(crate) fn symmetric(&self) -> Self {
        Self { modes: 2 * (self.modes / 2) + 1, order: ModeOrder::Centred, ..self.clone() }
    }

    /// Number of modes.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.modes
    }

    /// The frequency k of a mode.
    #[inline(always)]
    fn frequency(&self, mode: usize) -> i64 {
        let half = self.modes / 2;
        match self.order {
            ModeOrder::Centred => mode as i64 - half as i64,
            ModeOrder::Fft => mode as i64 - if mode < self.modes - half { 0 } else { self.modes as i64 },
        }
    }

    /// The fine-grid bin of a mode, `k mod n`.
    #[cfg_attr(not(any(feature = "gpu", test)), expect(dead_code, reason = "the CPU finds bins by runs"))]
    pub(crate) fn bin(&self, mode: usize) -> usize {
        self.frequency(mode).rem_euclid(self.cells as i64) as usize
    }

    /// The correction factor of a mode.
    #[inline(always)]
    #[must_use]
    pub(crate) fn factor(&self, mode: usize) -> T {
        self.by_distance[self.frequency(mode).unsigned_abs() as usize]
    }

    /// The correction factors of modes from `first` on, whose frequencies are consecutive and do not change sign.
    #[inline(always)]
    pub(crate) fn factors(&self, first: usize, factors: &mut [T]) {
        let k = self.frequency(first);
        let distance = k.unsigned_abs() as usize;
        if k >= 0 {
            factors.copy_from_slice(&self.by_distance[distance..distance + factors.len()]);
        } else {
            let from = self.by_distance[..=distance].iter().rev();
            factors.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}

/// The correction that undoes the kernel's transform: `1 / ((w/2) φ̂(w θ/2))` at θ radians per cell.
///
/// `-ln φ̂` is interpolated in θ² at Chebyshev nodes: it is smooth up to the transform's first zero, which lies at more
/// than 1.4 times the highest mode for σ >= 1.2, and 28 nodes reach 1e-15.
pub(crate) struct Correction {
    largest: f64,
    series: Vec<f64>,
}

impl Correction {
    /// The correction for angles up to `largest`.
    pub(crate) fn new(shape: &dyn KernelShape, width: usize, largest: f64) -> Self {
        const NODES: usize = 28;
        static COSINES: LazyLock<Vec<f64>> = LazyLock::new(|| cosines(NODES));
        let half = 0.5 * width as f64;
        let largest = largest.max(f64::MIN_POSITIVE);
        let values: Vec<f64> = (0..NODES)
            .map(|j| {
                let node = COSINES[2 * j + 1];
                -(half * shape.fourier(half * largest * (0.5 * (node + 1.0)).sqrt())).ln()
            })
            .collect();
        Self { largest, series: chebyshev_series(&values, &COSINES) }
    }

    /// The corrections of several angles, computed together because in a single series each addition waits for the
    /// last.
    pub(crate) fn at(&self, angles: [f64; TOGETHER]) -> [f64; TOGETHER] {
        let x = angles.map(|angle| 2.0 * (angle / self.largest).powi(2) - 1.0);
        simd::run(ExpSeries { series: &self.series, x })
    }
}

/// cos(π i/2n) for i below 4n: all the cosines in nodes and series of n terms.
fn cosines(n: usize) -> Vec<f64> {
    (0..4 * n).map(|i| (PI * i as f64 / (2 * n) as f64).cos()).collect()
}

/// Chebyshev coefficients of the polynomial through values at the nodes `cos(π(j + 1/2)/n)`.
fn chebyshev_series(values: &[f64], cosines: &[f64]) -> Vec<f64> {
    let n = values.len();
    let coefficient = |k: usize| {
        let sum: f64 = values.iter().enumerate().map(|(j, v)| v * cosines[k * (2 * j + 1) % (4 * n)]).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / n as f64
    };
    (0..n).map(coefficient).collect()
}

/// Arguments evaluated together.
pub(crate) const TOGETHER: usize = 16;

/// The exponentials of a Chebyshev series at several arguments.
struct ExpSeries<'a> {
    series: &'a [f64],
    x: [f64; TOGETHER],
}

impl Vectorised for ExpSeries<'_> {
    type Output = [f64; TOGETHER];
    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f64; TOGETHER] {
        let Self { series, x } = self;
        let (mut one, mut two) = ([0.0; TOGETHER], [0.0; TOGETHER]);
        for &coefficient in series[1..].iter().rev() {
            for i in 0..TOGETHER {
                let next = multiply_add::<FMA, f64>(2.0 * x[i], one[i], coefficient - two[i]);
                (one[i], two[i]) = (next, one[i]);
            }
        }
        for i in 0..TOGETHER {
            one[i] = multiply_add::<FMA, f64>(x[i], one[i], series[0] - two[i]);
        }
        for value in &mut one {
            *value = exp::<FMA>(*value);
        }
        one
    }
}

/// `exp(x)` for |x| < 700 within two units in the last place, in a form that vectorises: 2ⁿ times the Taylor series, to
/// r¹³/13!, of the remainder r, which is at most ln(2)/2.
#[inline(always)]
fn exp<const FMA: bool>(x: f64) -> f64 {
    use std::f64::consts::{LN_2, LOG2_E};
    /// ln 2 minus its f64.
    const LN_2_REST: f64 = 2.319_046_813_846_299_6e-17;
    /// Adding this constant leaves the nearest whole number in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const INVERSE_FACTORIALS: [f64; 14] = {
        let mut table = [1.0; 14];
        let mut i = 1;
        while i < 14 {
            table[i] = table[i - 1] / i as f64;
            i += 1;
        }
        table
    };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    // Without fused arithmetic n·ln 2 would lose its last bits; |n| < 2¹⁰, so ln 2 is split after 42 bits.
    const LN_2_HIGH: f64 = f64::from_bits(LN_2.to_bits() & !0x7ff);
    let r = (x - n * LN_2_HIGH) - n * (LN_2 - LN_2_HIGH + LN_2_REST);
    let mut sum = INVERSE_FACTORIALS[13];
    for coefficient in INVERSE_FACTORIALS[..13].iter().rev() {
        sum = multiply_add::<FMA, f64>(sum, r, *coefficient);
    }
    f64::from_bits(sum.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// Converts a Chebyshev series to coefficients of powers, lowest first.
fn monomials(series: &[f64]) -> Vec<f64> {
    let n = series.len();
    let (mut sum, mut below, mut here) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    below[0] = 1.0;
    sum[0] = series[0];
    if n > 1 {
        here[1] = 1.0;
        sum[1] += series[1];
    }
    for coefficient in series.iter().skip(2) {
        let mut next = vec![0.0; n];
        for power in 0..n {
            next[power] = 2.0 * if power > 0 { here[power - 1] } else { 0.0 } - below[power];
            sum[power] += coefficient * next[power];
        }
        (below, here) = (here, next);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nufft::kernel::Shape;

    #[test]
    fn panels_follow_the_shape() {
        for shape in [Shape::Prolate, Shape::KaiserBessel, Shape::ExpSemicircle, Shape::Gaussian] {
            for width in [2, 5, 7, 8, 13, 16] {
                if shape == Shape::Gaussian && width % 2 == 1 {
                    continue;
                }
                let kernel = shape.build(width, 2.0);
                let accuracy = (0.1 * shape.predicted_error(width, 1, 2.0)).max(2e-16);
                let table = KernelTable::<f64>::fit(&*kernel, width, accuracy);
                for step in 0..=50 {
                    let z = f64::from(step) / 50.0;
                    let s = 2.0 * z - 1.0;
                    for panel in 0..width {
                        let value = table.coefficients.chunks(table.padded).fold(0.0, |sum, row| sum * s + row[panel]);
                        let x = (2.0 * (panel as f64 + z) / width as f64 - 1.0).clamp(-1.0, 1.0);
                        let off = (value - kernel.value(x)).abs();
                        // The square root in Kaiser-Bessel and exponential of semicircle is not smooth at the ends,
                        // where the value is exp(-β).
                        let edge = if panel == 0 || panel == width - 1 { 2.0 * kernel.value(1.0) } else { 0.0 };
                        assert!(off < 1.5 * accuracy + edge + 1e-14, "{shape} {width} {panel} {z}: {off:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn exponentials_are_exact() {
        for i in -7000..7000 {
            let x = f64::from(i) * 0.0999;
            for value in [exp::<true>(x), exp::<false>(x)] {
                assert!((value / x.exp() - 1.0).abs() < 5e-16, "{x}: {value:e}");
            }
        }
    }

    #[test]
    fn factors_follow_the_transform() {
        for (shape, upsampling) in [(Shape::Prolate, 2.0), (Shape::Prolate, 1.25), (Shape::KaiserBessel, 2.0)] {
            for (width, modes) in [(3, 7), (8, 1000), (16, 4096)] {
                let cells = (modes as f64 * upsampling).ceil() as usize;
                let kernel = shape.build(width, upsampling);
                for order in [ModeOrder::Centred, ModeOrder::Fft] {
                    let axis = ModeAxis::<f64>::new(&*kernel, width, modes, cells, order);
                    for mode in 0..modes {
                        let (bin, factor) = (axis.bin(mode), axis.factor(mode));
                        let k = if 2 * bin > cells { bin as f64 - cells as f64 } else { bin as f64 };
                        let x = PI * width as f64 * k.abs() / cells as f64;
                        let product = factor * 0.5 * width as f64 * kernel.fourier(x);
                        assert!((product - 1.0).abs() < 2e-13, "{shape} {width} {k}: {product}");
                    }
                }
            }
        }
    }
}
