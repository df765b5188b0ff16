//! Deconvolution: between spectrum bins and modes, with the correction for the kernel's transform and the caller's order.

use num_complex::Complex;

use crate::cpu::Layout;
use crate::nufft::ModeAxis;
use crate::parallel::{self, Disjoint};
use crate::real::Real;

/// `modes[k] = spectrum[bin(k)] · Π factor(k)`.
pub(crate) fn deconvolve<T: Real>(
    layout: &Layout,
    axes: &[ModeAxis<T>],
    spectrum: &[Complex<T>],
    modes: &mut [Complex<T>],
) {
    let (fastest, outer) = axes.split_last().expect("at least one axis");
    let row = fastest.factor.len();
    // Rows of a one-dimensional transform are cut, so that threads share it.
    let chunk = if outer.is_empty() { row.min(8192) } else { row };
    parallel::chunks(modes, chunk, 1, |index, modes| {
        let first = index * chunk % row;
        let (offset, scale) = outer_row(layout, outer, index * chunk / row);
        let (bins, factors) = (&fastest.bin[first..], &fastest.factor[first..]);
        for ((mode, &bin), &factor) in modes.iter_mut().zip(bins).zip(factors) {
            *mode = spectrum[offset + bin as usize] * (scale * factor);
        }
    });
}

/// `spectrum[bin(k)] = modes[k] · Π factor(k)`, zero elsewhere.
pub(crate) fn back<T: Real>(layout: &Layout, axes: &[ModeAxis<T>], modes: &[Complex<T>], spectrum: &mut [Complex<T>]) {
    parallel::chunks(spectrum, 1 << 14, 1, |_, cells| cells.fill(Complex::default()));
    let (fastest, outer) = axes.split_last().expect("at least one axis");
    let row = fastest.factor.len();
    let rows = modes.len() / row;
    let spectrum = Disjoint::new(spectrum);
    parallel::each(rows, modes.len(), |index| {
        let (offset, scale) = outer_row(layout, outer, index);
        // SAFETY: bins of an axis are distinct, so every row has cells of its own.
        let cells = unsafe { spectrum.part(offset, layout.cells[2]) };
        let line = &modes[index * row..][..row];
        for ((mode, &bin), &factor) in line.iter().zip(&fastest.bin).zip(&fastest.factor) {
            cells[bin as usize] = mode * (scale * factor);
        }
    });
}

/// Where a row of modes lies in the spectrum, and the factor of its slower axes.
fn outer_row<T: Real>(layout: &Layout, outer: &[ModeAxis<T>], mut row: usize) -> (usize, T) {
    let (mut offset, mut scale) = (0, T::one());
    for (axis, modes) in outer.iter().enumerate().rev() {
        let k = row % modes.factor.len();
        row /= modes.factor.len();
        offset += modes.bin[k] as usize * layout.strides[layout.slowest() + axis];
        scale = scale * modes.factor[k];
    }
    (offset, scale)
}
