//! Roots of unity, from small tables: the turns between columns and rows of a split line, and between a real line taken as pairs and
//! its bins.

use std::ops::Range;

use num_complex::Complex;

use crate::nufft::Sign;
use crate::real::Real;

/// Entries of the fine table; with the coarse one it stays in the second-level cache.
const FINE: usize = 1024;

/// `exp(2πi m/n)`, the product of an entry of each of two tables computed in f64.
struct Roots {
    coarse: Vec<Complex<f64>>,
    fine: Vec<Complex<f64>>,
}

impl Roots {
    /// For m up to `last`.
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
    fn at<T: Real>(&self, m: usize) -> Complex<T> {
        let root = self.coarse[m / FINE] * self.fine[m % FINE];
        Complex::new(T::nearest(root.re), T::nearest(root.im))
    }
}

/// `exp(2πi kj/n)` for row k and column j of a split line.
///
/// Column `j₀ + c` of a panel that begins at j₀ turns by `exp(2πi k j₀/n) exp(2πi k c/n)`: the first factor is one number a row,
/// the second a table of a panel's width.
pub(crate) struct Turns<T> {
    roots: Roots,
    within: Vec<Complex<T>>,
}

impl<T: Real> Turns<T> {
    pub(crate) fn new(rows: usize, columns: usize, panel: usize) -> Self {
        let roots = Roots::new(rows * columns, rows * columns - 1);
        let within = (0..panel).flat_map(|c| (0..rows).map(move |k| k * c % (rows * columns)));
        Self { within: within.map(|m| roots.at(m)).collect(), roots }
    }

    /// Turns the lines of a panel's columns.
    pub(crate) fn apply(&self, lines: &mut [Complex<T>], rows: usize, columns: Range<usize>, sign: Sign) {
        let conjugate = if sign == Sign::Plus { T::one() } else { -T::one() };
        let first: Vec<Complex<T>> = (0..rows).map(|k| self.roots.at(k * columns.start)).collect();
        for (line, within) in lines.chunks_exact_mut(rows).zip(self.within.chunks_exact(rows)).take(columns.len()) {
            for ((value, &a), &b) in line.iter_mut().zip(&first).zip(within) {
                let turn = a * b;
                *value = *value * Complex::new(turn.re, turn.im * conjugate);
            }
        }
    }
}

/// A line of n real cells g taken as m = n/2 complex ones, `z[j] = g[2j] + i g[2j+1]`.
///
/// With Z the transform of z and F that of g, `F[k] = (Z[k] + Z̄[m-k])/2 - i ω^k (Z[k] - Z̄[m-k])/2`, ω = exp(±2πi/n), and the other
/// way, for a function whose spectrum is F where `F[n-k] = F̄[k]`, `Z[k] = (F[k] + F̄[m-k]) + i ω^k (F[k] - F̄[m-k])`.
pub(crate) struct Pairs<T> {
    roots: Roots,
    /// ω^k, of lines that are short and many.
    table: Vec<Complex<T>>,
}

impl<T: Real> Pairs<T> {
    pub(crate) fn new(cells: usize, many: bool) -> Self {
        let roots = Roots::new(cells, cells / 2);
        let table = if many { (0..=cells / 4).map(|k| roots.at(k)).collect() } else { Vec::new() };
        Self { roots, table }
    }

    fn signed(root: Complex<T>, sign: Sign) -> Complex<T> {
        if sign == Sign::Plus { root } else { root.conj() }
    }

    /// F[k] of one k from Z[k] and Z[m-k].
    #[inline(always)]
    pub(crate) fn bin(&self, k: usize, z: Complex<T>, opposite: Complex<T>, sign: Sign) -> Complex<T> {
        let half = T::nearest(0.5);
        let root = Self::signed(self.roots.at(k), sign);
        let (sum, difference) = (z + opposite.conj(), z - opposite.conj());
        let turned = root * difference;
        Complex::new((sum.re + turned.im) * half, (sum.im - turned.re) * half)
    }

    /// Z[k] of one k from F[k] and F[m-k].
    #[inline(always)]
    pub(crate) fn pair(&self, k: usize, f: Complex<T>, opposite: Complex<T>, sign: Sign) -> Complex<T> {
        let root = Self::signed(self.roots.at(k), sign);
        let (sum, difference) = (f + opposite.conj(), f - opposite.conj());
        let turned = root * difference;
        Complex::new(sum.re - turned.im, sum.im + turned.re)
    }

    /// A line of Z becomes one of F, but for the bin m.
    #[inline(always)]
    pub(crate) fn part(&self, line: &mut [Complex<T>], sign: Sign) {
        let half = T::nearest(0.5);
        self.both(line, sign, half, -half);
        line[0] = Complex::new(line[0].re + line[0].im, T::zero());
    }

    /// A line of F, zero at the bin m, becomes one of Z.
    #[inline(always)]
    pub(crate) fn join(&self, line: &mut [Complex<T>], sign: Sign) {
        self.both(line, sign, T::one(), T::one());
        line[0] = Complex::new(line[0].re, line[0].re);
    }

    /// `scale (a[k] + ā[m-k]) + i turn ω^k (a[k] - ā[m-k])` for 0 < k < m.
    #[inline(always)]
    fn both(&self, line: &mut [Complex<T>], sign: Sign, scale: T, turn: T) {
        let m = line.len();
        let conjugate = if sign == Sign::Plus { T::one() } else { -T::one() };
        let (low, high) = line[1..].split_at_mut((m - 1) / 2);
        // Between them lies m/2, if m is even.
        let middle = high.len() - low.len();
        let (centre, high) = high.split_at_mut(middle);
        for ((a, b), root) in low.iter_mut().zip(high.iter_mut().rev()).zip(&self.table[1..]) {
            let root = Complex::new(root.re, root.im * conjugate);
            let (sum, difference) = (*a + b.conj(), *a - b.conj());
            let turned = root * difference;
            let (re, im) = (sum.re * scale, sum.im * scale);
            let (turned_re, turned_im) = (-turned.im * turn, turned.re * turn);
            *a = Complex::new(re + turned_re, im + turned_im);
            *b = Complex::new(re - turned_re, turned_im - im);
        }
        for value in centre {
            let opposite = *value;
            let (sum, difference) = (*value + opposite.conj(), *value - opposite.conj());
            let turned = Complex::new(T::zero(), conjugate) * difference;
            *value = Complex::new(sum.re * scale - turned.im * turn, sum.im * scale + turned.re * turn);
        }
    }
}
