//! Products with a Toeplitz matrix of several levels by uniform FFTs: convolution of modes with a kernel.

use std::sync::Arc;

use ndarray::{Array, ArrayView, Dimension};
use num_complex::Complex;
use rustfft::Fft;

use crate::machine::parallel;
use crate::nufft::choice::smooth_size;
use crate::numeric::sign::Sign;
use crate::real::Real;

/// Numbers that one task transforms or moves.
const TASK: usize = 1 << 14;

/// The product `g[k] = Σ_l t[k - l] f[l]` over all modes l, for a kernel t with `t[-q] = conj(t[q])`.
pub(super) struct Toeplitz<T: Real> {
    modes: Vec<usize>,
    /// Lengths of the FFTs, at least twice the modes.
    lengths: Vec<usize>,
    /// The kernel's transform over the product of the lengths; it is real, since the matrix is Hermitian.
    spectrum: Vec<T>,
    forward: Vec<Arc<dyn Fft<T>>>,
    backward: Vec<Arc<dyn Fft<T>>>,
}

impl<T: Real> Toeplitz<T> {
    /// From the kernel at q from -N to N - 1 on each axis of N modes.
    pub(super) fn new<D: Dimension>(modes: &[usize], kernel: ArrayView<'_, Complex<T>, D>) -> Self {
        let lengths: Vec<usize> = modes.iter().map(|&modes| smooth_size(2 * modes)).collect();
        let forward = lengths.iter().map(|&length| T::plan_fft(length, Sign::Minus)).collect();
        let backward = lengths.iter().map(|&length| T::plan_fft(length, Sign::Plus)).collect();
        let cells: usize = lengths.iter().product();
        let mut toeplitz = Self { modes: modes.to_vec(), lengths, spectrum: Vec::new(), forward, backward };
        let mut wrapped = vec![Complex::default(); cells];
        for (index, &value) in kernel.into_dyn().indexed_iter() {
            let mut place = Some(0);
            for (axis, &length) in toeplitz.lengths.iter().enumerate() {
                let modes = modes[axis];
                // q = -N is not a difference of two modes.
                let q = index[axis];
                place = place.filter(|_| q > 0).map(|place| place * length + (q + length - modes) % length);
            }
            if let Some(place) = place {
                wrapped[place] = value;
            }
        }
        let full = toeplitz.lengths.clone();
        let scale = T::nearest(1.0 / cells as f64);
        let spectrum = toeplitz.transform(wrapped, &full, &full, &toeplitz.forward);
        toeplitz.spectrum = spectrum.into_iter().map(|value| value.re * scale).collect();
        toeplitz
    }

    /// The product with modes in C order.
    pub(super) fn times<D: Dimension>(&self, modes: &Array<Complex<T>, D>) -> Array<Complex<T>, D> {
        let shape = modes.raw_dim();
        let mut cells = self.transform(modes.iter().copied().collect(), &self.modes, &self.lengths, &self.forward);
        parallel::each_chunk(&mut cells, TASK, |chunk, cells| {
            let factors = &self.spectrum[chunk * TASK..];
            cells.iter_mut().zip(factors).for_each(|(cell, &factor)| *cell = *cell * factor);
        });
        let product = self.transform(cells, &self.lengths, &self.modes, &self.backward);
        Array::from_shape_vec(shape, product).expect("as many modes as were given")
    }

    /// Transforms each axis, from the last to the first: rows of `from` numbers are extended with zeros to the FFT's
    /// length or are of that length, and of the result the first `to` are kept. Each time the axes rotate by one, so
    /// that the next is contiguous, and lines that are still zero or no longer wanted are never transformed.
    fn transform(
        &self,
        mut cells: Vec<Complex<T>>,
        from: &[usize],
        to: &[usize],
        plans: &[Arc<dyn Fft<T>>],
    ) -> Vec<Complex<T>> {
        for axis in (0..plans.len()).rev() {
            let (plan, length) = (&plans[axis], self.lengths[axis]);
            let rows = cells.len() / from[axis];
            let mut lines = vec![Complex::default(); rows * length];
            let together = (TASK / length).max(1);
            parallel::each_chunk(&mut lines, together * length, |chunk, lines| {
                let rows = cells.chunks_exact(from[axis]).skip(chunk * together);
                for (line, row) in lines.chunks_exact_mut(length).zip(rows) {
                    line[..row.len()].copy_from_slice(row);
                }
                plan.process(lines);
            });
            // Columns become rows, some at a time, so that what is read of a line fills its cache lines.
            const COLUMNS: usize = 16;
            let mut turned = vec![Complex::default(); rows * to[axis]];
            parallel::each_chunk(&mut turned, COLUMNS * rows, |block, turned| {
                let first = block * COLUMNS;
                for (row, line) in lines.chunks_exact(length).enumerate() {
                    let columns = turned.len() / rows;
                    for (column, value) in line[first..first + columns].iter().enumerate() {
                        turned[column * rows + row] = *value;
                    }
                }
            });
            cells = turned;
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    #[test]
    fn products_are_the_sums_of_their_definition() {
        let number = |seed: usize| Complex::new((seed as f64 * 0.7).sin(), (seed as f64 * 1.3).cos());
        // A Hermitian kernel on each axis, and their product.
        let along = |q: i64, seed: f64| {
            let z = Complex::new((q as f64 * seed).cos() + 0.1, (q as f64 * seed * 0.9).sin());
            if q == 0 { Complex::new(z.re, 0.0) } else { z }
        };
        let modes = [3usize, 4, 5];
        let at = |q: [i64; 3]| along(q[0], 0.4) * along(q[1], 1.1) * along(q[2], 0.7);
        let kernel = Array3::from_shape_fn((6, 8, 10), |(a, b, c)| at([a as i64 - 3, b as i64 - 4, c as i64 - 5]));
        let toeplitz = Toeplitz::<f64>::new(&modes, kernel.view());
        let f = Array3::from_shape_fn((3, 4, 5), |(a, b, c)| number(20 * a + 5 * b + c));
        for (index, found) in toeplitz.times(&f).indexed_iter() {
            let difference = |a: usize, b: usize| a as i64 - b as i64;
            let sum: Complex<f64> = f
                .indexed_iter()
                .map(|(l, f)| at([difference(index.0, l.0), difference(index.1, l.1), difference(index.2, l.2)]) * f)
                .sum();
            assert!((found - sum).norm() < 1e-12, "{index:?}: {found} {sum}");
        }
        let kernel = Array2::from_shape_fn((2, 6), |(a, b)| at([a as i64 - 1, b as i64 - 3, 0]));
        let f = Array2::from_shape_fn((1, 3), |(_, b)| number(b));
        let found = Toeplitz::<f64>::new(&[1, 3], kernel.view()).times(&f);
        for b in 0..3 {
            let sum: Complex<f64> = (0..3).map(|l| at([0, b as i64 - l as i64, 0]) * f[[0, l]]).sum();
            assert!((found[[0, b]] - sum).norm() < 1e-13);
        }
    }
}
