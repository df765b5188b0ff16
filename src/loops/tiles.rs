//! The loops of matrix products: blocks of A and panels of B that fit the caches, tiles of C that fit the registers.
//!
//! A tile is [`ROWS`] lanes high and two vectors wide, or [`TALL`] lanes high where vectors are of AVX-512. One step
//! along k loads two vectors of B and a number of A for each lane.
//! Complex numbers use the same tile: its rows are the real and imaginary parts of A in turn, its columns those of B.
//! The four real products are combined when the sums are done, and conjugation is a sign there. Every element of C is
//! summed in the order of k, in blocks of [`DEPTH`].
//!
//! The loops are written here because the crates measured lost to OpenBLAS by a quarter on a processor whose caches are
//! shared with others (f64, n = 1000, one thread, Zen 3: faer 0.24 29 GFLOP/s, gemm 0.19 29, OpenBLAS 38, this 36), and
//! faer would have been half of the library's compile time. Vectors are explicit because the compiler vectorised
//! differently whenever code nearby changed. Prefetching A and B and tiles of 4 by 3 vectors gained nothing; blocks of
//! 128 and 384 steps had 0.85 and 0.97 of the rate (n = 512 to 2000, f64, AVX-512).

use std::marker::PhantomData;

use crate::loops::block::{Block, Thin};
use crate::loops::panels::{SCRATCH, Scratch, room};
use crate::machine::simd::{self, Vector, Vectorised, Widest, prefetch_from};
use crate::numeric::float::Float;

/// Lanes of a tile: its rows, or twice as many for complex numbers.
pub(crate) const ROWS: usize = 6;
/// Lanes of a tile of the widest vectors, of which there are 32 registers instead of 16.
const TALL: usize = 12;
/// Steps along k that stay in the first-level cache: a panel of B is 16 KiB.
pub(crate) const DEPTH: usize = 256;
/// Rows of a block of A, which stays in the second-level cache: 288 KiB of f64.
pub(crate) const HIGH: usize = 144;
/// Bytes of a row of the packed panels of B, which take 1 MiB and stay mostly in the second-level cache.
pub(crate) const WIDE: usize = 4096;
/// With at most this many columns of C, tall matrices A are taken one tile's rows at a time.
const NARROW: usize = 64;
/// With at most this many steps along k, C is written in the order of memory.
pub(super) const SHALLOW: usize = 16;
/// The same where rows of C are on pages of their own. Tall tiles get B from the second-level cache in time for any
/// number of steps (888 x 26 x 5686 in f32: 5 ms instead of 12).
const LONG: usize = 64;
/// The most rows of C for which B is read in place where its layout allows it.
const FEW: usize = 48;
/// The largest stride in bytes between rows of B that are read in place: beyond it each row is on a page of its own.
const FAR: usize = 2048;

/// A block's loops, for elements of `PARTS` real numbers and tiles of two vectors' width: of the type `V` where there
/// is FMA, `A` elsewhere.
#[derive(Debug)]
struct Loops<'a, T, V, A, const PARTS: usize>(Block<'a, T>, PhantomData<(V, A)>);

impl<T, V, A, const PARTS: usize> Vectorised for Loops<'_, T, V, A, PARTS>
where
    T: Float,
    V: Vector<T>,
    A: Vector<T, Capability = ()>,
{
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self(block, _) = self;
        match V::capability() {
            Some(capability) if FMA => block.all::<V, PARTS, ROWS>(capability),
            _ => block.all::<A, PARTS, ROWS>(()),
        }
    }
}

/// The same for the widest vectors, whose registers hold taller tiles.
#[derive(Debug)]
struct Tall<'a, T, V, const PARTS: usize>(Block<'a, T>, PhantomData<V>);

impl<T: Float, V: Vector<T>, const PARTS: usize> Vectorised for Tall<'_, T, V, PARTS> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let capability = V::capability().expect("these loops run where there are such vectors");
        let Self(block, _) = self;
        block.all::<V, PARTS, TALL>(capability);
    }
}

impl<T: Float, V: Vector<T>, const PARTS: usize> Widest for Tall<'_, T, V, PARTS> {}

/// The rows of a tile and the bytes of one of its rows, on this processor.
pub(crate) fn tile() -> [usize; 2] {
    if simd::widest() { [TALL, 128] } else { [ROWS, 64] }
}

impl<T: Float> Block<'_, T> {
    /// Computes the block with the widest vectors that the processor has: `W`, `V`, or arrays `A`.
    pub(crate) fn run<W: Vector<T>, V: Vector<T>, A: Vector<T, Capability = ()>, const PARTS: usize>(self) {
        let lanes = if simd::widest() { W::LANES } else { V::LANES };
        if !self.thin.dots()
            && let Some(block) = self.small::<PARTS>(lanes)
        {
            // Narrower vectors have less to fill where C has few columns.
            if simd::widest() && block.n * PARTS > V::LANES {
                block.multiply_small::<W, A, PARTS, true>();
            } else {
                block.multiply_small::<V, A, PARTS, false>();
            }
        } else if simd::widest() && self.thin == Thin::No && self.n * PARTS > V::LANES {
            // Thin products wait for memory.
            simd::run_widest(Tall::<T, W, PARTS>(self, PhantomData));
        } else {
            simd::run(Loops::<T, V, A, PARTS>(self, PhantomData));
        }
    }

    /// Computes all products, in the way that fits their shape.
    #[inline(always)]
    fn all<V: Vector<T>, const PARTS: usize, const R: usize>(self, capability: V::Capability) {
        let mut scratch = SCRATCH.take();
        if R < TALL && self.thin != Thin::No {
            self.multiply_thin::<V, PARTS>(capability, &mut scratch);
        } else {
            self.tiled::<V, PARTS, R>(capability, &mut scratch);
        }
        SCRATCH.set(scratch);
    }

    /// Computes all products in tiles; those that are not at an edge have `R` lanes.
    #[inline(always)]
    fn tiled<V: Vector<T>, const PARTS: usize, const R: usize>(self, capability: V::Capability, scratch: &mut Scratch) {
        for item in 0..self.count {
            // SAFETY: the item is in the batch.
            let one = unsafe { self.item(item) };
            one.multiply::<V, PARTS, R>(capability, scratch);
        }
    }

    /// Computes all tiles of one product.
    #[inline(always)]
    fn multiply<V: Vector<T>, const PARTS: usize, const R: usize>(
        self,
        capability: V::Capability,
        scratch: &mut Scratch,
    ) {
        let block = self;
        let across = 2 * V::LANES;
        let columns = across / PARTS;
        // Panels of B have the same size for any depth.
        let wide = (WIDE / size_of::<T>() * DEPTH / block.k.clamp(SHALLOW, DEPTH) / across * columns).max(columns);
        // With few columns, each row of A is read whole and each row of C written whole, in the order of memory. With
        // few steps, most of the time goes into writing C.
        let apart = block.c_strides[0].unsigned_abs().saturating_mul(size_of::<T>()) > FAR;
        let most = match (apart, R) {
            (true, TALL) => usize::MAX,
            (true, _) => LONG,
            (false, _) => SHALLOW,
        };
        let narrow = block.n <= NARROW && block.m > HIGH || block.k <= most;
        let high = if narrow { R } else { HIGH } / PARTS;
        let far = block.b.strides[0].unsigned_abs().saturating_mul(size_of::<T>()) > FAR;
        let loose = block.b.strides[1] != PARTS as isize || block.m > FEW || far;
        let a_room: &mut [T] = room(&mut scratch.a, (HIGH + R) * DEPTH);
        let steps = block.k.min(DEPTH);
        let b_room: &mut [T] = room(&mut scratch.b, wide.min(block.n.next_multiple_of(columns)) * PARTS * steps);
        for first in (0..block.n).step_by(wide) {
            let width = wide.min(block.n - first);
            for depth in (0..block.k).step_by(DEPTH) {
                let steps = DEPTH.min(block.k - depth);
                // SAFETY: the columns and steps are inside B.
                let b = unsafe { block.b.at(depth, first) };
                let panels = width.div_ceil(columns);
                let packed = |panel: usize| loose || (panel + 1) * columns > width;
                for panel in (0..panels).filter(|&panel| packed(panel)) {
                    let count = columns.min(width - panel * columns);
                    // SAFETY: `count` columns from there on are inside B.
                    let part = unsafe { b.at(0, panel * columns) };
                    // SAFETY: as above.
                    unsafe {
                        part.pack_columns::<V, PARTS>(capability, count, steps, &mut b_room[panel * across * steps..])
                    };
                }
                for top in (0..block.m).step_by(high) {
                    let height = high.min(block.m - top);
                    // SAFETY: the rows and steps are inside A.
                    let a = unsafe { block.a.at(top, depth) };
                    for (row, lanes) in rows::<PARTS, R>(height) {
                        let to = &mut a_room[row * PARTS * steps..];
                        // SAFETY: the row is inside A.
                        let part = unsafe { a.at(row, 0) };
                        let count = (height - row).min(lanes / PARTS);
                        // SAFETY: `count` rows from there on are inside A.
                        unsafe {
                            match lanes {
                                4 => part.pack_rows::<PARTS, 4>(count, steps, to),
                                _ => part.pack_rows::<PARTS, R>(count, steps, to),
                            }
                        }
                    }
                    for panel in 0..panels {
                        let count = columns.min(width - panel * columns);
                        let one = count * PARTS <= V::LANES;
                        let (start, step) = if packed(panel) {
                            let lanes = if one { V::LANES } else { across };
                            (b_room[panel * across * steps..].as_ptr(), lanes as isize)
                        } else {
                            // SAFETY: the panel's columns are inside B.
                            (unsafe { b.at(0, panel * columns) }.start, b.strides[0])
                        };
                        for (row, lanes) in rows::<PARTS, R>(height) {
                            let a = a_room[row * PARTS * steps..].as_ptr();
                            let at = [top + row, first + panel * columns];
                            let left = [height - row, count];
                            let part = Part { a, b: start, b_step: step, steps, at, left, add: block.add || depth > 0 };
                            // SAFETY: the rows and columns are inside C and no other block's; A is packed, and
                            // B has `steps` steps there or is packed.
                            unsafe {
                                match (lanes, one) {
                                    (4, true) => block.tile::<V, PARTS, 4, 1>(capability, part),
                                    (4, false) => block.tile::<V, PARTS, 4, 2>(capability, part),
                                    (_, true) => block.tile::<V, PARTS, R, 1>(capability, part),
                                    (_, false) => block.tile::<V, PARTS, R, 2>(capability, part),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where the tiles of `height` rows begin, and the lanes of each: `R`, or fewer where that suffices.
#[inline(always)]
fn rows<const PARTS: usize, const R: usize>(height: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut row = 0;
    std::iter::from_fn(move || {
        let start = row;
        let lanes = if matches!((height - row) * PARTS, 1..=4 | 7..=8) { 4 } else { R };
        row = (row + lanes / PARTS).min(height);
        (start < height).then_some((start, lanes))
    })
}

/// What one tile is computed from, where it begins in C, and the rows and columns of C that are left from there on.
#[derive(Debug, Clone, Copy)]
struct Part<T> {
    /// Packed rows of A, `R` numbers for each step.
    a: *const T,
    /// Rows of B, which are so far apart.
    b: *const T,
    b_step: isize,
    steps: usize,
    at: [usize; 2],
    left: [usize; 2],
    /// Whether C is added to.
    add: bool,
}

impl<T: Float> Part<T> {
    /// `Σ_l a[i][l] b[l][j]`, with the sums in registers.
    ///
    /// # Safety
    /// A has `R` numbers for each step, and B as many rows of `W` vectors.
    #[inline(always)]
    unsafe fn sums<V: Vector<T>, const R: usize, const W: usize>(self, capability: V::Capability) -> [[V; W]; R] {
        let mut sums = [[V::splat(capability, T::zero()); W]; R];
        let (mut a, mut row) = (self.a, self.b);
        // Small tiles take four steps at a time, since counting takes some of the instructions that the processor can
        // start in a cycle. Large ones would only take the compiler longer.
        let turn = if R * W < 16 { 4 } else { 1 };
        // SAFETY: the caller promises that these steps exist.
        unsafe {
            for _ in 0..self.steps / turn {
                for next in 0..turn {
                    let row = row.offset(next as isize * self.b_step);
                    step(capability, a.add(next * R), row, &mut sums);
                }
                a = a.wrapping_add(turn * R);
                row = row.wrapping_offset(turn as isize * self.b_step);
            }
            for _ in 0..self.steps % turn {
                step(capability, a, row, &mut sums);
                a = a.wrapping_add(R);
                row = row.wrapping_offset(self.b_step);
            }
        }
        sums
    }
}

/// Adds one step's products.
///
/// # Safety
/// There are `R` numbers of A and `W` vectors of B.
#[inline(always)]
unsafe fn step<T: Float, V: Vector<T>, const R: usize, const W: usize>(
    capability: V::Capability,
    a: *const T,
    row: *const T,
    sums: &mut [[V; W]; R],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut b = [V::load(capability, row); W];
        if W == 2 {
            b[W - 1] = V::load(capability, row.add(V::LANES));
        }
        for (lane, sums) in sums.iter_mut().enumerate() {
            let x = V::splat(capability, *a.add(lane));
            for part in 0..W {
                sums[part] = x.multiply_add(b[part], sums[part]);
            }
        }
    }
}

impl<T: Float> Block<'_, T> {
    /// Computes one tile, `R` lanes high and `W` vectors wide.
    ///
    /// # Safety
    /// Its rows and columns are inside C and no other task writes there; A has these rows and B is so wide, both with
    /// the part's steps.
    #[inline(always)]
    unsafe fn tile<V: Vector<T>, const PARTS: usize, const R: usize, const W: usize>(
        &self,
        capability: V::Capability,
        part: Part<T>,
    ) {
        let Part { at, left: [left, across], add, .. } = part;
        let count = left.min(R / PARTS);
        // SAFETY: as the caller promises.
        unsafe {
            let to = self.place(at[0], at[1]);
            for row in 0..count {
                prefetch_from(to.wrapping_offset(row as isize * self.c_strides[0]));
            }
            let sums = part.sums::<V, R, W>(capability);
            self.put::<V, PARTS, R, W>(capability, sums, to, [count, across], add);
        }
    }

    /// Writes or adds a tile's sums times alpha to C.
    ///
    /// # Safety
    /// The rows and columns are inside C.
    #[inline(always)]
    unsafe fn put<V: Vector<T>, const PARTS: usize, const R: usize, const W: usize>(
        &self,
        capability: V::Capability,
        sums: [[V; W]; R],
        start: *mut T,
        [count, columns]: [usize; 2],
        add: bool,
    ) {
        let mut rows = sums;
        // These are loops because closures are not always inlined where vector instructions are enabled.
        for row in 0..R / PARTS {
            for part in 0..W {
                let pair = [sums[row * PARTS][part], sums[row * PARTS + PARTS - 1][part]];
                rows[row][part] = self.scaled::<V, PARTS>(capability, self.combined::<V, PARTS>(capability, pair));
            }
        }
        let [down, across] = self.c_strides;
        if across == PARTS as isize && count == R / PARTS && columns * PARTS >= W * V::LANES {
            for (row, vectors) in rows[..R / PARTS].iter().enumerate() {
                for (part, &vector) in vectors.iter().enumerate() {
                    // SAFETY: the whole tile is inside C, and its rows are contiguous. No other task writes there.
                    unsafe {
                        let to = start.offset(row as isize * down).add(part * V::LANES);
                        (if add { V::load(capability, to).plus(vector) } else { vector }).store(to);
                    }
                }
            }
            return;
        }
        for (row, vectors) in rows[..count].iter().enumerate() {
            for (part, &vector) in vectors.iter().enumerate() {
                let first = part * V::LANES;
                // SAFETY: the row is inside C, and has so many columns. No other task writes there.
                unsafe {
                    let to = start.offset(row as isize * down + (first / PARTS) as isize * across);
                    let left = (columns * PARTS - first).min(V::LANES);
                    self.put_vector::<V, PARTS>(capability, vector, to, left, add);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use num_complex::Complex;

    use super::*;

    /// Small whole numbers, whose products and sums are exact.
    fn numbers(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((rows, columns), |(i, j)| ((7 * i + 3 * j + seed) % 11) as f64 - 5.0)
    }

    /// In tiles of each kind of vectors that the processor has.
    fn tiled<const PARTS: usize>(block: Block<'_, f64>, kind: usize) {
        let mut scratch = Scratch::default();
        match (kind, simd::WideF64::capability(), simd::WidestF64::capability()) {
            (1, Some(capability), _) => block.tiled::<simd::WideF64, PARTS, ROWS>(capability, &mut scratch),
            (2, _, Some(capability)) => block.tiled::<simd::WidestF64, PARTS, TALL>(capability, &mut scratch),
            _ => block.tiled::<[f64; 4], PARTS, ROWS>((), &mut scratch),
        }
    }

    #[test]
    fn every_edge_and_stride_is_multiplied() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 9), (7, 13, 8), (12, 2, 17), (6, 260, 3), (29, 4, 33)] {
            for kind in 0..3 {
                let (a, b, c) = (numbers(m, k, 1), numbers(k, n, 2), numbers(m, n, 3));
                let one = Axis(0);
                let expected = &c + 2.0 * a.dot(&b);
                let (mut plain, mut transposed) = (c.clone(), c.reversed_axes().as_standard_layout().to_owned());
                let (left, right) = (a.view().insert_axis(one), b.view().insert_axis(one));
                let c = plain.view_mut().insert_axis(one);
                tiled::<1>(Block::new([left, right], c, [false; 2], 2.0, true, Thin::No), kind);
                assert_eq!(plain, expected, "{m} x {k} x {n}");
                let (a, b) = (a.t().as_standard_layout().to_owned(), b.slice(ndarray::s![.., ..;-1]).to_owned());
                let (left, right) = (a.t().insert_axis(one), b.slice(ndarray::s![.., ..;-1]).insert_axis(one));
                let c = transposed.view_mut().reversed_axes().insert_axis(one);
                tiled::<1>(Block::new([left, right], c, [false; 2], 2.0, true, Thin::No), kind);
                assert_eq!(transposed.t(), expected, "transposed, {m} x {k} x {n}");
            }
        }
    }

    #[test]
    fn complex_products_have_their_signs() {
        let complex = |rows, columns, seed| {
            let (re, im) = (numbers(rows, columns, seed), numbers(rows, columns, seed + 4));
            Array2::from_shape_fn((rows, columns), |at| Complex::new(re[at], im[at]))
        };
        let (a, b) = (complex(4, 5, 1), complex(5, 7, 2));
        let i = Complex::new(0.0, 1.0);
        let expected = a.mapv(|z| z.conj()).dot(&b).mapv(|z| z * i);
        for kind in 0..3 {
            let mut c = Array2::default((4, 7));
            let (left, right) = (a.view().insert_axis(Axis(0)), b.view().insert_axis(Axis(0)));
            let to = c.view_mut().insert_axis(Axis(0));
            tiled::<2>(Block::new([left, right], to, [true, false], i, false, Thin::No), kind);
            assert_eq!(c, expected);
        }
    }
}
