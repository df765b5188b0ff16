//! Large zeroed arrays, on huge pages where the system has them.
//!
//! A stencil in three dimensions touches some fifty rows, each on a page of its own: with pages of 4 KiB most of the
//! time goes into translating addresses, and touching fresh pages costs more than a transform. Taking arrays from the
//! allocator instead, which reuses what earlier plans freed, gained nothing.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::shape;

/// The size in bytes from which on an array gets pages of its own: a few huge pages. Miri's pages are small, and it
/// interprets some million instructions a second.
const LARGE: usize = if cfg!(miri) { 64 << 10 } else { 8 << 20 };
/// A size that every page's size divides into.
#[cfg(all(target_os = "linux", not(miri)))]
const PAGE: usize = 1 << 16;

/// An array of fixed length, zero at first.
pub(crate) struct Pages<T> {
    memory: Memory,
    len: usize,
    kind: PhantomData<T>,
}

enum Memory {
    Heap(Vec<Line>),
    Mapped(memmap2::MmapMut),
}

/// A cache line: memory made of these is aligned to lines, so that no vector in it straddles two.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub(crate) struct Line([u64; 8]);

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Bytes above which the available memory is checked first, which takes some microseconds.
const ASKED: usize = 1 << 28;

/// The available memory in bytes, where the system reports it.
#[must_use]
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// An error if an array of these extents, of elements of `size` bytes, has no room in memory now; `advice` says what to
/// change. Arrays whose size the caller's numbers decide are checked, as an allocation that fails ends the program.
pub(crate) fn room(what: &'static str, extents: &[usize], size: usize, advice: &str) -> Result<()> {
    // Extents next to a 0 count too: arrays cannot have shapes whose other extents overflow.
    let bytes = extents.iter().try_fold(size, |bytes, &extent| bytes.checked_mul(extent.max(1)));
    let refused = |bytes: &str, limit: String| Error::TooLarge {
        what,
        needed: format!("{bytes} bytes for {} elements", shape::written(extents)),
        limit: format!("{limit}; {advice}"),
    };
    let Some(bytes) = bytes.filter(|&bytes| bytes <= isize::MAX as usize) else {
        return Err(refused("more than 2^63", "the address space ends there".into()));
    };
    if bytes < LARGE || extents.contains(&0) {
        return Ok(());
    }
    if bytes > ASKED
        && let Some(available) = available().filter(|&available| bytes as u64 > available)
    {
        return Err(refused(&bytes.to_string(), format!("{available} bytes are available")));
    }
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
    reserved.map_err(|error| refused(&bytes.to_string(), format!("the system refused them ({error})")))
}

/// Asks for huge pages for memory that was allocated and not yet touched: touching it costs a tenth then.
pub(crate) fn advise<T>(memory: &mut [T]) {
    #[cfg(all(target_os = "linux", not(miri)))]
    if size_of_val(memory) >= LARGE / 2 {
        let start = memory.as_mut_ptr().addr().next_multiple_of(PAGE);
        let len = (memory.as_ptr_range().end.addr().saturating_sub(start)) / PAGE * PAGE;
        let start = memory.as_mut_ptr().with_addr(start).cast();
        // SAFETY: these are whole pages of the slice, and the advice does not change what is in them. Without huge
        // pages the memory works as well.
        let _ = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(any(not(target_os = "linux"), miri))]
    let _ = memory;
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { memory: Memory::Heap(Vec::new()), len: 0, kind: PhantomData }
    }
}

impl<T: Pod> Pages<T> {
    /// Allocates zeros; `what` and `advice` (what to change) go into the error.
    pub(crate) fn zeroed(len: usize, what: &'static str, advice: &str) -> Result<Self> {
        let bytes = len.saturating_mul(size_of::<T>());
        let refused = |error: &dyn fmt::Display| Error::TooLarge {
            what,
            needed: format!("{bytes} bytes"),
            limit: format!("the system refused them ({error}); {advice}"),
        };
        // Systems that overcommit memory would end the program later, when the memory is used.
        if bytes > ASKED
            && let Some(available) = available().filter(|&available| bytes as u64 > available)
        {
            return Err(refused(&format_args!("{available} bytes are available")));
        }
        let memory = if bytes < LARGE {
            Memory::Heap(vec![Line([0; 8]); bytes.div_ceil(64)])
        } else {
            let map = memmap2::MmapMut::map_anon(bytes).map_err(|error| refused(&error))?;
            // Only advice: without huge pages the array works as well, but slower.
            #[cfg(all(target_os = "linux", not(miri)))]
            let _ = map.advise(memmap2::Advice::HugePage);
            Memory::Mapped(map)
        };
        Ok(Self { memory, len, kind: PhantomData })
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        let bytes: &[u8] = match &self.memory {
            Memory::Heap(heap) => bytemuck::cast_slice(heap),
            Memory::Mapped(map) => map,
        };
        bytemuck::cast_slice(&bytes[..self.len * size_of::<T>()])
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes: &mut [u8] = match &mut self.memory {
            Memory::Heap(heap) => bytemuck::cast_slice_mut(heap),
            Memory::Mapped(map) => map,
        };
        bytemuck::cast_slice_mut(&mut bytes[..self.len * size_of::<T>()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_any_size_are_zero_and_hold_what_is_written() {
        for len in [0, 1, 1000, (LARGE / 8) - 1, LARGE / 8, LARGE / 4 + 3] {
            let mut pages = Pages::<f64>::zeroed(len, "a test", "use less").unwrap();
            assert!(pages.len() == len && pages.iter().all(|&x| x == 0.0));
            if let Some(last) = pages.last_mut() {
                *last = 2.5;
                assert_eq!(pages[len - 1], 2.5);
            }
        }
        for extents in [&[1 << 46, 2][..], &[1 << 60, 1 << 60], &[0, 1 << 60, 1 << 60]] {
            let error = room("a test", extents, 8, "use less").unwrap_err().to_string();
            assert!(error.contains("use less") && error.contains(&shape::written(extents)), "{error}");
        }
        assert!(room("a test", &[1 << 50, 0], 8, "").is_ok() && room("a test", &[1 << 20, 9], 8, "").is_ok());
        let error = Pages::<f64>::zeroed(1 << 58, "a test", "use less").unwrap_err();
        assert!(matches!(&error, Error::TooLarge { .. }) && error.to_string().contains("use less"), "{error}");
    }
}
