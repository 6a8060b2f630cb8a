//! The output for a single run, passed or failed.

use simulator::plan::Plan;
use simulator::run::Outcome;
use simulator::tally::Tally;
use simulator::{Violation, shrink};

use gossip::replica::Rules;

use crate::options::Options;

/// Prints the header of the lines that [`print_passed`] prints.
pub(crate) fn print_header() {
    println!(
        "{:>8} {:>5} {:>6} {:>5} {:>7} {:>8} {:>6} {:>6} {:>14}  trace",
        "seed", "nodes", "faults", "steps", "frames", "kB", "writes", "rounds", "converged"
    );
}

/// Prints one line for a run without a violation.
pub(crate) fn print_passed(seed: u64, plan: &Plan, outcome: &Outcome) {
    let Tally { frames, bytes, writes, rounds, .. } = outcome.tally;
    println!(
        "{seed:>8} {:>5} {:>5.1}s {:>5} {frames:>7} {:>8} {writes:>6} {rounds:>6} {:>5.1}s of {:>3.0}s  {:016x}",
        plan.cities + 1,
        plan.fault_phase.as_secs_f64(),
        plan.steps.len(),
        bytes / 1_000,
        outcome.converged_after.as_secs_f64(),
        outcome.bound.as_secs_f64(),
        outcome.trace
    );
}

/// Prints a violation and the smallest plan found that reproduces it.
pub(crate) fn print_failed(seed: u64, options: &Options, violation: &Violation) {
    let nodes = options.nodes.map_or(String::new(), |nodes| format!(" NODES={nodes}"));
    let faulty = if options.faulty { " FAULTY=1" } else { "" };
    println!("seed {seed} FAILED: {violation}\n  replay: make sim SEED={seed}{nodes}{faulty}");
    let plan = options.plan(seed);
    let (plan, violation) = shrink::shrink(&plan, violation.clone(), &Rules::default());
    println!("  shrunk to {} steps: {violation}", plan.steps.len());
    println!("  {} cities plus dispatch; {:?}", plan.cities, plan.noise);
    plan.steps.iter().for_each(|step| println!("  {step}"));
    println!("  {:>8.3}s  heal all faults", plan.fault_phase.as_secs_f64());
}
