//! Products with few rows or columns of C: the long factor is read once, in the order of memory.
//!
//! The block is turned so that C has few rows. If columns of B are long and contiguous, each element of C is a dot
//! product; else segments of C are summed over some rows of B at a time ("sweep"), in place or packed.
//! Tiles would read B in narrow columns, a line or two of each page, or pack all of it for little work.

use std::ops::Range;

use crate::loops::block::{Block, LANES, Thin};
use crate::loops::panels::{Matrix, Scratch, room};
use crate::loops::tiles::DEPTH;
use crate::machine::simd::Vector;
use crate::numeric::float::Float;

/// Rows of B that are read side by side. It divides [`DEPTH`], after which sums go to C, as those of tiles do.
const STEPS: usize = 8;
/// Bytes of all rows' segments of C, which stay in the first-level cache.
const SEGMENTS: usize = 16 << 10;
/// Rows of B that are added at a time.
const TOGETHER: usize = 4;
/// Vectors that a dot product is summed in.
const SUMS: usize = 2;

impl<T: Float> Block<'_, T> {
    /// Computes the products of a block that is thin.
    #[inline(always)]
    pub(super) fn multiply_thin<V: Vector<T>, const PARTS: usize>(
        self,
        capability: V::Capability,
        scratch: &mut Scratch,
    ) {
        let block = if matches!(self.thin, Thin::Columns { .. }) { self.transposed() } else { self };
        for item in 0..block.count {
            // SAFETY: the item is in the batch.
            let Self { a, b, c, .. } = unsafe { block.item(item) };
            // SAFETY: these are the factors and the result of one product, of the block's extents.
            unsafe {
                if block.thin.dots() && b.strides[0] == PARTS as isize {
                    block.dots::<V, PARTS>(capability, a, b, c, scratch);
                } else {
                    block.sweep::<V, PARTS>(capability, a, b, c, scratch);
                }
            }
        }
    }

    /// Sums segments of C over rows of B.
    ///
    /// # Safety
    /// A, B and C have the block's extents, and no other task writes to C.
    #[inline(always)]
    unsafe fn sweep<V: Vector<T>, const PARTS: usize>(
        &self,
        capability: V::Capability,
        a: Matrix<T>,
        b: Matrix<T>,
        c: *mut T,
        scratch: &mut Scratch,
    ) {
        let lanes = self.m * PARTS;
        let segment = SEGMENTS / size_of::<T>() / lanes.next_power_of_two();
        let columns = (segment / PARTS).min(self.n.next_multiple_of(V::LANES));
        let wide = (columns * PARTS).next_multiple_of(V::LANES);
        let packed = b.strides[1] != PARTS as isize;
        let sums: &mut [T] = room(&mut scratch.a, LANES * wide);
        let rows: &mut [T] = room(&mut scratch.b, STEPS * wide);
        for first in (0..self.n).step_by(columns) {
            let count = columns.min(self.n - first) * PARTS;
            // In place where rows are contiguous, but for the last part of a vector.
            let in_place = if packed { 0 } else { count / V::LANES * V::LANES };
            for block in (0..self.k).step_by(DEPTH) {
                let (end, add) = (self.k.min(block + DEPTH), self.add || block > 0);
                for depth in (block..end).step_by(STEPS) {
                    let steps = STEPS.min(end - depth);
                    // SAFETY: the steps and columns are inside B; all lanes are inside A.
                    unsafe {
                        let part = b.at(depth, first);
                        let mut task = Rows {
                            a,
                            depth,
                            fresh: depth == block,
                            steps,
                            lanes,
                            wide,
                            start: part.start,
                            stride: part.strides[0],
                            count: in_place,
                        };
                        let mut from = 0;
                        while from < count {
                            if task.count == 0 {
                                let part = part.at(0, from / PARTS);
                                let left = count - from;
                                let count = left.next_multiple_of(V::LANES);
                                part.pack::<PARTS>([left, count], steps, wide, rows);
                                task = Rows { start: rows.as_ptr(), stride: wide as isize, count, ..task };
                            }
                            task.add::<V, PARTS>(capability, &mut sums[from..]);
                            from += task.count;
                            task.count = 0;
                        }
                    }
                }
                for row in 0..self.m {
                    let re = &sums[row * PARTS * wide..];
                    let im = &sums[(row * PARTS + PARTS - 1) * wide..];
                    let to = c.wrapping_offset(row as isize * self.c_strides[0] + first as isize * self.c_strides[1]);
                    for at in (0..count).step_by(V::LANES) {
                        // SAFETY: sums have whole vectors, and the columns are inside C.
                        unsafe {
                            let pair = [V::load(capability, re[at..].as_ptr()), V::load(capability, im[at..].as_ptr())];
                            let value =
                                self.scaled::<V, PARTS>(capability, self.combined::<V, PARTS>(capability, pair));
                            let to = to.offset((at / PARTS) as isize * self.c_strides[1]);
                            self.put_vector::<V, PARTS>(capability, value, to, (count - at).min(V::LANES), add);
                        }
                    }
                }
            }
        }
    }

    /// Computes each element of C as a dot product.
    ///
    /// # Safety
    /// As for [`Block::sweep`]; columns of B are contiguous.
    #[inline(always)]
    unsafe fn dots<V: Vector<T>, const PARTS: usize>(
        &self,
        capability: V::Capability,
        mut a: Matrix<T>,
        b: Matrix<T>,
        c: *mut T,
        scratch: &mut Scratch,
    ) {
        if a.strides[1] != PARTS as isize {
            let rows: &mut [T] = room(&mut scratch.a, self.m * self.k * PARTS);
            for (at, to) in rows[..self.m * self.k * PARTS].chunks_exact_mut(PARTS).enumerate() {
                // SAFETY: the element is inside A.
                let from = unsafe { a.at(at / self.k, at % self.k) }.start;
                for (part, to) in to.iter_mut().enumerate() {
                    // SAFETY: an element has these parts.
                    *to = unsafe { *from.add(part) };
                }
            }
            a = Matrix { start: rows.as_ptr(), strides: [(self.k * PARTS) as isize, PARTS as isize] };
        }
        // Every element has the same order of sums, whatever is beside it: threads divide C anywhere.
        let mut row = 0;
        while row < self.m {
            let two_rows = PARTS == 1 && self.m - row >= 2;
            let mut column = 0;
            while column < self.n {
                let two = self.n - column >= 2;
                // SAFETY: these rows and columns are inside.
                unsafe {
                    let (a, b) = (a.at(row, 0), b.at(0, column));
                    let to = c.offset(row as isize * self.c_strides[0] + column as isize * self.c_strides[1]);
                    match (two_rows, two) {
                        (true, true) => self.dot::<V, PARTS, 2, 2>(capability, a, b, to),
                        (true, false) => self.dot::<V, PARTS, 2, 1>(capability, a, b, to),
                        (false, true) => self.dot::<V, PARTS, 1, 2>(capability, a, b, to),
                        (false, false) => self.dot::<V, PARTS, 1, 1>(capability, a, b, to),
                    }
                }
                column += if two { 2 } else { 1 };
            }
            row += if two_rows { 2 } else { 1 };
        }
    }

    /// Some dot products side by side, each in [`SUMS`] vectors.
    ///
    /// # Safety
    /// A has `R` rows, contiguous, and B `C` columns, contiguous; the elements of C are there.
    #[inline(always)]
    unsafe fn dot<V: Vector<T>, const PARTS: usize, const R: usize, const C: usize>(
        &self,
        capability: V::Capability,
        a: Matrix<T>,
        b: Matrix<T>,
        c: *mut T,
    ) {
        let zero = V::splat(capability, T::zero());
        let none = [[[zero; SUMS]; C]; R];
        let (mut straight, mut crossed) = (none, none);
        let numbers = self.k * PARTS;
        let whole = numbers / (SUMS * V::LANES) * (SUMS * V::LANES);
        let mut at = 0;
        while at < whole {
            // Sums of blocks, as in tiles, so that errors do not grow with k.
            let end = whole.min(at + DEPTH * SUMS * V::LANES);
            let (mut own, mut other) = (none, none);
            while at < end {
                for turn in 0..SUMS {
                    // SAFETY: whole vectors are left in each row of A and column of B.
                    unsafe {
                        let from = at + turn * V::LANES;
                        let mut xs = [zero; R];
                        for (row, x) in xs.iter_mut().enumerate() {
                            *x = V::load(capability, a.start.offset(row as isize * a.strides[0]).add(from));
                        }
                        for column in 0..C {
                            let y = V::load(capability, b.start.offset(column as isize * b.strides[1]).add(from));
                            for row in 0..R {
                                let sum = &mut own[row][column][turn];
                                *sum = xs[row].multiply_add(y, *sum);
                                if PARTS == 2 {
                                    let sum = &mut other[row][column][turn];
                                    *sum = xs[row].multiply_add(y.swapped(), *sum);
                                }
                            }
                        }
                    }
                }
                at += SUMS * V::LANES;
            }
            for row in 0..R {
                for column in 0..C {
                    for turn in 0..SUMS {
                        straight[row][column][turn] = straight[row][column][turn].plus(own[row][column][turn]);
                        crossed[row][column][turn] = crossed[row][column][turn].plus(other[row][column][turn]);
                    }
                }
            }
        }
        while at < numbers {
            let left = (numbers - at).min(V::LANES);
            for row in 0..R {
                for column in 0..C {
                    // SAFETY: so many numbers are left.
                    unsafe {
                        let x = V::load_some(capability, a.start.offset(row as isize * a.strides[0]).add(at), left);
                        let y = V::load_some(capability, b.start.offset(column as isize * b.strides[1]).add(at), left);
                        let sum = &mut straight[row][column][0];
                        *sum = x.multiply_add(y, *sum);
                        if PARTS == 2 {
                            let sum = &mut crossed[row][column][0];
                            *sum = x.multiply_add(y.swapped(), *sum);
                        }
                    }
                }
            }
            at += left;
        }
        let [sign_a, sign_b] = self.signs;
        for row in 0..R {
            for column in 0..C {
                let [p, q] = totals::<T, V>(straight[row][column]);
                let mut value = [p + q, T::zero()];
                if PARTS == 2 {
                    let [ab, ba] = totals::<T, V>(crossed[row][column]);
                    value = [p - sign_a * sign_b * q, sign_b * ab + sign_a * ba];
                }
                let [x, y] = self.alpha;
                let scaled = [value[0] * x - value[1] * y, value[0] * y + value[1] * x];
                let value =
                    if PARTS == 2 && self.alpha != [T::one(), T::zero()] { scaled } else { [value[0] * x, value[1]] };
                for (part, &value) in value[..PARTS].iter().enumerate() {
                    let offset = row as isize * self.c_strides[0] + column as isize * self.c_strides[1];
                    // SAFETY: the element is inside C.
                    unsafe {
                        let to = c.offset(offset).add(part);
                        *to = if self.add { *to + value } else { value };
                    }
                }
            }
        }
    }
}

/// The totals of the even lanes and of the odd ones.
#[inline(always)]
fn totals<T: Float, V: Vector<T>>(sums: [V; SUMS]) -> [T; 2] {
    let mut all = sums[0];
    for &sum in &sums[1..] {
        all = all.plus(sum);
    }
    let mut lanes = [T::zero(); 16];
    all.write(&mut lanes);
    let mut half = V::LANES;
    while half > 2 {
        half /= 2;
        for lane in 0..half {
            lanes[lane] = lanes[lane] + lanes[lane + half];
        }
    }
    [lanes[0], lanes[1]]
}

/// Some rows of B, and the steps of A that they are multiplied by.
#[derive(Debug, Clone, Copy)]
struct Rows<T> {
    a: Matrix<T>,
    depth: usize,
    /// Whether sums begin here.
    fresh: bool,
    steps: usize,
    lanes: usize,
    /// From one lane of sums to the next.
    wide: usize,
    start: *const T,
    stride: isize,
    /// Numbers of a row, whole vectors.
    count: usize,
}

impl<T: Float> Rows<T> {
    /// Adds the rows of B times numbers of A to all lanes of sums.
    ///
    /// # Safety
    /// The lanes are inside A, which has these steps; each row of B has `count` numbers.
    #[inline(always)]
    unsafe fn add<V: Vector<T>, const PARTS: usize>(self, capability: V::Capability, sums: &mut [T]) {
        let mut lane = 0;
        while lane < self.lanes {
            let sums = &mut sums[lane * self.wide..];
            // SAFETY: as the caller promises.
            lane += unsafe {
                let whole = self.steps / TOGETHER * TOGETHER;
                match self.lanes - lane {
                    4.. => {
                        self.lanes::<V, PARTS, 4, TOGETHER>(capability, lane, 0..whole, sums);
                        self.lanes::<V, PARTS, 4, 1>(capability, lane, whole..self.steps, sums)
                    }
                    2.. => {
                        self.lanes::<V, PARTS, 2, TOGETHER>(capability, lane, 0..whole, sums);
                        self.lanes::<V, PARTS, 2, 1>(capability, lane, whole..self.steps, sums)
                    }
                    _ => {
                        self.lanes::<V, PARTS, 1, TOGETHER>(capability, lane, 0..whole, sums);
                        self.lanes::<V, PARTS, 1, 1>(capability, lane, whole..self.steps, sums)
                    }
                }
            };
        }
    }

    /// Adds some of the rows, `S` at a time, to `L` lanes from `lane` on; returns `L`.
    ///
    /// # Safety
    /// As for [`Rows::add`].
    #[inline(always)]
    unsafe fn lanes<V: Vector<T>, const PARTS: usize, const L: usize, const S: usize>(
        self,
        capability: V::Capability,
        lane: usize,
        steps: Range<usize>,
        sums: &mut [T],
    ) -> usize {
        let zero = V::splat(capability, T::zero());
        assert!(sums.len() >= (L - 1) * self.wide + self.count);
        let sums = sums.as_mut_ptr();
        for step in steps.step_by(S) {
            let mut factors = [[zero; L]; S];
            for (next, factors) in factors.iter_mut().enumerate() {
                for (index, factor) in factors.iter_mut().enumerate() {
                    let (row, part) = ((lane + index) / PARTS, (lane + index) % PARTS);
                    // SAFETY: the row and the step are inside A.
                    *factor =
                        V::splat(capability, unsafe { *self.a.at(row, self.depth + step + next).start.add(part) });
                }
            }
            let from = self.start.wrapping_offset(step as isize * self.stride);
            if self.fresh && step == 0 {
                for index in 0..L {
                    for at in (0..self.count).step_by(V::LANES) {
                        // SAFETY: sums have whole vectors.
                        unsafe { zero.store(sums.add(index * self.wide + at)) };
                    }
                }
            }
            for at in (0..self.count).step_by(V::LANES) {
                // SAFETY: sums and rows of B have whole vectors.
                unsafe {
                    let mut totals = [zero; L];
                    for (index, total) in totals.iter_mut().enumerate() {
                        *total = V::load(capability, sums.add(index * self.wide + at));
                    }
                    for (next, factors) in factors.iter().enumerate() {
                        let b = V::load(capability, from.offset(next as isize * self.stride).add(at));
                        for (total, &factor) in totals.iter_mut().zip(factors) {
                            *total = b.multiply_add(factor, *total);
                        }
                    }
                    for (index, &total) in totals.iter().enumerate() {
                        total.store(sums.add(index * self.wide + at));
                    }
                }
            }
        }
        L
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::{Array3, Axis, s};
    use num_complex::Complex;

    use super::*;
    use crate::machine::simd::WideF64;

    /// Small whole numbers, whose products and sums are exact.
    pub(in crate::loops) fn numbers(shape: (usize, usize, usize), seed: usize) -> Array3<Complex<f64>> {
        let number = |at| ((7 * at + at / 5 + seed) % 11) as f64 - 5.0;
        Array3::from_shape_fn(shape, |(item, i, j)| {
            let at = 31 * item + 13 * i + 3 * j;
            Complex::new(number(at), number(at + 4))
        })
    }

    #[test]
    fn sweeps_and_dot_products_are_right() {
        // Few rows and few columns; long rows, and long columns, with ends of a vector; several segments of C, and
        // several blocks along k.
        let few = [(1, 100, 71), (3, 60, 64), (70, 5, 2), (2, 101, 3), (4, 9, 65), (66, 51, 4)];
        let shapes = few.into_iter().chain([(3, 2, 3000), (2, 700, 70), (70, 5003, 1)]);
        for (m, k, n) in shapes {
            // Each factor stored as it is or transposed.
            for stored in 0..4 {
                let turned = |bit, (count, rows, columns), seed| {
                    if stored >> bit & 1 == 0 {
                        numbers((count, rows, columns), seed)
                    } else {
                        let mut x = numbers((count, columns, rows), seed);
                        x.swap_axes(1, 2);
                        x
                    }
                };
                let (a, b, c) = (turned(0, (2, m, k), 1), turned(1, (2, k, n), 2), numbers((2, m, n), 3));
                let alpha = Complex::new(2.0, 1.0);
                let (mut complex, mut real) = (c.clone(), c.mapv(|z| z.re));
                // Dot products where a whole product of this shape would be computed by them, sweeps elsewhere.
                let of = |x: &Array3<Complex<f64>>| [x.strides()[1], x.strides()[2]];
                let thin = match Thin::of::<Complex<f64>>([m, k, n], of(&a), of(&b)) {
                    Thin::No if m <= n => Thin::Rows { dots: false },
                    Thin::No => Thin::Columns { dots: false },
                    thin => thin,
                };
                let block = Block::new([a.view(), b.view()], complex.view_mut(), [true, false], alpha, true, thin);
                let mut scratch = Scratch::default();
                match WideF64::capability() {
                    Some(capability) => block.multiply_thin::<WideF64, 2>(capability, &mut scratch),
                    None => block.multiply_thin::<[f64; 4], 2>((), &mut scratch),
                }
                let (a_re, b_re) = (a.mapv(|z| z.re), b.mapv(|z| z.re));
                let block = Block::new([a_re.view(), b_re.view()], real.view_mut(), [false; 2], 3.0, false, thin);
                block.multiply_thin::<[f64; 4], 1>((), &mut scratch);
                for item in 0..2 {
                    let (a, b) = (a.index_axis(Axis(0), item), b.index_axis(Axis(0), item));
                    let expected = &c.slice(s![item, .., ..]) + a.mapv(|z| z.conj()).dot(&b).mapv(|z| z * alpha);
                    assert_eq!(complex.index_axis(Axis(0), item), expected, "{m} x {k} x {n}, stored {stored}");
                    let expected = a_re.index_axis(Axis(0), item).dot(&b_re.index_axis(Axis(0), item)) * 3.0;
                    assert_eq!(real.index_axis(Axis(0), item), expected, "real, {m} x {k} x {n}, stored {stored}");
                }
            }
        }
    }
}
