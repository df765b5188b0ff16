//! Deconvolution: between spectrum and modes, with the correction for the kernel's transform and the caller's order, fused with the
//! transform of the slowest axis: lines go from the grid to the modes (type 1), or from the modes to the grid (type 2).

use std::ops::Range;

use num_complex::Complex;

use crate::cpu::fft::{Columns, Run, Split, Transform, panel};
use crate::nufft::{ModeAxis, Sign};
use crate::parallel::{self, Disjoint};
use crate::real::Real;
use crate::transpose::{get_rows, put_rows};

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
            let columns = transform.axes()[1].cells;
            // SAFETY: each task has rows of its own.
            let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
            transform.panel(1, sign).transform_there(cells);
            for (run, among) in columns_of(transform, split, &rows) {
                get_rows(cells, columns, rows.len(), among, |column, row| {
                    let Part { within, mode } = Part::new(transform, run, &rows, column);
                    let row = &row[within];
                    // SAFETY: bins of different rows are different modes.
                    let modes = unsafe { modes.part(mode, row.len()) };
                    let factors = Factors::new(&axes[0], mode, row.len());
                    for ((to, from), factor) in modes.iter_mut().zip(row).zip(factors.0) {
                        *to = from * factor;
                    }
                });
            }
        });
    }
    let slowest = &transform.axes()[0];
    if axes.len() == 1 {
        // The line was transformed in place.
        for run in &slowest.kept {
            let modes = &mut modes[run.mode..][..run.bins.len()];
            for ((i, to), from) in modes.iter_mut().enumerate().zip(&grid[run.bins.clone()]) {
                *to = from * axes[0].factor(run.mode + i);
            }
        }
        return;
    }
    let all = transform.columns();
    let (grid, modes) = (Disjoint::new(grid), Disjoint::new(modes));
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
            let Weighed { first, stride, factors, scale } = Weighed::new(axes, columns);
            let count = columns.count;
            panel.load(grid, columns.start, count, slowest, &slowest.all_parts());
            panel.transform(count);
            for run in &slowest.kept {
                get_rows(&panel.lines, slowest.cells, count, run.bins.clone(), |bin, row| {
                    let k = run.mode + bin - run.bins.start;
                    let scale = scale * axes[0].factor(k);
                    // SAFETY: each panel has columns of modes of its own.
                    let modes = unsafe { modes.part(first + k * stride, count) };
                    for ((to, from), factor) in modes.iter_mut().zip(row).zip(factors.0) {
                        *to = from * (scale * factor);
                    }
                });
            }
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
    let slowest = &transform.axes()[0];
    if axes.len() == 1 && transform.split.is_none() {
        // The line will be transformed in place.
        for run in &slowest.kept {
            let modes = &modes[run.mode..][..run.bins.len()];
            for ((i, from), to) in modes.iter().enumerate().zip(&mut grid[run.bins.clone()]) {
                *to = from * axes[0].factor(run.mode + i);
            }
        }
        return;
    }
    let grid = Disjoint::new(grid);
    if let Some(split) = &transform.split {
        return each_row_panel(transform, work, |rows| {
            let columns = transform.axes()[1].cells;
            // SAFETY: each task has rows of its own.
            let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
            cells.fill(Complex::default());
            for (run, among) in columns_of(transform, split, &rows) {
                put_rows(cells, columns, rows.len(), among, |column, row| {
                    let Part { within, mode } = Part::new(transform, run, &rows, column);
                    row.fill(Complex::default());
                    let row = &mut row[within];
                    let factors = Factors::new(&axes[0], mode, row.len());
                    for ((to, from), factor) in row.iter_mut().zip(&modes[mode..]).zip(factors.0) {
                        *to = from * factor;
                    }
                });
            }
            transform.panel(1, sign).transform_there(cells);
        });
    }
    let all = transform.columns();
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
            let Weighed { first, stride, factors, scale } = Weighed::new(axes, columns);
            let count = columns.count;
            panel.clear_outside(count, &slowest.kept_parts());
            for run in &slowest.kept {
                put_rows(&mut panel.lines, slowest.cells, count, run.bins.clone(), |bin, row| {
                    let k = run.mode + bin - run.bins.start;
                    let scale = scale * axes[0].factor(k);
                    for ((to, from), factor) in row.iter_mut().zip(&modes[first + k * stride..]).zip(factors.0) {
                        *to = from * (scale * factor);
                    }
                });
            }
            panel.transform(count);
            panel.store(grid, columns.start, count, slowest, &slowest.all_parts());
        }
    });
}

/// Panels a task takes, with one allocation for all.
const TASK: usize = 16;

/// Factors of neighbouring modes, at most as many as a panel is wide.
#[derive(Clone, Copy)]
struct Factors<T>([T; 16]);

impl<T: Real> Factors<T> {
    #[inline(always)]
    fn new(axis: &ModeAxis<T>, first: usize, count: usize) -> Self {
        let mut factors = [T::one(); 16];
        axis.factors(first, &mut factors[..count]);
        Self(factors)
    }
}

/// Where a panel's modes lie, and the factors of the axes that are not the slowest.
struct Weighed<T> {
    first: usize,
    /// Modes from one on the slowest axis to the next.
    stride: usize,
    /// Of the fastest axis, one a column.
    factors: Factors<T>,
    /// Of the middle axis.
    scale: T,
}

impl<T: Real> Weighed<T> {
    fn new(axes: &[ModeAxis<T>], columns: &Columns) -> Self {
        let (one, count) = (T::one(), columns.count);
        match (axes, columns.outer) {
            ([_, y, x], Some(outer)) => Self {
                first: outer * x.count() + columns.mode,
                stride: y.count() * x.count(),
                factors: Factors::new(x, columns.mode, count),
                scale: y.factor(outer),
            },
            (axes, _) => {
                let x = &axes[axes.len() - 1];
                let factors = Factors::new(x, columns.mode, count);
                Self { first: columns.mode, stride: x.count(), factors, scale: one }
            }
        }
    }
}

/// Calls `work(rows)` for the rows of a split line, a panel at a time.
fn each_row_panel<T: Real>(transform: &Transform<T>, items: usize, work: impl Fn(Range<usize>) + Send + Sync) {
    let (rows, size) = (transform.axes()[0].cells, panel::<T>());
    parallel::each(rows.div_ceil(size), items, |index| work(index * size..rows.min((index + 1) * size)));
}

/// The runs of modes with the columns in which some of these rows' bins belong to them.
fn columns_of<'a, T: Real>(
    transform: &Transform<T>,
    split: &'a Split<T>,
    rows: &Range<usize>,
) -> impl Iterator<Item = (&'a Run, Range<usize>)> {
    let all = transform.axes()[0].cells;
    let (first, end) = (rows.start, rows.end);
    // Column c holds the bins first + c·all .. end + c·all.
    split.kept.iter().filter(|run| !run.bins.is_empty()).map(move |run| {
        let from = (run.bins.start + 1).saturating_sub(end).div_ceil(all);
        (run, from..run.bins.end.saturating_sub(first).div_ceil(all).max(from))
    })
}

/// What of a column's rows belongs to a run of modes.
struct Part {
    /// Of the rows.
    within: Range<usize>,
    /// Place of the first one's mode.
    mode: usize,
}

impl Part {
    #[inline(always)]
    fn new<T: Real>(transform: &Transform<T>, run: &Run, rows: &Range<usize>, column: usize) -> Self {
        let shift = column * transform.axes()[0].cells;
        let bins = rows.start + shift..rows.end + shift;
        let (from, to) = (bins.start.max(run.bins.start), bins.end.min(run.bins.end));
        Self { within: from - bins.start..to - bins.start, mode: run.mode + from - run.bins.start }
    }
}
