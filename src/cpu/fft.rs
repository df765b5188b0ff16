//! The uniform transform, pruned: rustfft along each axis, without the lines that are known to be zero or not wanted.
//!
//! Lines of the fastest axis are transformed in place. Other axes go through panels of a few adjacent columns, gathered into
//! lines and scattered back, since strided lines would touch a cache line for each element. Type 1 starts with the fastest axis and
//! keeps, on each next one, only columns in which a mode lies; type 2 goes the other way. In three dimensions the two faster
//! axes are done plane by plane, while the plane is in cache.
//!
//! A long one-dimensional line n = n₁n₂ is taken as n₁ rows of n₂ (Bailey's four steps, 1990): columns, a turn of each element by
//! `exp(±2πi k₁j₂/n)`, rows. Every core then has work, and two plans of a thousand replace one of a million, whose tables alone
//! take longer to make than a transform. Bin `k₁ + n₁k₂` is left at `k₁n₂ + k₂`: [`Transform::placed`] says where.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::nufft::{ModeAxis, Sign};
use crate::parallel::{self, Disjoint};
use crate::real::Real;

/// Columns gathered together: 8 complex f64 are two cache lines; 4 to 32 were within 5 % of each other.
const PANEL: usize = 8;

/// Cells from which a one-dimensional line is split.
const LONG: usize = 1 << 15;

/// The transform of one fine grid, in both directions.
pub(crate) struct Transform<T: Real> {
    /// The grid's axes; for a line that is split, its rows and columns.
    axes: Vec<Axis>,
    /// The factors by which a split line's elements are turned.
    turns: Option<Turns<T>>,
    /// One plan an axis, for sign + and sign -, made when first used.
    plans: [OnceLock<Vec<Arc<dyn Fft<T>>>>; 2],
}

/// One axis of the grid.
struct Axis {
    cells: usize,
    stride: usize,
    /// Bins in which a mode lies: the first ones and the last ones.
    kept: [Range<usize>; 2],
}

impl<T: Real> fmt::Debug for Transform<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.axes.iter().map(|axis| axis.cells)).finish()
    }
}

/// rustfft's plan of one line.
pub(crate) fn plan<T: Real>(cells: usize, sign: Sign) -> Arc<dyn Fft<T>> {
    let mut planner = FftPlanner::new();
    match sign {
        Sign::Plus => planner.plan_fft_inverse(cells),
        Sign::Minus => planner.plan_fft_forward(cells),
    }
}

impl<T: Real> Transform<T> {
    /// For a grid of these extents whose axes are `strides` elements apart, the last one contiguous, with `kept` modes an axis.
    pub(crate) fn new(grid: &[usize], strides: &[usize], kept: &[usize]) -> Self {
        if let &[cells] = grid
            && cells >= LONG
        {
            let rows = split(cells);
            let columns = cells / rows;
            let whole = |cells, stride| Axis { cells, stride, kept: [0..cells, 0..0] };
            let axes = vec![whole(rows, columns), whole(columns, 1)];
            return Self { axes, turns: Some(Turns::new(cells)), plans: Default::default() };
        }
        let axes = grid.iter().zip(strides).zip(kept);
        let axes = axes.map(|((&cells, &stride), &kept)| {
            let below = kept / 2;
            Axis { cells, stride, kept: [0..kept - below, cells - below..cells] }
        });
        Self { axes: axes.collect(), turns: None, plans: Default::default() }
    }

    /// Axes of modes with their bins where this transform leaves them.
    pub(crate) fn placed(&self, modes: &[ModeAxis<T>]) -> Vec<ModeAxis<T>> {
        let mut modes = modes.to_vec();
        if self.turns.is_some() {
            let (rows, columns) = (self.axes[0].cells as u32, self.axes[1].cells as u32);
            modes[0].bin.iter_mut().for_each(|bin| *bin = *bin % rows * columns + *bin / rows);
        }
        modes
    }

    /// Makes the plans of one sign now instead of at the first use.
    pub(crate) fn ready(&self, sign: Sign) {
        self.plans(sign);
    }

    fn plans(&self, sign: Sign) -> &[Arc<dyn Fft<T>>] {
        self.plans[sign as usize].get_or_init(|| self.axes.iter().map(|axis| T::plan_fft(axis.cells, sign)).collect())
    }

    /// Type 1: the whole grid in, the bins in which modes lie out; the others hold nothing of use.
    pub(crate) fn forward(&self, grid: &mut [Complex<T>], sign: Sign) {
        let plans = self.plans(sign);
        match (&self.axes[..], plans) {
            ([x], [fft_x]) => rows(&mut grid[..x.cells], x.cells, x.cells, &**fft_x),
            ([y, x], [fft_y, fft_x]) if let Some(turns) = &self.turns => {
                parallel_columns(Disjoint::new(grid), y, &[0], x, &**fft_y);
                turns.apply(&mut grid[..y.cells * y.stride], y.stride, sign);
                rows(&mut grid[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
            }
            ([y, x], [fft_y, fft_x]) => {
                rows(&mut grid[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
                parallel_columns(Disjoint::new(grid), y, &[0], x, &**fft_y);
            }
            ([z, y, x], [fft_z, fft_y, fft_x]) => {
                parallel::chunks(&mut grid[..z.cells * z.stride], z.stride, 4, |_, plane| {
                    rows(&mut plane[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
                    columns(Disjoint::new(plane), y, 0, x, &**fft_y);
                });
                let starts: Vec<usize> = y.kept_bins().map(|bin| bin * y.stride).collect();
                parallel_columns(Disjoint::new(grid), z, &starts, x, &**fft_z);
            }
            _ => unreachable!("a plan has one to three axes"),
        }
    }

    /// Type 2: bins in which modes lie in, all others zero; the whole grid out.
    pub(crate) fn backward(&self, grid: &mut [Complex<T>], sign: Sign) {
        let plans = self.plans(sign);
        match (&self.axes[..], plans) {
            ([x], [fft_x]) => rows(&mut grid[..x.cells], x.cells, x.cells, &**fft_x),
            ([y, x], [fft_y, fft_x]) if let Some(turns) = &self.turns => {
                rows(&mut grid[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
                turns.apply(&mut grid[..y.cells * y.stride], y.stride, sign);
                parallel_columns(Disjoint::new(grid), y, &[0], x, &**fft_y);
            }
            ([y, x], [fft_y, fft_x]) => {
                parallel_columns(Disjoint::new(grid), y, &[0], x, &**fft_y);
                rows(&mut grid[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
            }
            ([z, y, x], [fft_z, fft_y, fft_x]) => {
                let starts: Vec<usize> = y.kept_bins().map(|bin| bin * y.stride).collect();
                parallel_columns(Disjoint::new(grid), z, &starts, x, &**fft_z);
                parallel::chunks(&mut grid[..z.cells * z.stride], z.stride, 4, |_, plane| {
                    columns(Disjoint::new(plane), y, 0, x, &**fft_y);
                    rows(&mut plane[..y.cells * y.stride], x.cells, y.stride, &**fft_x);
                });
            }
            _ => unreachable!("a plan has one to three axes"),
        }
    }
}

/// The factor of a line's length next below its square root; sizes are products of 2, 3 and 5, so there is one near.
fn split(cells: usize) -> usize {
    let root = cells.isqrt();
    (1..=root).rev().find(|rows| cells.is_multiple_of(*rows)).unwrap_or(1)
}

/// `exp(2πi m/n)` for any m < n as a product of two from small tables, each computed in f64.
struct Turns<T> {
    coarse: Vec<Complex<T>>,
    fine: Vec<Complex<T>>,
}

/// Entries of the fine table; with the coarse one it stays in the second-level cache.
const FINE: usize = 1024;

impl<T: Real> Turns<T> {
    fn new(cells: usize) -> Self {
        let at = |m: usize| {
            let (sin, cos) = (std::f64::consts::TAU * (m as f64 / cells as f64)).sin_cos();
            Complex::new(T::nearest(cos), T::nearest(sin))
        };
        Self { coarse: (0..cells.div_ceil(FINE)).map(|m| at(m * FINE)).collect(), fine: (0..FINE).map(at).collect() }
    }

    /// Turns element j of row k by kj: `rows · columns` is the length, so that kj stays below it.
    fn apply(&self, grid: &mut [Complex<T>], columns: usize, sign: Sign) {
        parallel::chunks(grid, columns, 4, |k, row| {
            for (j, value) in row.iter_mut().enumerate() {
                let m = k * j;
                let turn = self.coarse[m / FINE] * self.fine[m % FINE];
                *value = *value * if sign == Sign::Plus { turn } else { turn.conj() };
            }
        });
    }
}

impl Axis {
    fn kept_bins(&self) -> impl Iterator<Item = usize> + '_ {
        self.kept.iter().cloned().flatten()
    }

    /// Kept bins in runs of at most [`PANEL`].
    fn panels(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let runs = self.kept.iter().cloned();
        runs.flat_map(|run| run.clone().step_by(PANEL).map(move |first| first..run.end.min(first + PANEL)))
    }
}

/// Transforms the first `cells` elements of every row of `stride` elements.
fn rows<T: Real>(grid: &mut [Complex<T>], cells: usize, stride: usize, fft: &dyn Fft<T>) {
    let together = (4096 / stride).max(1) * stride;
    parallel::chunks(grid, together, 4, |_, lines| {
        let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        for line in lines.chunks_mut(stride) {
            fft.process_with_scratch(&mut line[..cells], &mut scratch);
        }
    });
}

/// Transforms the columns along `axis` that start at the kept bins of `fastest`, from each of `starts` on, in parallel.
fn parallel_columns<T: Real>(
    grid: Disjoint<'_, Complex<T>>,
    axis: &Axis,
    starts: &[usize],
    fastest: &Axis,
    fft: &dyn Fft<T>,
) {
    let panels: Vec<Range<usize>> = fastest.panels().collect();
    // A task takes whole rows of panels where there are many, and single panels where there is one row.
    let work = panels.len() * PANEL * starts.len() * axis.cells;
    if starts.len() > 1 {
        parallel::each(starts.len(), work, |row| columns(grid, axis, starts[row], fastest, fft));
    } else {
        parallel::each(panels.len(), work, |panel| {
            let mut room = Room::new(axis.cells, fft);
            room.panel(grid, axis, starts[0], panels[panel].clone(), fft);
        });
    }
}

/// Transforms the columns along `axis` that start at `start` plus the kept bins of `fastest`.
fn columns<T: Real>(grid: Disjoint<'_, Complex<T>>, axis: &Axis, start: usize, fastest: &Axis, fft: &dyn Fft<T>) {
    let mut room = Room::new(axis.cells, fft);
    for columns in fastest.panels() {
        room.panel(grid, axis, start, columns, fft);
    }
}

/// Memory for one panel.
struct Room<T> {
    lines: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Real> Room<T> {
    fn new(cells: usize, fft: &dyn Fft<T>) -> Self {
        Self {
            lines: vec![Complex::default(); PANEL * cells],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
        }
    }

    fn panel(
        &mut self,
        grid: Disjoint<'_, Complex<T>>,
        axis: &Axis,
        start: usize,
        columns: Range<usize>,
        fft: &dyn Fft<T>,
    ) {
        let (count, cells) = (columns.len(), axis.cells);
        let lines = &mut self.lines[..count * cells];
        for j in 0..cells {
            // SAFETY: panels of different tasks have different columns, and a column has no element in common with another.
            let row = unsafe { grid.part(start + j * axis.stride + columns.start, count) };
            for (column, &value) in row.iter().enumerate() {
                lines[column * cells + j] = value;
            }
        }
        fft.process_with_scratch(lines, &mut self.scratch);
        for j in 0..cells {
            // SAFETY: as above.
            let row = unsafe { grid.part(start + j * axis.stride + columns.start, count) };
            for (column, value) in row.iter_mut().enumerate() {
                *value = lines[column * cells + j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the sum as it stands, on grids with a halo, in one to three dimensions.
    #[test]
    fn agrees_with_the_definition_where_modes_lie() {
        for (grid, kept) in [(vec![12], vec![7]), (vec![6, 10], vec![3, 5]), (vec![4, 6, 20], vec![2, 3, 10])] {
            let mut strides = vec![1; grid.len()];
            for axis in (0..grid.len() - 1).rev() {
                strides[axis] = strides[axis + 1] * (grid[axis + 1] + 3);
            }
            let len = strides[0] * (grid[0] + 3);
            let cells: Vec<Vec<usize>> = every(&grid.iter().map(|&n| (0..n).collect()).collect::<Vec<_>>());
            let transform = Transform::<f64>::new(&grid, &strides, &kept);
            let bins = every(&transform.axes.iter().map(|axis| axis.kept_bins().collect()).collect::<Vec<_>>());
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
                for bin in &bins {
                    let sum: Complex<f64> = cells.iter().map(|cell| value(place(cell)) * wave(bin, cell)).sum();
                    assert!((work[place(bin)] - sum).norm() < 1e-11);
                }
                let mut work = vec![Complex::default(); len];
                bins.iter().for_each(|bin| work[place(bin)] = value(place(bin)));
                transform.backward(&mut work, sign);
                for cell in &cells {
                    let sum: Complex<f64> = bins.iter().map(|bin| value(place(bin)) * wave(bin, cell)).sum();
                    assert!((work[place(cell)] - sum).norm() < 1e-11);
                }
            }
        }
    }

    /// A split line against rustfft's own plan of it.
    #[test]
    fn a_split_line_is_the_same_transform() {
        for cells in [LONG, 45_000, 2 * 3 * 5 * 2187] {
            let modes = cells / 2 + 1;
            let shape = crate::nufft::Shape::default().build(4, 2.0);
            let axis = ModeAxis::<f64>::new(&*shape, 4, modes, cells, crate::nufft::ModeOrder::Fft);
            let transform = Transform::<f64>::new(&[cells], &[1], &[modes]);
            let placed = transform.placed(std::slice::from_ref(&axis));
            let value = |i: usize| Complex::new((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 48.0 - 1.0);
            for sign in [Sign::Plus, Sign::Minus] {
                let whole = plan::<f64>(cells, sign);
                let mut expected: Vec<_> = (0..cells).map(value).collect();
                let mut work = expected.clone();
                whole.process(&mut expected);
                transform.forward(&mut work, sign);
                let norm = expected.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
                for (&bin, &place) in axis.bin.iter().zip(&placed[0].bin) {
                    assert!((work[place as usize] - expected[bin as usize]).norm() < 1e-14 * norm, "{cells} {bin}");
                }
                let (mut expected, mut work) = (vec![Complex::default(); cells], vec![Complex::default(); cells]);
                for (i, (&bin, &place)) in axis.bin.iter().zip(&placed[0].bin).enumerate() {
                    (expected[bin as usize], work[place as usize]) = (value(i), value(i));
                }
                whole.process(&mut expected);
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
