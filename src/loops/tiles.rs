//! The loops of matrix products: blocks of A and panels of B that fit the caches, tiles of C that fit the registers.
//!
//! A tile is [`ROWS`] by `N` real numbers, two vectors wide; one step along k loads N numbers of B and ROWS of A.
//! Complex numbers use the same tile: its rows are the real and imaginary parts of A in turn, its columns those of B.
//! The four real products are combined when the sums are done, and conjugation is a sign there. Every element of C is
//! summed in the order of k, in blocks of [`DEPTH`].
//!
//! The loops are written here because the crates measured lost to OpenBLAS by a quarter on a processor whose caches are
//! shared with others (f64, n = 1000, one thread, Zen 3: faer 0.24 29 GFLOP/s, gemm 0.19 29, OpenBLAS 38, this 36), and
//! faer would have been half of the library's compile time. Vectors are explicit because the compiler vectorised
//! differently whenever code nearby changed. Prefetching A and B and tiles of 4 by 3 vectors gained nothing.

use std::cell::RefCell;
use std::marker::PhantomData;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::machine::pages::Line;
use crate::machine::simd::{self, Vector, Vectorised, prefetch_from};
use crate::numeric::float::{Float, Numeric};

/// Rows of a tile.
pub(crate) const ROWS: usize = 6;
/// Steps along k that stay in the first-level cache: a panel of B is 16 KiB.
pub(crate) const DEPTH: usize = 256;
/// Rows of a block of A, which stays in the second-level cache: 288 KiB of f64.
pub(crate) const HIGH: usize = 144;
/// Bytes of a row of the packed panels of B, which take 1 MiB and stay mostly in the second-level cache.
pub(crate) const WIDE: usize = 4096;
/// Blocks of A of at most this many bytes are read in place instead of packed.
const NEAR: usize = 16 << 10;
/// With at most this many columns of C, tall matrices A are taken one tile's rows at a time.
const NARROW: usize = 64;
/// The most rows of C for which B is read in place where its layout allows it.
const FEW: usize = 48;
/// The largest stride in bytes between rows of B that are read in place: beyond it each row is on a page of its own.
const FAR: usize = 2048;

/// Packed blocks of A and panels of B, kept by each thread.
#[derive(Debug, Default)]
struct Scratch {
    a: Vec<Line>,
    b: Vec<Line>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { a: Vec::new(), b: Vec::new() }) };
}

/// Room for at least `len` numbers.
fn room<T: Float>(lines: &mut Vec<Line>, len: usize) -> &mut [T] {
    let needed = len.div_ceil(size_of::<Line>() / size_of::<T>());
    if lines.len() < needed {
        lines.resize(needed, bytemuck::Zeroable::zeroed());
    }
    bytemuck::cast_slice_mut(lines)
}

/// A block of C, and the rows of A and columns of B whose product it is. Strides count real numbers, extents elements.
#[derive(Debug)]
pub(crate) struct Block<'a, T> {
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    /// Where the block is written; no other task writes there.
    c: *mut T,
    c_strides: [isize; 2],
    /// The signs of the imaginary parts of A and B.
    signs: [T; 2],
    alpha: [T; 2],
    /// Whether C is added to.
    add: bool,
    life: PhantomData<&'a mut [T]>,
}

/// A matrix to read, with any strides.
#[derive(Debug, Clone, Copy)]
struct Matrix<T> {
    start: *const T,
    strides: [isize; 2],
}

impl<T> Matrix<T> {
    fn of<V: Numeric<Real = T>>(view: &ArrayView2<'_, V>) -> Self {
        Self { start: view.as_ptr().cast(), strides: reals::<V>(view.strides()) }
    }

    fn transposed(self) -> Self {
        let [rows, columns] = self.strides;
        Self { strides: [columns, rows], ..self }
    }
}

/// Strides counted in real numbers instead of elements.
fn reals<V: Numeric>(strides: &[isize]) -> [isize; 2] {
    [strides[0] * V::PARTS as isize, strides[1] * V::PARTS as isize]
}

impl<'a, T: Float> Block<'a, T> {
    /// The block of these views, whose shapes must fit. Blocks are made only here: the safety of their loops rests on
    /// the check.
    pub(crate) fn new<V: Numeric<Real = T>>(
        [a, b]: [ArrayView2<'a, V>; 2],
        mut c: ArrayViewMut2<'a, V>,
        conjugate: [bool; 2],
        alpha: V,
        add: bool,
    ) -> Self {
        let ([m, n], k) = ([c.nrows(), c.ncols()], a.ncols());
        assert!(a.nrows() == m && b.nrows() == k && b.ncols() == n, "the shapes of a product fit");
        let one = T::one();
        let [sign_a, sign_b] = conjugate.map(|conjugate| if conjugate { -one } else { one });
        let (c_strides, alpha) = (reals::<V>(c.strides()), alpha.complex());
        let (start, life) = (c.as_mut_ptr().cast(), PhantomData);
        let alpha = [alpha.re, alpha.im];
        let (a, b) = (Matrix::of(&a), Matrix::of(&b));
        // Rows of C should be contiguous; if its columns are instead, the transposed product has contiguous rows.
        if c_strides[0].unsigned_abs() < c_strides[1].unsigned_abs() && m > 1 {
            let (a, b, c_strides) = (b.transposed(), a.transposed(), [c_strides[1], c_strides[0]]);
            let (m, n, signs) = (n, m, [sign_b, sign_a]);
            return Self { m, k, n, a, b, c: start, c_strides, signs, alpha, add, life };
        }
        Self { m, k, n, a, b, c: start, c_strides, signs: [sign_a, sign_b], alpha, add, life }
    }
}

/// A block's loops, for elements of `PARTS` real numbers and tiles of `N` real columns: two vectors, of the type `V`
/// where there is FMA and `A` elsewhere.
#[derive(Debug)]
struct Loops<'a, T, V, A, const PARTS: usize, const N: usize>(Block<'a, T>, PhantomData<(V, A)>);

impl<T, V, A, const PARTS: usize, const N: usize> Vectorised for Loops<'_, T, V, A, PARTS, N>
where
    T: Float,
    V: Vector<T>,
    A: Vector<T, Capability = ()>,
{
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match V::capability() {
            Some(capability) if FMA => self.0.multiply::<V, PARTS, N>(capability),
            _ => self.0.multiply::<A, PARTS, N>(()),
        }
    }
}

impl<T: Float> Block<'_, T> {
    /// Computes all tiles of the block.
    #[inline(always)]
    fn multiply<V: Vector<T>, const PARTS: usize, const N: usize>(self, capability: V::Capability) {
        let block = self;
        let mut scratch = SCRATCH.take();
        let (wide, columns) = (WIDE / size_of::<T>() / PARTS, N / PARTS);
        // With few columns, each row of A is read whole and each row of C written whole, in the order of memory.
        let narrow = block.n <= NARROW && block.m > HIGH;
        let high = if narrow { ROWS } else { HIGH } / PARTS;
        let near = block.m.min(high) * block.k.min(DEPTH) * PARTS * size_of::<T>() <= NEAR
            || narrow && block.a.strides[1] == PARTS as isize;
        let far = block.b.strides[0].unsigned_abs() * size_of::<T>() > FAR;
        let loose = block.b.strides[1] != PARTS as isize || block.m > FEW || far;
        let a_room: &mut [T] = room(&mut scratch.a, if near { 0 } else { (HIGH + ROWS) * DEPTH });
        let b_room: &mut [T] = room(&mut scratch.b, wide.min(block.n.next_multiple_of(columns)) * PARTS * DEPTH);
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
                    let part = unsafe { b.at(0, panel * columns) }.transposed();
                    // SAFETY: as above.
                    unsafe { pack::<T, PARTS, N>(part, count, steps, &mut b_room[panel * N * steps..]) };
                }
                for top in (0..block.m).step_by(high) {
                    let height = high.min(block.m - top);
                    // SAFETY: the rows and steps are inside A.
                    let a = unsafe { block.a.at(top, depth) };
                    if !near {
                        for (row, four) in rows::<PARTS>(height) {
                            let to = &mut a_room[row * PARTS * steps..];
                            // SAFETY: the row is inside A.
                            let part = unsafe { a.at(row, 0) };
                            let count = (height - row).min(if four { 4 } else { ROWS } / PARTS);
                            // SAFETY: `count` rows from there on are inside A.
                            unsafe {
                                if four {
                                    pack::<T, PARTS, 4>(part, count, steps, to);
                                } else {
                                    pack::<T, PARTS, ROWS>(part, count, steps, to);
                                }
                            }
                        }
                    }
                    for panel in 0..panels {
                        let (start, step) = if packed(panel) {
                            (b_room[panel * N * steps..].as_ptr(), N as isize)
                        } else {
                            // SAFETY: the panel's columns are inside B.
                            (unsafe { b.at(0, panel * columns) }.start, b.strides[0])
                        };
                        let panel_b = Matrix { start, strides: [step, 1] };
                        let across = columns.min(width - panel * columns);
                        for (row, four) in rows::<PARTS>(height) {
                            let a =
                                if near { Rows::Near(a, row) } else { Rows::Packed(&a_room[row * PARTS * steps..]) };
                            let at = [top + row, first + panel * columns];
                            let count = [height - row, across];
                            // SAFETY: the rows and columns are inside C and no other block's; A and B, or their packed
                            // copies, have `steps` steps there.
                            unsafe {
                                if four {
                                    block.tile::<V, PARTS, 4, N>(capability, a, panel_b, steps, [at, count], depth);
                                } else {
                                    block.tile::<V, PARTS, ROWS, N>(capability, a, panel_b, steps, [at, count], depth);
                                }
                            }
                        }
                    }
                }
            }
        }
        SCRATCH.set(scratch);
    }
}

/// Where the tiles of `height` rows begin, and whether each has 4 lanes instead of [`ROWS`]: as few lanes as suffice.
#[inline(always)]
fn rows<const PARTS: usize>(height: usize) -> impl Iterator<Item = (usize, bool)> {
    let mut row = 0;
    std::iter::from_fn(move || {
        let start = row;
        let four = matches!((height - row) * PARTS, 1..=4 | 7..=8);
        row += if four { 4 } else { ROWS } / PARTS;
        row = row.min(height);
        (start < height).then_some((start, four))
    })
}

/// The rows of A for a tile: in place or packed.
#[derive(Debug, Clone, Copy)]
enum Rows<'a, T> {
    /// In place: A, and the row to start from.
    Near(Matrix<T>, usize),
    /// Packed, `R` numbers for each step.
    Packed(&'a [T]),
}

impl<T: Float> Matrix<T> {
    /// The part of the matrix that begins at this row and column.
    ///
    /// # Safety
    /// The row and the column are inside.
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> Self {
        let offset = row as isize * self.strides[0] + column as isize * self.strides[1];
        // SAFETY: the element is inside, as the caller promises.
        Self { start: unsafe { self.start.offset(offset) }, ..self }
    }

    /// Pointers to the rows of a tile, real and imaginary parts in turn; missing rows repeat the last one.
    ///
    /// # Safety
    /// `count` rows from `row` on are inside.
    #[inline(always)]
    unsafe fn lanes<const PARTS: usize, const R: usize>(self, row: usize, count: usize) -> [*const T; R] {
        std::array::from_fn(|lane| {
            let row = row + (lane / PARTS).min(count - 1);
            // SAFETY: the row is inside, and an element has `PARTS` parts.
            unsafe { self.start.offset(row as isize * self.strides[0]).add(lane % PARTS) }
        })
    }
}

/// Packs some rows step by step, `LANES` numbers for each step; missing rows repeat the last one.
///
/// # Safety
/// The matrix has `rows` rows and `steps` columns.
#[inline(always)]
unsafe fn pack<T: Float, const PARTS: usize, const LANES: usize>(
    from: Matrix<T>,
    rows: usize,
    steps: usize,
    to: &mut [T],
) {
    let lane = |lane: usize| {
        let row = (lane / PARTS).min(rows - 1);
        // SAFETY: the row is inside, and an element has `PARTS` parts.
        unsafe { from.start.offset(row as isize * from.strides[0]).add(lane % PARTS) }
    };
    let lanes: [*const T; LANES] = std::array::from_fn(lane);
    let whole = rows * PARTS == LANES && from.strides[0] == PARTS as isize;
    for (step, to) in to.as_chunks_mut::<LANES>().0[..steps].iter_mut().enumerate() {
        let offset = step as isize * from.strides[1];
        if whole {
            // SAFETY: the rows are neighbours, so the numbers of one step are contiguous.
            *to = unsafe { lanes[0].offset(offset).cast::<[T; LANES]>().read_unaligned() };
        } else {
            // SAFETY: the step is inside each row.
            (0..LANES).for_each(|lane| to[lane] = unsafe { *lanes[lane].offset(offset) });
        }
    }
}

/// The rows of A and the columns of B that a tile is made of.
#[derive(Debug, Clone, Copy)]
struct Factors<T, const R: usize> {
    lanes: [*const T; R],
    a_step: isize,
    b: *const T,
    b_step: isize,
}

impl<T: Float, const R: usize> Factors<T, R> {
    /// `Σ_l a[i][l] b[l][j]`, with the sums in registers. Packed A is one array with R numbers for each step.
    ///
    /// # Safety
    /// Each row of A has `steps` numbers, and B has `steps` rows of N numbers, which are two vectors.
    #[inline(always)]
    unsafe fn sums<V: Vector<T>, const N: usize, const PACKED: bool>(
        self,
        capability: V::Capability,
        steps: usize,
    ) -> [[V; 2]; R] {
        let mut sums = [[V::splat(capability, T::zero()); 2]; R];
        let mut walk = self;
        // SAFETY: the caller promises that these steps exist.
        unsafe {
            // Four steps at a time, since counting takes some of the instructions that the processor can start in a
            // cycle.
            for _ in 0..steps / 4 {
                for next in 0..4 {
                    walk.step::<V, N, PACKED>(capability, next, &mut sums);
                }
                walk.advance::<PACKED>(4);
            }
            for _ in 0..steps % 4 {
                walk.step::<V, N, PACKED>(capability, 0, &mut sums);
                walk.advance::<PACKED>(1);
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn step<V: Vector<T>, const N: usize, const PACKED: bool>(
        &self,
        capability: V::Capability,
        at: isize,
        sums: &mut [[V; 2]; R],
    ) {
        // SAFETY: the caller promises that this step exists.
        unsafe {
            let row = self.b.offset(at * self.b_step);
            let b = [V::load(capability, row), V::load(capability, row.add(N / 2))];
            for (lane, sums) in sums.iter_mut().enumerate() {
                let x = if PACKED {
                    *self.lanes[0].offset(at * R as isize + lane as isize)
                } else {
                    *self.lanes[lane].offset(at * self.a_step)
                };
                let x = V::splat(capability, x);
                *sums = [x.multiply_add(b[0], sums[0]), x.multiply_add(b[1], sums[1])];
            }
        }
    }

    #[inline(always)]
    fn advance<const PACKED: bool>(&mut self, steps: isize) {
        self.b = self.b.wrapping_offset(steps * self.b_step);
        if PACKED {
            self.lanes[0] = self.lanes[0].wrapping_offset(steps * R as isize);
        } else {
            self.lanes = self.lanes.map(|lane| lane.wrapping_offset(steps * self.a_step));
        }
    }
}

impl<T: Float> Block<'_, T> {
    /// Computes the block with vectors of `N / 2` numbers: `V` where there is FMA, `A` elsewhere.
    pub(crate) fn run<V: Vector<T>, A: Vector<T, Capability = ()>, const PARTS: usize, const N: usize>(self) {
        simd::run(Loops::<T, V, A, PARTS, N>(self, PhantomData));
    }

    /// A pointer to an element of C.
    ///
    /// # Safety
    /// The element is inside.
    #[inline(always)]
    unsafe fn place(&self, row: usize, column: usize) -> *mut T {
        // SAFETY: as the caller promises.
        unsafe { self.c.offset(row as isize * self.c_strides[0] + column as isize * self.c_strides[1]) }
    }

    /// Computes one tile.
    ///
    /// # Safety
    /// Its rows and columns are inside C and no other task writes there; A has these rows and B is N numbers wide, both
    /// with `steps` steps.
    #[inline(always)]
    unsafe fn tile<V: Vector<T>, const PARTS: usize, const R: usize, const N: usize>(
        &self,
        capability: V::Capability,
        a: Rows<'_, T>,
        b: Matrix<T>,
        steps: usize,
        [at, [left, across]]: [[usize; 2]; 2],
        depth: usize,
    ) {
        let count = left.min(R / PARTS);
        // SAFETY: as the caller promises.
        unsafe {
            let to = self.place(at[0], at[1]);
            (0..count).for_each(|row| prefetch_from(to.wrapping_offset(row as isize * self.c_strides[0])));
            let (b, b_step) = (b.start, b.strides[0]);
            let add = self.add || depth > 0;
            match a {
                Rows::Near(a, row) => {
                    let near = Factors { lanes: a.lanes::<PARTS, R>(row, count), a_step: a.strides[1], b, b_step };
                    let sums = near.sums::<V, N, false>(capability, steps);
                    self.put::<V, PARTS, R, N>(capability, sums, to, [count, across], add);
                }
                Rows::Packed(a) => {
                    let packed = Factors { lanes: [a.as_ptr(); R], a_step: R as isize, b, b_step };
                    let sums = packed.sums::<V, N, true>(capability, steps);
                    self.put::<V, PARTS, R, N>(capability, sums, to, [count, across], add);
                }
            }
        }
    }

    /// Writes or adds a tile's sums times alpha to C.
    ///
    /// # Safety
    /// The rows and columns are inside C.
    #[inline(always)]
    unsafe fn put<V: Vector<T>, const PARTS: usize, const R: usize, const N: usize>(
        &self,
        capability: V::Capability,
        sums: [[V; 2]; R],
        start: *mut T,
        count: [usize; 2],
        add: bool,
    ) {
        let mut rows = sums;
        let ([a, b], zero) = (self.signs, V::splat(capability, T::zero()));
        if PARTS == 2 {
            // Combines the products with real parts and those with imaginary parts, one place further. These are loops
            // because closures are not always inlined where vector instructions are enabled.
            let (own, other) = (V::pairs(capability, T::one(), b), V::pairs(capability, -a * b, a));
            for row in 0..R / 2 {
                for half in 0..2 {
                    let (re, im) = (sums[2 * row][half], sums[2 * row + 1][half]);
                    rows[row][half] = im.swapped().multiply_add(other, re.multiply_add(own, zero));
                }
            }
        }
        let [re, im] = self.alpha;
        if self.alpha != [T::one(), T::zero()] {
            let (own, other) = (V::splat(capability, re), V::pairs(capability, -im, im));
            for x in rows.iter_mut().flatten() {
                let scaled = x.multiply_add(own, zero);
                *x = if PARTS == 1 { scaled } else { x.swapped().multiply_add(other, scaled) };
            }
        }
        let [down, across] = self.c_strides;
        // SAFETY: the rows are inside C; if they are whole and contiguous, two vectors are inside too. No other task
        // writes there.
        unsafe {
            if across == PARTS as isize && count == [R / PARTS, N / PARTS] {
                for (row, values) in rows[..R / PARTS].iter().enumerate() {
                    let to = start.offset(row as isize * down);
                    for (half, &value) in values.iter().enumerate() {
                        let to = to.add(half * (N / 2));
                        (if add { V::load(capability, to).plus(value) } else { value }).store(to);
                    }
                }
            } else {
                let mut values = [[T::zero(); N]; R];
                for (values, row) in values.iter_mut().zip(rows) {
                    row[0].write(&mut values[..N / 2]);
                    row[1].write(&mut values[N / 2..]);
                }
                self.put_some::<PARTS, N>(&values, start, count, add);
            }
        }
    }

    /// Does the same for a tile at an edge, or one whose columns are not contiguous.
    ///
    /// # Safety
    /// The rows and columns are inside C.
    #[inline(never)]
    unsafe fn put_some<const PARTS: usize, const N: usize>(
        &self,
        values: &[[T; N]],
        start: *mut T,
        [rows, columns]: [usize; 2],
        add: bool,
    ) {
        let [down, across] = self.c_strides;
        for (row, values) in values[..rows].iter().enumerate() {
            for (j, &value) in values[..columns * PARTS].iter().enumerate() {
                let offset = row as isize * down + (j / PARTS) as isize * across;
                // SAFETY: the element is inside C; no other task writes there.
                unsafe {
                    let to = start.offset(offset).add(j % PARTS);
                    *to = if add { *to + value } else { value };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use num_complex::Complex;

    use super::*;

    /// Small whole numbers, whose products and sums are exact.
    fn numbers(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((rows, columns), |(i, j)| ((7 * i + 3 * j + seed) % 11) as f64 - 5.0)
    }

    #[test]
    fn every_edge_and_stride_is_multiplied() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 9), (7, 13, 8), (12, 2, 17), (6, 260, 3)] {
            let (a, b, c) = (numbers(m, k, 1), numbers(k, n, 2), numbers(m, n, 3));
            let expected = &c + 2.0 * a.dot(&b);
            let (mut plain, mut transposed) = (c.clone(), c.reversed_axes().as_standard_layout().to_owned());
            Block::new([a.view(), b.view()], plain.view_mut(), [false; 2], 2.0, true)
                .run::<simd::WideF64, [f64; 4], 1, 8>();
            assert_eq!(plain, expected, "{m} x {k} x {n}");
            let (a, b) = (a.t().as_standard_layout().to_owned(), b.slice(ndarray::s![.., ..;-1]).to_owned());
            let b = b.slice(ndarray::s![.., ..;-1]);
            Block::new([a.t(), b], transposed.view_mut().reversed_axes(), [false; 2], 2.0, true)
                .run::<[f64; 4], [f64; 4], 1, 8>();
            assert_eq!(transposed.t(), expected, "transposed, {m} x {k} x {n}");
        }
    }

    #[test]
    fn complex_products_have_their_signs() {
        let complex = |rows, columns, seed| {
            let (re, im) = (numbers(rows, columns, seed), numbers(rows, columns, seed + 4));
            Array2::from_shape_fn((rows, columns), |at| Complex::new(re[at], im[at]))
        };
        let (a, b) = (complex(4, 5, 1), complex(5, 7, 2));
        let mut c = Array2::default((4, 7));
        Block::new([a.view(), b.view()], c.view_mut(), [true, false], Complex::new(0.0, 1.0), false)
            .run::<[f64; 4], [f64; 4], 2, 8>();
        let expected = a.mapv(|z| z.conj()).dot(&b).mapv(|z| z * Complex::new(0.0, 1.0));
        assert_eq!(c, expected);
    }
}
