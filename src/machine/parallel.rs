//! Sharing work among threads: whether it is worthwhile, and how tasks write to disjoint places of one array.

use std::marker::PhantomData;

use rayon::prelude::*;

use crate::machine::simd;

/// Items below which a task is not worth a thread: waking one costs about 10 µs, a point or a cell some nanoseconds.
const WORTH_A_THREAD: usize = 8192;

/// How many workers share `items` pieces of work: as many as the current pool has, and one if there is little to do.
pub(crate) fn workers(items: usize) -> usize {
    (items / WORTH_A_THREAD).clamp(1, rayon::current_num_threads())
}

/// Whether `items` pieces of work are worth sharing among threads.
pub(crate) fn worth_sharing(items: usize) -> bool {
    items >= 2 * WORTH_A_THREAD
}

/// Calls `work(index, chunk)` for each chunk, in parallel if the slice is large; `weight` is the work an element costs
/// in units of a simple pass.
pub(crate) fn chunks<T: Send>(
    slice: &mut [T],
    chunk: usize,
    weight: usize,
    work: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    if workers(slice.len().saturating_mul(weight)) == 1 {
        slice.chunks_mut(chunk).enumerate().for_each(|(index, part)| work(index, part));
    } else {
        slice.par_chunks_mut(chunk).enumerate().for_each(|(index, part)| work(index, part));
    }
}

/// Calls `work(index, chunk)` for each chunk, in parallel if there is more than one.
pub(crate) fn each_chunk<T: Send>(slice: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Send + Sync) {
    if slice.len() <= chunk {
        work(0, slice);
    } else {
        slice.par_chunks_mut(chunk).enumerate().for_each(|(index, part)| work(index, part));
    }
}

/// Calls `work(index, a_chunk, b_chunk)` for the chunks of two slices side by side.
pub(crate) fn zip_chunks<A: Send, B: Send>(
    a: &mut [A],
    a_chunk: usize,
    b: &mut [B],
    b_chunk: usize,
    work: impl Fn(usize, &mut [A], &mut [B]) + Send + Sync,
) {
    if a.len() <= a_chunk {
        work(0, a, b);
    } else {
        a.par_chunks_mut(a_chunk)
            .zip(b.par_chunks_mut(b_chunk))
            .enumerate()
            .for_each(|(index, (a, b))| work(index, a, b));
    }
}

/// Calls `work(i)` for every i below `count`, in parallel if `items` pieces of work in all are worth it.
pub(crate) fn each(count: usize, items: usize, work: impl Fn(usize) + Send + Sync) {
    if workers(items) == 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().for_each(work);
    }
}

/// An array to which several tasks write, each at its own places. It cannot be cut into slices first, because
/// transposition and the return to the caller's order write everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: writes go only through unsafe functions, whose callers promise that tasks use disjoint places.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T: Copy> Disjoint<'a, T> {
    /// Borrows the array for as long as it is shared.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// Writes one element.
    ///
    /// # Safety
    /// No other task reads or writes this place while the array is shared.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, index: usize, value: T) {
        assert!(index < self.len);
        // SAFETY: the index is inside; the caller promises that no other task uses the place.
        unsafe { self.start.add(index).write(value) };
    }

    /// Prefetches the cache line of an element that will be written soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        // A pointer and no reference, because other tasks write to neighbouring elements.
        simd::prefetch_from(self.start.wrapping_add(index));
    }

    /// `len` consecutive elements, to read and write.
    ///
    /// # Safety
    /// No other task reads or writes these places while the array is shared.
    #[inline(always)]
    pub(crate) unsafe fn part(&self, first: usize, len: usize) -> &'a mut [T] {
        assert!(first <= self.len && len <= self.len - first);
        // SAFETY: the range is inside; the caller promises that no other task uses these places.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_write_to_places_of_their_own() {
        let mut cells = vec![0usize; 64];
        let shared = Disjoint::new(&mut cells);
        std::thread::scope(|scope| {
            for task in 0..4 {
                scope.spawn(move || {
                    // SAFETY: each task has 16 places of its own.
                    let part = unsafe { shared.part(16 * task, 8) };
                    for (i, cell) in part.iter_mut().enumerate() {
                        // This place belongs to another task, which may be writing it.
                        shared.prefetch(16 * ((task + 1) % 4) + i);
                        *cell = 16 * task + i;
                    }
                    // SAFETY: as above.
                    (8..16).for_each(|i| unsafe { shared.write(16 * task + i, 16 * task + i) });
                });
            }
        });
        assert!(cells.iter().enumerate().all(|(place, &cell)| cell == place), "{cells:?}");
    }

    #[test]
    #[should_panic(expected = "first <= self.len")]
    fn no_part_is_outside() {
        let mut cells = [0; 4];
        // SAFETY: nothing else uses the array.
        let _ = unsafe { Disjoint::new(&mut cells).part(3, 2) };
    }

    #[test]
    fn every_chunk_is_worked_on_once() {
        for len in [0, 1, 7, 40_000] {
            let (mut a, mut b) = (vec![0u32; len], vec![0u32; len]);
            chunks(&mut a, 5, 1, |index, part| part.iter_mut().for_each(|x| *x += 1 + index as u32));
            each_chunk(&mut b, 5, |index, part| part.iter_mut().for_each(|x| *x += 1 + index as u32));
            assert!(a.iter().zip(&b).enumerate().all(|(i, (&x, &y))| x == y && x == 1 + i as u32 / 5), "{len}");
        }
    }
}
