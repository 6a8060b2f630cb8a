//! Every allocation of this program is counted, so that a claim can be made of how much a piece of
//! work takes.
//!
//! Invariant: the count is of the whole program, so a claim holds only where nothing else runs at
//! the same time.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Does this work, and returns with its result how many bytes were allocated at once beyond those
/// before it.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let result = work();
    (result, HEAP.peak_usage().saturating_sub(before))
}

/// How many bytes are allocated now.
#[must_use]
pub fn held() -> usize {
    HEAP.current_usage()
}
