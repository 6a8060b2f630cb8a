//! `sim`: runs seeds, says which fail, and makes the failing ones small.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use shared::replica::Rules;
use simulator::plan::{Act, Plan};
use simulator::tally::Tally;
use simulator::{Violation, run, shrink};

/// Runs the whole cluster in virtual time, from seeds.
///
/// Prints one line a run: the seed; nodes; how long it was hurt; how many steps its plan had; frames and kilobytes sent; writes; rounds merged;
/// how long it took to converge after healing, and how long it might have taken; a hash of all that happened, the same for the same
/// seed on every machine. Of more than 200 runs only the failing ones get a line. Then what struck how often, and what it cost.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Run this seed alone and print everything that happens.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run these seeds: from..to, without the last.
    #[arg(long, default_value = "0..1000", value_parser = parse_range)]
    seeds: Range<u64>,
    /// So many nodes in each run, dispatch included, instead of 3 to 9.
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=128))]
    nodes: Option<u64>,
    /// Go on for this many minutes, beginning with the first of the seeds.
    #[arg(long)]
    minutes: Option<u64>,
    /// Threads; all processors by default.
    #[arg(long)]
    jobs: Option<usize>,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("a range reads from..to")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A panic is a violation, and reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let nodes = options.nodes.map(|nodes| usize::try_from(nodes).expect("at most 128"));
    match options.seed {
        Some(seed) => run_one(seed, nodes),
        None => run_many(&options, nodes),
    }
}

fn run_one(seed: u64, nodes: Option<usize>) -> ExitCode {
    let plan = Plan::draw(seed, nodes);
    match run::run(&plan, &Rules::default(), true) {
        Ok(outcome) => {
            println!("seed {seed} holds: converged {:?} after healing", outcome.converged_after);
            ExitCode::SUCCESS
        }
        Err(violation) => {
            tell(seed, nodes, &violation);
            ExitCode::FAILURE
        }
    }
}

/// Says what failed, and the fewest steps that lead there.
fn tell(seed: u64, nodes: Option<usize>, violation: &Violation) {
    let replay = nodes.map_or(String::new(), |nodes| format!(" NODES={nodes}"));
    println!("seed {seed} FAILS: {violation}\n  replay: make sim SEED={seed}{replay}");
    let (plan, violation) = shrink::shrink(&Plan::draw(seed, nodes), violation.clone(), &Rules::default());
    println!("  smaller, with {} steps: {violation}", plan.steps.len());
    println!("  {} cities and dispatch; {:?}", plan.cities, plan.noise);
    plan.steps.iter().for_each(|step| println!("  {step}"));
    println!("  {:>8.3}s  all is healed", plan.hurt.as_secs_f64());
}

/// What the runs came to, all together.
#[derive(Default)]
struct Sum {
    runs: u64,
    failed: u64,
    tally: Tally,
    converged: Duration,
    slowest: f64,
    /// For each trouble: the runs that had it, and the time these took to converge, all together.
    with: [(u64, Duration); Act::TROUBLES.len()],
}

impl Sum {
    fn add(&mut self, outcome: &run::Outcome) {
        self.runs += 1;
        self.tally += outcome.tally;
        self.converged += outcome.converged_after;
        self.slowest = self.slowest.max(outcome.converged_after.as_secs_f64() / outcome.bound.as_secs_f64());
        for ((runs, converged), count) in self.with.iter_mut().zip(outcome.tally.troubles) {
            if count > 0 {
                *runs += 1;
                *converged += outcome.converged_after;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
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
}

fn mean(total: Duration, runs: u64) -> f64 {
    total.as_secs_f64() / runs.max(1) as f64
}

fn run_many(options: &Options, nodes: Option<usize>) -> ExitCode {
    let jobs = options.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let Range { start, end } = options.seeds;
    let lines = options.minutes.is_none() && end.saturating_sub(start) <= 200;
    if lines {
        println!(
            "{:>8} {:>5} {:>6} {:>5} {:>7} {:>8} {:>6} {:>6} {:>14}  trace",
            "seed", "nodes", "hurt", "steps", "frames", "kB", "writes", "rounds", "converged"
        );
    }
    let next = std::sync::atomic::AtomicU64::new(start);
    let began = now();
    let limit = options.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let worker = || {
        let mut sum = Sum::default();
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if limit.map_or(seed >= end, |limit| began.elapsed() >= limit) {
                return sum;
            }
            let plan = Plan::draw(seed, nodes);
            match run::run(&plan, &Rules::default(), false) {
                Ok(outcome) => {
                    sum.add(&outcome);
                    if lines {
                        line(seed, &plan, &outcome);
                    }
                }
                Err(violation) => {
                    sum.runs += 1;
                    sum.failed += 1;
                    tell(seed, nodes, &violation);
                }
            }
        }
    };
    let sum = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let mut all = Sum::default();
        workers.into_iter().for_each(|worker| all.merge(&worker.join().expect("a worker catches panics")));
        all
    });
    summary(&sum, began.elapsed(), jobs);
    if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(seed: u64, plan: &Plan, outcome: &run::Outcome) {
    let Tally { frames, bytes, writes, rounds, .. } = outcome.tally;
    println!(
        "{seed:>8} {:>5} {:>5.1}s {:>5} {frames:>7} {:>8} {writes:>6} {rounds:>6} {:>5.1}s of {:>3.0}s  {:016x}",
        plan.cities + 1,
        plan.hurt.as_secs_f64(),
        plan.steps.len(),
        bytes / 1_000,
        outcome.converged_after.as_secs_f64(),
        outcome.bound.as_secs_f64(),
        outcome.trace
    );
}

fn summary(sum: &Sum, took: Duration, jobs: usize) {
    let Sum { runs, failed, tally, converged, slowest, with } = sum;
    println!("{runs} runs, {failed} failed; {:.0} runs a second on {jobs} threads", *runs as f64 / took.as_secs_f64());
    let mean_converged = mean(*converged, runs - failed);
    println!("converged {mean_converged:.2}s after healing on average; the slowest needed {:.0} % of its bound", slowest * 100.0);
    println!("  {:<10} {:>9} {:>9} {:>12} {:>12}", "trouble", "struck", "in runs", "with it", "without it");
    for (name, (count, (with, time))) in Act::TROUBLES.iter().zip(tally.troubles.iter().zip(with)) {
        let without = mean(converged.saturating_sub(*time), runs - failed - with);
        println!("  {name:<10} {count:>9} {with:>9} {:>11.2}s {without:>11.2}s", mean(*time, *with));
    }
    for (name, count) in tally.numbers().into_iter().skip(Act::TROUBLES.len()) {
        println!("  {name:<14} {count:>14}");
    }
}

#[expect(clippy::disallowed_methods, reason = "how fast seeds are run is told to people")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
