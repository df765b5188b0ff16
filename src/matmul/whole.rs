//! Products of integer matrices, by plain loops.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use crate::error::{Error, Result};
use crate::machine::pages;
use crate::machine::parallel;
use crate::shape;

/// Rows of C that a task computes together, for each of which a row of B is read from the first-level cache.
const ROWS: usize = 16;
/// Columns of a task: their sums stay in the second-level cache.
const COLUMNS: usize = 512;

/// C = A·B of integers of 64 bits that wrap, as NumPy's do. Cut to fewer bits, the result is that of integers of so
/// many bits; unsigned integers have the same bits.
///
/// ```
/// use ndarray::{Array2, array};
///
/// let (a, b) = (array![[1, 2], [i64::MAX, 0]], array![[3, 0], [0, 5]]);
/// let mut c = Array2::zeros((2, 2));
/// wavemill::matmul::wrapping(a.view(), b.view(), c.view_mut())?;
/// assert_eq!(c, array![[3, 10], [i64::MAX - 2, 0]]);
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// It runs on all threads of the CPU, at about one multiplication a nanosecond and thread.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit, [`Error::TooLarge`] if B is not in C order and there is no memory for a
/// copy.
pub fn wrapping(a: ArrayView2<'_, i64>, b: ArrayView2<'_, i64>, c: ArrayViewMut2<'_, i64>) -> Result<()> {
    run(a, b, c, |_, sum| sum)
}

/// Adds A·B to C.
pub(crate) fn add_wrapping(a: ArrayView2<'_, i64>, b: ArrayView2<'_, i64>, c: ArrayViewMut2<'_, i64>) -> Result<()> {
    run(a, b, c, i64::wrapping_add)
}

/// Computes elements of C from what they were and those of A·B.
fn run(
    a: ArrayView2<'_, i64>,
    b: ArrayView2<'_, i64>,
    mut c: ArrayViewMut2<'_, i64>,
    put: impl Fn(i64, i64) -> i64 + Sync,
) -> Result<()> {
    let (m, k, n) = (a.nrows(), a.ncols(), b.ncols());
    if b.nrows() != k {
        return Err(Error::shape("B", format!("{k} rows, as A has columns"), b.nrows()));
    }
    if c.shape() != [m, n] {
        return Err(Error::shape("C", shape::written(&[m, n]), shape::written(c.shape())));
    }
    if !b.is_standard_layout() {
        pages::room("a copy of B in C order", b.shape(), size_of::<i64>(), "give B in C order, which is not copied")?;
    }
    let b = b.as_standard_layout();
    let task = |_, (a, mut c): (ArrayView2<'_, i64>, ArrayViewMut2<'_, i64>)| {
        let mut sums = [0i64; ROWS * COLUMNS];
        for first in (0..n).step_by(COLUMNS) {
            let columns = first..n.min(first + COLUMNS);
            let sums = &mut sums[..c.nrows() * columns.len()];
            sums.fill(0);
            for (l, b) in b.as_slice().unwrap_or_default().chunks_exact(n).enumerate() {
                let b = &b[columns.clone()];
                for (sums, &a) in sums.chunks_exact_mut(columns.len()).zip(a.column(l)) {
                    sums.iter_mut().zip(b).for_each(|(sum, b)| *sum = sum.wrapping_add(a.wrapping_mul(*b)));
                }
            }
            for (mut c, sums) in c.outer_iter_mut().zip(sums.chunks_exact(columns.len())) {
                columns.clone().zip(sums).for_each(|(column, &sum)| c[column] = put(c[column], sum));
            }
        }
        Ok(())
    };
    let rows = a.axis_chunks_iter(Axis(0), ROWS).zip(c.axis_chunks_iter_mut(Axis(0), ROWS));
    parallel::try_each(rows.collect(), task)
}
