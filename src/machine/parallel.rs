//! Sharing work among threads: whether it is worthwhile, and how tasks write to disjoint places of one array.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

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

/// Calls `work(i)` for every i below `count`, on the threads of the current pool if that is worthwhile. It is not
/// generic: rayon's code is larger than most of the loops here, and is compiled once so.
fn share(worthwhile: bool, count: usize, work: &(dyn Fn(usize) + Sync)) {
    if worthwhile {
        (0..count).into_par_iter().for_each(work);
    } else {
        (0..count).for_each(work);
    }
}

/// Does two pieces of work, at the same time if a thread is free.
pub(crate) fn both(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    let (mut first, mut second) = (Some(first), Some(second));
    join(&mut || first.take().into_iter().for_each(|work| work()), &mut || {
        second.take().into_iter().for_each(|work| work());
    });
}

fn join(first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
    rayon::join(first, second);
}

/// Does the work on a thread of the pool, if there is one, else on this thread.
pub(crate) fn install<R: Send>(pool: Option<&rayon::ThreadPool>, work: impl FnOnce() -> R + Send) -> R {
    let (mut work, mut result) = (Some(work), None);
    within(pool, &mut || result = work.take().map(|work| work()));
    result.expect("the work was done")
}

fn within(pool: Option<&rayon::ThreadPool>, work: &mut (dyn FnMut() + Send)) {
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// The values of `work(i)` for every i below `count`, computed in parallel.
pub(crate) fn collect<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    collect_if(true, count, work)
}

/// The same, in parallel only if that is worthwhile.
pub(crate) fn collect_if<R: Send>(worthwhile: bool, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut values: Vec<Option<R>> = Vec::new();
    values.resize_with(count, || None);
    cut(worthwhile, &mut values, 1, |index, place| place[0] = Some(work(index)));
    values.into_iter().flatten().collect()
}

/// Calls `work(i, item)` for every item, in parallel. Of the errors the first item's is returned; what follows it may
/// not be done.
pub(crate) fn try_each<T: Send, E: Send>(
    items: Vec<T>,
    work: impl Fn(usize, T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let failed: Mutex<Option<(usize, E)>> = Mutex::new(None);
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    let earlier = |index: usize| {
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().is_some_and(|(first, _)| *first < index)
    };
    cut(true, &mut items, 1, |index, item| {
        if let Some(item) = item[0].take().filter(|_| !earlier(index))
            && let Err(error) = work(index, item)
        {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                *failed = Some((index, error));
            }
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |(_, error)| Err(error))
}

/// Calls `work(index, chunk)` for each chunk, in parallel if the slice is large; `weight` is the work an element costs
/// in units of a simple pass.
pub(crate) fn chunks<T: Send>(slice: &mut [T], chunk: usize, weight: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    cut(workers(slice.len().saturating_mul(weight)) > 1, slice, chunk, work);
}

/// Calls `work(index, chunk)` for each chunk, in parallel; once if the slice is empty.
pub(crate) fn each_chunk<T: Send>(slice: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let parts = Cut::new(slice, chunk);
    // SAFETY: each index comes once.
    share(parts.count() > 1, parts.count().max(1), &|index| work(index, unsafe { parts.at(index) }));
}

/// Calls `work(index, a_chunk, b_chunk)` for the chunks of two slices side by side; once if they are empty.
pub(crate) fn zip_chunks<A: Send, B: Send>(
    a: &mut [A],
    a_chunk: usize,
    b: &mut [B],
    b_chunk: usize,
    work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let (a, b) = (Cut::new(a, a_chunk), Cut::new(b, b_chunk));
    let count = a.count().min(b.count());
    // SAFETY: each index comes once.
    share(count > 1, count.max(1), &|index| unsafe { work(index, a.at(index), b.at(index)) });
}

/// Calls `work(i)` for every i below `count`, in parallel if `items` pieces of work in all are worth it.
pub(crate) fn each(count: usize, items: usize, work: impl Fn(usize) + Sync) {
    share(workers(items) > 1, count, &work);
}

/// Calls `work(index, chunk)` for each chunk, in parallel if that is worthwhile.
fn cut<T: Send>(worthwhile: bool, slice: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let parts = Cut::new(slice, chunk);
    // SAFETY: each index comes once.
    share(worthwhile, parts.count(), &|index| work(index, unsafe { parts.at(index) }));
}

/// A slice in chunks, of which tasks take one each.
struct Cut<'a, T> {
    all: Disjoint<'a, T>,
    chunk: usize,
}

impl<'a, T> Cut<'a, T> {
    fn new(slice: &'a mut [T], chunk: usize) -> Self {
        Self { all: Disjoint::new(slice), chunk: chunk.max(1) }
    }

    fn count(&self) -> usize {
        self.all.len.div_ceil(self.chunk)
    }

    /// A chunk by its number.
    ///
    /// # Safety
    /// No other task takes it.
    unsafe fn at(&self, index: usize) -> &'a mut [T] {
        let first = index * self.chunk;
        // SAFETY: chunks do not overlap, and the caller promises that this one is taken once.
        unsafe { self.all.part(first, self.chunk.min(self.all.len - first)) }
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

impl<'a, T> Disjoint<'a, T> {
    /// Borrows the array for as long as it is shared.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// Writes one element.
    ///
    /// # Safety
    /// No other task reads or writes this place while the array is shared.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, index: usize, value: T)
    where
        T: Copy,
    {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

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
    fn values_come_in_order_and_the_first_error_is_told() {
        assert_eq!(collect(40, |index| vec![index]).concat(), (0..40).collect::<Vec<_>>());
        let done = AtomicUsize::new(0);
        let work = |index: usize, item: usize| {
            assert_eq!(item, 3 * index);
            done.fetch_add(1, Ordering::Relaxed);
            if index % 100 == 77 { Err(index) } else { Ok(()) }
        };
        let items = |count: usize| (0..count).map(|index| 3 * index).collect::<Vec<_>>();
        assert_eq!(try_each(items(77), work), Ok(()));
        assert_eq!(done.load(Ordering::Relaxed), 77);
        assert_eq!(try_each(items(300), work), Err(77));
        assert!(done.load(Ordering::Relaxed) > 2 * 77);
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
