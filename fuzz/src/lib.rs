//! What the targets share: an allocator that counts, and what servers need that is the same for all.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use seedis::engine::protocol::request::encode;
use seedis::engine::server::declared::Declared;
use std::sync::LazyLock;

/// Each input gets a server of its own; this they share, so that most of the time goes to the input.
pub static DECLARED: LazyLock<Declared> = LazyLock::new(Declared::new);

/// Counts the bytes that are allocated now, and the most there were.
pub struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// Bytes allocated now.
pub fn live() -> u64 {
    LIVE.load(Relaxed)
}

/// The most bytes that were allocated at once since the last `reset_peak`.
pub fn peak() -> u64 {
    PEAK.load(Relaxed)
}

/// Begins to look for the most anew.
pub fn reset_peak() {
    PEAK.store(live(), Relaxed);
}

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes as u64, Relaxed) + bytes as u64;
    PEAK.fetch_max(live, Relaxed);
}

fn shrink(bytes: usize) {
    LIVE.fetch_sub(bytes as u64, Relaxed);
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size);
        shrink(layout.size());
        // SAFETY: the caller's contract is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// A command as clients send it.
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, words.iter().copied());
    bytes
}
