//! Deconvolution on the CPU: between spectrum and modes, fused with the transform of the slowest axis.
//!
//! Modes are corrected for the kernel's transform and put in the caller's order. Lines go from the grid to the modes
//! (type 1), or from the modes to the grid (type 2).
//!
//! The spectrum of real data holds half of the modes, and each of its rows goes to two places: as it is, and mirrored.

use std::ops::Range;

use num_complex::Complex;

use crate::cpu::fft::{Columns, Run, Split, Transform, panel};
use crate::cpu::grid::Field;
use crate::cpu::modes::Places;
use crate::loops::transpose::{copy_row, get_rows, put_rows};
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::table::ModeAxis;
use crate::numeric::sign::Sign;
use crate::numeric::twiddles::{Pairs, ROW};
use crate::real::Real;

/// `modes[k] = spectrum[bin(k)] · Π factor(k)`, where `grid` is what [`Transform::forward`] left. `spare` has room for
/// the pairs of a real line.
pub(crate) fn deconvolve<T: Real>(
    field: &Field<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    spare: &mut [Complex<T>],
    modes: &mut [Complex<T>],
) {
    let Field { transform, axes, places, .. } = field;
    if let [axis] = &axes[..] {
        return match &transform.pairs {
            Some(pairs) => real_line(field, pairs, axis, sign, grid, spare, modes),
            None => line(transform, axis, sign, grid, modes),
        };
    }
    let (slowest, work) = (&transform.axes()[0], grid.len());
    let all = transform.columns();
    let (grid, modes) = (Disjoint::new(grid), Disjoint::new(modes));
    transform.each_panel(all.len(), work, sign, |panel, index| {
        let columns = &all[index];
        let Weighed { factors, scale } = Weighed::new(axes, columns);
        let count = columns.count;
        panel.load(grid, columns.start, count, slowest, &slowest.all_parts());
        panel.transform(count);
        let mut weighed = [Complex::default(); ROW];
        for run in &slowest.kept {
            get_rows(&panel.lines, slowest.cells, count, run.bins.clone(), |bin, row| {
                let k = run.mode + bin - run.bins.start;
                let scale = scale * axes[0].factor(k);
                for ((to, from), factor) in weighed.iter_mut().zip(row).zip(factors.0) {
                    *to = from * (scale * factor);
                }
                places.put(&modes, columns.at(k), &weighed[..count]);
            });
        }
    });
}

/// `spectrum[bin(k)] = modes[k] · Π factor(k)`, transformed along the slowest axis; [`Transform::backward`] transforms
/// the others. `spare` is as in [`deconvolve`].
pub(crate) fn back<T: Real>(
    field: &Field<T>,
    sign: Sign,
    modes: &[Complex<T>],
    grid: &mut [Complex<T>],
    spare: &mut [Complex<T>],
) {
    let Field { transform, axes, places, .. } = field;
    if let [axis] = &axes[..] {
        return match &transform.pairs {
            Some(pairs) => {
                let bins = &mut spare[..axis.count() / 2 + 1];
                real_bins(axis, places, modes, bins);
                give_rows(transform, sign, grid, |first, row| {
                    real_pairs(pairs, sign, transform.len(), bins, first, row);
                });
            }
            None => give_rows(transform, sign, grid, |mode, row| {
                let factors = Factors::new(axis, mode, row.len());
                for ((to, from), factor) in row.iter_mut().zip(&modes[mode..]).zip(factors.0) {
                    *to = from * factor;
                }
            }),
        };
    }
    let (slowest, work) = (&transform.axes()[0], grid.len());
    let grid = Disjoint::new(grid);
    let all = transform.columns();
    transform.each_panel(all.len(), work, sign, |panel, index| {
        let columns = &all[index];
        let Weighed { factors, scale } = Weighed::new(axes, columns);
        let count = columns.count;
        panel.clear_outside(count, &slowest.kept_parts());
        for run in &slowest.kept {
            put_rows(&mut panel.lines, slowest.cells, count, run.bins.clone(), |bin, row| {
                let k = run.mode + bin - run.bins.start;
                let scale = scale * axes[0].factor(k);
                places.get(modes, columns.at(k), row);
                for (value, factor) in row.iter_mut().zip(factors.0) {
                    *value = *value * (scale * factor);
                }
            });
        }
        panel.transform(count);
        panel.store(grid, columns.start, count, slowest, &slowest.all_parts());
    });
}

/// [`deconvolve`] in one dimension.
fn line<T: Real>(
    transform: &Transform<T>,
    axis: &ModeAxis<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    modes: &mut [Complex<T>],
) {
    let modes = Disjoint::new(modes);
    take_rows(transform, sign, grid, |mode, row| {
        // SAFETY: bins of different rows are different modes.
        let modes = unsafe { modes.part(mode, row.len()) };
        let factors = Factors::new(axis, mode, row.len());
        for ((to, from), factor) in modes.iter_mut().zip(row).zip(factors.0) {
            *to = from * factor;
        }
    });
}

/// [`deconvolve`] in one dimension for real cells, which were transformed in pairs.
fn real_line<T: Real>(
    field: &Field<T>,
    pairs: &Pairs<T>,
    axis: &ModeAxis<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    spare: &mut [Complex<T>],
    modes: &mut [Complex<T>],
) {
    let Field { transform, places, .. } = field;
    let (m, work) = (transform.len(), grid.len());
    // Each bin is computed from a pair and its opposite, which are far apart where a line is split.
    let natural = Disjoint::new(spare);
    take_rows(transform, sign, grid, |pair, row| {
        // SAFETY: bins of different rows are different pairs.
        copy_row(unsafe { natural.part(pair, row.len()) }, row);
    });
    let line = &spare[..m];
    let (top, modes) = (axis.count() / 2, Disjoint::new(modes));
    parallel::each((top + 1).div_ceil(LINE), work, |task| {
        let (mut row, mut opposites) = ([Complex::default(); ROW], [Complex::default(); ROW]);
        for first in (task * LINE..(top + 1).min((task + 1) * LINE)).step_by(ROW) {
            let count = ROW.min(top + 1 - first);
            let (row, opposites) = (&mut row[..count], &mut opposites[..count]);
            row.copy_from_slice(&line[first..first + count]);
            for (k, opposite) in (first..first + count).rev().zip(opposites.iter_mut()) {
                // The opposite of 0 is 0.
                *opposite = line[if k == 0 { 0 } else { m - k }];
            }
            pairs.bins(first, row, opposites, sign);
            let factors = Factors::new(axis, top + first, count);
            row.iter_mut().zip(factors.0).for_each(|(bin, factor)| *bin = *bin * factor);
            places.put(&modes, [0, 0, top + first], row);
        }
    });
}

/// Computes the bins of a real line from 0 on from its modes.
fn real_bins<T: Real>(axis: &ModeAxis<T>, places: &Places, modes: &[Complex<T>], bins: &mut [Complex<T>]) {
    let top = axis.count() / 2;
    parallel::chunks(bins, LINE, 4, |index, bins| {
        for (row, bins) in bins.chunks_mut(ROW).enumerate() {
            let first = top + index * LINE + row * ROW;
            places.get(modes, [0, 0, first], bins);
            let factors = Factors::new(axis, first, bins.len());
            bins.iter_mut().zip(factors.0).for_each(|(bin, factor)| *bin = *bin * factor);
        }
    });
}

/// Computes at most a row of the pairs of a real line, which has `m` of them, from `first` on. Bins past the end of
/// `bins` are zero.
fn real_pairs<T: Real>(
    pairs: &Pairs<T>,
    sign: Sign,
    m: usize,
    bins: &[Complex<T>],
    first: usize,
    row: &mut [Complex<T>],
) {
    let mut opposites = [Complex::default(); ROW];
    let copy = |first: usize, to: &mut [Complex<T>]| {
        let (there, none) = to.split_at_mut(bins.len().saturating_sub(first).min(to.len()));
        if !there.is_empty() {
            there.copy_from_slice(&bins[first..first + there.len()]);
        }
        none.fill(Complex::default());
    };
    let opposites = &mut opposites[..row.len()];
    copy(first, row);
    copy(m + 1 - first - row.len(), opposites);
    pairs.pairs(first, row, opposites, sign);
}

/// Bins of a line that one task computes.
const LINE: usize = 4096;

/// Calls `take(mode, row)` for all kept bins of a line, in rows of neighbours; `mode` is the place of the row's first
/// mode. A split line's rows are transformed first.
fn take_rows<T: Real>(
    transform: &Transform<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    take: impl Fn(usize, &[Complex<T>]) + Send + Sync,
) {
    let Some(split) = &transform.split else {
        // The line was transformed in place.
        for run in &transform.axes()[0].kept {
            let bins = &grid[run.bins.clone()];
            parallel::each(bins.len().div_ceil(LINE), bins.len(), |task| {
                let bins = &bins[task * LINE..bins.len().min((task + 1) * LINE)];
                let rows = bins.chunks(ROW).enumerate();
                rows.for_each(|(index, row)| take(run.mode + task * LINE + index * ROW, row));
            });
        }
        return;
    };
    let work = grid.len();
    let grid = Disjoint::new(grid);
    each_row_panel(transform, work, |rows| {
        let columns = transform.axes()[1].cells;
        // SAFETY: each task has rows of its own.
        let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
        transform.in_place(1, sign).transform_there(cells);
        for (run, among) in columns_of(transform, split, &rows) {
            get_rows(cells, columns, rows.len(), among, |column, row| {
                let Part { within, mode } = Part::new(transform, run, &rows, column);
                take(mode, &row[within]);
            });
        }
    });
}

/// Calls `give(mode, row)` to fill all kept bins of a line, in rows of neighbours; `mode` is the place of the row's
/// first mode. In a split line the other bins are zeroed and the rows are then transformed.
fn give_rows<T: Real>(
    transform: &Transform<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    give: impl Fn(usize, &mut [Complex<T>]) + Send + Sync,
) {
    let Some(split) = &transform.split else {
        // The line will be transformed in place.
        for run in &transform.axes()[0].kept {
            parallel::chunks(&mut grid[run.bins.clone()], LINE, 1, |task, bins| {
                let rows = bins.chunks_mut(ROW).enumerate();
                rows.for_each(|(index, row)| give(run.mode + task * LINE + index * ROW, row));
            });
        }
        return;
    };
    let work = grid.len();
    let grid = Disjoint::new(grid);
    each_row_panel(transform, work, |rows| {
        let columns = transform.axes()[1].cells;
        // SAFETY: each task has rows of its own.
        let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
        cells.fill(Complex::default());
        for (run, among) in columns_of(transform, split, &rows) {
            put_rows(cells, columns, rows.len(), among, |column, row| {
                let Part { within, mode } = Part::new(transform, run, &rows, column);
                row.fill(Complex::default());
                give(mode, &mut row[within]);
            });
        }
        transform.in_place(1, sign).transform_there(cells);
    });
}

/// Correction factors of neighbouring modes, at most as many as a panel is wide.
#[derive(Clone, Copy)]
struct Factors<T>([T; ROW]);

impl<T: Real> Factors<T> {
    #[inline(always)]
    fn new(axis: &ModeAxis<T>, first: usize, count: usize) -> Self {
        let mut factors = [T::one(); ROW];
        axis.factors(first, &mut factors[..count]);
        Self(factors)
    }
}

/// A panel's correction factors on all axes but the slowest.
struct Weighed<T> {
    /// Factors on the fastest axis, one for each column.
    factors: Factors<T>,
    /// The factor on the middle axis.
    scale: T,
}

impl<T: Real> Weighed<T> {
    fn new(axes: &[ModeAxis<T>], columns: &Columns) -> Self {
        let factors = Factors::new(&axes[axes.len() - 1], columns.mode, columns.count);
        let scale = match (axes, columns.outer) {
            ([_, y, _], Some(outer)) => y.factor(outer),
            _ => T::one(),
        };
        Self { factors, scale }
    }
}

/// Calls `work(rows)` for the rows of a split line, a panel at a time.
fn each_row_panel<T: Real>(transform: &Transform<T>, items: usize, work: impl Fn(Range<usize>) + Send + Sync) {
    let (rows, size) = (transform.axes()[0].cells, panel::<T>());
    parallel::each(rows.div_ceil(size), items, |index| work(index * size..rows.min((index + 1) * size)));
}

/// The runs of kept bins that have bins in these rows of a split line, each with the columns where they are.
fn columns_of<'a, T: Real>(
    transform: &Transform<T>,
    split: &'a Split<T>,
    rows: &Range<usize>,
) -> impl Iterator<Item = (&'a Run, Range<usize>)> {
    let all = transform.axes()[0].cells;
    let (first, end) = (rows.start, rows.end);
    // Column c holds, in these rows, the bins first + c·all .. end + c·all.
    split.kept.iter().filter(|run| !run.bins.is_empty()).map(move |run| {
        let from = (run.bins.start + 1).saturating_sub(end).div_ceil(all);
        (run, from..run.bins.end.saturating_sub(first).div_ceil(all).max(from))
    })
}

/// The rows of a column whose bins belong to a run.
struct Part {
    /// Positions within the given rows.
    within: Range<usize>,
    /// The place of the first one's mode.
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
