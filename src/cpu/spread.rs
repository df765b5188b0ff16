//! Spreading (type 1) on the CPU: adds strengths to the fine grid, tile by tile.
//!
//! Points are sorted by tile, and the tiles of one slab (a range of the slowest axis) lie together. A slab is at least
//! as thick as a stencil less one cell, so the stencils of two even slabs never touch the same cell: all even slabs
//! spread in parallel straight into the grid, then all odd ones do. Tiles crowded with points are left out and shared
//! among threads afterwards, in private copies of the tile that are added in a fixed order. None of this depends on the
//! number of threads, so neither do the bits of the result. The kernel is evaluated once for each point, whatever the
//! number of transforms executed together.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::cpu::grid::Field;
use crate::loops::layout::Layout;
use crate::loops::spread::{Spread, Target};
use crate::loops::stencil::Stencil;
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::bins::{Bins, Tiling};
use crate::real::{Number, Real};

/// Points above which a tile is crowded, if it also has more than its share of all points; it is then cut into jobs of
/// at most this many. Adding a private tile of 22³ cells back costs as much as spreading about 30 points of width 7.
const CROWD: usize = 4096;
/// Slabs below which threads would wait for one another. All tiles are then shared if they have points enough for a
/// private copy to cost little (on an axis of a few cells, for instance, there is only one slab).
const FEW: usize = 8;
/// Additions to cells, of all points together, from which on tiles are worth sharing.
const SHARED: usize = 1 << 18;
/// One tile may hold 1/`SHARES` of all points without making threads wait for one another.
const SHARES: usize = 256;
/// Jobs computed before their tiles are added to the grid: it bounds the memory of the private tiles.
const WAVE: usize = 32;
/// `grid = Σ_j c[j] φ(l - u_j)`, with the halo folded back and zero, for each grid, one after another. `clean` says
/// that the grids are zero, or hold earlier points to which these are added. `strengths` has one row for each grid.
pub(crate) fn spread<V: Number>(
    field: &Field<V::Real>,
    bins: &Bins<V::Real>,
    strengths: ArrayView2<'_, V>,
    grids: &mut [V],
    clean: bool,
) {
    let Field { layout, stencil, .. } = field;
    let tiles = bins.tiling.axes[0];
    let tiles_a_slab = bins.tiling.count() / tiles.count;
    let plane = layout.strides[layout.slowest()];
    let slab = tiles.start(1).min(tiles.cells) * plane;
    let crowd = if tiles.count < FEW && bins.len * stencil.cells() > SHARED {
        16 * private_cells(&bins.tiling, stencil) / stencil.cells()
    } else {
        CROWD.max(bins.len / SHARES)
    };
    let crowded = |tile: usize| bins.points(tile).len() > crowd;
    let (len, total) = (layout.len(), grids.len());
    let shared = Disjoint::new(grids);
    let spread_slab = |index: usize| {
        let (start, tile) = (index * slab, index * tiles_a_slab);
        // The slab, and the cells of the next one that its stencils reach, or the halo behind the last.
        let reach = if index + 1 == tiles.count { len - start } else { (2 * slab).min(len - start) };
        // SAFETY: between two slabs of one parity lies another slab, which their stencils do not reach beyond.
        let cells = |grid: usize| unsafe { shared.part(grid * len + start, reach) };
        if !clean && index.is_multiple_of(2) {
            // A slab is zeroed just before it is written, so that it is in cache. Behind the last slab lies only halo.
            let cleared = if index + 2 >= tiles.count { len - start } else { reach };
            // SAFETY: as above, and only the last slabs write to the halo behind them.
            (0..total / len).for_each(|grid| unsafe { shared.part(grid * len + start, cleared) }.fill(V::default()));
        }
        let last = tile + tiles_a_slab;
        let mut tile = tile;
        while tile < last {
            // Neighbouring tiles that are not crowded are spread in one run.
            let run = tile..(tile..last).find(|&tile| crowded(tile)).unwrap_or(last);
            let points = bins.starts[run.start] as usize..bins.starts[run.end] as usize;
            if !points.is_empty() {
                let target =
                    Target { origin: start, strides: layout.strides, cells: (0..total / len).map(cells).collect() };
                V::spread(Spread { layout, stencil, bins, strengths, points, target });
            }
            tile = run.end + 1;
        }
    };
    let work = work::<V>(layout, stencil, bins.len);
    for parity in 0..2 {
        parallel::each((tiles.count + 1 - parity) / 2, work, |pair| spread_slab(2 * pair + parity));
    }

    let jobs: Vec<Job> =
        (0..bins.tiling.count()).filter(|&tile| crowded(tile)).flat_map(|tile| Job::cut(tile, bins)).collect();
    for wave in jobs.chunks(WAVE) {
        let private: Vec<Private<V>> =
            parallel::collect(wave.len(), |job| Private::new(&wave[job], field, bins, strengths, total / len));
        // Tiles come in order, so few other cells lie between the first one's slab and the last one's end.
        let slowest = layout.slowest();
        let first = private.iter().map(|tile| tile.origin[slowest]).min().unwrap_or(0) * plane / slab * slab;
        let end = private.iter().map(|tile| tile.origin[slowest] + tile.extents[slowest]).max().unwrap_or(0) * plane;
        for (item, grid) in grids.chunks_exact_mut(len).enumerate() {
            parallel::chunks(&mut grid[first..end.min(len)], slab, WAVE, |index, cells| {
                let start = first + index * slab;
                let planes = start / plane..(start + cells.len()) / plane;
                private.iter().for_each(|tile| tile.add_to(item, layout, &planes, cells));
            });
        }
    }
    grids.chunks_exact_mut(len).for_each(|grid| fold_halo(layout, grid));
}

/// The cost of spreading or interpolating, in units of a simple pass over as many cells, a vector at a time.
pub(crate) fn work<V: Number>(layout: &Layout, stencil: &Stencil<V::Real>, points: usize) -> usize {
    (points.saturating_mul(stencil.cells()) / 8 + layout.len()) * V::PARTS / 2
}

/// Cells of a private copy of the first tile.
fn private_cells<T: Real>(tiling: &Tiling, stencil: &Stencil<T>) -> usize {
    tiling.axes.iter().zip(stencil.widths).map(|(tiles, width)| tiles.start(1) + width).product()
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

/// A private copy of a tile, with the cells its stencils reach.
struct Private<V> {
    origin: [usize; 3],
    extents: [usize; 3],
    /// Cells of each grid, one after another.
    cells: Vec<V>,
}

impl<V: Number> Private<V> {
    fn new(
        job: &Job,
        field: &Field<V::Real>,
        bins: &Bins<V::Real>,
        strengths: ArrayView2<'_, V>,
        items: usize,
    ) -> Self {
        let Field { layout, stencil, .. } = field;
        let (mut origin, mut extents) = ([0; 3], [1; 3]);
        let place = bins.tiling.place(job.tile);
        for (axis, tiles) in bins.tiling.axes.iter().enumerate() {
            let at = layout.slowest() + axis;
            origin[at] = tiles.start(place[axis]);
            extents[at] = tiles.start(place[axis] + 1) - origin[at]
                + if at == 2 { stencil.row } else { stencil.widths[axis] - 1 };
        }
        let strides = [extents[1] * extents[2], extents[2], 1];
        let len = extents.iter().product();
        let mut cells = vec![V::default(); items * len];
        let target = Target {
            origin: origin.iter().zip(&strides).map(|(cell, stride)| cell * stride).sum(),
            strides,
            cells: cells.chunks_exact_mut(len).collect(),
        };
        V::spread(Spread { layout, stencil, bins, strengths, points: job.points.clone(), target });
        Self { origin, extents, cells }
    }

    /// Adds what lies in `planes` (a range of the slowest axis) to `cells`, which are these planes of the grid.
    fn add_to(&self, item: usize, layout: &Layout, planes: &Range<usize>, cells: &mut [V]) {
        let slowest = layout.slowest();
        let len = self.extents.iter().product::<usize>();
        for (row, from) in self.cells[item * len..][..len].chunks_exact(self.extents[2]).enumerate() {
            let at = [self.origin[0] + row / self.extents[1], self.origin[1] + row % self.extents[1], self.origin[2]];
            let (at, from) = if slowest == 2 {
                // In one dimension a plane is a single cell, so the row is cut to the range.
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

/// Adds the halo to the cells it stands for, fastest axis first, and zeroes it.
fn fold_halo<V: Number>(layout: &Layout, grid: &mut [V]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    let add = |to: &mut [V], from: &mut [V]| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *to + std::mem::take(from));
    };
    parallel::chunks(grid, rows * row, 1, |_, plane| {
        parallel::chunks(plane, row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            add(inside, halo);
            // Beyond one period stencils have only weights of zero.
            let beyond = inside.len().min(halo.len());
            halo[beyond..].fill(V::default());
        });
        if layout.dimensions > 1 {
            let (inside, halo) = plane.split_at_mut(lines * row);
            add(inside, halo);
        }
    });
    if layout.dimensions > 2 {
        let (inside, halo) = grid.split_at_mut(planes * rows * row);
        parallel::zip_chunks(&mut inside[..halo.len()], rows * row, halo, rows * row, |_, to, from| add(to, from));
    }
}
