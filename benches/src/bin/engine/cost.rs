//! The cost of an operation: processor time and bytes.
//!
//! Time is the processor time of this process on all its threads, so other programs on the machine
//! have little influence.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;

use crate::peer::Bytes;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The minimum number of runs, as long as they take no longer than `OVERRUN_MAX` times the
/// measuring time.
const RUNS_MIN: usize = 3;
const OVERRUN_MAX: u32 = 4;
/// The maximum number of runs.
pub(crate) const RUNS_MAX: usize = 101;
/// The maximum number of runs if each run adds history: many peers keep it and become slower with
/// it.
pub(crate) const CHANGES_MAX: usize = 11;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// The processor time of both sides together.
    pub(crate) cpu: Duration,
    pub(crate) bytes: Bytes,
}

/// Runs `work` and returns its processor time and its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = cpu_time();
    let result = work();
    (cpu_time().saturating_sub(start), result)
}

/// Returns the median cost of several runs: as many as fit into `duration`, and at most `runs_max`.
/// Each run returns the cost of its measured part.
pub(crate) fn median(runs_max: usize, duration: Duration, mut run: impl FnMut() -> Cost) -> Cost {
    let (mut runs, start) = (Vec::new(), cpu_time());
    loop {
        runs.push(run());
        let duration = if runs.len() < RUNS_MIN { OVERRUN_MAX * duration } else { duration };
        if runs.len() == runs_max || cpu_time().saturating_sub(start) > duration {
            break;
        }
    }
    // Times and bytes have separate medians: the run with the median time need not have the median
    // bytes.
    let middle = (runs.len() - 1) / 2;
    runs.sort_by_key(|cost| cost.bytes.total());
    let bytes = runs[middle].bytes;
    runs.sort_by_key(|cost| cost.cpu);
    Cost { cpu: runs[middle].cpu, bytes }
}

/// Returns the number of allocated bytes, as requested: the overhead of the allocator is not
/// counted.
pub(crate) fn allocated() -> usize {
    HEAP.current_usage()
}

/// Runs `work` and returns the peak of allocated bytes meanwhile.
pub(crate) fn most_allocated(work: impl FnOnce()) -> usize {
    HEAP.reset_peak_usage();
    work();
    HEAP.peak_usage()
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the process clock is available").into()
}
