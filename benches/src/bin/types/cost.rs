//! The cost of a workload: processor time, bytes sent, and memory.

use std::time::Duration;

use benches::measure::cpu_time;

/// The minimum number of runs, as long as they take no longer than `OVERRUN_MAX` times the
/// measuring time.
const RUNS_MIN: usize = 3;
const OVERRUN_MAX: u32 = 4;
/// The maximum number of runs.
const RUNS_MAX: usize = 31;

/// The cost for all three replicas together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// The processor time of the operations.
    pub(crate) operations: Duration,
    /// The processor time of the rounds.
    pub(crate) rounds: Duration,
    /// The number of bytes sent.
    pub(crate) sent: usize,
    /// The number of bytes allocated at the end.
    pub(crate) held: usize,
    /// The peak of allocated bytes.
    pub(crate) peak: usize,
}

impl Cost {
    /// Returns the processor time of operations and rounds.
    pub(crate) fn time(self) -> Duration {
        self.operations + self.rounds
    }
}

/// Returns the median cost of several runs: as many as fit into `duration`.
pub(crate) fn median(duration: Duration, run: impl Fn() -> Cost) -> Cost {
    let (mut runs, start) = (Vec::new(), cpu_time());
    loop {
        runs.push(run());
        let duration = if runs.len() < RUNS_MIN { OVERRUN_MAX * duration } else { duration };
        if runs.len() == RUNS_MAX || cpu_time().saturating_sub(start) > duration {
            break;
        }
    }
    // Bytes and memory have medians of their own: the hash tables of some peers are seeded at
    // random, so runs differ.
    let middle = (runs.len() - 1) / 2;
    let mut median_of = |bytes: fn(&Cost) -> usize| {
        runs.sort_by_key(bytes);
        bytes(&runs[middle])
    };
    let (sent, held, peak) =
        (median_of(|cost| cost.sent), median_of(|cost| cost.held), median_of(|cost| cost.peak));
    runs.sort_by_key(|cost| cost.time());
    Cost { sent, held, peak, ..runs[middle] }
}
