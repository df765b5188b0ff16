//! Spreading (type 1): strengths onto the fine grid, tile by tile.
//!
//! Points are sorted by tile, and tiles of one slab (a range of the slowest axis) lie together. A slab is at least as thick as
//! a stencil less one cell, so slabs of even number never touch the same cell: they spread in parallel straight into the
//! grid, then those of odd number do. Tiles crowded with points are left out and shared among threads afterwards, in private
//! copies of the tile that are added in a fixed order. Neither depends on the number of threads, so the bits do not.

use std::ops::Range;

use num_complex::Complex;
use rayon::prelude::*;

use crate::cpu::Layout;
use crate::nufft::multiply_add;
use crate::nufft::{Bins, KernelTable};
use crate::parallel;
use crate::real::Real;
use crate::simd::{self, OverStencils};

/// Points in a tile beyond which it is cut into jobs of at most as many. Adding a private tile of 22³ cells back costs as
/// much as spreading about 30 points of width 7.
const CROWD: usize = 4096;
/// Strengths fetched together: one at a time, the wait for memory was 70 % of the two-dimensional case.
const GATHER: usize = 128;
/// Jobs computed before their tiles are added to the grid; bounds the memory of the private tiles.
const WAVE: usize = 32;

/// `grid = Σ_j c[j] φ(l - u_j)`, the halo folded back.
pub(crate) fn spread<T: Real>(
    layout: &Layout,
    kernel: &KernelTable<T>,
    bins: &Bins<T>,
    strengths: &[Complex<T>],
    grid: &mut [Complex<T>],
) {
    let tiles = bins.tiling.axes[0];
    let tiles_a_slab = bins.tiling.count() / tiles.count;
    let plane = layout.strides[layout.slowest()];
    let slab = tiles.start(1).min(tiles.cells) * plane;
    parallel::chunks(grid, slab, 1, |_, cells| cells.fill(Complex::default()));

    let crowded = |tile: usize| bins.points(tile).len() > CROWD;
    let spread_slab = |slab: usize, cells: &mut [Complex<T>]| {
        if slab >= tiles.count {
            return; // Only halo cells are left.
        }
        let mut origin = [0; 3];
        origin[layout.slowest()] = tiles.start(slab);
        let (first, last) = (slab * tiles_a_slab, (slab + 1) * tiles_a_slab);
        let mut tile = first;
        while tile < last {
            // Neighbours without a crowd go in one run.
            let run = tile..(tile..last).find(|&tile| crowded(tile)).unwrap_or(last);
            let points = bins.starts[run.start] as usize..bins.starts[run.end] as usize;
            if !points.is_empty() {
                let target = Target { origin, strides: layout.strides, cells: &mut *cells };
                T::spread(Spread { layout, kernel, bins, strengths, points, target });
            }
            tile = run.end + 1;
        }
    };
    let work = bins.len.saturating_mul(kernel.width.pow(layout.dimensions as u32 - 1)) / grid.len().max(1) + 1;
    parallel::chunks(grid, 2 * slab, work, |pair, cells| spread_slab(2 * pair, cells));
    if tiles.count > 1 {
        parallel::chunks(&mut grid[slab..], 2 * slab, work, |pair, cells| spread_slab(2 * pair + 1, cells));
    }

    let jobs: Vec<Job> =
        (0..bins.tiling.count()).filter(|&tile| crowded(tile)).flat_map(|tile| Job::cut(tile, bins)).collect();
    for wave in jobs.chunks(WAVE) {
        let private: Vec<Private<T>> =
            wave.par_iter().map(|job| Private::new(job, layout, kernel, bins, strengths)).collect();
        parallel::chunks(grid, slab, WAVE, |index, cells| {
            let planes = index * slab / plane..(index * slab + cells.len()) / plane;
            private.iter().for_each(|tile| tile.add_to(layout, &planes, cells));
        });
    }
    fold_halo(layout, kernel.width, grid);
}

/// Some points of a crowded tile.
struct Job {
    tile: usize,
    points: Range<usize>,
}

impl Job {
    fn cut<T: Real>(tile: usize, bins: &Bins<T>) -> impl Iterator<Item = Self> {
        let all = bins.points(tile);
        all.clone().step_by(CROWD).map(move |first| Self { tile, points: first..all.end.min(first + CROWD) })
    }
}

/// A tile with the cells its stencils reach, apart from the grid.
struct Private<T> {
    origin: [usize; 3],
    extents: [usize; 3],
    cells: Vec<Complex<T>>,
}

impl<T: Real> Private<T> {
    fn new(job: &Job, layout: &Layout, kernel: &KernelTable<T>, bins: &Bins<T>, strengths: &[Complex<T>]) -> Self {
        let (mut origin, mut extents) = ([0; 3], [1; 3]);
        let place = bins.tiling.place(job.tile);
        for (axis, tiles) in bins.tiling.axes.iter().enumerate() {
            let at = layout.slowest() + axis;
            origin[at] = tiles.start(place[axis]);
            extents[at] =
                tiles.start(place[axis] + 1) - origin[at] + if at == 2 { kernel.padded } else { kernel.width - 1 };
        }
        let mut cells = vec![Complex::default(); extents.iter().product()];
        let target = Target { origin, strides: [extents[1] * extents[2], extents[2], 1], cells: &mut cells };
        let points = job.points.clone();
        T::spread(Spread { layout, kernel, bins, strengths, points, target });
        Self { origin, extents, cells }
    }

    /// Adds what lies in a range of planes (cells of the slowest axis) to them.
    fn add_to(&self, layout: &Layout, planes: &Range<usize>, cells: &mut [Complex<T>]) {
        let slowest = layout.slowest();
        for (row, from) in self.cells.chunks_exact(self.extents[2]).enumerate() {
            let at = [self.origin[0] + row / self.extents[1], self.origin[1] + row % self.extents[1], self.origin[2]];
            let (at, from) = if slowest == 2 {
                // In one dimension a plane is a single cell: cut the row to the range.
                let first = at[2].max(planes.start);
                let last = (at[2] + self.extents[2]).min(planes.end);
                if first >= last {
                    continue;
                }
                ([0, 0, first], &from[first - at[2]..last - at[2]])
            } else if planes.contains(&at[slowest]) {
                (at, from)
            } else {
                continue;
            };
            let offset = at.iter().zip(&layout.strides).map(|(at, stride)| at * stride).sum::<usize>();
            let offset = offset - planes.start * layout.strides[slowest];
            cells[offset..offset + from.len()].iter_mut().zip(from).for_each(|(to, from)| *to = *to + *from);
        }
    }
}

/// Cells to spread into: a slab of the grid, or a private tile.
struct Target<'a, T> {
    origin: [usize; 3],
    strides: [usize; 3],
    cells: &'a mut [Complex<T>],
}

/// The inner loops: some points into some cells.
pub(crate) struct Spread<'a, T: Real> {
    pub(crate) layout: &'a Layout,
    pub(crate) kernel: &'a KernelTable<T>,
    bins: &'a Bins<T>,
    strengths: &'a [Complex<T>],
    points: Range<usize>,
    target: Target<'a, T>,
}

impl<T: Real> OverStencils for Spread<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool, const D: usize, const P: usize, const H: usize>(self) {
        let Self { kernel, bins, strengths, points, target, .. } = self;
        let cells: &mut [[T; 2]] = bytemuck::cast_slice_mut(target.cells);
        let width = kernel.width;
        let mut gathered = [Complex::<T>::default(); GATHER];
        for (k, i) in points.clone().enumerate() {
            if k % GATHER == 0 {
                let order = &bins.order[i..points.end.min(i + GATHER)];
                gathered.iter_mut().zip(order).for_each(|(to, &from)| *to = strengths[from as usize]);
            }
            let strength = gathered[k % GATHER];
            let mut offset = 0;
            let mut weights = [[T::zero(); P]; D];
            for (axis, weights) in weights.iter_mut().enumerate() {
                let at = 3 - D + axis;
                offset += (bins.cells[axis * bins.len + i] as usize - target.origin[at]) * target.strides[at];
                *weights = kernel.values::<FMA, P>(bins.fractions[axis * bins.len + i]);
            }
            let row_weights: [[T; 4]; H] = simd::doubled(weights[D - 1]);
            let mut add_row = |offset: usize, scale: [T; 2]| {
                let scale = [scale[0], scale[1], scale[0], scale[1]];
                let row: &mut [[T; 4]] = cells[offset..offset + P].as_flattened_mut().as_chunks_mut::<4>().0;
                let row: &mut [[T; 4]; H] = row.try_into().expect("H groups");
                for (group, weight) in row.iter_mut().zip(&row_weights) {
                    for lane in 0..4 {
                        group[lane] = multiply_add::<FMA, T>(weight[lane], scale[lane], group[lane]);
                    }
                }
            };
            match D {
                1 => add_row(offset, [strength.re, strength.im]),
                2 => {
                    for &weight in &weights[0][..width] {
                        add_row(offset, [strength.re * weight, strength.im * weight]);
                        offset += target.strides[1];
                    }
                }
                _ => {
                    for &outer in &weights[0][..width] {
                        let mut offset_row = offset;
                        for &weight in &weights[1][..width] {
                            let weight = outer * weight;
                            add_row(offset_row, [strength.re * weight, strength.im * weight]);
                            offset_row += target.strides[1];
                        }
                        offset += target.strides[0];
                    }
                }
            }
        }
    }
}

/// Adds the halo to the cells it stands for, fastest axis first.
fn fold_halo<T: Real>(layout: &Layout, width: usize, grid: &mut [Complex<T>]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    let add =
        |to: &mut [Complex<T>], from: &[Complex<T>]| to.iter_mut().zip(from).for_each(|(to, from)| *to = *to + *from);
    parallel::chunks(grid, rows * row, 1, |_, plane| {
        parallel::chunks(plane, row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            add(inside, halo);
        });
        if layout.dimensions > 1 {
            let (inside, halo) = plane.split_at_mut(lines * row);
            add(inside, &halo[..(width - 1) * row]);
        }
    });
    if layout.dimensions > 2 {
        let (inside, halo) = grid.split_at_mut(planes * rows * row);
        parallel::zip_chunks(&mut inside[..halo.len()], rows * row, halo, rows * row, |_, to, from| add(to, from));
    }
}
