//! Measurement of allocated memory.
//!
//! The counters cover the whole program, so a measurement is valid only if no other work runs at
//! the same time.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Runs `work`. Returns its result and the peak of allocated memory beyond the amount before it, in
/// bytes.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let result = work();
    (result, HEAP.peak_usage().saturating_sub(before))
}

/// Returns the amount of allocated memory, in bytes.
#[must_use]
pub fn held() -> usize {
    HEAP.current_usage()
}
