//! Points sorted by the tile their stencil begins in: the order in which every backend spreads and interpolates.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::nufft::points::{Fold, Points};
use crate::pages::Pages;
use crate::parallel::{self, Disjoint};
use crate::real::{Coordinate, Real};

/// How one axis of the fine grid is cut into tiles: the tile of a cell is `(cell · magic) >> 32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisTiles {
    /// Cells on the axis.
    pub cells: usize,
    /// Tiles on the axis.
    pub count: usize,
    magic: u64,
}

impl AxisTiles {
    /// Tiles of `size` cells, a power of two; the last one may be smaller.
    #[must_use]
    pub fn of_size(cells: usize, size: usize) -> Self {
        debug_assert!(size.is_power_of_two());
        Self { cells, count: cells.div_ceil(size), magic: (1u64 << 32) / size as u64 }
    }

    /// `count` tiles whose sizes differ by at most one cell.
    #[must_use]
    pub fn even(cells: usize, count: usize) -> Self {
        debug_assert!(0 < count && count <= cells);
        Self { cells, count, magic: ((count as u64) << 32) / cells as u64 }
    }

    /// The tile a cell lies in.
    #[inline(always)]
    #[must_use]
    pub fn tile(&self, cell: u32) -> usize {
        ((u64::from(cell) * self.magic) >> 32) as usize
    }

    /// The first cell of a tile; `start(count)` is the number of cells.
    #[must_use]
    pub fn start(&self, tile: usize) -> usize {
        (((tile as u64) << 32).div_ceil(self.magic) as usize).min(self.cells)
    }
}

/// The tiles of a fine grid, the last axis running fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiling {
    /// One entry an axis.
    pub axes: Vec<AxisTiles>,
}

impl Tiling {
    /// Number of tiles.
    #[must_use]
    pub fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// The tile's place on each axis.
    #[must_use]
    pub fn place(&self, mut tile: usize) -> [usize; 3] {
        let mut place = [0; 3];
        for (axis, tiles) in self.axes.iter().enumerate().rev() {
            place[axis] = tile % tiles.count;
            tile /= tiles.count;
        }
        place
    }
}

/// Points in grid units, permuted by tile. Stable: points of one tile keep the caller's order.
#[derive(Debug)]
pub struct Bins<T> {
    /// Number of points.
    pub len: usize,
    /// First cell of each point's stencil, wrapped into the grid; axis-major: `cells[axis * len + i]`.
    pub cells: Pages<u32>,
    /// Distance from the stencil's left edge to that cell, in cells, in [0, 1]; axis-major like `cells`.
    pub fractions: Pages<T>,
    /// The caller's index of the i-th point in tile order.
    pub order: Pages<u32>,
    /// Where each tile's points begin; one entry more than there are tiles.
    pub starts: Vec<u32>,
    /// The tiles they were sorted by.
    pub tiling: Tiling,
}

impl<T: Real> Bins<T> {
    /// The points of a tile, in tile order.
    #[must_use]
    pub fn points(&self, tile: usize) -> std::ops::Range<usize> {
        self.starts[tile] as usize..self.starts[tile + 1] as usize
    }

    /// Folds and sorts points. Two passes of double-double arithmetic over the coordinates: one for the tile, one, in tile
    /// order, for cell and fraction.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the first NaN or infinity; [`Error::TooLarge`] past 2³² - 1 points.
    pub fn sort<C: Coordinate>(points: &Points<'_, C>, folds: &[Fold], tiling: Tiling) -> Result<Self> {
        let len = points.len();
        if u32::try_from(len).is_err() {
            return Err(Error::TooLarge {
                what: "a set of points",
                needed: format!("{len} points"),
                limit: "an index has 32 bits; transform the points in chunks and add the results".into(),
            });
        }
        let tiles = tiling.count();
        if u32::try_from(tiles).is_err() {
            return Err(Error::TooLarge {
                what: "the list of tiles",
                needed: format!("{tiles} tiles"),
                limit: "an index has 32 bits; use fewer modes".into(),
            });
        }
        // Each worker counts every tile: not more of them than the points are worth.
        let workers = parallel::workers(len).min(4 * len / tiles).max(1);
        let chunk = len.div_ceil(workers).max(1);

        let advice = "transform the points in chunks and add the results";
        let mut keys = Pages::<u32>::zeroed(len, "the sorting of points", advice)?;
        let mut counts = vec![0u32; tiles * workers];
        let bad = AtomicUsize::new(usize::MAX);
        parallel::zip_chunks(&mut keys, chunk, &mut counts, tiles, |worker, keys, counts| {
            let first = worker * chunk;
            for (axis, (fold, tiles)) in folds.iter().zip(&tiling.axes).enumerate() {
                let finite = fold.tiles(&points.axes[axis], first, tiles, keys);
                if !finite {
                    let index = points.first_bad(axis, first, keys.len());
                    bad.fetch_min(index, Ordering::Relaxed);
                }
            }
            for &key in keys.iter() {
                counts[key as usize] += 1;
            }
        });
        let bad = bad.into_inner();
        if bad != usize::MAX {
            return Err(points.not_finite(bad));
        }

        let starts = offsets(&mut counts, tiles);
        let mut order = Pages::<u32>::zeroed(len, "the order of points", advice)?;
        {
            let order = Disjoint::new(&mut order);
            parallel::zip_chunks(&mut keys, chunk, &mut counts, tiles, |worker, keys, next| {
                for (i, &key) in keys.iter().enumerate() {
                    let place = &mut next[key as usize];
                    // SAFETY: `offsets` gave each worker places of its own in each tile, as many as it counted there.
                    unsafe { order.write(*place as usize, (worker * chunk + i) as u32) };
                    *place += 1;
                }
            });
        }
        drop(keys);

        let mut cells = Pages::<u32>::zeroed(len * folds.len(), "the cells of points", advice)?;
        let mut fractions = Pages::<T>::zeroed(len * folds.len(), "the fractions of points", advice)?;
        for (axis, fold) in folds.iter().enumerate() {
            let span = axis * len..(axis + 1) * len;
            let (cells, fractions) = (&mut cells[span.clone()], &mut fractions[span]);
            let coordinates = &points.axes[axis];
            parallel::zip_chunks(cells, chunk, fractions, chunk, |worker, cells, fractions| {
                let order = &order[worker * chunk..][..cells.len()];
                fold.locate(coordinates, order, cells, fractions);
            });
        }
        Ok(Self { len, cells, fractions, order, starts, tiling })
    }
}

/// Turns per-worker counts into each worker's first place in each tile; returns the tiles' starts.
fn offsets(counts: &mut [u32], tiles: usize) -> Vec<u32> {
    let mut starts = Vec::with_capacity(tiles + 1);
    let mut next = 0;
    for tile in 0..tiles {
        starts.push(next);
        for worker in counts.chunks_exact_mut(tiles) {
            next += std::mem::replace(&mut worker[tile], next);
        }
    }
    starts.push(next);
    starts
}
