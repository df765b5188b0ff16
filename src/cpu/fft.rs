//! The uniform transform on the CPU: rustfft along each axis, without lines that are zero or not wanted.
//!
//! Lines of the fastest axis are transformed in place. Other axes go through panels of a few adjacent columns, gathered
//! into lines and scattered back, since strided lines would touch a cache line for each element. Type 1 starts with the
//! fastest axis and keeps, on each next one, only columns in which a mode lies. Type 2 goes the other way and reads
//! only those columns, so that a grid need not be zero where no mode lies. In three dimensions the two faster axes are
//! done plane by plane, while the plane is in cache. The slowest axis is left to [`crate::cpu::deconvolve`], which
//! moves its lines directly to or from the modes.
//!
//! A long one-dimensional line n = n₁n₂ is transformed as n₁ rows of n₂ (Bailey's four steps, 1990): columns,
//! multiplication by the twiddles `exp(±2πi k₁j₂/n)`, rows. Every core then has work, and two plans of a thousand
//! replace one of a million, whose tables alone take longer to make than a transform. Bin `k₁ + n₁k₂` ends in row k₁ at
//! k₂.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use num_complex::Complex;
use rustfft::Fft;

use crate::loops::transpose::{copy_row, get_rows, put_rows};
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::recipe::ModeOrder;
use crate::numeric::sign::Sign;
use crate::numeric::twiddles::{Pairs, Twiddles};
use crate::real::Real;

/// The least number of cells for which a one-dimensional line is split among threads. A split line takes 14 to 35 ns a
/// cell on one thread where a whole one takes 7 to 15 (40,000 to 170,000 cells of f64), so that two threads gained
/// nothing.
const LONG: usize = 1 << 18;

/// The transform of one fine grid, in both directions.
pub(crate) struct Transform<T: Real> {
    /// The grid's axes; for a split line, its columns and rows.
    axes: Vec<Axis>,
    /// Twiddles and kept bins, for a split line.
    pub(crate) split: Option<Split<T>>,
    /// The conversion between pairs of real cells and their bins, if cells are real.
    pub(crate) pairs: Option<Pairs<T>>,
    /// One plan an axis, for sign + and sign -, made when first used.
    plans: [OnceLock<Vec<Arc<dyn Fft<T>>>>; 2],
}

/// One axis of the grid.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) cells: usize,
    /// Elements from one cell to the next.
    pub(crate) stride: usize,
    /// Bins in which a mode lies: those of the modes from 0 on, then those of negative modes.
    pub(crate) kept: [Run; 2],
}

/// Consecutive bins whose modes are consecutive too.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) bins: Range<usize>,
    /// Place of the first bin's mode among the axis' modes.
    pub(crate) mode: usize,
}

/// Adjacent columns along the slowest axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    /// Index of the first column's first element.
    pub(crate) start: usize,
    pub(crate) count: usize,
    /// Place of the first column's mode on the fastest axis.
    pub(crate) mode: usize,
    /// Place of the columns' mode on the middle axis, if there are three axes.
    pub(crate) outer: Option<usize>,
}

impl Columns {
    /// The places on three axes of the first column's mode, at this place on the slowest axis.
    pub(crate) fn at(&self, slowest: usize) -> [usize; 3] {
        match self.outer {
            Some(outer) => [slowest, outer, self.mode],
            None => [0, slowest, self.mode],
        }
    }
}

/// A long line transformed as rows and columns.
pub(crate) struct Split<T> {
    twiddles: Twiddles<T>,
    /// The kept bins of the whole line.
    pub(crate) kept: [Run; 2],
}

impl<T: Real> fmt::Debug for Transform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.axes.iter().map(|axis| axis.cells)).finish()
    }
}

/// Columns gathered together: two cache lines. 4 to 32 complex f64 were within 5 % of each other.
pub(crate) const fn panel<T>() -> usize {
    128 / size_of::<Complex<T>>()
}

impl Axis {
    fn new(cells: usize, stride: usize, modes: usize, order: ModeOrder) -> Self {
        Self { cells, stride, kept: runs(cells, modes, order) }
    }

    pub(crate) fn kept_parts(&self) -> [Range<usize>; 2] {
        [self.kept[0].bins.clone(), self.kept[1].bins.clone()]
    }

    pub(crate) fn all_parts(&self) -> [Range<usize>; 2] {
        [0..self.cells, self.cells..self.cells]
    }

    /// The kept bins, cut into runs of at most `size`.
    pub(crate) fn panels(&self, size: usize) -> impl Iterator<Item = Run> + '_ {
        self.kept.iter().flat_map(move |run| {
            run.bins.clone().step_by(size).map(move |first| Run {
                bins: first..run.bins.end.min(first + size),
                mode: run.mode + first - run.bins.start,
            })
        })
    }
}

fn runs(cells: usize, modes: usize, order: ModeOrder) -> [Run; 2] {
    let below = modes / 2;
    let (above_at, below_at) = match order {
        ModeOrder::Centred => (below, 0),
        ModeOrder::Fft => (0, modes - below),
    };
    [Run { bins: 0..modes - below, mode: above_at }, Run { bins: cells - below..cells, mode: below_at }]
}

impl<T: Real> Transform<T> {
    /// The transform of complex cells. Neighbouring cells of an axis are `strides` elements apart, with the last axis
    /// contiguous; `kept` is the number of modes on each axis.
    pub(crate) fn new(grid: &[usize], strides: &[usize], kept: &[usize], order: ModeOrder) -> Self {
        if let (&[cells], &[modes]) = (grid, kept)
            && cells >= LONG
        {
            return Self::split(cells, runs(cells, modes, order), None);
        }
        let axes = grid.iter().zip(strides).zip(kept);
        let axes = axes.map(|((&cells, &stride), &modes)| Axis::new(cells, stride, modes, order));
        Self { axes: axes.collect(), split: None, pairs: None, plans: Default::default() }
    }

    /// The transform of real cells, two of which are taken as a complex one: the fastest axis has half as many cells
    /// and keeps the bins of modes from 0 on, and the others keep as many bins below zero as above. Modes are counted
    /// from minus half their number to plus half of it. In one dimension all bins of the pairs are kept.
    pub(crate) fn real(grid: &[usize], strides: &[usize], modes: &[usize]) -> Self {
        let Some((&cells, slower)) = grid.split_last() else {
            return Self::new(grid, strides, modes, ModeOrder::Centred);
        };
        let (half, whole) = (cells / 2, Run { bins: 0..cells / 2, mode: 0 });
        let pairs = Some(Pairs::new(cells, !slower.is_empty()));
        let rest = Run { bins: half..half, mode: 0 };
        if slower.is_empty() && half >= LONG {
            return Self::split(half, [whole, rest], pairs);
        }
        let fastest = match (modes.last(), slower) {
            (Some(&count), [_, ..]) => Run { bins: 0..count / 2 + 1, mode: count / 2 },
            _ => whole,
        };
        let slower = slower.iter().zip(strides).zip(modes);
        let axes = slower
            .map(|((&cells, &stride), &count)| Axis::new(cells, stride / 2, 2 * (count / 2) + 1, ModeOrder::Centred));
        let axes = axes.chain([Axis { cells: half, stride: 1, kept: [fastest, rest] }]).collect();
        Self { axes, split: None, pairs, plans: Default::default() }
    }

    fn split(cells: usize, kept: [Run; 2], pairs: Option<Pairs<T>>) -> Self {
        let rows = divisor(cells);
        let columns = cells / rows;
        let all = |cells| [Run { bins: 0..cells, mode: 0 }, Run { bins: cells..cells, mode: 0 }];
        let axes = [(rows, columns), (columns, 1)];
        let axes = axes.map(|(cells, stride)| Axis { cells, stride, kept: all(cells) }).to_vec();
        let twiddles = Twiddles::new(rows, columns, panel::<T>());
        Self { axes, split: Some(Split { twiddles, kept }), pairs, plans: Default::default() }
    }

    /// Transforms the first cells of every row of `stride` elements along the last axis, with the conversions that
    /// `around` asks for.
    fn rows(&self, grid: &mut [Complex<T>], stride: usize, sign: Sign, around: Around) {
        let (last, fft) = (self.axes.len() - 1, &*self.plans(sign)[self.axes.len() - 1]);
        let axis = &self.axes[last];
        // In one dimension deconvolution converts the pairs.
        let pairs = self.pairs.as_ref().filter(|_| last > 0);
        let together = (4096 / stride).max(1) * stride;
        parallel::chunks(grid, together, 4, |_, lines| {
            let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
            for line in lines.chunks_mut(stride) {
                let cells = &mut line[..axis.cells];
                if matches!(around, Around::Before) {
                    cells[axis.kept[0].bins.end..axis.kept[1].bins.start].fill(Complex::default());
                    pairs.iter().for_each(|pairs| pairs.line_to_pairs(cells, sign));
                }
                fft.process_with_scratch(cells, &mut scratch);
                if matches!(around, Around::After) {
                    pairs.iter().for_each(|pairs| pairs.line_to_bins(cells, sign));
                }
            }
        });
    }

    /// Makes the plans of one sign now instead of at the first use.
    pub(crate) fn ready(&self, sign: Sign) {
        self.plans(sign);
    }

    fn plans(&self, sign: Sign) -> &[Arc<dyn Fft<T>>] {
        self.plans[sign as usize].get_or_init(|| self.axes.iter().map(|axis| T::plan_fft(axis.cells, sign)).collect())
    }

    /// The axes, the slowest first; for a split line, columns and rows.
    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Cells of the grid without halo.
    pub(crate) fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.cells).product()
    }

    /// The plan of one axis, for lines that are transformed where they are.
    pub(crate) fn in_place(&self, axis: usize, sign: Sign) -> Panel<'_, T> {
        Panel::new(self.axes[axis].cells, 0, &*self.plans(sign)[axis])
    }

    /// Calls `work(panel, i)` for every i below `count` with memory for a panel of lines of the slowest axis, shared by
    /// some calls one after another: fewer where there would be too few tasks for some threads.
    pub(crate) fn each_panel(
        &self,
        count: usize,
        items: usize,
        sign: Sign,
        work: impl Fn(&mut Panel<'_, T>, usize) + Sync,
    ) {
        let together = (count / 64).clamp(1, 16);
        parallel::each(count.div_ceil(together), items, |task| {
            let mut panel = self.panel(0, sign);
            (task * together..count.min((task + 1) * together)).for_each(|index| work(&mut panel, index));
        });
    }

    /// Memory for a panel of lines of one axis, with their plan.
    fn panel(&self, axis: usize, sign: Sign) -> Panel<'_, T> {
        Panel::new(self.axes[axis].cells, panel::<T>(), &*self.plans(sign)[axis])
    }

    /// Type 1: transforms all axes but the slowest. A split line's columns are transformed and multiplied by the
    /// twiddles, a short line is transformed whole.
    pub(crate) fn forward(&self, grid: &mut [Complex<T>], sign: Sign) {
        match &self.axes[..] {
            [x] => self.rows(&mut grid[..x.cells], x.cells, sign, Around::After),
            [y, x] if let Some(split) = &self.split => self.twiddled_columns(split, grid, [y, x], sign, true),
            [y, _] => self.rows(&mut grid[..y.cells * y.stride], y.stride, sign, Around::After),
            [z, y, x] => parallel::chunks(&mut grid[..z.cells * z.stride], z.stride, 4, |_, plane| {
                self.rows(&mut plane[..y.cells * y.stride], y.stride, sign, Around::After);
                self.middle(plane, [y, x], sign, &y.all_parts(), &y.kept_parts());
            }),
            _ => unreachable!("a plan has one to three axes"),
        }
    }

    /// Type 2: the counterpart of `forward`, after the slowest axis has been transformed.
    pub(crate) fn backward(&self, grid: &mut [Complex<T>], sign: Sign) {
        match &self.axes[..] {
            [x] => self.rows(&mut grid[..x.cells], x.cells, sign, Around::Before),
            [y, x] if let Some(split) = &self.split => self.twiddled_columns(split, grid, [y, x], sign, false),
            [y, _] => self.rows(&mut grid[..y.cells * y.stride], y.stride, sign, Around::Before),
            [z, y, x] => parallel::chunks(&mut grid[..z.cells * z.stride], z.stride, 4, |_, plane| {
                self.middle(plane, [y, x], sign, &y.kept_parts(), &y.all_parts());
                self.rows(&mut plane[..y.cells * y.stride], y.stride, sign, Around::Before);
            }),
            _ => unreachable!("a plan has one to three axes"),
        }
    }

    /// Transforms the middle axis of one plane at the kept bins of the fastest: reads the cells in `from`, writes those
    /// in `to`.
    fn middle(
        &self,
        plane: &mut [Complex<T>],
        [y, x]: [&Axis; 2],
        sign: Sign,
        from: &[Range<usize>],
        to: &[Range<usize>],
    ) {
        let mut lines = self.panel(1, sign);
        let plane = Disjoint::new(plane);
        for columns in x.panels(panel::<T>()) {
            let (start, count) = (columns.bins.start, columns.bins.len());
            lines.load(plane, start, count, y, from);
            lines.transform(count);
            lines.store(plane, start, count, y, to);
        }
    }

    /// Transforms the slowest axis of a whole grid in place, for callers that do not deconvolve in the same pass. It
    /// comes after `forward`, or before `backward`, where bins without modes must be zero.
    #[cfg(any(feature = "gpu", test))]
    pub(crate) fn slowest(&self, grid: &mut [Complex<T>], sign: Sign) {
        if self.axes.len() == 1 {
            return;
        }
        if self.split.is_some() {
            let y = &self.axes[0];
            return self.rows(&mut grid[..y.cells * y.stride], y.stride, sign, Around::After);
        }
        let (slowest, work) = (&self.axes[0], grid.len());
        let columns = self.columns();
        let grid = Disjoint::new(grid);
        parallel::each(columns.len(), work, |index| {
            let Columns { start, count, .. } = columns[index];
            let mut panel = self.panel(0, sign);
            panel.load(grid, start, count, slowest, &slowest.all_parts());
            panel.transform(count);
            panel.store(grid, start, count, slowest, &slowest.all_parts());
        });
    }

    /// The kept columns along the slowest axis, cut into panels; empty in one dimension.
    pub(crate) fn columns(&self) -> Vec<Columns> {
        let panels = |x: &Axis, start: usize, outer: Option<usize>| -> Vec<Columns> {
            let columns =
                |run: Run| Columns { start: start + run.bins.start, count: run.bins.len(), mode: run.mode, outer };
            x.panels(panel::<T>()).map(columns).collect()
        };
        match &self.axes[..] {
            [_, x] => panels(x, 0, None),
            [_, y, x] => {
                let rows = y.panels(1).flat_map(|run| panels(x, run.bins.start * y.stride, Some(run.mode)));
                rows.collect()
            }
            _ => Vec::new(),
        }
    }

    /// The index on its axis at which `forward` and `slowest` leave a bin.
    #[cfg(any(feature = "gpu", test))]
    pub(crate) fn placed(&self, bin: usize) -> usize {
        match &self.axes[..] {
            [rows, columns] if self.split.is_some() => bin % rows.cells * columns.cells + bin / rows.cells,
            _ => bin,
        }
    }

    /// Transforms the columns of a split line, and multiplies them by the twiddles after (type 1) or before it (type
    /// 2).
    fn twiddled_columns(&self, split: &Split<T>, grid: &mut [Complex<T>], [y, x]: [&Axis; 2], sign: Sign, after: bool) {
        let (size, work) = (panel::<T>(), grid.len());
        let grid = Disjoint::new(grid);
        self.each_panel(x.cells.div_ceil(size), work, sign, |panel, index| {
            let columns = index * size..x.cells.min((index + 1) * size);
            panel.load(grid, columns.start, columns.len(), y, &y.all_parts());
            if !after {
                split.twiddles.apply(&mut panel.lines, y.cells, columns.clone(), sign);
            }
            panel.transform(columns.len());
            if after {
                split.twiddles.apply(&mut panel.lines, y.cells, columns.clone(), sign);
            }
            panel.store(grid, columns.start, columns.len(), y, &y.all_parts());
        });
    }
}

/// The rows of a split line: near the root, and such that its columns, the distance of the cells that are gathered
/// together, have few factors of 2. A distance near a power of two puts all these cells in a few places of a cache.
fn divisor(cells: usize) -> usize {
    let badness = |&rows: &usize| {
        let columns = cells / rows;
        let twos = f64::from(columns.trailing_zeros().saturating_sub(3));
        (rows as f64 / columns as f64).log2().abs() + 0.5 * twos
    };
    let root = cells.isqrt();
    let divisors = (1..=root).filter(|rows| cells.is_multiple_of(*rows)).flat_map(|rows| [rows, cells / rows]);
    divisors.min_by(|a, b| badness(a).total_cmp(&badness(b))).unwrap_or(1)
}

/// The conversions that go with the transform of each row.
#[derive(Clone, Copy)]
enum Around {
    /// After it, pairs of real cells are converted to their bins.
    After,
    /// Before it, cells in which no mode lies are zeroed, and bins of real cells are converted to pairs.
    Before,
}

/// Memory for a panel of lines of one axis, with the plan that transforms them.
pub(crate) struct Panel<'a, T: Real> {
    /// The lines, one after another.
    pub(crate) lines: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
    cells: usize,
    fft: &'a dyn Fft<T>,
}

impl<'a, T: Real> Panel<'a, T> {
    fn new(cells: usize, columns: usize, fft: &'a dyn Fft<T>) -> Self {
        let scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        Self { lines: vec![Complex::default(); columns * cells], scratch, cells, fft }
    }

    /// Zeroes the first `count` lines outside of `parts`.
    pub(crate) fn clear_outside(&mut self, count: usize, parts: &[Range<usize>]) {
        for line in self.lines.chunks_exact_mut(self.cells).take(count) {
            let mut from = 0;
            for part in parts {
                line[from..part.start.max(from)].fill(Complex::default());
                from = part.end;
            }
            line[from..].fill(Complex::default());
        }
    }

    /// Gathers `count` columns along `axis` from `start` on, at those of its cells that lie in `parts`; the rest is
    /// zeroed.
    pub(crate) fn load(
        &mut self,
        grid: Disjoint<'_, Complex<T>>,
        start: usize,
        count: usize,
        axis: &Axis,
        parts: &[Range<usize>],
    ) {
        self.clear_outside(count, parts);
        for part in parts {
            put_rows(&mut self.lines, self.cells, count, part.clone(), |j, row| {
                if j + AHEAD < axis.cells {
                    grid.prefetch(start + (j + AHEAD) * axis.stride);
                    grid.prefetch(start + (j + AHEAD) * axis.stride + count - 1);
                }
                // SAFETY: panels of different tasks have different columns, and columns have no element in common.
                copy_row(row, unsafe { grid.part(start + j * axis.stride, count) });
            });
        }
    }

    /// Transforms the first `count` lines.
    pub(crate) fn transform(&mut self, count: usize) {
        self.fft.process_with_scratch(&mut self.lines[..count * self.cells], &mut self.scratch);
    }

    /// Transforms lines in other memory.
    pub(crate) fn transform_there(&mut self, lines: &mut [Complex<T>]) {
        self.fft.process_with_scratch(lines, &mut self.scratch);
    }

    /// Scatters the lines back, at those cells that lie in `parts`.
    pub(crate) fn store(
        &self,
        grid: Disjoint<'_, Complex<T>>,
        start: usize,
        count: usize,
        axis: &Axis,
        parts: &[Range<usize>],
    ) {
        for part in parts {
            get_rows(&self.lines, self.cells, count, part.clone(), |j, row| {
                // SAFETY: as in `load`.
                copy_row(unsafe { grid.part(start + j * axis.stride, count) }, row);
            });
        }
    }
}

/// Rows by which a panel is prefetched ahead: they are too far apart for the hardware prefetcher.
const AHEAD: usize = 12;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::planner;

    /// The transform is compared with the sum of its definition, on grids with a halo, in one to three dimensions.
    #[test]
    fn agrees_with_the_definition_where_modes_lie() {
        for (grid, kept) in [(vec![12], vec![7]), (vec![6, 10], vec![3, 5]), (vec![4, 6, 20], vec![2, 3, 10])] {
            let mut strides = vec![1; grid.len()];
            for axis in (0..grid.len() - 1).rev() {
                strides[axis] = strides[axis + 1] * (grid[axis + 1] + 3);
            }
            let len = strides[0] * (grid[0] + 3);
            let cells: Vec<Vec<usize>> = every(&grid.iter().map(|&n| (0..n).collect()).collect::<Vec<_>>());
            let transform = Transform::<f64>::new(&grid, &strides, &kept, ModeOrder::Fft);
            let bins = every(
                &transform
                    .axes
                    .iter()
                    .map(|axis| axis.kept_parts().into_iter().flatten().collect())
                    .collect::<Vec<_>>(),
            );
            let place = |at: &[usize]| at.iter().zip(&strides).map(|(a, s)| a * s).sum::<usize>();
            let value = |i: usize| Complex::new((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 48.0 - 1.0);
            for sign in [Sign::Plus, Sign::Minus] {
                let turn = if sign == Sign::Plus { 1.0 } else { -1.0 };
                let wave = |a: &[usize], b: &[usize]| {
                    let turns: f64 = (0..grid.len()).map(|d| (a[d] * b[d]) as f64 / grid[d] as f64).sum();
                    Complex::from_polar(1.0, turn * std::f64::consts::TAU * turns)
                };
                let mut work: Vec<_> = (0..len).map(value).collect();
                transform.forward(&mut work, sign);
                transform.slowest(&mut work, sign);
                for bin in &bins {
                    let sum: Complex<f64> = cells.iter().map(|cell| value(place(cell)) * wave(bin, cell)).sum();
                    assert!((work[place(bin)] - sum).norm() < 1e-11);
                }
                let mut work = vec![Complex::default(); len];
                bins.iter().for_each(|bin| work[place(bin)] = value(place(bin)));
                transform.slowest(&mut work, sign);
                transform.backward(&mut work, sign);
                for cell in &cells {
                    let sum: Complex<f64> = bins.iter().map(|bin| value(place(bin)) * wave(bin, cell)).sum();
                    assert!((work[place(cell)] - sum).norm() < 1e-11);
                }
            }
        }
    }

    /// A split line is compared with rustfft's own plan of its length.
    #[test]
    fn a_split_line_is_the_same_transform() {
        for cells in [LONG, 264_600, 4 * 3 * 5 * 4374] {
            let modes = cells / 2 + 1;
            let transform = Transform::<f64>::new(&[cells], &[1], &[modes], ModeOrder::Fft);
            let bins: Vec<usize> = runs(cells, modes, ModeOrder::Fft).into_iter().flat_map(|run| run.bins).collect();
            let value = |i: usize| Complex::new((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 48.0 - 1.0);
            for sign in [Sign::Plus, Sign::Minus] {
                let whole = planner::plan::<f64>(&planner::Planner::default(), cells, sign);
                let mut expected: Vec<_> = (0..cells).map(value).collect();
                let mut work = expected.clone();
                whole.process(&mut expected);
                transform.forward(&mut work, sign);
                transform.slowest(&mut work, sign);
                let norm = expected.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
                for &bin in &bins {
                    assert!((work[transform.placed(bin)] - expected[bin]).norm() < 1e-14 * norm, "{cells} {bin}");
                }
                let (mut expected, mut work) = (vec![Complex::default(); cells], vec![Complex::default(); cells]);
                for (i, &bin) in bins.iter().enumerate() {
                    (expected[bin], work[transform.placed(bin)]) = (value(i), value(i));
                }
                whole.process(&mut expected);
                transform.slowest(&mut work, sign);
                transform.backward(&mut work, sign);
                let norm = expected.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
                for (work, expected) in work.iter().zip(&expected) {
                    assert!((work - expected).norm() < 1e-14 * norm, "{cells}");
                }
            }
        }
    }

    fn every(axes: &[Vec<usize>]) -> Vec<Vec<usize>> {
        axes.iter().fold(vec![vec![]], |rows, axis| {
            rows.iter().flat_map(|row| axis.iter().map(|&i| [row.clone(), vec![i]].concat())).collect()
        })
    }
}
