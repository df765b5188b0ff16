//! Factors of matrix products as tiles read them: blocks of A and panels of B, packed step by step along k.

use std::cell::RefCell;

use crate::machine::pages::Line;
use crate::machine::simd::Vector;
use crate::numeric::float::Float;

/// Numbers of a row, and steps, that are packed together.
const SQUARE: usize = 4;

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
        if rows * PARTS < LANES || self.strides[0] != PARTS as isize {
            // SAFETY: the rows are inside, as the caller promises.
            return unsafe { self.transposed().pack::<PARTS>([rows * PARTS, LANES], steps, LANES, to) };
        }
        for (step, to) in to.as_chunks_mut::<LANES>().0[..steps].iter_mut().enumerate() {
            // SAFETY: the rows are neighbours, so the numbers of one step are contiguous.
            *to = unsafe { self.start.offset(step as isize * self.strides[1]).cast::<[T; LANES]>().read_unaligned() };
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
        // SAFETY: as the caller promises.
        unsafe { self.pack::<PARTS>([count, across], steps, across, to) };
    }

    /// Pointers to the first rows, real and imaginary parts in turn.
    ///
    /// # Safety
    /// The rows of `R` lanes are inside.
    #[inline(always)]
    pub(super) unsafe fn lanes<const PARTS: usize, const R: usize>(self) -> [*const T; R] {
        std::array::from_fn(|lane| {
            // SAFETY: the row is inside, and an element has `PARTS` parts.
            unsafe { self.start.offset((lane / PARTS) as isize * self.strides[0]).add(lane % PARTS) }
        })
    }

    /// Copies `steps` rows of `count` real numbers, at any strides, to rows that are `wide` numbers apart, of which
    /// `full` are filled: missing ones repeat the last. It is compiled once for each type, for any processor.
    ///
    /// # Safety
    /// The matrix has these rows and columns.
    pub(super) unsafe fn pack<const PARTS: usize>(
        self,
        [count, full]: [usize; 2],
        steps: usize,
        wide: usize,
        to: &mut [T],
    ) {
        let room = full.is_multiple_of(2) && full <= wide && steps * wide <= to.len();
        assert!(count <= full && room, "there is room for the rows");
        for first in (0..full).step_by(SQUARE) {
            let task = Packed { first, count, steps, wide };
            // SAFETY: the matrix has the rows, as the caller promises, and there is room, as just asserted.
            unsafe {
                if full - first >= SQUARE {
                    self.pack_some::<PARTS, SQUARE>(task, to.as_mut_ptr());
                } else {
                    self.pack_some::<PARTS, 2>(task, to.as_mut_ptr());
                }
            }
        }
    }

    /// Copies `N` numbers of each step.
    ///
    /// # Safety
    /// The matrix has the task's rows, and there is room for them.
    #[inline(always)]
    unsafe fn pack_some<const PARTS: usize, const N: usize>(self, task: Packed, to: *mut T) {
        let Packed { first, count, steps, wide } = task;
        let starts: [*const T; N] = std::array::from_fn(|next| {
            let number = (first + next).min(count - PARTS + next % PARTS);
            let column = (number / PARTS) as isize * self.strides[1] + (number % PARTS) as isize;
            self.start.wrapping_offset(column)
        });
        // SAFETY: as the caller promises.
        unsafe {
            let put = |step: usize, numbers: [T; N]| {
                to.add(step * wide + first).cast::<[T; N]>().write_unaligned(numbers);
            };
            let mut step = 0;
            // Contiguous columns are read some steps at a time.
            while self.strides[0] == PARTS as isize && step + SQUARE <= steps {
                let columns = starts.map(|start| start.add(step * PARTS));
                let square: [[T; N]; SQUARE] = if PARTS == 1 {
                    let lines = columns.map(|column| column.cast::<[T; SQUARE]>().read_unaligned());
                    std::array::from_fn(|row| std::array::from_fn(|number| lines[number][row]))
                } else {
                    // The first of two pointers is that of the real part.
                    let pairs = columns.map(|column| column.cast::<[[T; 2]; SQUARE]>());
                    std::array::from_fn(|row| std::array::from_fn(|number| (*pairs[number / 2 * 2])[row][number % 2]))
                };
                for (next, numbers) in square.into_iter().enumerate() {
                    put(step + next, numbers);
                }
                step += SQUARE;
            }
            while step < steps {
                let offset = step as isize * self.strides[0];
                put(step, starts.map(|start| *start.offset(offset)));
                step += 1;
            }
        }
    }
}

/// Some numbers of each step that are packed: the first one, the number of those that there are, and how far apart
/// packed steps are.
#[derive(Debug, Clone, Copy)]
struct Packed {
    first: usize,
    count: usize,
    steps: usize,
    wide: usize,
}
