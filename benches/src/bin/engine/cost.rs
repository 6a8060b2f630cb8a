//! The cost of an operation: processor time and bytes.

use std::time::Duration;

use benches::measure::cpu_time;
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
