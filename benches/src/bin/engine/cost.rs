//! What something costs: processor time and bytes.
//!
//! Time is that of this process on all its threads, so what else runs on the machine disturbs it
//! little.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;

use crate::peer::Bytes;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// How often something is measured at least, where that takes no longer than so many times the
/// patience.
const RUNS_MIN: usize = 3;
const TIMEOUT_MAX: u32 = 4;
/// How often at most.
pub(crate) const RUNS_MAX: usize = 101;
/// How often at most where each run leaves something behind: many peers keep what once was, and get
/// slower by it.
pub(crate) const CHANGES_MAX: usize = 11;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Of both sides together.
    pub(crate) cpu: Duration,
    pub(crate) bytes: Bytes,
}

/// What `work` takes, and what it returns.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = cpu_time();
    let result = work();
    (cpu_time().saturating_sub(start), result)
}

/// The median of several runs, as many as fit into `timeout` and no more than `runs_max`. Each
/// says what it has measured of what it did.
pub(crate) fn median(runs_max: usize, timeout: Duration, mut run: impl FnMut() -> Cost) -> Cost {
    let (mut runs, start) = (Vec::new(), cpu_time());
    loop {
        runs.push(run());
        let timeout = if runs.len() < RUNS_MIN { TIMEOUT_MAX * timeout } else { timeout };
        if runs.len() == runs_max || cpu_time().saturating_sub(start) > timeout {
            break;
        }
    }
    let middle = (runs.len() - 1) / 2;
    runs.sort_by_key(|cost| cost.bytes.total());
    let bytes = runs[middle].bytes;
    runs.sort_by_key(|cost| cost.cpu);
    Cost { cpu: runs[middle].cpu, bytes }
}

/// How many bytes are allocated at this moment, as they were asked for: what the allocator adds to
/// them is not counted.
pub(crate) fn allocated() -> usize {
    HEAP.current_usage()
}

/// How many bytes are allocated at most while `work` runs.
pub(crate) fn most_allocated(work: impl FnOnce()) -> usize {
    HEAP.reset_peak_usage();
    work();
    HEAP.peak_usage()
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has this clock").into()
}
