//! Points sorted by the tile in which their stencil begins: the order in which every backend spreads and interpolates.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::s;

use crate::error::{Error, Result};
use crate::machine::pages::Pages;
use crate::machine::parallel::{self, Disjoint};
use crate::machine::simd::{self, Vectorised};
use crate::nufft::points::{FOLDED, Fold, Points, low_bits};
use crate::numeric::float::{Coordinate, Float};

/// How one axis of the fine grid is cut into tiles: the tile of a cell is `(cell · magic) >> 32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AxisTiles {
    /// Cells on the axis.
    pub cells: usize,
    /// Tiles on the axis.
    pub count: usize,
    magic: u64,
    /// The number of cells of all tiles but the last, a power of two; `None` for tiles of uneven sizes.
    size: Option<u32>,
}

impl AxisTiles {
    /// Tiles of `size` cells, a power of two; the last one may be smaller.
    #[must_use]
    pub(crate) fn of_size(cells: usize, size: usize) -> Self {
        debug_assert!(size.is_power_of_two());
        Self { cells, count: cells.div_ceil(size), magic: (1u64 << 32) / size as u64, size: Some(size as u32) }
    }

    /// `count` tiles whose sizes differ by at most one cell.
    #[cfg(feature = "gpu")]
    pub(crate) fn even(cells: usize, count: usize) -> Self {
        debug_assert!(0 < count && count <= cells);
        Self { cells, count, magic: ((count as u64) << 32) / cells as u64, size: None }
    }

    /// The tile a cell lies in.
    #[inline(always)]
    #[must_use]
    pub(crate) fn tile(&self, cell: u32) -> usize {
        ((u64::from(cell) * self.magic) >> 32) as usize
    }

    /// The first cell of a tile; `start(count)` is the number of cells.
    #[must_use]
    pub(crate) fn start(&self, tile: usize) -> usize {
        (((tile as u64) << 32).div_ceil(self.magic) as usize).min(self.cells)
    }
}

/// The tiles of a fine grid, the last axis running fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// One entry an axis.
    pub axes: Vec<AxisTiles>,
}

impl Tiling {
    /// Number of tiles.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// The tile's place on each axis.
    #[must_use]
    pub(crate) fn place(&self, mut tile: usize) -> [usize; 3] {
        let mut place = [0; 3];
        for (axis, tiles) in self.axes.iter().enumerate().rev() {
            place[axis] = tile % tiles.count;
            tile /= tiles.count;
        }
        place
    }
}

/// The most points that are unpacked together.
pub(crate) const BLOCK: usize = 128;

/// How a point's position on one axis is stored: the cell within its tile and the fraction, as one fixed-point number.
///
/// Sorting is limited by memory, so a number has 32 bits where that is exact enough, and 64 where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Narrow,
    Wide,
}

/// Fraction bits of a wide number: as many as an f64 keeps.
const WIDE_BITS: u32 = 52;

/// Points in grid units, sorted by tile, and in three dimensions by blocks of 4³ cells within a tile. Otherwise they
/// keep the caller's order.
#[derive(Debug)]
pub(crate) struct Bins<T> {
    /// Number of points.
    pub len: usize,
    /// Where each tile's points begin; one entry more than there are tiles.
    pub starts: Vec<u32>,
    /// The tiles they were sorted by.
    pub tiling: Tiling,
    packing: Packing,
    /// Fraction bits of each axis.
    bits: [u32; 3],
    /// One record for each point: its packed positions, then the caller's index.
    words: Pages<u32>,
    kind: PhantomData<T>,
}

/// Some points of one tile, unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked<T> {
    /// First cell of each point's stencil, counted from the tile's first cell, on each axis.
    pub cells: [[u32; BLOCK]; 3],
    /// Arguments of the kernel's polynomials, `s = 2z - 1`, where z is the distance from the stencil's left edge to its
    /// first cell.
    pub arguments: [[T; BLOCK]; 3],
    /// The caller's indices.
    pub indices: [u32; BLOCK],
}

impl<T: Float> Unpacked<T> {
    pub(crate) fn new() -> Self {
        Self { cells: [[0; BLOCK]; 3], arguments: [[T::zero(); BLOCK]; 3], indices: [0; BLOCK] }
    }
}

impl<T: Float> Bins<T> {
    /// The points of a tile, in tile order.
    #[must_use]
    pub(crate) fn points(&self, tile: usize) -> Range<usize> {
        self.starts[tile] as usize..self.starts[tile + 1] as usize
    }

    /// Words of one record.
    fn record(dimensions: usize, packing: Packing) -> usize {
        dimensions * if packing == Packing::Narrow { 1 } else { 2 } + 1
    }

    /// Unpacks up to [`BLOCK`] points of one tile.
    #[cfg(feature = "gpu")]
    pub(crate) fn unpack(&self, points: Range<usize>, to: &mut Unpacked<T>) {
        match self.tiling.axes.len() {
            1 => self.unpack_at::<1>(points, 0, to),
            2 => self.unpack_at::<2>(points, 0, to),
            _ => self.unpack_at::<3>(points, 0, to),
        }
    }

    /// Unpacks points of one tile into the places from `at` on.
    #[inline(always)]
    pub(crate) fn unpack_at<const D: usize>(&self, points: Range<usize>, at: usize, to: &mut Unpacked<T>) {
        let count = points.len();
        match self.packing {
            Packing::Narrow => {
                let records = self.words[points.start * (D + 1)..points.end * (D + 1)].chunks_exact(D + 1);
                let steps = self.bits.map(|bits| 1.0 / f64::from(1u32 << bits.min(31)));
                for (i, record) in records.enumerate() {
                    for axis in 0..D {
                        let (word, bits) = (record[axis], self.bits[axis]);
                        to.cells[axis][at + i] = word >> bits;
                        let fraction = f64::from((word & ((1 << bits) - 1)) as i32);
                        // The middle of the interval that the fixed-point number stands for.
                        to.arguments[axis][at + i] = T::nearest((2.0 * fraction + 1.0) * steps[axis] - 1.0);
                    }
                    to.indices[at + i] = record[D];
                }
            }
            Packing::Wide => {
                let size = 2 * D + 1;
                let records = self.words[points.start * size..points.end * size].chunks_exact(size);
                for (i, record) in records.enumerate() {
                    for axis in 0..D {
                        let word = u64::from(record[2 * axis]) | u64::from(record[2 * axis + 1]) << 32;
                        to.cells[axis][at + i] = (word >> WIDE_BITS) as u32;
                        // With the exponent of one, the fraction's bits are the f64 1 + z.
                        let shifted = f64::from_bits(word & ((1 << WIDE_BITS) - 1) | 1.0f64.to_bits());
                        to.arguments[axis][at + i] = T::nearest(2.0 * shifted - 3.0);
                    }
                    to.indices[at + i] = record[2 * D];
                }
            }
        }
        debug_assert!(at + count <= BLOCK);
    }

    /// Folds and sorts points by counting, in two passes over the coordinates: the first counts the points of each
    /// tile, the second writes their records. Up to [`KEPT`] words, the first pass keeps the records, and points
    /// are folded only once. The tolerance decides whether 32 bits an axis are exact enough. The
    /// memory of `earlier` points is reused if it has the right size, once nothing can fail any more.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the first NaN or infinity; [`Error::TooLarge`] past 2³² - 1 points.
    pub(crate) fn sort<C: Coordinate>(
        points: &Points<'_, C>,
        folds: &[Fold],
        tiling: Tiling,
        tolerance: f64,
        earlier: Option<&mut Self>,
    ) -> Result<Self> {
        match folds.len() {
            1 => Self::sort_axes::<C, 1>(points, folds, tiling, tolerance, earlier),
            2 => Self::sort_axes::<C, 2>(points, folds, tiling, tolerance, earlier),
            _ => Self::sort_axes::<C, 3>(points, folds, tiling, tolerance, earlier),
        }
    }

    fn sort_axes<C: Coordinate, const D: usize>(
        points: &Points<'_, C>,
        folds: &[Fold],
        tiling: Tiling,
        tolerance: f64,
        earlier: Option<&mut Self>,
    ) -> Result<Self> {
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
        // Each worker counts every tile, so there are few workers where there are few points for each tile.
        let workers = parallel::workers(len).min(4 * len / tiles).max(1);
        let chunk = len.div_ceil(workers).max(1);
        let mut axes: Vec<Axis> = folds.iter().zip(&tiling.axes).map(|(fold, tiles)| Axis::new(fold, *tiles)).collect();
        // Rounding a position by δ cells changes the phase of the mode k = n/2σ by πδ/σ. This is the root mean square
        // over modes and over roundings of half a step, with some room.
        let rounding = axes.iter().map(|axis| 0.25f64.powi(axis.bits as i32)).sum::<f64>().sqrt() * 0.3;
        let packing = if size_of::<T>() == 4 || 10.0 * rounding <= tolerance { Packing::Narrow } else { Packing::Wide };
        if packing == Packing::Narrow {
            axes.iter_mut().for_each(|axis| axis.fold = axis.fold.with_bits(axis.bits));
        }
        let axes: &[Axis; D] = axes.as_slice().try_into().expect("a fold for each axis");

        let record = Self::record(D, packing);
        let keep = len * (record + 1) <= KEPT;
        let mut kept = vec![0u32; if keep { len * (record + 1) } else { 0 }];
        let kept = Disjoint::new(&mut kept);
        // SAFETY: each worker has points of its own.
        let kept_keys = |first: usize, count: usize| unsafe { kept.part(first, count) };
        // SAFETY: as above; the records lie behind all keys.
        let kept_records = |first: usize, count: usize| unsafe { kept.part(len + first * record, count * record) };

        let mut counts = vec![0u32; tiles * workers];
        let bad = AtomicUsize::new(usize::MAX);
        parallel::each_chunk(&mut counts, tiles, |worker, counts| {
            let end = len.min((worker + 1) * chunk);
            let mut block = Block::<D>::new();
            for first in (worker * chunk..end).step_by(FOLDED) {
                let count = (end - first).min(FOLDED);
                if !block.fold(axes, points, first, count) {
                    let index = (0..D).map(|axis| points.first_bad(axis, first, count)).min();
                    bad.fetch_min(index.unwrap_or(first), Ordering::Relaxed);
                    return;
                }
                block.keys[..count].iter().for_each(|&key| counts[key as usize] += 1);
                if keep {
                    kept_keys(first, count).copy_from_slice(&block.keys[..count]);
                    block.pack(axes, packing, first as u32, kept_records(first, count));
                }
            }
        });
        let bad = bad.into_inner();
        if bad != usize::MAX {
            return Err(points.not_finite(bad));
        }

        let starts = offsets(&mut counts, tiles);
        let mut bits = [0; 3];
        bits.iter_mut().zip(axes).for_each(|(bits, axis)| *bits = axis.bits);
        let needed = len * record;
        let mut words = match earlier {
            Some(earlier) if earlier.words.len() == needed => std::mem::take(&mut earlier.words),
            _ => Pages::zeroed(needed, "the sorted points", "transform the points in chunks and add the results")?,
        };
        let shared = Disjoint::new(&mut words);
        parallel::each_chunk(&mut counts, tiles, |worker, next| {
            let end = len.min((worker + 1) * chunk);
            let mut block = Block::<D>::new();
            let mut packed = [0; FOLDED * LONGEST_RECORD];
            for first in (worker * chunk..end).step_by(FOLDED) {
                let count = (end - first).min(FOLDED);
                if keep {
                    scatter::<D>(packing, kept_keys(first, count), kept_records(first, count), next, shared);
                    continue;
                }
                block.fold(axes, points, first, count);
                let records = &mut packed[..count * record];
                block.pack(axes, packing, first as u32, records);
                scatter::<D>(packing, &block.keys[..count], records, next, shared);
            }
        });
        if D == 3 {
            let shared = Disjoint::new(&mut words);
            parallel::each(tiles.div_ceil(REFINED), len, |task| {
                let mut buffer = Vec::new();
                for tile in task * REFINED..tiles.min((task + 1) * REFINED) {
                    let (first, end) = (starts[tile] as usize, starts[tile + 1] as usize);
                    // SAFETY: tiles have records of their own.
                    let records = unsafe { shared.part(first * record, (end - first) * record) };
                    refine(records, record, packing, bits, &mut buffer);
                }
            });
        }
        Ok(Self { len, starts, tiling, packing, bits, words, kind: PhantomData })
    }
}

/// The most words of keys and records that are kept from the first pass of sorting to the second: 16 MB.
const KEPT: usize = 1 << 22;

/// Words of the longest record.
const LONGEST_RECORD: usize = 7;

/// Tiles whose points are sorted by one task.
const REFINED: usize = 64;

/// Sorts the points of a three-dimensional tile by blocks of 4³ cells: a tile with its halo does not fit the
/// first-level cache, but what neighbouring blocks touch does. Spreading takes a fifth less time.
fn refine(records: &mut [u32], record: usize, packing: Packing, bits: [u32; 3], buffer: &mut Vec<u32>) {
    let key = |point: &[u32]| {
        let block = |axis: usize| match packing {
            Packing::Narrow => point[axis] >> bits[axis] >> 2,
            Packing::Wide => point[2 * axis + 1] >> (WIDE_BITS - 32) >> 2,
        };
        // At most 16 cells on an axis here; larger tiles only lose some of the effect.
        ((block(0) & 3) << 4 | (block(1) & 3) << 2 | block(2) & 3) as usize
    };
    if records.len() < 8 * record {
        return;
    }
    let mut next = [0usize; 64];
    records.chunks_exact(record).for_each(|point| next[key(point)] += 1);
    let mut sum = 0;
    for next in &mut next {
        sum += std::mem::replace(next, sum);
    }
    buffer.clear();
    buffer.extend_from_slice(records);
    for point in buffer.chunks_exact(record) {
        let place = &mut next[key(point)];
        records[*place * record..][..record].copy_from_slice(point);
        *place += 1;
    }
}

/// The parameters of sorting on one axis.
struct Axis {
    fold: Fold,
    tiles: AxisTiles,
    /// First cell of each tile.
    starts: Vec<u32>,
    /// Fraction bits of a narrow number.
    bits: u32,
}

impl Axis {
    fn new(fold: &Fold, tiles: AxisTiles) -> Self {
        let starts: Vec<u32> = (0..=tiles.count).map(|tile| tiles.start(tile) as u32).collect();
        let largest = starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(1);
        let bits = 32 - largest.next_power_of_two().trailing_zeros();
        Self { fold: fold.clone(), tiles, starts, bits: bits.min(28) }
    }
}

/// Some points that are being sorted.
struct Block<const D: usize> {
    cells: [[u32; FOLDED]; D],
    fractions: [[f64; FOLDED]; D],
    keys: [u32; FOLDED],
}

impl<const D: usize> Block<D> {
    fn new() -> Self {
        Self { cells: [[0; FOLDED]; D], fractions: [[0.0; FOLDED]; D], keys: [0; FOLDED] }
    }

    /// Computes the cells within their tiles, the fractions and the tiles of some points; false if a coordinate is not
    /// finite.
    fn fold<C: Coordinate>(&mut self, axes: &[Axis; D], points: &Points<'_, C>, first: usize, count: usize) -> bool {
        let mut finite = true;
        self.keys = [0; FOLDED];
        for (axis, ((cells, fractions), coordinates)) in
            axes.iter().zip(self.cells.iter_mut().zip(&mut self.fractions).zip(&points.axes))
        {
            finite &= axis.fold.fold(coordinates.slice(s![first..first + count]), cells, fractions);
            simd::run(IntoTiles { axis, cells, keys: &mut self.keys });
        }
        finite
    }

    /// Packs as many points as there is room for into records; `first` is the caller's index of the first.
    fn pack(&self, axes: &[Axis; D], packing: Packing, first: u32, records: &mut [u32]) {
        match packing {
            Packing::Narrow => {
                let mut packed = [[0u32; FOLDED]; D];
                for (axis, packed) in packed.iter_mut().enumerate() {
                    let (cells, fractions) = (&self.cells[axis], &self.fractions[axis]);
                    simd::run(Pack { bits: axes[axis].bits, cells, fractions, packed });
                }
                for (i, record) in records.chunks_exact_mut(D + 1).enumerate() {
                    for axis in 0..D {
                        record[axis] = packed[axis][i];
                    }
                    record[D] = first + i as u32;
                }
            }
            Packing::Wide => {
                for (i, record) in records.chunks_exact_mut(2 * D + 1).enumerate() {
                    for axis in 0..D {
                        // With the exponent of one, the bits of 1 + z are the fraction's; z = 1 becomes the largest
                        // number below 1.
                        let shifted = (1.0 + self.fractions[axis][i]).min(2.0f64.next_down());
                        let fraction = shifted.to_bits() & ((1 << WIDE_BITS) - 1);
                        let word = u64::from(self.cells[axis][i]) << WIDE_BITS | fraction;
                        record[2 * axis] = word as u32;
                        record[2 * axis + 1] = (word >> 32) as u32;
                    }
                    record[2 * D] = first + i as u32;
                }
            }
        }
    }
}

/// Copies records to the next places of their tiles.
fn scatter<const D: usize>(
    packing: Packing,
    keys: &[u32],
    records: &[u32],
    next: &mut [u32],
    words: Disjoint<'_, u32>,
) {
    // The lengths are known at compile time, which saves a call for each record.
    match packing {
        Packing::Narrow => {
            for (&key, record) in keys.iter().zip(records.chunks_exact(D + 1)) {
                let place = &mut next[key as usize];
                // SAFETY: `offsets` gave each worker places of its own in each tile, as many as it counted there.
                let to = unsafe { words.part(*place as usize * (D + 1), D + 1) };
                (0..D + 1).for_each(|word| to[word] = record[word]);
                *place += 1;
            }
        }
        Packing::Wide => {
            for (&key, record) in keys.iter().zip(records.chunks_exact(2 * D + 1)) {
                let place = &mut next[key as usize];
                // SAFETY: as above.
                let to = unsafe { words.part(*place as usize * (2 * D + 1), 2 * D + 1) };
                (0..2 * D + 1).for_each(|word| to[word] = record[word]);
                *place += 1;
            }
        }
    }
}

/// Splits cells into tiles, which become part of the keys, and cells within the tiles.
struct IntoTiles<'a> {
    axis: &'a Axis,
    cells: &'a mut [u32; FOLDED],
    keys: &'a mut [u32; FOLDED],
}

impl Vectorised for IntoTiles<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Axis { tiles, starts, .. } = self.axis;
        let count = tiles.count as u32;
        // Local arrays, so that the loops vectorise, as in folding.
        let (mut cells, mut keys) = (*self.cells, *self.keys);
        match tiles.size {
            Some(size) => {
                let shift = size.trailing_zeros();
                for i in 0..FOLDED {
                    let tile = cells[i] >> shift;
                    keys[i] = keys[i] * count + tile;
                    cells[i] -= tile << shift;
                }
            }
            None => {
                for i in 0..FOLDED {
                    let tile = tiles.tile(cells[i]);
                    keys[i] = keys[i] * count + tile as u32;
                    cells[i] -= starts[tile];
                }
            }
        }
        (*self.cells, *self.keys) = (cells, keys);
    }
}

/// Packs cells and fractions into narrow numbers.
struct Pack<'a> {
    bits: u32,
    cells: &'a [u32; FOLDED],
    fractions: &'a [f64; FOLDED],
    packed: &'a mut [u32; FOLDED],
}

impl Vectorised for Pack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (scale, most) = (f64::from(1u32 << self.bits), f64::from((1u32 << self.bits) - 1));
        let (cells, fractions, mut packed) = (*self.cells, *self.fractions, [0u32; FOLDED]);
        for i in 0..FOLDED {
            let fraction = (fractions[i] * scale).floor();
            packed[i] = cells[i] << self.bits | low_bits(if fraction < most { fraction } else { most });
        }
        *self.packed = packed;
    }
}

/// Converts per-worker counts to each worker's first place in each tile; returns the tiles' starts.
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
