//! The three figures: costs by the number of heroes, of changes and of nodes.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use crate::contestant::Contestant;
use crate::cost::Cost;
use crate::measured::Measured;
use crate::plot::{Curve, Figure, Panel};
use crate::scaling::{HEROES, Points, Round};
use crate::text::grouped;
use crate::workload::Workload;

/// The numbers of members with which a round is measured.
const MEMBERS: [u8; 6] = [3, 4, 8, 16, 32, 64];

/// Draws all figures into `directory`.
pub(crate) fn draw(measured: &[Measured], timeout: Duration, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let write = |name: &str, figure: Figure| fs::write(directory.join(name), figure.svg());
    write("heroes.svg", heroes(measured))?;
    write("changes.svg", changes(measured, timeout))?;
    write("nodes.svg", nodes(measured, timeout))
}

fn heroes(measured: &[Measured]) -> Figure {
    let panel = |workload: Workload| {
        let curve = |measured: &Measured| {
            let points = measured.costs.iter().filter_map(|(heroes, costs)| {
                Some((f64::from(*heroes), millis(costs.get(&workload)?.cpu)))
            });
            Curve { name: measured.contestant.name, points: points.collect() }
        };
        Panel {
            title: workload.to_string(),
            x: "heroes",
            y: "ms",
            curves: measured.iter().map(curve).collect(),
        }
    };
    Figure {
        title: "What an exchange costs, by the number of heroes".into(),
        about: "Processor time of both sides together",
        panels: [Workload::Whole, Workload::Changed(1_000), Workload::Nothing].map(panel).into(),
    }
}

fn changes(measured: &[Measured], timeout: Duration) -> Figure {
    let measure = |Measured { contestant, .. }: &Measured| {
        eprintln!("{}, curve of changes", contestant.name);
        (contestant.name, (contestant.changes)(timeout))
    };
    let all: Vec<(&'static str, Points)> = measured.iter().map(measure).collect();
    let panel = |title: &str, y, of: fn(&Cost) -> f64| {
        let curve = |(name, points): &(&'static str, Points)| Curve {
            name,
            points: points.iter().map(|(changed, cost)| (*changed, of(cost))).collect(),
        };
        Panel {
            title: title.into(),
            x: "heroes changed",
            y,
            curves: all.iter().map(curve).collect(),
        }
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

fn nodes(measured: &[Measured], timeout: Duration) -> Figure {
    let measure = |Measured { contestant: Contestant { name, members, .. }, .. }: &Measured| {
        eprintln!("{name}, curve of nodes");
        (*name, MEMBERS.map(|count| (f64::from(count), members(count, timeout))))
    };
    let all: Vec<(&'static str, [(f64, Round); MEMBERS.len()])> =
        measured.iter().map(measure).collect();
    let panel = |title: &str, y, of: fn(&Round) -> f64| {
        let curve = |(name, rounds): &(&'static str, [(f64, Round); MEMBERS.len()])| Curve {
            name,
            points: rounds.iter().map(|(members, round)| (*members, of(round))).collect(),
        };
        Panel {
            title: title.into(),
            x: "nodes that have written",
            y,
            curves: all.iter().map(curve).collect(),
        }
    };
    Figure {
        title: "What a round costs, by the number of nodes".into(),
        about: "Each node has made a hero",
        panels: vec![
            panel("Nothing changed: what is sent both ways", "bytes", |round| {
                round.idle.bytes.total() as f64
            }),
            panel("Nothing changed: processor time of both sides together", "ms", |round| {
                millis(round.idle.cpu)
            }),
            panel("One hero changed: what is sent both ways", "bytes", |round| {
                round.one.bytes.total() as f64
            }),
        ],
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
