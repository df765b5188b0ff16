//! Stencils for the CPU's vector units: their weights, and the dispatch of loops over axes and row lengths.
//!
//! [`Blocks`] walks over sorted points a block at a time with the offsets of their stencils, [`Fetch`] prefetches the
//! next tiles.
//!
//! A row of a stencil is a few vectors of 32 bytes, of complex or real cells. If the last vector has room to spare,
//! rows begin at a multiple of two (or four) cells, so that fewer vectors straddle cache lines; the weights then come
//! from a table shifted by the same number of panels.

use std::ops::Range;

use crate::machine::simd::{self, Vectorised, multiply_add};
use crate::nufft::bins::{BLOCK, Bins, Unpacked};
use crate::nufft::table::KernelTable;
use crate::numeric::float::{Float, Numeric};

/// Bytes of a vector.
const VECTOR: usize = 32;
/// The longest row: the Gaussian has widths past 16.
const LONGEST: usize = 32;

/// The kernels' coefficients for one type of cell, padded to whole vectors.
#[derive(Debug)]
pub(crate) struct Stencil<T> {
    /// Cells a stencil covers on each axis in use, the slowest first; 1 on the others.
    pub(crate) widths: [usize; 3],
    /// Cells of a row, rounded up to whole vectors; as many as the widest axis needs, whose weights fill a row too.
    pub(crate) row: usize,
    /// Rows begin at multiples of this many cells: 1, 2 or 4.
    pub(crate) step: usize,
    /// Tables in rows of whole vectors, one after another: the fastest axis' for each of the `step` shifts, of which
    /// the first is not shifted, then those of slower axes whose kernel is another.
    tables: Vec<T>,
    /// The index of each slower axis' table.
    places: [usize; 3],
    /// Numbers in one table.
    table: usize,
}

impl<T: Float> Stencil<T> {
    /// The stencil for cells of type `V`, from the kernel of each axis, the slowest first.
    pub(crate) fn new<V: Numeric<Real = T>>(kernels: &[KernelTable<T>]) -> Self {
        let lanes = VECTOR / size_of::<T>();
        let cells = lanes / V::PARTS;
        let (fastest, slower) = kernels.split_last().expect("a kernel for each axis");
        let mut widths = [1; 3];
        widths.iter_mut().zip(kernels).for_each(|(width, kernel)| *width = kernel.width);
        let widest = widths.into_iter().max().unwrap_or(1);
        let row = if widest > 16 { LONGEST } else { widest.next_multiple_of(cells) };
        let fits = |step: &usize| *step <= cells && fastest.width + step - 1 <= row;
        let step = [4, 2, 1].into_iter().find(fits).unwrap_or(1);
        let length = row.next_multiple_of(lanes);
        let degree = kernels.iter().map(|kernel| kernel.degree).max().unwrap_or(0);
        let table = (degree + 1) * length;
        let mut tables = Vec::new();
        let mut add = |kernel: &KernelTable<T>, shift: usize| {
            // Polynomials of a lower degree have leading zeros.
            tables.resize(tables.len() + (degree - kernel.degree) * length, T::zero());
            for from in kernel.coefficients.chunks_exact(kernel.padded) {
                let first = tables.len() + shift;
                tables.resize(tables.len() + length, T::zero());
                tables[first..first + kernel.width].copy_from_slice(&from[..kernel.width]);
            }
            tables.len() / table - 1
        };
        (0..step).for_each(|shift| {
            add(fastest, shift);
        });
        let mut places = [0; 3];
        for (place, kernel) in places.iter_mut().zip(slower) {
            if kernel.coefficients != fastest.coefficients {
                *place = add(kernel, 0);
            }
        }
        Self { widths, row, step, tables, places, table }
    }

    /// Cells that a stencil covers.
    pub(crate) fn cells(&self) -> usize {
        self.widths.iter().product()
    }

    /// Computes the weights on each axis for some points of a block, from `first` on. A row is `Q` vectors of `L`
    /// numbers.
    ///
    /// Several points are weighed before any is used: each step of a point's polynomials waits for the previous one,
    /// and the sums wait for the weights, so taking one point at a time used a third of what the processor can do. Two
    /// powers of the polynomials at a time, for a shorter chain, gained nothing.
    #[inline(always)]
    pub(crate) fn weigh<const FMA: bool, const D: usize, const L: usize, const Q: usize>(
        &self,
        block: &Block<T>,
        first: usize,
        weights: &mut [[[[T; L]; Q]; D]],
    ) {
        let (rows, _) = self.tables.as_chunks::<L>().0.as_chunks::<Q>();
        let degree = self.table / (L * Q);
        let mut tables = [&rows[..degree]; D];
        for axis in 0..D - 1 {
            tables[axis] = &rows[self.places[axis] * degree..][..degree];
        }
        for (k, weights) in (first..).zip(weights) {
            let arguments = block.arguments::<D>(k);
            let along = &rows[block.shifts[k] * degree..][..degree];
            let mut sums = [along[0]; D];
            for axis in 0..D - 1 {
                sums[axis] = tables[axis][0];
            }
            for (power, along) in along.iter().enumerate().skip(1) {
                for axis in 0..D {
                    let coefficients = if axis == D - 1 { along } else { &tables[axis][power] };
                    for q in 0..Q {
                        for lane in 0..L {
                            let sum = &mut sums[axis][q][lane];
                            *sum = multiply_add::<FMA, T>(*sum, arguments[axis], coefficients[q][lane]);
                        }
                    }
                }
            }
            *weights = sums;
        }
    }
}

/// Points weighed together: few enough that their weights stay in the first-level cache.
pub(crate) const PART: usize = 16;

/// A loop nest over stencils of `D` axes. A row has `P` cells, which are `G` vectors of `L` numbers (complex cells as
/// real and imaginary part in turn), and its weights are `Q` vectors.
pub(crate) trait OverStencils {
    /// Runs the loops, as [`Vectorised::run`] does.
    fn run<const FMA: bool, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize>(self);
}

struct Nest<V, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize>(V);

impl<V: OverStencils, const D: usize, const P: usize, const L: usize, const G: usize, const Q: usize> Vectorised
    for Nest<V, D, P, L, G, Q>
{
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.0.run::<FMA, D, P, L, G, Q>();
    }
}

/// Runs loops over f64 cells, compiled for this number of axes and row length.
pub(crate) fn run_f64<V: OverStencils>((axes, row): (usize, usize), loops: V) {
    match axes {
        1 => rows_f64::<V, 1>(row, loops),
        2 => rows_f64::<V, 2>(row, loops),
        _ => rows_f64::<V, 3>(row, loops),
    }
}

fn rows_f64<V: OverStencils, const D: usize>(row: usize, loops: V) {
    match row {
        4 => simd::run(Nest::<V, D, 4, 4, 1, 1>(loops)),
        8 => simd::run(Nest::<V, D, 8, 4, 2, 2>(loops)),
        12 => simd::run(Nest::<V, D, 12, 4, 3, 3>(loops)),
        16 => simd::run(Nest::<V, D, 16, 4, 4, 4>(loops)),
        _ => simd::run(Nest::<V, D, LONGEST, 4, 8, 8>(loops)),
    }
}

/// Runs loops over complex f64 cells, compiled for this number of axes and row length.
pub(crate) fn run_complex_f64<V: OverStencils>((axes, row): (usize, usize), loops: V) {
    match axes {
        1 => rows_complex_f64::<V, 1>(row, loops),
        2 => rows_complex_f64::<V, 2>(row, loops),
        _ => rows_complex_f64::<V, 3>(row, loops),
    }
}

fn rows_complex_f64<V: OverStencils, const D: usize>(row: usize, loops: V) {
    match row {
        2 => simd::run(Nest::<V, D, 2, 4, 1, 1>(loops)),
        4 => simd::run(Nest::<V, D, 4, 4, 2, 1>(loops)),
        6 => simd::run(Nest::<V, D, 6, 4, 3, 2>(loops)),
        8 => simd::run(Nest::<V, D, 8, 4, 4, 2>(loops)),
        10 => simd::run(Nest::<V, D, 10, 4, 5, 3>(loops)),
        12 => simd::run(Nest::<V, D, 12, 4, 6, 3>(loops)),
        14 => simd::run(Nest::<V, D, 14, 4, 7, 4>(loops)),
        16 => simd::run(Nest::<V, D, 16, 4, 8, 4>(loops)),
        _ => simd::run(Nest::<V, D, LONGEST, 4, 16, 8>(loops)),
    }
}

/// Runs loops over f32 cells, compiled for this number of axes and row length.
pub(crate) fn run_f32<V: OverStencils>((axes, row): (usize, usize), loops: V) {
    match axes {
        1 => rows_f32::<V, 1>(row, loops),
        2 => rows_f32::<V, 2>(row, loops),
        _ => rows_f32::<V, 3>(row, loops),
    }
}

fn rows_f32<V: OverStencils, const D: usize>(row: usize, loops: V) {
    match row {
        8 => simd::run(Nest::<V, D, 8, 8, 1, 1>(loops)),
        16 => simd::run(Nest::<V, D, 16, 8, 2, 2>(loops)),
        _ => simd::run(Nest::<V, D, LONGEST, 8, 4, 4>(loops)),
    }
}

/// Runs loops over complex f32 cells, compiled for this number of axes and row length.
pub(crate) fn run_complex_f32<V: OverStencils>((axes, row): (usize, usize), loops: V) {
    match axes {
        1 => rows_complex_f32::<V, 1>(row, loops),
        2 => rows_complex_f32::<V, 2>(row, loops),
        _ => rows_complex_f32::<V, 3>(row, loops),
    }
}

fn rows_complex_f32<V: OverStencils, const D: usize>(row: usize, loops: V) {
    match row {
        4 => simd::run(Nest::<V, D, 4, 8, 1, 1>(loops)),
        8 => simd::run(Nest::<V, D, 8, 8, 2, 1>(loops)),
        12 => simd::run(Nest::<V, D, 12, 8, 3, 2>(loops)),
        16 => simd::run(Nest::<V, D, 16, 8, 4, 2>(loops)),
        _ => simd::run(Nest::<V, D, LONGEST, 8, 8, 4>(loops)),
    }
}

/// A row's weights, each repeated for every part (real, imaginary) of its cell.
#[inline(always)]
pub(crate) fn repeated<V: Numeric, const L: usize, const Q: usize, const G: usize>(
    weights: &[[V::Real; L]; Q],
) -> [[V::Real; L]; G] {
    let weights = weights.as_flattened();
    let mut rows = [[weights[0]; L]; G];
    for (group, row) in rows.iter_mut().enumerate() {
        for (lane, value) in row.iter_mut().enumerate() {
            *value = weights[(group * L + lane) / V::PARTS];
        }
    }
    rows
}

/// A block of sorted points, with the offsets of their stencils in an array of cells.
pub(crate) struct Block<T> {
    points: Unpacked<T>,
    /// Where each stencil's first row begins, in cells, rounded down to a multiple of the step.
    pub(crate) offsets: [usize; BLOCK],
    /// Cells by which each stencil begins later than its row.
    pub(crate) shifts: [usize; BLOCK],
    /// First cells of the tiles that begin in this block and have enough points to be prefetched whole.
    fresh: [usize; FRESH],
    fresh_count: usize,
}

/// The most tiles that are prefetched during one block.
const FRESH: usize = 4;

impl<T: Float> Block<T> {
    fn new() -> Self {
        Self { points: Unpacked::new(), offsets: [0; BLOCK], shifts: [0; BLOCK], fresh: [0; FRESH], fresh_count: 0 }
    }

    /// A point's arguments of the kernel's polynomials, one for each axis.
    #[inline(always)]
    pub(crate) fn arguments<const D: usize>(&self, point: usize) -> [T; D] {
        let mut arguments = [T::zero(); D];
        for (axis, argument) in arguments.iter_mut().enumerate() {
            *argument = self.points.arguments[axis][point];
        }
        arguments
    }

    /// The caller's index of each point.
    #[inline(always)]
    pub(crate) fn indices(&self) -> &[u32; BLOCK] {
        &self.points.indices
    }
}

/// A block of points, and the block after it.
pub(crate) struct Step<'a, T> {
    pub(crate) block: &'a Block<T>,
    pub(crate) count: usize,
    pub(crate) ahead: &'a Block<T>,
    /// Points in `ahead`.
    pub(crate) coming: usize,
}

/// Walks over sorted points a block at a time, unpacking one block ahead.
pub(crate) struct Blocks<'a, T> {
    /// The block ahead and the current one, swapping roles: a copy would cost as much as unpacking.
    pair: [Block<T>; 2],
    first_is_ahead: bool,
    coming: Option<usize>,
    bins: &'a Bins<T>,
    /// Elements between neighbouring cells of the target array, for the axes in use, the slowest first.
    strides: [usize; 3],
    /// The offset of the array's first cell, subtracted from every offset.
    origin: usize,
    /// Rows begin at multiples of this many cells.
    step: usize,
    tile: usize,
    points: Range<usize>,
    /// Points from which on a tile is worth prefetching whole.
    crowd: usize,
}

impl<'a, T: Float> Blocks<'a, T> {
    /// A walk over a range of points, whose stencils lie in an array of `V` with these strides on the axes in use and
    /// the first cell `origin`.
    pub(crate) fn new<V: Numeric<Real = T>>(
        bins: &'a Bins<T>,
        stencil: &Stencil<T>,
        points: Range<usize>,
        strides: [usize; 3],
        origin: usize,
    ) -> Self {
        let tile = bins.starts.partition_point(|&start| start as usize <= points.start).saturating_sub(1);
        let lines = Fetch::new::<V>(bins, stencil, strides).lines_a_tile();
        let pair = [Block::new(), Block::new()];
        let (step, crowd) = (stencil.step, lines / 16 + 1);
        Self { pair, first_is_ahead: false, coming: None, bins, strides, origin, step, tile, points, crowd }
    }

    /// The next block, if there are more points.
    #[inline(always)]
    pub(crate) fn next<const D: usize>(&mut self) -> Option<Step<'_, T>> {
        let mut count = self.coming;
        let coming = loop {
            self.first_is_ahead = !self.first_is_ahead;
            let coming = self.fill::<D>();
            // The first call fills two blocks: the current one and the one ahead.
            if count.replace(count.unwrap_or(coming)).is_some() {
                break coming;
            }
        };
        self.coming = Some(coming);
        let [a, b] = &self.pair;
        let (ahead, block) = if self.first_is_ahead { (a, b) } else { (b, a) };
        count.filter(|&count| count > 0).map(|count| Step { block, count, ahead, coming })
    }

    /// Fills the block ahead and returns its number of points.
    #[inline(always)]
    fn fill<const D: usize>(&mut self) -> usize {
        let block = &mut self.pair[usize::from(!self.first_is_ahead)];
        let mut filled = 0;
        block.fresh_count = 0;
        while filled < BLOCK && !self.points.is_empty() {
            let here = self.bins.points(self.tile);
            if here.end <= self.points.start {
                self.tile += 1;
                continue;
            }
            let first = self.points.start;
            let end = here.end.min(self.points.end).min(first + BLOCK - filled);
            self.points.start = end;
            self.bins.unpack_at::<D>(first..end, filled, &mut block.points);
            let place = self.bins.tiling.place(self.tile);
            let corner: [usize; D] = std::array::from_fn(|axis| self.bins.tiling.axes[axis].start(place[axis]));
            let base = corner.iter().zip(&self.strides).map(|(cell, stride)| cell * stride).sum::<usize>();
            let base = base - self.origin;
            if first == here.start && here.len() >= self.crowd && block.fresh_count < FRESH {
                block.fresh[block.fresh_count] = base;
                block.fresh_count += 1;
            }
            // Tiles begin at multiples of every step, so a cell's place within its tile gives its shift.
            let mask = self.step - 1;
            for i in filled..filled + (end - first) {
                let shift = block.points.cells[D - 1][i] as usize & mask;
                let mut offset = base;
                for axis in 0..D {
                    offset += block.points.cells[axis][i] as usize * self.strides[axis];
                }
                offset -= shift;
                block.offsets[i] = offset;
                block.shifts[i] = shift;
            }
            filled += end - first;
        }
        filled
    }
}

/// Prefetches the cells of the next tiles while an earlier block is worked on, some cache lines with each point: a
/// tile's rows are too short and too far apart for the hardware prefetcher.
pub(crate) struct Fetch {
    strides: [usize; 3],
    /// Planes, rows of a plane and cache lines of a row that one tile and its stencils cover.
    extents: [usize; 3],
    /// Cells of a cache line.
    line: usize,
    tiles: [usize; FRESH],
    count: usize,
    /// The tile, plane, row and line to fetch next.
    at: [usize; 4],
    /// Lines fetched with each point.
    share: usize,
}

impl Fetch {
    /// A prefetcher for an array of `V` with these strides.
    pub(crate) fn new<V: Numeric>(bins: &Bins<V::Real>, stencil: &Stencil<V::Real>, strides: [usize; 3]) -> Self {
        let axes = &bins.tiling.axes;
        let line = 64 / size_of::<V>();
        let mut extents = [1; 3];
        for ((extent, tiles), width) in extents[3 - axes.len()..].iter_mut().zip(axes).zip(stencil.widths) {
            *extent = tiles.start(1) + width - 1;
        }
        extents[2] = axes[axes.len() - 1].start(1).div_ceil(line) + 1;
        let mut spaced = [0; 3];
        spaced[3 - axes.len()..].copy_from_slice(&strides[..axes.len()]);
        Self { strides: spaced, extents, line, tiles: [0; FRESH], count: 0, at: [0; 4], share: 0 }
    }

    fn lines_a_tile(&self) -> usize {
        self.extents.iter().product()
    }

    /// Starts on the tiles of the block ahead; the current block has `points` points.
    #[inline(always)]
    pub(crate) fn begin<T>(&mut self, ahead: &Block<T>, points: usize) {
        (self.tiles, self.count, self.at) = (ahead.fresh, ahead.fresh_count, [0; 4]);
        self.share = (self.count * self.lines_a_tile()).div_ceil(points.max(1));
    }

    /// Fetches one point's share.
    #[inline(always)]
    pub(crate) fn next<T>(&mut self, cells: &[T]) {
        for _ in 0..self.share {
            let [tile, plane, row, line] = self.at;
            if tile == self.count {
                return;
            }
            let cell = self.tiles[tile] + plane * self.strides[0] + row * self.strides[1] + line * self.line;
            simd::prefetch(cells, cell);
            self.at[3] += 1;
            for digit in (1..4).rev() {
                if self.at[digit] == self.extents[digit - 1] {
                    self.at[digit] = 0;
                    self.at[digit - 1] += 1;
                }
            }
        }
    }
}
