//! Factors of matrix products as tiles read them: blocks of A and panels of B, packed step by step along k.

use std::cell::RefCell;

use crate::machine::pages::Line;
use crate::machine::simd::Vector;
use crate::numeric::float::Float;

/// Packed blocks of A and panels of B, kept by each thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) a: Vec<Line>,
    pub(super) b: Vec<Line>,
}

thread_local! {
    pub(super) static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { a: Vec::new(), b: Vec::new() }) };
}

/// Room for at least `len` numbers.
pub(super) fn room<T: Float>(lines: &mut Vec<Line>, len: usize) -> &mut [T] {
    let needed = len.div_ceil(size_of::<Line>() / size_of::<T>());
    if lines.len() < needed {
        lines.resize(needed, bytemuck::Zeroable::zeroed());
    }
    bytemuck::cast_slice_mut(lines)
}

/// A matrix to read, with any strides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<T> {
    pub(super) start: *const T,
    pub(super) strides: [isize; 2],
}

impl<T> Matrix<T> {
    #[inline(always)]
    pub(super) fn transposed(self) -> Self {
        let [rows, columns] = self.strides;
        Self { strides: [columns, rows], ..self }
    }
}

impl<T: Float> Matrix<T> {
    /// The part of the matrix that begins at this row and column.
    ///
    /// # Safety
    /// The row and the column are inside.
    #[inline(always)]
    pub(super) unsafe fn at(self, row: usize, column: usize) -> Self {
        let offset = row as isize * self.strides[0] + column as isize * self.strides[1];
        // SAFETY: the element is inside, as the caller promises.
        Self { start: unsafe { self.start.offset(offset) }, ..self }
    }

    /// Packs some rows step by step, `LANES` numbers for each step; missing rows repeat the last one.
    ///
    /// # Safety
    /// The matrix has `rows` rows and `steps` columns.
    #[inline(always)]
    pub(super) unsafe fn pack_rows<const PARTS: usize, const LANES: usize>(
        self,
        rows: usize,
        steps: usize,
        to: &mut [T],
    ) {
        // SAFETY: the rows are inside, as the caller promises.
        let lanes: [*const T; LANES] = unsafe { self.lanes::<PARTS, LANES>(0, rows) };
        let whole = rows * PARTS == LANES && self.strides[0] == PARTS as isize;
        for (step, to) in to.as_chunks_mut::<LANES>().0[..steps].iter_mut().enumerate() {
            let offset = step as isize * self.strides[1];
            if whole {
                // SAFETY: the rows are neighbours, so the numbers of one step are contiguous.
                *to = unsafe { lanes[0].offset(offset).cast::<[T; LANES]>().read_unaligned() };
            } else {
                // SAFETY: the step is inside each row.
                (0..LANES).for_each(|lane| to[lane] = unsafe { *lanes[lane].offset(offset) });
            }
        }
    }

    /// Packs some columns row by row, in one vector or two for each row; missing columns hold any numbers of B.
    ///
    /// # Safety
    /// The matrix has `steps` rows and `columns` columns.
    #[inline(always)]
    pub(super) unsafe fn pack_columns<V: Vector<T>, const PARTS: usize>(
        self,
        capability: V::Capability,
        columns: usize,
        steps: usize,
        to: &mut [T],
    ) {
        let count = columns * PARTS;
        let across = if count <= V::LANES { V::LANES } else { 2 * V::LANES };
        let to = &mut to[..across * steps];
        if self.strides[1] == PARTS as isize {
            for (step, to) in to.chunks_exact_mut(across).enumerate() {
                // SAFETY: the row has `count` numbers, which are contiguous.
                unsafe {
                    let from = self.start.offset(step as isize * self.strides[0]);
                    if count <= V::LANES {
                        V::load_some(capability, from, count).write(to);
                    } else {
                        V::load(capability, from).write(to);
                        let rest = count - V::LANES;
                        let rest_at = from.add(V::LANES);
                        let rest = if rest == V::LANES {
                            V::load(capability, rest_at)
                        } else {
                            V::load_some(capability, rest_at, rest)
                        };
                        rest.write(&mut to[V::LANES..]);
                    }
                }
            }
            return;
        }
        // Columns are rather contiguous: some are read side by side, and missing ones repeat the last.
        const SIDE_BY_SIDE: usize = 4;
        for lane in (0..across).step_by(SIDE_BY_SIDE) {
            let mut starts = [self.start; SIDE_BY_SIDE];
            for (next, start) in starts.iter_mut().enumerate() {
                let number = (lane + next).min(count - 1);
                let column = (number / PARTS) as isize * self.strides[1] + (number % PARTS) as isize;
                *start = start.wrapping_offset(column);
            }
            for step in 0..steps {
                let offset = step as isize * self.strides[0];
                // SAFETY: the step is inside the columns.
                let four = unsafe { starts.map(|start| *start.offset(offset)) };
                to[step * across + lane..][..SIDE_BY_SIDE].copy_from_slice(&four);
            }
        }
    }

    /// Pointers to the rows of a tile, real and imaginary parts in turn; missing rows repeat the last one.
    ///
    /// # Safety
    /// `count` rows from `row` on are inside.
    #[inline(always)]
    pub(super) unsafe fn lanes<const PARTS: usize, const R: usize>(self, row: usize, count: usize) -> [*const T; R] {
        std::array::from_fn(|lane| {
            let row = row + (lane / PARTS).min(count - 1);
            // SAFETY: the row is inside, and an element has `PARTS` parts.
            unsafe { self.start.offset(row as isize * self.strides[0]).add(lane % PARTS) }
        })
    }

    /// Copies `steps` rows of `count` real numbers, any strides, to rows that are `wide` numbers apart.
    ///
    /// # Safety
    /// The matrix has these rows and columns.
    #[inline(always)]
    pub(super) unsafe fn pack_segment<const PARTS: usize>(self, count: usize, steps: usize, wide: usize, to: &mut [T]) {
        for number in 0..count {
            let column = (number / PARTS) as isize * self.strides[1] + (number % PARTS) as isize;
            for step in 0..steps {
                // SAFETY: the step is inside the column.
                to[step * wide + number] = unsafe { *self.start.offset(column + step as isize * self.strides[0]) };
            }
        }
    }
}
