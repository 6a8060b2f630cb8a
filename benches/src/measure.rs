//! Measurements of a piece of work in this process: processor time and memory.
//!
//! Time is the processor time of this process on all its threads, so other programs on the machine
//! have little influence. Memory is counted only in programs whose allocator is [`PeakAlloc`].

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;

/// Runs `work` and returns its processor time and its result.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = cpu_time();
    let result = work();
    (cpu_time().saturating_sub(start), result)
}

/// Returns the processor time of this process so far.
///
/// # Panics
/// Panics if the system has no such clock.
#[must_use]
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the process clock is available").into()
}

/// Returns the number of allocated bytes, as requested: the overhead of the allocator is not
/// counted.
#[must_use]
pub fn allocated() -> usize {
    PeakAlloc.current_usage()
}

/// Runs `work` and returns the peak of allocated bytes meanwhile.
pub fn most_allocated(work: impl FnOnce()) -> usize {
    PeakAlloc.reset_peak_usage();
    work();
    PeakAlloc.peak_usage()
}
