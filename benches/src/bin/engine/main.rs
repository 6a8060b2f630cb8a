//! `engine`: what the core costs, beside what others would cost in its place, in the same process and run.
//!
//! Peers hold each hero as one opaque value. Those that are libraries of their own are there with the feature `peers` only: the rest of the project is
//! built without them. It prints tables in Markdown, and what has become of the targets; a target that is missed is told, and is no failure.

mod cost;
mod curves;
mod hero;
mod memory;
mod once;
mod ours;
mod peer;
#[cfg(feature = "peers")]
mod peers;
mod plot;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod whole_map;
mod workload;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use cost::Cost;
use curves::{Points, Round};
use once::Once;
use ours::Ours;
use peer::Peer;
use whole_map::{Json, Postcard, WholeMap};
use workload::{Costs, Workload};

#[derive(Debug, Parser)]
#[command(about = "What the core costs, beside what others would cost in its place")]
struct Options {
    /// With how many heroes, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000", value_parser = clap::value_parser!(u32).range(1..))]
    heroes: Vec<u32>,
    /// How long one cost of one peer is measured: three times at least, where that takes no longer than four times this.
    #[arg(long, default_value = "500ms")]
    patience: humantime::Duration,
    /// Leave the peers out.
    #[arg(long)]
    alone: bool,
    /// Draw the curves too, into this directory.
    #[arg(long)]
    curves: Option<PathBuf>,
    /// Nothing of all that, but one workload of this project's core once, for who counts instructions.
    #[arg(long, conflicts_with_all = ["patience", "alone", "curves"])]
    once: Option<Once>,
}

/// Somebody who is measured.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) heroes_max: u32,
    pub(crate) left_out: &'static str,
    pub(crate) measure: fn(u32, Duration) -> Costs,
    pub(crate) changes: fn(Duration) -> Points,
    pub(crate) members: fn(u8, Duration) -> Round,
}

impl Contestant {
    fn of<P: Peer>() -> Self {
        Self {
            name: P::NAME,
            heroes_max: P::HEROES_MAX,
            left_out: P::LEFT_OUT,
            measure: workload::measure::<P>,
            changes: curves::measure_changes::<P>,
            members: curves::measure_members::<P>,
        }
    }

    /// All of them, this project first.
    pub(crate) fn all() -> Vec<Self> {
        let first = [Self::of::<Ours>(), Self::of::<WholeMap<Postcard>>(), Self::of::<WholeMap<Json>>()];
        #[cfg(feature = "peers")]
        return first.into_iter().chain(peers::all()).collect();
        #[cfg(not(feature = "peers"))]
        first.into()
    }
}

/// What everybody's workloads cost, by the number of heroes.
pub(crate) struct Measured {
    pub(crate) contestant: Contestant,
    pub(crate) costs: BTreeMap<u32, Costs>,
}

impl Measured {
    fn new(contestant: Contestant, heroes: &[u32], patience: Duration) -> Self {
        let measure = |heroes: &u32| {
            eprintln!("{}, {heroes} heroes", contestant.name);
            (*heroes, (contestant.measure)(*heroes, patience))
        };
        let costs = heroes.iter().filter(|heroes| **heroes <= contestant.heroes_max).map(measure).collect();
        Self { contestant, costs }
    }

    /// What a workload costs with so many heroes, if that was measured.
    pub(crate) fn cost(&self, workload: Workload, heroes: u32) -> Option<Cost> {
        self.costs.get(&heroes)?.get(&workload).copied()
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(once) = options.once {
        once.run();
        return Ok(());
    }
    let patience = options.patience.into();
    let contestants = Contestant::all().into_iter().take(if options.alone { 1 } else { usize::MAX });
    let everybody: Vec<Measured> = contestants.map(|contestant| Measured::new(contestant, &options.heroes, patience)).collect();
    table::print(&everybody, &options.heroes);
    if let [ours, ..] = &everybody[..] {
        targets::print(ours, &options.heroes);
    }
    options.curves.map_or(Ok(()), |directory| curves::draw(&everybody, patience, &directory))
}
