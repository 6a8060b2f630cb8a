//! The three figures: costs by number of heroes, of changes, and of nodes.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use benches::text::grouped;

use crate::contestant::Contestant;
use crate::cost::Cost;
use crate::measured::Measured;
use crate::plot::{Curve, Figure, Panel};
use crate::scaling::{HEROES, Points, Round};
use crate::workload::Workload;

/// The cluster sizes for which a round is measured.
const MEMBERS: [u8; 6] = [3, 4, 8, 16, 32, 64];

/// Writes all figures into `directory`.
pub(crate) fn draw(measured: &[Measured], duration: Duration, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let write = |name: &str, figure: Figure| fs::write(directory.join(name), figure.svg());
    write("heroes.svg", heroes(measured))?;
    write("changes.svg", changes(measured, duration))?;
    write("nodes.svg", nodes(measured, duration))
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
        title: "Cost of an exchange by number of heroes".into(),
        about: "Processor time, both sides",
        panels: [Workload::Whole, Workload::Changed(1_000), Workload::Nothing].map(panel).into(),
    }
}

fn changes(measured: &[Measured], duration: Duration) -> Figure {
    let measure = |Measured { contestant, .. }: &Measured| {
        eprintln!("{}, curve of changes", contestant.name);
        (contestant.name, (contestant.changes)(duration))
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
        title: format!("Cost of catching up by number of changed heroes, of {}", grouped(HEROES)),
        about: "Two equal replicas: one changes heroes, the other catches up",
        panels: vec![
            panel("Processor time, both sides", "ms", |cost| millis(cost.cpu)),
            panel("Bytes sent, both directions", "bytes", |cost| cost.bytes.total() as f64),
        ],
    }
}

fn nodes(measured: &[Measured], duration: Duration) -> Figure {
    let measure = |Measured { contestant: Contestant { name, members, .. }, .. }: &Measured| {
        eprintln!("{name}, curve of nodes");
        (*name, MEMBERS.map(|count| (f64::from(count), members(count, duration))))
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
        title: "Cost of a round by number of nodes".into(),
        about: "Each node has created a hero",
        panels: vec![
            panel("No change: bytes sent, both directions", "bytes", |round| {
                round.idle.bytes.total() as f64
            }),
            panel("No change: processor time, both sides", "ms", |round| millis(round.idle.cpu)),
            panel("One hero changed: bytes sent, both directions", "bytes", |round| {
                round.one.bytes.total() as f64
            }),
        ],
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
