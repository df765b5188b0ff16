//! The program's allocator: the system's, with large arrays on huge pages.
//!
//! A transform reads and writes the caller's arrays in no order, and with pages of 4 KiB it waits for addresses to be
//! translated. NumPy allocates its large arrays in the same way.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes from which an array is advised to be on huge pages: as NumPy has it.
const LARGE: usize = 4 << 20;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// The system's allocator, with advice for large arrays.
pub(crate) struct Allocator;

/// Asks for huge pages inside a large allocation. Only advice: what comes of it is up to the system.
fn advise(start: *mut u8, size: usize) -> *mut u8 {
    #[cfg(target_os = "linux")]
    if size >= LARGE && !start.is_null() {
        let skipped = start.align_offset(HUGE);
        let whole = size.saturating_sub(skipped) / HUGE * HUGE;
        // SAFETY: these pages are inside what was just allocated, and the advice does not change what they hold.
        unsafe { libc::madvise(start.add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
    }
    start
}

// SAFETY: everything is the system allocator's; what it returns is passed on.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the system allocator's.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advise(unsafe { System.realloc(start, layout, size) }, size)
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) };
    }
}
