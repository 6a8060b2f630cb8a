//! Totals of many runs: failures, convergence times, and fault counts.

use std::time::Duration;

use simulator::plan::Action;
use simulator::run::Outcome;
use simulator::tally::Tally;

/// Totals of several runs.
#[derive(Default)]
pub(crate) struct Summary {
    runs: u64,
    failed: u64,
    tally: Tally,
    converged: Duration,
    /// The largest convergence time of a run, as a share of its bound.
    slowest: f64,
    /// Per fault kind: the number of runs that contained it, and the sum of their convergence
    /// times.
    with: [(u64, Duration); Action::FAULTS.len()],
}

impl Summary {
    /// Adds a passed run.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.tally += outcome.tally;
        self.converged += outcome.converged_after;
        let share = outcome.converged_after.as_secs_f64() / outcome.bound.as_secs_f64();
        self.slowest = self.slowest.max(share);
        for ((runs, converged), count) in self.with.iter_mut().zip(outcome.tally.faults) {
            if count > 0 {
                *runs += 1;
                *converged += outcome.converged_after;
            }
        }
    }

    /// Adds a failed run.
    pub(crate) fn add_failed(&mut self) {
        self.runs += 1;
        self.failed += 1;
    }

    /// Adds the totals of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        self.tally += other.tally;
        self.converged += other.converged;
        self.slowest = self.slowest.max(other.slowest);
        for ((runs, converged), (more, longer)) in self.with.iter_mut().zip(other.with) {
            *runs += more;
            *converged += longer;
        }
    }

    /// Returns whether every run passed.
    pub(crate) fn all_passed(&self) -> bool {
        self.failed == 0
    }

    /// Prints the summary.
    pub(crate) fn print(&self, took: Duration, jobs: usize) {
        let Self { runs, failed, tally, converged, slowest, with } = self;
        let rate = *runs as f64 / took.as_secs_f64();
        println!("{runs} runs, {failed} failed; {rate:.0} runs per second on {jobs} threads");
        println!(
            "mean convergence {:.2}s after healing; the slowest took {:.0} % of its bound",
            mean(*converged, runs - failed),
            slowest * 100.0
        );
        println!(
            "  {:<10} {:>9} {:>9} {:>12} {:>12}",
            "fault", "injected", "in runs", "mean with", "without"
        );
        for (name, (count, (with, time))) in
            Action::FAULTS.iter().zip(tally.faults.iter().zip(with))
        {
            let without = mean(converged.saturating_sub(*time), runs - failed - with);
            let with_it = mean(*time, *with);
            println!("  {name:<10} {count:>9} {with:>9} {with_it:>11.2}s {without:>11.2}s");
        }
        for (name, count) in tally.numbers().into_iter().skip(Action::FAULTS.len()) {
            println!("  {name:<14} {count:>14}");
        }
    }
}

fn mean(total: Duration, runs: u64) -> f64 {
    total.as_secs_f64() / runs.max(1) as f64
}
