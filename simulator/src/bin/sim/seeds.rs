//! Execution of seeds: one with its log, or many on several threads.
//!
//! Invariant: each seed is run by exactly one thread; the counter of the next seed is the only
//! shared state.

use std::fs;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gossip::replica::Rules;
use simulator::{recorded, run};

use crate::options::Options;
use crate::report::{print_failed, print_header, print_passed};
use crate::summary::Summary;

/// The number of runs above which passed runs are not printed.
const LINES_MAX: u64 = 200;

/// Runs one seed and logs every event.
pub(crate) fn run_one(seed: u64, options: &Options) -> ExitCode {
    let plan = options.plan(seed);
    let outcome = match &options.record {
        None => run::run(&plan, &Rules::default(), true),
        Some(path) => {
            let (outcome, recording) = recorded::record(&plan, &Rules::default());
            let written = recording
                .ok_or_else(|| "dispatch did not answer at the end".to_owned())
                .and_then(|it| fs::write(path, it.write()).map_err(|error| error.to_string()));
            if let Err(why) = written {
                eprintln!("{} was not written: {why}", path.display());
                return ExitCode::FAILURE;
            }
            println!("seed {seed} is recorded in {}", path.display());
            outcome
        }
    };
    match outcome {
        Ok(outcome) => {
            let after = outcome.converged_after;
            println!("seed {seed} passed: converged {after:?} after healing");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            print_failed(seed, options, &violation);
            ExitCode::FAILURE
        }
    }
}

/// Runs many seeds; prints the failing ones and a summary.
pub(crate) fn run_many(options: &Options) -> ExitCode {
    let available = || thread::available_parallelism().ok().map(usize::from);
    let jobs = options.jobs.or_else(available).unwrap_or(1);
    let Range { start, end } = options.seeds;
    let lines = options.minutes.is_none() && end.saturating_sub(start) <= LINES_MAX;
    if lines {
        print_header();
    }
    let next = AtomicU64::new(start);
    let began = now();
    let limit = options.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let worker = || {
        let mut summary = Summary::default();
        loop {
            // Relaxed: no other data is shared, so only the uniqueness of the value matters.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if limit.map_or(seed >= end, |limit| began.elapsed() >= limit) {
                return summary;
            }
            let plan = options.plan(seed);
            match run::run(&plan, &Rules::default(), false) {
                Ok(outcome) => {
                    summary.add(&outcome);
                    if lines {
                        print_passed(seed, &plan, &outcome);
                    }
                }
                Err(violation) => {
                    summary.add_failed();
                    print_failed(seed, options, &violation);
                }
            }
        }
    };
    let summary = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let mut all = Summary::default();
        for worker in workers {
            all.merge(&worker.join().expect("panics are caught inside the worker"));
        }
        all
    });
    summary.print(began.elapsed(), jobs);
    if summary.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "the summary reports runs per second")]
fn now() -> Instant {
    Instant::now()
}
