//! `sim`: runs seeds and says which fail and how to replay them.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use simulator::cluster::Tally;
use simulator::run;

/// Runs the whole cluster in virtual time, from seeds.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Run this seed alone and print everything that happens.
    #[arg(long)]
    seed: Option<u64>,
    /// Run these seeds: from..to, without the last.
    #[arg(long, default_value = "0..1000", value_parser = parse_range)]
    seeds: Range<u64>,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("a range reads from..to")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(seed) = options.seed {
        return match run::run(seed, true) {
            Ok(outcome) => {
                println!("seed {seed} holds: {outcome:?}");
                ExitCode::SUCCESS
            }
            Err(violation) => {
                println!("seed {seed} FAILS: {violation}");
                ExitCode::FAILURE
            }
        };
    }
    let count = options.seeds.end.saturating_sub(options.seeds.start);
    let (mut failed, mut tally, mut slowest) = (0_u64, Tally::default(), Duration::ZERO);
    for seed in options.seeds {
        match run::run(seed, false) {
            Ok(outcome) => {
                tally += outcome.tally;
                slowest = slowest.max(outcome.converged_after);
            }
            Err(violation) => {
                failed += 1;
                println!("seed {seed} FAILS: {violation}\n  replay: make sim SEED={seed}");
            }
        }
    }
    println!("{count} seeds, {failed} failed; slowest to converge after healing: {slowest:?} of virtual time");
    println!("{tally:#?}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
