//! Deconvolution: between spectrum and modes, with the correction for the kernel's transform and the caller's order, fused with the
//! transform of the slowest axis: lines go from the grid to the modes (type 1), or from the modes to the grid (type 2).

use num_complex::Complex;

use crate::cpu::fft::{Columns, Run, Split, Transform, panel};
use crate::nufft::{ModeAxis, Sign};
use crate::parallel::{self, Disjoint};
use crate::real::Real;

/// `modes[k] = spectrum[bin(k)] · Π factor(k)`; `grid` is what [`Transform::forward`] left.
pub(crate) fn deconvolve<T: Real>(
    transform: &Transform<T>,
    axes: &[ModeAxis<T>],
    sign: Sign,
    grid: &mut [Complex<T>],
    modes: &mut [Complex<T>],
) {
    let work = grid.len();
    if let Some(split) = &transform.split {
        let (grid, modes) = (Disjoint::new(grid), Disjoint::new(modes));
        return each_row_panel(transform, work, |rows| {
            let mut panel = transform.panel(1, sign);
            let columns = transform.axes()[1].cells;
            // SAFETY: each task has rows of its own.
            let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
            panel.lines[..cells.len()].copy_from_slice(cells);
            panel.transform(rows.len());
            each_kept(transform, split, &rows, |column, row, mode, count| {
                // SAFETY: bins of different rows are different modes.
                let modes = unsafe { modes.part(mode, count) };
                for (i, (to, factor)) in modes.iter_mut().zip(&axes[0].factor[mode..]).enumerate() {
                    *to = panel.lines[(row + i) * columns + column] * factor;
                }
            });
        });
    }
    let slowest = &transform.axes()[0];
    let all = transform.columns();
    let (grid, modes) = (Disjoint::new(grid), Disjoint::new(modes));
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
            let Weighed { first, factors, scale } = Weighed::new(axes, columns);
            let count = columns.count;
            panel.load(grid, columns.start, count, slowest, &[0..slowest.cells]);
            panel.transform(count);
            each_mode(&slowest.kept, |bin, k| {
                let scale = scale * axes[0].factor[k];
                // SAFETY: each panel has columns of modes of its own.
                let modes = unsafe { modes.part(first + k * stride(axes), count) };
                for (column, to) in modes.iter_mut().enumerate() {
                    let factor = factors.map_or(scale, |factors| scale * factors[column]);
                    *to = panel.lines[column * slowest.cells + bin] * factor;
                }
            });
        }
    });
}

/// `spectrum[bin(k)] = modes[k] · Π factor(k)`, transformed along the slowest axis; [`Transform::backward`] does the others.
pub(crate) fn back<T: Real>(
    transform: &Transform<T>,
    axes: &[ModeAxis<T>],
    sign: Sign,
    modes: &[Complex<T>],
    grid: &mut [Complex<T>],
) {
    let work = grid.len();
    let grid = Disjoint::new(grid);
    if let Some(split) = &transform.split {
        return each_row_panel(transform, work, |rows| {
            let mut panel = transform.panel(1, sign);
            let columns = transform.axes()[1].cells;
            panel.clear_outside(rows.len(), &[]);
            each_kept(transform, split, &rows, |column, row, mode, count| {
                for (i, (from, factor)) in modes[mode..mode + count].iter().zip(&axes[0].factor[mode..]).enumerate() {
                    panel.lines[(row + i) * columns + column] = from * factor;
                }
            });
            panel.transform(rows.len());
            // SAFETY: each task has rows of its own.
            let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
            cells.copy_from_slice(&panel.lines[..cells.len()]);
        });
    }
    let slowest = &transform.axes()[0];
    let all = transform.columns();
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
            let Weighed { first, factors, scale } = Weighed::new(axes, columns);
            let count = columns.count;
            panel.clear_outside(count, &slowest.kept_parts());
            each_mode(&slowest.kept, |bin, k| {
                let scale = scale * axes[0].factor[k];
                for (column, from) in modes[first + k * stride(axes)..][..count].iter().enumerate() {
                    let factor = factors.map_or(scale, |factors| scale * factors[column]);
                    panel.lines[column * slowest.cells + bin] = from * factor;
                }
            });
            panel.transform(count);
            panel.store(grid, columns.start, count, slowest, &[0..slowest.cells]);
        }
    });
}

/// Panels a task takes, with one allocation for all.
const TASK: usize = 16;

/// Calls `work(bin, mode)` for each bin in which a mode lies.
fn each_mode(kept: &[Run; 2], mut work: impl FnMut(usize, usize)) {
    for run in kept {
        for (i, bin) in run.bins.clone().enumerate() {
            work(bin, run.mode + i);
        }
    }
}

/// Modes from one on the slowest axis to the next.
fn stride<T>(axes: &[ModeAxis<T>]) -> usize {
    axes[1..].iter().map(|axis| axis.factor.len()).product()
}

/// Where a panel's modes lie, and the factors of the axes that are not the slowest.
struct Weighed<'a, T> {
    first: usize,
    /// Of the fastest axis, one a column.
    factors: Option<&'a [T]>,
    /// Of the middle axis.
    scale: T,
}

impl<'a, T: Real> Weighed<'a, T> {
    fn new(axes: &'a [ModeAxis<T>], columns: &Columns) -> Self {
        let fastest = &axes[axes.len() - 1];
        let factors = (axes.len() > 1).then(|| &fastest.factor[columns.mode..]);
        match columns.outer {
            Some(outer) => {
                let first = outer * fastest.factor.len() + columns.mode;
                Self { first, factors, scale: axes[1].factor[outer] }
            }
            None => Self { first: columns.mode, factors, scale: T::one() },
        }
    }
}

/// Calls `work(rows)` for the rows of a split line, a panel at a time.
fn each_row_panel<T: Real>(
    transform: &Transform<T>,
    items: usize,
    work: impl Fn(std::ops::Range<usize>) + Send + Sync,
) {
    let (rows, size) = (transform.axes()[0].cells, panel::<T>());
    parallel::each(rows.div_ceil(size), items, |index| work(index * size..rows.min((index + 1) * size)));
}

/// Calls `work(column, row, mode, count)` where `count` rows from the panel's `row` on have neighbouring modes in a column.
fn each_kept<T: Real>(
    transform: &Transform<T>,
    split: &Split<T>,
    rows: &std::ops::Range<usize>,
    mut work: impl FnMut(usize, usize, usize, usize),
) {
    let all = transform.axes()[0].cells;
    for run in &split.kept {
        // Bins from the first row on in each column, as far as they are kept.
        let first = (run.bins.start + all).saturating_sub(rows.end) / all;
        for column in first..(run.bins.end.saturating_sub(rows.start)).div_ceil(all) {
            let bins = rows.start + column * all..rows.end + column * all;
            let (from, to) = (bins.start.max(run.bins.start), bins.end.min(run.bins.end));
            if from < to {
                work(column, from - bins.start, run.mode + from - run.bins.start, to - from);
            }
        }
    }
}
