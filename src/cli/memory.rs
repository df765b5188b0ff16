//! The program's memory: a check that what is to be read has room, and its allocator, which is the system's with the
//! advice to put large arrays on huge pages.
//!
//! A transform reads and writes the caller's arrays at scattered addresses, and with pages of 4 KiB it waits for their
//! translation. Without this allocator `wavemill nufft` took 3 to 10 % longer, 5 % in the geometric mean: medians of 5
//! runs of 7 transforms in one to three dimensions, 2 and 10 million points, on 2 cores, where Linux gives huge pages
//! only on advice (`madvise` in /sys/kernel/mm/transparent_hugepage/enabled). NumPy gives the same advice for its
//! arrays.

use std::alloc::{GlobalAlloc, Layout, System};

use anyhow::{Result, ensure};

/// The least bytes of an allocation for which huge pages are asked for, as in NumPy.
const LARGE: usize = 4 << 20;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// An error if an array of these extents, of elements of `size` bytes, has no room in memory; `advice` says what to
/// change. Systems that overcommit memory would end the program later, when the memory is used.
pub(crate) fn room(what: &str, extents: &[usize], size: usize, advice: &str) -> Result<()> {
    // Extents next to a 0 count too: arrays cannot have shapes whose other extents overflow.
    let bytes = extents.iter().fold(size, |bytes, &extent| bytes.saturating_mul(extent.max(1)));
    if bytes < LARGE || (extents.contains(&0) && bytes < usize::MAX / 2) {
        return Ok(());
    }
    let available = wavemill::available_memory();
    let most = available.map_or(String::new(), |available| format!(", and {available} are available"));
    let fits = available.is_none_or(|available| bytes as u64 <= available);
    ensure!(
        fits && Vec::<u8>::new().try_reserve_exact(bytes).is_ok(),
        "there is no memory for {what} of the shape {extents:?}: it takes {bytes} bytes{most}; {advice}"
    );
    Ok(())
}

/// The system's allocator, with advice for large arrays.
pub(crate) struct Allocator;

/// Asks for huge pages inside a new allocation, if it is large. The system may refuse, and nothing depends on it.
fn advise(start: *mut u8, size: usize) -> *mut u8 {
    #[cfg(target_os = "linux")]
    if size >= LARGE && !start.is_null() {
        let skipped = start.align_offset(HUGE);
        let whole = size.saturating_sub(skipped) / HUGE * HUGE;
        // SAFETY: this advice changes neither what memory holds nor who may use it, at any address; where nothing is
        // mapped the call returns an error.
        unsafe { libc::madvise(start.wrapping_add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
    }
    start
}

// SAFETY: every call goes to the system allocator with the arguments as they came, and its result comes back unchanged;
// `advise` neither allocates nor panics.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of more than 0 bytes, which is what `System` asks for.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of more than 0 bytes, which is what `System` asks for.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `start` came from this allocator, so from `System`, with this layout, and
        // that the new size is valid for its alignment.
        advise(unsafe { System.realloc(start, layout, size) }, size)
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that `start` came from this allocator, so from `System`, with this layout.
        unsafe { System.dealloc(start, layout) };
    }
}
