//! Twiddle factors from small tables.
//!
//! There are those between columns and rows of a split line, and those that convert between a real line transformed as
//! pairs and its bins.

use std::ops::Range;

use num_complex::Complex;

use crate::numeric::float::Float;
use crate::numeric::sign::Sign;

/// Entries of the fine table; with the coarse one it stays in the second-level cache.
const FINE: usize = 1024;

/// `exp(2πi m/n)` as the product of an entry of each of two tables, which are computed in f64.
struct Roots {
    coarse: Vec<Complex<f64>>,
    fine: Vec<Complex<f64>>,
}

/// The most neighbouring numbers that are computed together.
pub(crate) const ROW: usize = 16;

#[inline(always)]
fn narrow<T: Float>(z: Complex<f64>) -> Complex<T> {
    Complex::new(T::nearest(z.re), T::nearest(z.im))
}

impl Roots {
    /// Tables for m up to `last`.
    fn new(n: usize, last: usize) -> Self {
        let at = |m: usize| {
            let (sin, cos) = (std::f64::consts::TAU * (m as f64 / n as f64)).sin_cos();
            Complex::new(cos, sin)
        };
        Self {
            coarse: (0..=last / FINE).map(|m| at(m * FINE)).collect(),
            fine: (0..FINE.min(last + 1)).map(at).collect(),
        }
    }

    #[inline(always)]
    fn at<T: Float>(&self, m: usize) -> Complex<T> {
        narrow(self.coarse[m / FINE] * self.fine[m % FINE])
    }

    /// The `count` roots from `first` on.
    #[inline(always)]
    fn row<T: Float>(&self, first: usize, count: usize) -> [Complex<T>; ROW] {
        let mut row = [Complex::default(); ROW];
        let from = first % FINE;
        match self.fine.get(from..from + count) {
            // One entry of the coarse table serves them all.
            Some(fine) => {
                let coarse = self.coarse[first / FINE];
                row.iter_mut().zip(fine).for_each(|(to, fine)| *to = narrow(coarse * fine));
            }
            None => row[..count].iter_mut().enumerate().for_each(|(i, to)| *to = self.at(first + i)),
        }
        row
    }
}

/// The twiddle factors `exp(2πi kj/n)` for row k and column j of a split line.
///
/// For column `j₀ + c` of a panel that begins at j₀ the factor is `exp(2πi k j₀/n) exp(2πi k c/n)`: the first is one
/// number for each row, the second is in a table as wide as a panel.
pub(crate) struct Twiddles<T> {
    roots: Roots,
    within: Vec<Complex<T>>,
}

impl<T: Float> Twiddles<T> {
    pub(crate) fn new(rows: usize, columns: usize, panel: usize) -> Self {
        let roots = Roots::new(rows * columns, rows * columns - 1);
        let within = (0..panel).flat_map(|c| (0..rows).map(move |k| k * c % (rows * columns)));
        Self { within: within.map(|m| roots.at(m)).collect(), roots }
    }

    /// Multiplies the lines of a panel's columns by their twiddle factors, or by the conjugates for the minus sign.
    pub(crate) fn apply(&self, lines: &mut [Complex<T>], rows: usize, columns: Range<usize>, sign: Sign) {
        let conjugate = if sign == Sign::Plus { T::one() } else { -T::one() };
        let first: Vec<Complex<T>> = (0..rows).map(|k| self.roots.at(k * columns.start)).collect();
        for (line, within) in lines.chunks_exact_mut(rows).zip(self.within.chunks_exact(rows)).take(columns.len()) {
            for ((value, &a), &b) in line.iter_mut().zip(&first).zip(within) {
                let twiddle = a * b;
                *value = *value * Complex::new(twiddle.re, twiddle.im * conjugate);
            }
        }
    }
}

/// Converts between the bins of a line of n real cells g and those of its m = n/2 pairs, `z[j] = g[2j] + i g[2j+1]`.
///
/// With Z the transform of z and F that of g, `F[k] = (Z[k] + Z̄[m-k])/2 - i ω^k (Z[k] - Z̄[m-k])/2`, ω = exp(±2πi/n).
/// Conversely, for a function whose spectrum is F where `F[n-k] = F̄[k]`, `Z[k] = (F[k] + F̄[m-k]) + i ω^k (F[k] -
/// F̄[m-k])`.
pub(crate) struct Pairs<T> {
    roots: Roots,
    /// ω^k, tabulated for short lines, of which there are many.
    table: Vec<Complex<T>>,
}

impl<T: Float> Pairs<T> {
    pub(crate) fn new(cells: usize, many: bool) -> Self {
        let roots = Roots::new(cells, cells / 2);
        let table = if many { (0..=cells / 4).map(|k| roots.at(k)).collect() } else { Vec::new() };
        Self { roots, table }
    }

    /// Replaces `Z[k]` by `F[k]` for k from `first` on; `opposites` are `Z[m-k]`, the last one first.
    #[inline(always)]
    pub(crate) fn bins(&self, first: usize, z: &mut [Complex<T>], opposites: &[Complex<T>], sign: Sign) {
        let half = T::nearest(0.5);
        self.each(first, z, opposites, sign, half, -half);
    }

    /// Replaces `F[k]` by `Z[k]` for k from `first` on; `opposites` are `F[m-k]`, the last one first.
    #[inline(always)]
    pub(crate) fn pairs(&self, first: usize, f: &mut [Complex<T>], opposites: &[Complex<T>], sign: Sign) {
        self.each(first, f, opposites, sign, T::one(), T::one());
    }

    /// Replaces `a[k]` by `scale (a[k] + ā[m-k]) + i factor ω^k (a[k] - ā[m-k])`.
    #[inline(always)]
    fn each(&self, first: usize, a: &mut [Complex<T>], opposites: &[Complex<T>], sign: Sign, scale: T, factor: T) {
        let conjugate = if sign == Sign::Plus { T::one() } else { -T::one() };
        let roots = self.roots.row::<T>(first, a.len());
        for ((value, opposite), root) in a.iter_mut().zip(opposites.iter().rev()).zip(roots) {
            let root = Complex::new(root.re, root.im * conjugate);
            let (sum, difference) = (*value + opposite.conj(), *value - opposite.conj());
            let twiddled = root * difference;
            *value = Complex::new(sum.re * scale - twiddled.im * factor, sum.im * scale + twiddled.re * factor);
        }
    }

    /// Converts a whole line from Z to F, except for the bin m.
    #[inline(always)]
    pub(crate) fn line_to_bins(&self, line: &mut [Complex<T>], sign: Sign) {
        let half = T::nearest(0.5);
        self.both(line, sign, half, -half);
        line[0] = Complex::new(line[0].re + line[0].im, T::zero());
    }

    /// Converts a whole line from F, whose bin m is zero, to Z.
    #[inline(always)]
    pub(crate) fn line_to_pairs(&self, line: &mut [Complex<T>], sign: Sign) {
        self.both(line, sign, T::one(), T::one());
        line[0] = Complex::new(line[0].re, line[0].re);
    }

    /// Replaces `a[k]` by `scale (a[k] + ā[m-k]) + i factor ω^k (a[k] - ā[m-k])` for 0 < k < m.
    #[inline(always)]
    fn both(&self, line: &mut [Complex<T>], sign: Sign, scale: T, factor: T) {
        let m = line.len();
        let conjugate = if sign == Sign::Plus { T::one() } else { -T::one() };
        let (low, high) = line[1..].split_at_mut((m - 1) / 2);
        // Between the two halves lies m/2, if m is even.
        let middle = high.len() - low.len();
        let (centre, high) = high.split_at_mut(middle);
        for ((a, b), root) in low.iter_mut().zip(high.iter_mut().rev()).zip(&self.table[1..]) {
            let root = Complex::new(root.re, root.im * conjugate);
            let (sum, difference) = (*a + b.conj(), *a - b.conj());
            let twiddled = root * difference;
            let (re, im) = (sum.re * scale, sum.im * scale);
            let (twiddled_re, twiddled_im) = (-twiddled.im * factor, twiddled.re * factor);
            *a = Complex::new(re + twiddled_re, im + twiddled_im);
            *b = Complex::new(re - twiddled_re, twiddled_im - im);
        }
        if let [value] = centre {
            let opposite = *value;
            self.each(m / 2, std::slice::from_mut(value), &[opposite], sign, scale, factor);
        }
    }
}
