//! What costs depend on, as curves: how many heroes there are, how many change, how many nodes there are.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use crate::cost::{self, CHANGES_MAX, Cost, RUNS_MAX};
use crate::hero::writes;
use crate::peer::Peer;
use crate::plot::{Curve, Figure, Panel};
use crate::table::grouped;
use crate::workload::{Pair, Workload};
use crate::{Contestant, Measured};

/// Among how many heroes some change.
const HEROES: u32 = 100_000;
const CHANGES: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
const MEMBERS: [u8; 6] = [3, 4, 8, 16, 32, 64];

/// Costs, by what they depend on.
pub(crate) type Points = Vec<(f64, Cost)>;

/// What catching up costs where every member has written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// With nothing.
    pub(crate) idle: Cost,
    /// With one changed hero.
    pub(crate) one: Cost,
}

/// Draws all figures into `directory`.
pub(crate) fn draw(everybody: &[Measured], patience: Duration, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let write = |name: &str, figure: Figure| fs::write(directory.join(name), figure.svg());
    write("heroes.svg", heroes(everybody))?;
    write("changes.svg", changes(everybody, patience))?;
    write("nodes.svg", nodes(everybody, patience))
}

/// Catching up with more and more changes.
pub(crate) fn measure_changes<P: Peer>(patience: Duration) -> Points {
    let mut pair = Pair::<P>::new(HEROES);
    let points = CHANGES.map(|changed| (f64::from(changed), cost::median(CHANGES_MAX, patience, || pair.change(changed))));
    pair.assert_equal();
    points.into()
}

/// A cluster of so many members, each of which has made a hero.
pub(crate) fn measure_members<P: Peer>(members: u8, patience: Duration) -> Round {
    let made_by = |node| {
        let mut member = P::empty(node);
        member.write(&writes(u32::from(node)..u32::from(node) + 1, node, 0));
        member
    };
    let (mut source, mut puller) = (made_by(0), made_by(1));
    source.catch_up(&mut puller);
    for node in 2..members {
        source.catch_up(&mut made_by(node));
    }
    puller.catch_up(&mut source);
    let mut pair = Pair::of(source, puller, members.into());
    let idle = cost::median(RUNS_MAX, patience, || pair.exchange());
    let one = cost::median(CHANGES_MAX, patience, || pair.change(1));
    pair.assert_equal();
    Round { idle, one }
}

fn heroes(everybody: &[Measured]) -> Figure {
    let panel = |workload: Workload| {
        let curve = |measured: &Measured| {
            let points = measured.costs.iter().filter_map(|(heroes, costs)| Some((f64::from(*heroes), millis(costs.get(&workload)?.cpu))));
            Curve { name: measured.contestant.name, points: points.collect() }
        };
        Panel { title: workload.to_string(), x: "heroes", y: "ms", curves: everybody.iter().map(curve).collect() }
    };
    Figure {
        title: "What an exchange costs, by the number of heroes".into(),
        about: "Processor time of both sides together",
        panels: [Workload::Whole, Workload::Changed(1_000), Workload::Nothing].map(panel).into(),
    }
}

fn changes(everybody: &[Measured], patience: Duration) -> Figure {
    let measure = |Measured { contestant, .. }: &Measured| {
        eprintln!("{}, curve of changes", contestant.name);
        (contestant.name, (contestant.changes)(patience))
    };
    let all: Vec<(&'static str, Points)> = everybody.iter().map(measure).collect();
    let panel = |title: &str, y, of: fn(&Cost) -> f64| {
        let curve = |(name, points): &(&'static str, Points)| Curve {
            name,
            points: points.iter().map(|(changed, cost)| (*changed, of(cost))).collect(),
        };
        Panel { title: title.into(), x: "heroes changed", y, curves: all.iter().map(curve).collect() }
    };
    Figure {
        title: format!("What catching up costs, by how many of {} heroes changed", grouped(HEROES)),
        about: "Two equal replicas; one changes heroes, the other catches up",
        panels: vec![
            panel("Processor time of both sides together", "ms", |cost| millis(cost.cpu)),
            panel("What is sent both ways", "bytes", |cost| cost.bytes.total() as f64),
        ],
    }
}

fn nodes(everybody: &[Measured], patience: Duration) -> Figure {
    let measure = |Measured { contestant: Contestant { name, members, .. }, .. }: &Measured| {
        eprintln!("{name}, curve of nodes");
        (*name, MEMBERS.map(|count| (f64::from(count), members(count, patience))))
    };
    let all: Vec<(&'static str, [(f64, Round); MEMBERS.len()])> = everybody.iter().map(measure).collect();
    let panel = |title: &str, y, of: fn(&Round) -> f64| {
        let curve = |(name, rounds): &(&'static str, [(f64, Round); MEMBERS.len()])| Curve {
            name,
            points: rounds.iter().map(|(members, round)| (*members, of(round))).collect(),
        };
        Panel { title: title.into(), x: "nodes that have written", y, curves: all.iter().map(curve).collect() }
    };
    Figure {
        title: "What a round costs, by the number of nodes".into(),
        about: "Each node has made a hero",
        panels: vec![
            panel("Nothing changed: what is sent both ways", "bytes", |round| round.idle.bytes.total() as f64),
            panel("Nothing changed: processor time of both sides together", "ms", |round| millis(round.idle.cpu)),
            panel("One hero changed: what is sent both ways", "bytes", |round| round.one.bytes.total() as f64),
        ],
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
