//! Products of small matrices: factors are read where they are, in tiles of as many lanes and vectors as there are.
//!
//! Packing takes longer than it saves where B fits in the first-level cache, or where C has few rows. B is packed only
//! if its rows are not contiguous, or end with a part of a vector that takes more than one instruction. Elements of C
//! are summed in the order of k, as in the other tiles.

#![expect(clippy::needless_range_loop, reason = "one index runs over the vectors of several arrays")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::loops::block::{Block, Thin};
use crate::loops::panels::{Matrix, SCRATCH, Scratch, room};
use crate::loops::tiles::{DEPTH, SHALLOW};
use crate::machine::simd::{self, Vector, Vectorised, Widest};
use crate::numeric::float::Float;

/// Bytes of B that stay in the first-level cache beside rows of A: two vectors of 64 bytes for [`DEPTH`] steps.
const NEAR: usize = 32 << 10;
/// Vectors of a row of B for which rows of A are not packed: each is read once.
const NARROW: usize = 2;
/// Bytes of a B that sweeps read better, if the product is thin.
const LARGE: usize = 256 << 10;
/// Rows of C for which B is read in place although it is larger.
const FEW: usize = 24;
/// The largest stride in bytes between rows of a larger B with more than [`DEEP`] rows: each is on a page of its own
/// beyond it.
const FAR: usize = 2048;
/// So many pages are found without a search in tables.
const DEEP: usize = 48;
/// With at most so many steps, C is written two lanes at a time, since most of the time goes into that.
const FLAT: usize = 4;
/// Vectors of a tile with one or two lanes. Taller ones have two.
const MOST: usize = 4;

/// Rows of C that are computed `R` lanes at a time, with vectors of type `V`, or `A` where there is no FMA. They are a
/// loop nest of their own, since one with all heights of tiles would keep its variables in memory.
#[derive(Debug, Clone, Copy)]
struct Stripes<'a, T, V, A, const PARTS: usize, const R: usize> {
    block: &'a Block<'a, T>,
    task: &'a Task<T>,
    rows: usize,
    kind: PhantomData<(V, A)>,
}

/// What is computed: some rows between two columns.
#[derive(Debug, Clone, Copy)]
struct Task<T> {
    /// The rows of A from the first one on, and B, in place or packed.
    a: Matrix<T>,
    b: Matrix<T>,
    /// The first row of C.
    c: *mut T,
    steps: usize,
    /// The first number of a row of B and C, and the one after the last.
    from: usize,
    end: usize,
    /// Whether C is added to.
    add: bool,
}

impl<T> Task<T> {
    /// Goes some rows down; rows of C are so far apart.
    #[inline(always)]
    fn down(&mut self, rows: usize, apart: isize) {
        self.a.start = self.a.start.wrapping_offset(rows as isize * self.a.strides[0]);
        self.c = self.c.wrapping_offset(rows as isize * apart);
    }
}

impl<T, V, A, const PARTS: usize, const R: usize> Vectorised for Stripes<'_, T, V, A, PARTS, R>
where
    T: Float,
    V: Vector<T>,
    A: Vector<T, Capability = ()>,
{
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { block, task, rows, .. } = self;
        // SAFETY: whoever makes stripes promises that their rows, columns and steps are inside of A, B and C.
        unsafe {
            match V::capability() {
                Some(capability) if FMA => block.stripes::<V, PARTS, R>(capability, *task, rows),
                _ => block.stripes::<A, PARTS, R>((), *task, rows),
            }
        }
    }
}

impl<T: Float, V: Vector<T>, A: Vector<T, Capability = ()>, const PARTS: usize, const R: usize> Widest
    for Stripes<'_, T, V, A, PARTS, R>
{
}

impl<T: Float> Block<'_, T> {
    /// The half cycles that the product takes, about, in tiles of vectors of `lanes` numbers.
    fn price(&self, parts: usize, lanes: usize) -> usize {
        let (high, vectors) = (self.m * parts, (self.n * parts).div_ceil(lanes));
        let tile = [high.min(6), vectors.min(if high <= 2 { MOST } else { 2 })];
        // A step takes as long as one addition after another, at least. The rest is what begins and ends a tile.
        let each = self.k * 8.max(tile[0] * tile[1]) + 40;
        let packed = if self.b.strides[1] == parts as isize { 0 } else { 2 * self.k * self.n * parts };
        let scattered = if self.c_strides[1] == parts as isize { 0 } else { 3 * self.m * self.n * parts };
        high.div_ceil(tile[0]) * vectors.div_ceil(tile[1]) * each + packed + scattered
    }

    /// The block turned so that vectors of `lanes` numbers take fewer instructions, if B is best read in place.
    pub(super) fn small<const PARTS: usize>(self, lanes: usize) -> Option<Self> {
        let turned = self.transposed();
        let block = if turned.price(PARTS, lanes) < self.price(PARTS, lanes) { turned } else { self };
        let row = block.n * PARTS * size_of::<T>();
        let near = block.k.min(DEPTH) * row <= NEAR;
        let close = block.b.strides[0].unsigned_abs().saturating_mul(size_of::<T>()) <= FAR || block.k <= DEEP;
        let swept = block.thin != Thin::No && block.k * row > LARGE;
        let few = block.k <= SHALLOW || block.m <= FEW && close && !swept;
        let narrow = block.n * PARTS <= NARROW * lanes && block.a.strides[1] == PARTS as isize;
        (near || narrow || few && block.b.strides[1] == PARTS as isize).then_some(block)
    }

    /// Computes all products of a small block; `WIDEST` says that vectors are of AVX-512.
    pub(super) fn multiply_small<V, A, const PARTS: usize, const WIDEST: bool>(&self)
    where
        V: Vector<T>,
        A: Vector<T, Capability = ()>,
    {
        const { assert!(WIDEST || V::LANES == A::LANES, "one width of vectors with FMA or without") };
        let numbers = self.n * PARTS;
        let whole = numbers.next_multiple_of(V::LANES);
        let masked = if simd::fused() { V::MASKED } else { A::MASKED };
        let in_place = self.b.strides[1] == PARTS as isize && (masked || whole == numbers);
        let unit = V::LANES * if self.m * PARTS <= 2 { MOST } else { 2 };
        let wide = (NEAR / size_of::<T>() / self.k.min(DEPTH) / unit * unit).max(unit);
        let flat = self.k <= FLAT && numbers >= 2 * MOST * V::LANES;
        let mut scratch = if in_place { Scratch::default() } else { SCRATCH.take() };
        for item in 0..self.count {
            for depth in (0..self.k).step_by(DEPTH) {
                let steps = DEPTH.min(self.k - depth);
                // SAFETY: the item is in the batch, and the step inside A and B.
                let (a, b, c) = unsafe {
                    let (a, b, c) = self.of(item);
                    (a.at(0, depth), b.at(depth, 0), c)
                };
                for from in (0..numbers).step_by(wide) {
                    let end = numbers.min(from + wide);
                    let mut task = Task { a, b, c, steps, from, end, add: self.add || depth > 0 };
                    if !in_place {
                        let (count, full) = (end - from, wide.min(whole - from));
                        let rows: &mut [T] = room(&mut scratch.b, steps * full);
                        // SAFETY: B has these steps and columns.
                        unsafe { b.at(0, from / PARTS).pack::<PARTS>([count, full], steps, full, rows) };
                        // Columns are counted from B's first one.
                        let start = rows.as_ptr().wrapping_sub(from);
                        task.b = Matrix { start, strides: [full as isize, PARTS as isize] };
                    }
                    let mut row = 0;
                    while row < self.m {
                        let (height, rows) = heights(PARTS, self.m - row, flat);
                        match height * PARTS {
                            1 => self.some::<V, A, PARTS, PARTS, WIDEST>(&task, rows),
                            2 => self.some::<V, A, PARTS, 2, WIDEST>(&task, rows),
                            3 if PARTS == 1 => self.some::<V, A, PARTS, 3, WIDEST>(&task, rows),
                            4 => self.some::<V, A, PARTS, 4, WIDEST>(&task, rows),
                            _ => self.some::<V, A, PARTS, 6, WIDEST>(&task, rows),
                        }
                        task.down(rows, self.c_strides[0]);
                        row += rows;
                    }
                }
            }
        }
        if !in_place {
            SCRATCH.set(scratch);
        }
    }

    #[inline(always)]
    fn some<V, A, const PARTS: usize, const R: usize, const WIDEST: bool>(&self, task: &Task<T>, rows: usize)
    where
        V: Vector<T>,
        A: Vector<T, Capability = ()>,
    {
        let stripes = Stripes::<T, V, A, PARTS, R> { block: self, task, rows, kind: PhantomData };
        if WIDEST {
            simd::run_widest(stripes);
        } else {
            simd::run(stripes);
        }
    }

    /// Computes some rows of C between two columns, `R` lanes at a time.
    ///
    /// # Safety
    /// The rows and columns are inside C and no other task writes there; A and B have the task's steps.
    #[inline(always)]
    unsafe fn stripes<V: Vector<T>, const PARTS: usize, const R: usize>(
        &self,
        capability: V::Capability,
        mut task: Task<T>,
        rows: usize,
    ) {
        let down = self.c_strides[0];
        for _ in 0..rows * PARTS / R {
            // SAFETY: so many rows are left.
            let lanes: [*const T; R] = unsafe { task.a.lanes::<PARTS, R>() };
            let mut at = task.from;
            while at < task.end {
                let left = task.end - at;
                // SAFETY: as the caller promises.
                unsafe {
                    if R <= 2 && left > (MOST - 1) * V::LANES {
                        self.small_tile::<V, PARTS, R, MOST>(capability, task, lanes, at);
                        at += MOST * V::LANES;
                    } else if left > V::LANES {
                        self.small_tile::<V, PARTS, R, 2>(capability, task, lanes, at);
                        at += 2 * V::LANES;
                    } else {
                        self.small_tile::<V, PARTS, R, 1>(capability, task, lanes, at);
                        at += V::LANES;
                    }
                }
            }
            task.down(R / PARTS, down);
        }
    }

    /// Computes a tile of `R` lanes and `W` vectors, the last of which may be a part of one.
    ///
    /// # Safety
    /// As for [`Block::stripes`].
    #[inline(always)]
    unsafe fn small_tile<V: Vector<T>, const PARTS: usize, const R: usize, const W: usize>(
        &self,
        capability: V::Capability,
        task: Task<T>,
        lanes: [*const T; R],
        at: usize,
    ) {
        let Task { a, b, c, steps, end, add, .. } = task;
        let last = (end - at - (W - 1) * V::LANES).min(V::LANES);
        let whole = if V::MASKED { last } else { V::LANES };
        let mut sums = [[V::splat(capability, T::zero()); W]; R];
        let mut from = b.start.wrapping_add(at);
        let mut step = 0;
        for _ in 0..steps {
            // SAFETY: the step is inside A and B, and each row of B has the numbers up to `end`, or is packed.
            unsafe {
                let mut vectors = [V::splat(capability, T::zero()); W];
                for part in 0..W - 1 {
                    vectors[part] = V::load(capability, from.add(part * V::LANES));
                }
                vectors[W - 1] = V::load_some(capability, from.add((W - 1) * V::LANES), whole);
                for lane in 0..R {
                    let x = V::splat(capability, *lanes[lane].offset(step));
                    for part in 0..W {
                        sums[lane][part] = x.multiply_add(vectors[part], sums[lane][part]);
                    }
                }
            }
            step += a.strides[1];
            from = from.wrapping_offset(b.strides[0]);
        }
        let [down, across] = self.c_strides;
        // SAFETY: the row and the column are inside C.
        let to = unsafe { c.offset((at / PARTS) as isize * across) };
        let mut values = sums;
        for row in 0..R / PARTS {
            for part in 0..W {
                let pair = [sums[row * PARTS][part], sums[row * PARTS + PARTS - 1][part]];
                values[row][part] = self.combined::<V, PARTS>(capability, pair);
            }
        }
        if across == PARTS as isize && !add && self.alpha == [T::one(), T::zero()] {
            for row in 0..R / PARTS {
                // SAFETY: these numbers are inside C, whose rows are contiguous, and no other task writes there.
                unsafe {
                    let to = to.offset(row as isize * down);
                    for part in 0..W - 1 {
                        values[row][part].store(to.add(part * V::LANES));
                    }
                    values[row][W - 1].store_some(to.add((W - 1) * V::LANES), last);
                }
            }
            return;
        }
        // The number of rows comes from memory, so that the compiler writes this once and not for each vector.
        let mut found = MaybeUninit::<[[[T; 16]; W]; R]>::uninit();
        let numbers = found.as_mut_ptr().cast::<T>();
        for row in 0..R / PARTS {
            for part in 0..W {
                let value = self.scaled::<V, PARTS>(capability, values[row][part]);
                // SAFETY: a vector has at most 16 numbers, and there are so many of them.
                unsafe { value.store(numbers.add((row * W + part) * 16)) };
            }
        }
        for part in 0..W {
            let count = if part == W - 1 { last } else { V::LANES };
            if across == PARTS as isize {
                for row in 0..self.m.min(R / PARTS) {
                    // SAFETY: the vector was written above, and its numbers' places are inside C.
                    unsafe {
                        let value = V::load(capability, numbers.add((row * W + part) * 16));
                        let to = to.offset(row as isize * down).add(part * V::LANES);
                        let value = if add { V::load_some(capability, to, count).plus(value) } else { value };
                        value.store_some(to, count);
                    }
                }
                continue;
            }
            for column in 0..count / PARTS {
                let to = to.wrapping_offset((part * V::LANES / PARTS + column) as isize * across);
                for row in 0..self.m.min(R / PARTS) {
                    for real in 0..PARTS {
                        // SAFETY: the number was written above, and its place is inside C.
                        unsafe {
                            let number = *numbers.add((row * W + part) * 16 + column * PARTS + real);
                            let to = to.offset(row as isize * down).add(real);
                            *to = if add { *to + number } else { number };
                        }
                    }
                }
            }
        }
    }
}

/// Rows of the next tiles, and how many of the rows that are `left` they cover: 6 lanes, or fewer where few would be
/// left over.
fn heights(parts: usize, left: usize, flat: bool) -> (usize, usize) {
    match (parts, left) {
        (1, 2..) if flat => (2, left / 2 * 2),
        (2, _) if flat => (1, left),
        (1, 1 | 2) | (2, 1) => (left, left),
        (1, 3 | 5) => (3, 3),
        (1, 4 | 7) => (4, 4),
        (1, 8 | 11) => (4, 8),
        // All but the last rows, of which tiles of 3 and 4 lanes leave none.
        (1, _) => (6, (left - [0, 7, 8, 3, 4, 11][left % 6]) / 6 * 6),
        (_, 2) => (2, 2),
        (_, 4) => (2, 4),
        (_, _) => (3, (left - [0, 4, 2][left % 3]) / 3 * 3),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, s};
    use num_complex::Complex;

    use super::*;
    use crate::loops::thin::tests::numbers;
    use crate::machine::simd::{WideF64, WidestF64};

    /// With each kind of vectors that the processor has.
    fn multiply<const PARTS: usize>(block: Block<'_, f64>, kind: usize) {
        match kind {
            0 => block.multiply_small::<[f64; 4], [f64; 4], PARTS, false>(),
            1 => block.multiply_small::<WideF64, [f64; 4], PARTS, false>(),
            _ if simd::widest() => block.multiply_small::<WidestF64, [f64; 4], PARTS, true>(),
            _ => block.transposed().multiply_small::<WideF64, [f64; 4], PARTS, false>(),
        }
    }

    #[test]
    fn every_height_edge_and_stride_is_multiplied() {
        // All heights of tiles, ends of vectors, several blocks along k, and few steps for long rows of C.
        let heights = (1..=17).map(|m| (m, 3, 2 * m + 1));
        let more = [(5, 300, 9), (2, 4, 131), (3, 1, 140), (1, 2, 77), (29, 2, 3), (4, 16, 70), (8, 520, 5)];
        for (m, k, n) in heights.chain(more) {
            // Each matrix stored as it is or transposed.
            for stored in 0..8 {
                let turned = |bit, (count, rows, columns), seed| {
                    if stored >> bit & 1 == 0 {
                        numbers((count, rows, columns), seed)
                    } else {
                        let mut x = numbers((count, columns, rows), seed);
                        x.swap_axes(1, 2);
                        x
                    }
                };
                let (a, b, c) = (turned(0, (2, m, k), 1), turned(1, (2, k, n), 2), turned(2, (2, m, n), 3));
                let (a_re, b_re) = (a.mapv(|z| z.re), b.mapv(|z| z.re));
                let alpha = Complex::new(2.0, 1.0);
                for kind in 0..3 {
                    let (mut complex, mut real) = (c.clone(), c.mapv(|z| z.re));
                    let (left, right) = (a.view(), b.view());
                    let block = Block::new([left, right], complex.view_mut(), [true, false], alpha, true, Thin::No);
                    multiply::<2>(block, kind);
                    let block =
                        Block::new([a_re.view(), b_re.view()], real.view_mut(), [false; 2], 1.0, false, Thin::No);
                    // Turned or not, as is cheaper.
                    multiply::<1>(block.small::<1>(4).unwrap_or(block), kind);
                    for item in 0..2 {
                        let (a, b) = (a.index_axis(Axis(0), item), b.index_axis(Axis(0), item));
                        let product = a.mapv(|z| z.conj()).dot(&b).mapv(|z| z * alpha);
                        let expected = &c.slice(s![item, .., ..]) + product;
                        let what = format!("{m} x {k} x {n}, stored {stored}, vectors {kind}");
                        assert_eq!(complex.index_axis(Axis(0), item), expected, "{what}");
                        let expected = a_re.index_axis(Axis(0), item).dot(&b_re.index_axis(Axis(0), item));
                        assert_eq!(real.index_axis(Axis(0), item), expected, "real, {what}");
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows() {
        for parts in [1, 2] {
            for flat in [false, true] {
                for all in 1..100 {
                    let mut left = all;
                    while left > 0 {
                        let (height, rows) = heights(parts, left, flat);
                        assert!(rows > 0 && rows <= left && rows % height == 0, "{left} of {all}: {rows} by {height}");
                        assert!(matches!(height * parts, 1..=4 | 6), "{height} rows are no tile");
                        left -= rows;
                    }
                }
            }
        }
    }
}
