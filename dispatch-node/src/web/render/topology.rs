//! The map of the cluster: a disc for each city, dispatch in the middle, and each link between two
//! nodes with its faults; and the same as a table.
//!
//! Invariants: the map contains only faults that the nodes report to be in force, not those that
//! were merely requested. Colour alone carries no meaning. The three conditions *frozen*, *has
//! stopped* and *is unreachable* are never mixed.

mod condition;
mod drawing;
mod layout;
mod link_faults;

use askama::Template;

use std::time::Duration;

use gossip::fault::FaultKind;
use gossip::{NodeName, PullOutcome};

use crate::model::faults::span;
use crate::model::history::Pull;
use crate::model::node_state::NodeState;
use crate::model::view::View;
use crate::text::title;
use crate::web::render::svg::{Px, Xy};
use crate::web::render::wording::{clock, time_of_day};

use condition::{condition, unavailable_ends};
use drawing::{City, Link};
use layout::{Layout, Point};
use link_faults::{link_faults, state};

/// The time for which a round is on the map after its end.
const FRAMES_LAST: Duration = Duration::from_secs(3);
/// The maximum number of rounds on the map.
const FRAMES_MAX: usize = 24;

/// The picture and its table.
#[derive(Debug, Template)]
#[template(path = "map.html", whitespace = "minimize")]
pub(crate) struct Topology {
    width: f64,
    height: f64,
    /// A summary in a few sentences.
    summary: String,
    links: Vec<Link>,
    cities: Vec<City>,
    dispatch: Point,
    frames: Vec<Frame>,
    /// What the map leaves out.
    note: &'static str,
    /// The pace of gossip, if it is not the normal one.
    pace: String,
    rows: Vec<Row>,
}

/// A round that has just ended: a script lets it travel from the source to the puller.
#[derive(Debug)]
struct Frame {
    id: String,
    /// The name of the source.
    key: String,
    puller: Point,
    source: Point,
    entries: usize,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    /// The names of the nodes; the second is empty for a fault of one node.
    ends: (String, String),
    from: String,
    to: String,
    state: String,
    until: String,
}

impl Topology {
    /// Returns the map of this view.
    pub(crate) fn of(view: &View) -> Self {
        let layout = Layout::of(view.cities.len());
        let nodes: Vec<&NodeState> = view.cities.iter().chain([&view.dispatch]).collect();
        let mut pairs = Vec::new();
        for a in 0..nodes.len() {
            pairs.extend((a + 1..nodes.len()).map(|b| (a, b)));
        }
        let most = nodes.iter().map(|node| node.heroes).max().unwrap_or(0);
        Self {
            width: layout.width,
            height: layout.height,
            summary: summary(view, &nodes, &pairs),
            links: pairs
                .iter()
                .map(|(a, b)| layout.link(view, nodes[*a], *a, nodes[*b], *b))
                .filter(|link| !layout.is_crowded || !link.is_open())
                .collect(),
            note: if layout.is_crowded { "open links are not drawn" } else { "" },
            cities: view
                .cities
                .iter()
                .enumerate()
                .map(|(index, city)| layout.city(city, index, most))
                .collect(),
            dispatch: layout.middle,
            frames: frames(view, &layout, &nodes),
            pace: match view.pace.percent {
                0 => "gossip is paused".to_owned(),
                100 => String::new(),
                percent => format!("gossip at {percent} %"),
            },
            rows: rows(view, &nodes, &pairs),
        }
    }
}

/// The rounds that have just ended, if gossip is paused or slow; else they are too many to follow.
fn frames(view: &View, layout: &Layout, nodes: &[&NodeState]) -> Vec<Frame> {
    if view.pace.percent >= 100 {
        return Vec::new();
    }
    let since = view.at.mono.saturating_sub(FRAMES_LAST);
    let seconds = view.history.seconds().rev().take(FRAMES_LAST.as_secs() as usize + 1);
    let pulls = seconds.flat_map(|second| &second.pulls).filter(|pull| pull.ended >= since);
    let place = |name: NodeName| {
        let index = nodes.iter().position(|node| node.name == name)?;
        Some(layout.cities.get(index).copied().unwrap_or(layout.middle))
    };
    let frame = |pull: &Pull| {
        let entries = match pull.outcome {
            PullOutcome::Merged { entries, .. } => entries,
            PullOutcome::Same => 0,
            PullOutcome::Unanswered | PullOutcome::Refused => return None,
        };
        Some(Frame {
            id: format!("frame-{}-{}-{}", pull.puller, pull.source, pull.ended.as_millis()),
            key: pull.source.to_string(),
            puller: place(pull.puller)?,
            source: place(pull.source)?,
            entries,
        })
    };
    pulls.filter_map(frame).take(FRAMES_MAX).collect()
}

/// Describes the map in a few sentences.
fn summary(view: &View, nodes: &[&NodeState], pairs: &[(usize, usize)]) -> String {
    let cities = view.cities.iter().filter_map(|city| {
        let states: Vec<String> = [condition(city).1.to_owned()]
            .into_iter()
            .chain(clock(city))
            .filter(|words| !words.is_empty())
            .collect();
        (!states.is_empty()).then(|| format!("{}: {}", title(city.name), states.join(", ")))
    });
    let links = pairs.iter().flat_map(|(a, b)| {
        let (a, b) = (nodes[*a].name, nodes[*b].name);
        link_faults(view, a, b)
            .into_iter()
            .map(move |fault| format!("{} and {}: {}", title(a), title(b), fault.sentence(a, b)))
    });
    let sentences: Vec<String> = cities.chain(links).collect();
    let shown = format!("Map of {} cities and dispatch. ", view.cities.len());
    if sentences.is_empty() {
        shown + "All links are open."
    } else {
        shown + &sentences.join(". ") + "."
    }
}

/// The rows of the table.
fn rows(view: &View, nodes: &[&NodeState], pairs: &[(usize, usize)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (a, b) in pairs.iter().map(|(a, b)| (nodes[*a], nodes[*b])) {
        let faults = link_faults(view, a.name, b.name);
        let row = |from: NodeName, to: NodeName, state, until| Row {
            ends: (from.to_string(), to.to_string()),
            from: title(from),
            to: title(to),
            state,
            until,
        };
        let ends = unavailable_ends(a, b);
        if faults.is_empty() || !ends.is_empty() {
            let state = if ends.is_empty() { "open both ways".to_owned() } else { ends.join(", ") };
            rows.push(row(a.name, b.name, state, String::new()));
        }
        for fault in &faults {
            let until = format!("{} UTC", time_of_day(view.at.wall.plus(fault.fault.remaining)));
            let ways = if fault.forth && fault.back { "both ways" } else { "one way" };
            let (from, to) = if fault.forth { (a.name, b.name) } else { (b.name, a.name) };
            rows.push(row(from, to, format!("{}, {ways}", state(fault.kind())), until));
        }
    }
    for fault in view.faults.iter().filter(|fault| {
        !fault.fault.kind.is_between_nodes() && fault.at.contains(&fault.fault.from)
    }) {
        let state = match fault.fault.kind {
            FaultKind::Skew(ms) => {
                let way = if ms > 0 { "ahead" } else { "behind" };
                format!("clock set {} {way}", span(Duration::from_millis(ms.unsigned_abs())))
            }
            FaultKind::Freeze
            | FaultKind::Cut
            | FaultKind::Delay { .. }
            | FaultKind::Loss(_)
            | FaultKind::Duplicate(_)
            | FaultKind::Reorder(_)
            | FaultKind::Throttle(_) => "frozen".to_owned(),
        };
        let until = format!("{} UTC", time_of_day(view.at.wall.plus(fault.remaining)));
        let ends = (fault.fault.from.to_string(), String::new());
        rows.push(Row { ends, from: title(fault.fault.from), to: String::new(), state, until });
    }
    rows
}

#[cfg(test)]
mod tests;
