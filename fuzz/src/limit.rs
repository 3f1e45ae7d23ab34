//! A limit to single allocations: no length that a remote claims makes a peer reserve memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;

/// The most bytes of one allocation. No input has as many.
const LIMIT: usize = 16 << 20;

struct Limited;

#[global_allocator]
static LIMITED: Limited = Limited;

impl Limited {
    /// Ends the process, as an allocator must not panic.
    fn check(size: usize) {
        if size > LIMIT {
            eprintln!("{size} bytes are allocated at once");
            abort();
        }
    }
}

// SAFETY: every call is the system's, with the same arguments.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::check(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::check(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::check(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
