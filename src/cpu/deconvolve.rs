//! Deconvolution: between spectrum and modes, with the correction for the kernel's transform and the caller's order, fused with the
//! transform of the slowest axis: lines go from the grid to the modes (type 1), or from the modes to the grid (type 2).
//!
//! Of real data the spectrum holds half, and each of its rows goes to two places, as it is and mirrored.

use std::ops::Range;

use num_complex::Complex;

use crate::cpu::Field;
use crate::cpu::fft::{Columns, Run, Split, Transform, panel};
use crate::loops::transpose::{copy_row, get_rows, put_rows};
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::recipe::ModeOrder;
use crate::nufft::table::ModeAxis;
use crate::numeric::sign::Sign;
use crate::numeric::twiddles::{Pairs, ROW};
use crate::real::Real;

/// `modes[k] = spectrum[bin(k)] · Π factor(k)`; `grid` is what [`Transform::forward`] left, `spare` memory for as many pairs
/// as a real line has.
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
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        let mut weighed = [Complex::default(); ROW];
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
            let Weighed { factors, scale } = Weighed::new(axes, columns);
            let count = columns.count;
            panel.load(grid, columns.start, count, slowest, &slowest.all_parts());
            panel.transform(count);
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
        }
    });
}

/// `spectrum[bin(k)] = modes[k] · Π factor(k)`, transformed along the slowest axis; [`Transform::backward`] does the others.
/// `spare` is as in [`deconvolve`].
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
    parallel::each(all.len().div_ceil(TASK), work, |task| {
        let mut panel = transform.panel(0, sign);
        for columns in &all[task * TASK..all.len().min((task + 1) * TASK)] {
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
        }
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

/// [`deconvolve`] of a line of real cells in pairs.
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
    // Each bin comes of a pair and its opposite, far apart where a line is split.
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

/// Bins of a real line's modes, those from 0 on.
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

/// Pairs of a real line of m from `first` on, at most a row, from its bins, of which those that are not there are zero.
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

/// Bins of a real line that a task takes.
const LINE: usize = 4096;

/// Calls `take(place, row)` with what belongs to a run of modes, some neighbours at a time; the rows of a split line are transformed
/// first.
fn take_rows<T: Real>(
    transform: &Transform<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    take: impl Fn(usize, &[Complex<T>]) + Send + Sync,
) {
    let Some(split) = &transform.split else {
        // The line was transformed in place.
        for run in &transform.axes()[0].kept {
            for (index, row) in grid[run.bins.clone()].chunks(ROW).enumerate() {
                take(run.mode + index * ROW, row);
            }
        }
        return;
    };
    let work = grid.len();
    let grid = Disjoint::new(grid);
    each_row_panel(transform, work, |rows| {
        let columns = transform.axes()[1].cells;
        // SAFETY: each task has rows of its own.
        let cells = unsafe { grid.part(rows.start * columns, rows.len() * columns) };
        transform.panel(1, sign).transform_there(cells);
        for (run, among) in columns_of(transform, split, &rows) {
            get_rows(cells, columns, rows.len(), among, |column, row| {
                let Part { within, mode } = Part::new(transform, run, &rows, column);
                take(mode, &row[within]);
            });
        }
    });
}

/// Calls `give(place, row)` for what belongs to a run of modes; of a split line the rest is zeroed and the rows are transformed.
fn give_rows<T: Real>(
    transform: &Transform<T>,
    sign: Sign,
    grid: &mut [Complex<T>],
    give: impl Fn(usize, &mut [Complex<T>]) + Send + Sync,
) {
    let Some(split) = &transform.split else {
        // The line will be transformed in place.
        for run in &transform.axes()[0].kept {
            for (index, row) in grid[run.bins.clone()].chunks_mut(ROW).enumerate() {
                give(run.mode + index * ROW, row);
            }
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
        transform.panel(1, sign).transform_there(cells);
    });
}

/// Panels a task takes, with one allocation for all.
const TASK: usize = 16;

/// Factors of neighbouring modes, at most as many as a panel is wide.
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

/// The factors of a panel's modes on the axes that are not the slowest.
struct Weighed<T> {
    /// Of the fastest axis, one a column.
    factors: Factors<T>,
    /// Of the middle axis.
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

/// Where modes lie in the caller's array.
#[derive(Debug)]
pub(crate) struct Places {
    /// Modes of three axes, the missing ones first.
    counts: [usize; 3],
    order: ModeOrder,
    mirrored: bool,
}

impl Places {
    /// Modes as the transform counts them are the caller's; if `mirrored`, they go from minus half their number to plus half of it on
    /// each axis, of the last one's those from 0 on are there, and the others are their mirror image.
    pub(crate) fn new<T: Real>(axes: &[ModeAxis<T>], order: ModeOrder, mirrored: bool) -> Self {
        let mut counts = [1; 3];
        let first = counts.len() - axes.len();
        counts[first..].iter_mut().zip(axes).for_each(|(count, axis)| *count = axis.count());
        Self { counts, order, mirrored }
    }

    /// Place in the caller's array of the mode k + half on an axis, if there is such a mode.
    fn place(&self, axis: usize, mode: usize) -> Option<usize> {
        let (count, half) = (self.counts[axis], self.counts[axis] / 2);
        match self.order {
            ModeOrder::Centred => (mode < count).then_some(mode),
            ModeOrder::Fft if mode < half => Some(mode + count - half),
            ModeOrder::Fft => (mode < count).then(|| mode - half),
        }
    }

    /// First element of a row whose modes on the slower axes are these.
    fn row(&self, [z, y]: [Option<usize>; 2]) -> Option<usize> {
        Some((z? * self.counts[1] + y?) * self.counts[2])
    }

    /// In a mirrored spectrum, place of the first of some modes in a row from `x` on, and how many of them there are.
    fn direct(&self, [z, y, x]: [usize; 3], count: usize) -> Option<(usize, usize)> {
        let there = self.counts[2].saturating_sub(x).min(count);
        let row = self.row([self.place(0, z), self.place(1, y)])?;
        Some((row + self.place(2, x)?, there))
    }

    /// First element of the row that is the mirror image.
    fn opposite(&self, z: usize, y: usize) -> Option<usize> {
        let opposite = |axis: usize, mode: usize| self.place(axis, 2 * (self.counts[axis] / 2) - mode);
        self.row([opposite(0, z), opposite(1, y)])
    }

    /// Place of the mirror image of the last of some modes in a row from `x` on, and those that have one; zero is its own.
    fn mirrored(&self, [z, y, x]: [usize; 3], count: usize) -> Option<(usize, Range<usize>)> {
        let half = self.counts[2] / 2;
        let first = x - half;
        let within = usize::from(first == 0)..count.min(half + 1 - first);
        let last = first + within.end.checked_sub(1)?;
        Some((self.opposite(z, y)? + self.place(2, half - last)?, within))
    }

    /// Writes modes in a row on the fastest axis.
    #[inline(always)]
    fn put<T: Real>(&self, modes: &Disjoint<'_, Complex<T>>, at: [usize; 3], row: &[Complex<T>]) {
        if !self.mirrored {
            let [z, y, x] = at;
            let first = (z * self.counts[1] + y) * self.counts[2] + x;
            // SAFETY: each panel has columns of modes of its own.
            return copy_row(unsafe { modes.part(first, row.len()) }, row);
        }
        if let Some((first, count)) = self.direct(at, row.len()) {
            // SAFETY: as above.
            unsafe { modes.part(first, count) }.copy_from_slice(&row[..count]);
        }
        if let Some((first, within)) = self.mirrored(at, row.len()) {
            // SAFETY: modes below zero on the fastest axis are the mirror image of one panel only.
            let modes = unsafe { modes.part(first, within.len()) };
            modes.iter_mut().zip(row[within].iter().rev()).for_each(|(to, from)| *to = from.conj());
        }
    }

    /// Reads modes in a row on the fastest axis: the mean of each and its conjugate mirror image, if they are mirrored.
    #[inline(always)]
    fn get<T: Real>(&self, modes: &[Complex<T>], at: [usize; 3], row: &mut [Complex<T>]) {
        if !self.mirrored {
            let [z, y, x] = at;
            let first = (z * self.counts[1] + y) * self.counts[2] + x;
            return copy_row(row, &modes[first..first + row.len()]);
        }
        let half = T::nearest(0.5);
        row.fill(Complex::default());
        if let Some((first, count)) = self.direct(at, row.len()) {
            row.iter_mut().zip(&modes[first..first + count]).for_each(|(to, from)| *to = from * half);
        }
        if let Some(opposite) = self.opposite(at[0], at[1]).filter(|_| at[2] == self.counts[2] / 2) {
            row[0] = row[0] + modes[opposite + self.place(2, at[2]).unwrap_or(0)].conj() * half;
        }
        if let Some((first, within)) = self.mirrored(at, row.len()) {
            let modes = modes[first..first + within.len()].iter().rev();
            row[within].iter_mut().zip(modes).for_each(|(to, from)| *to = *to + from.conj() * half);
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
