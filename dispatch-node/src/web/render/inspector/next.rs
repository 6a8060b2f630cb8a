//! The next steps: how and when each node without the winner receives it.
//!
//! A write passes between two running nodes unless the link is cut in either direction: a pull
//! needs both directions.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::NodeName;
use gossip::fault::{Fault, FaultKind};

use crate::model::faults::FaultView;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Row;
use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{nodes, tenths};

use super::comparison::{Candidate, Comparison, holdings};

/// The next step at one node.
#[derive(Debug)]
pub(super) struct Next {
    /// The node; empty if the step concerns all nodes.
    pub(super) key: CityKey,
    pub(super) text: String,
}

/// Returns the next steps.
pub(super) fn of(view: &View, row: &Row, comparison: &Comparison<'_>) -> Vec<Next> {
    let all = |text: &str| Next { key: CityKey::new(), text: text.to_owned() };
    let Some(winner) = comparison.winner() else {
        return vec![all("Nothing: the hero is lost, unless another city still holds it.")];
    };
    let missing: Vec<&NodeState> = holdings(view, row)
        .filter(|(_, entry)| entry.is_none_or(|entry| entry.stamp != winner.entry.stamp))
        .map(|(node, _)| node)
        .collect();
    if missing.is_empty() {
        return vec![all("Nothing: every node holds it.")];
    }
    let paused = (view.pace.percent == 0).then(|| {
        all("Gossip is paused: nothing is pulled until it resumes, or one exchange runs.")
    });
    let line =
        |node: &NodeState| Next { key: node.name.to_string(), text: receives(view, winner, node) };
    paused.into_iter().chain(missing.into_iter().map(line)).collect()
}

/// The step at which this node receives the winner.
fn receives(view: &View, winner: &Candidate<'_>, node: &NodeState) -> String {
    let name = title(node.name);
    if node.status == NodeStatus::Down {
        return format!(
            "{name} has stopped. When it runs again, it pulls the write from the others."
        );
    }
    if node.status == NodeStatus::Unreachable && !node.frozen {
        return format!("{name} is unreachable; whether it receives the write is unknown.");
    }
    if let Some(early_ms) = refused_for(view, winner, node) {
        return format!(
            "{name} refuses it for {}: its stamp is too far ahead of {name}’s clock.",
            tenths(early_ms)
        );
    }
    let mut ends: Vec<Duration> = view
        .faults
        .iter()
        .filter(|fault| blocks(&fault.fault))
        .map(|fault| fault.remaining)
        .collect();
    ends.sort_unstable();
    // What the winner can reach changes only when a fault ends, so no other times are tried.
    let mut moments = [Duration::ZERO].into_iter().chain(ends);
    let Some(when) = moments.find(|when| reached(view, winner, *when).contains(&node.name)) else {
        let holders = nodes(&winner.holders, "or");
        return format!("{name} receives it if {holders} is reachable again and still holds it.");
    };
    if when > Duration::ZERO {
        // The node is reached as soon as this fault ends, and was not after any earlier one.
        let last =
            view.faults.iter().filter(|fault| blocks(&fault.fault) && fault.remaining == when);
        let end = last.map(|fault| ending(&fault.fault)).next().unwrap_or_default();
        return format!(
            "{name} cannot receive it before {end}, in {} s.",
            when.as_secs_f64().ceil()
        );
    }
    let neighbours: Vec<NodeName> = reached(view, winner, when)
        .into_iter()
        .filter(|other| is_open(view, *other, node.name, when))
        .collect();
    let direct: Vec<NodeName> = in_order(view, &neighbours)
        .into_iter()
        .filter(|other| winner.holders.contains(other))
        .collect();
    if direct.is_empty() {
        let relays: Vec<NodeName> =
            in_order(view, &neighbours).into_iter().filter(|other| *other != node.name).collect();
        let one = if relays.len() == 1 { "it" } else { "one of them" };
        return format!(
            "{name} cannot pull from {}: it receives the write from {}, once {one} holds it.",
            nodes(&winner.holders, "or"),
            nodes(&relays, "or")
        );
    }
    format!("{name} receives it with its next pull from {}.", nodes(&direct, "or"))
}

/// The time in milliseconds for which this node refuses the winner, because its stamp is too far
/// ahead.
fn refused_for(view: &View, winner: &Candidate<'_>, node: &NodeState) -> Option<u64> {
    let its_clock = view.at.wall.0.saturating_add_signed(node.clock_ahead_ms.unwrap_or(0));
    let drift = view.drift_max_ms;
    winner
        .entry
        .stamp
        .hlc
        .wall
        .0
        .checked_sub(its_clock.saturating_add(drift))
        .filter(|early_ms| *early_ms > 0)
}

/// Returns true for the kinds of faults that keep a write from a node.
fn blocks(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Cut | FaultKind::Freeze)
}

/// The end of a fault, as a clause.
fn ending(fault: &Fault) -> String {
    match (fault.kind, fault.to) {
        (FaultKind::Freeze, _) => format!("the freeze of {} expires", title(fault.from)),
        (_, None) => format!("the cut of {} expires", title(fault.from)),
        (_, Some(to)) => {
            format!("the cut between {} and {} expires", title(fault.from), title(to))
        }
    }
}

/// The faults that are still in force after that time.
fn lasting(view: &View, after: Duration) -> impl Iterator<Item = &FaultView> {
    view.faults.iter().filter(move |fault| after.is_zero() || fault.remaining > after)
}

/// Returns true if this node can send and receive writes after that time.
fn runs(view: &View, name: NodeName, after: Duration) -> bool {
    let Some((_, city)) = view.city(name) else { return true };
    let frozen = || {
        lasting(view, after)
            .any(|fault| fault.fault.kind == FaultKind::Freeze && fault.fault.from == name)
    };
    match city.status {
        NodeStatus::Up => !frozen(),
        // A frozen node is unreachable, and runs again when its freeze ends.
        NodeStatus::Unreachable => city.frozen && !frozen(),
        NodeStatus::Down => false,
    }
}

/// Returns true if one of these two can pull from the other after that time.
fn is_open(view: &View, a: NodeName, b: NodeName, after: Duration) -> bool {
    let cut = |fault: &Fault| {
        fault.kind == FaultKind::Cut && (fault.affects(a, b) || fault.affects(b, a))
    };
    a != b
        && runs(view, a, after)
        && runs(view, b, after)
        && !lasting(view, after).any(|fault| cut(&fault.fault))
}

/// The nodes that the winner can reach when the faults that end by that time are over, and no
/// others.
fn reached(view: &View, winner: &Candidate<'_>, after: Duration) -> BTreeSet<NodeName> {
    let all: Vec<NodeName> =
        view.cities.iter().map(|city| city.name).chain([view.dispatch.name]).collect();
    let mut reached: BTreeSet<NodeName> =
        winner.holders.iter().copied().filter(|holder| runs(view, *holder, after)).collect();
    // No path is longer than the number of nodes.
    for _ in &all {
        let next: Vec<NodeName> = all
            .iter()
            .copied()
            .filter(|node| reached.iter().any(|other| is_open(view, *other, *node, after)))
            .collect();
        reached.extend(next);
    }
    reached
}

/// These nodes in the order of the page, dispatch last.
fn in_order(view: &View, some: &[NodeName]) -> Vec<NodeName> {
    view.cities
        .iter()
        .map(|city| city.name)
        .chain([view.dispatch.name])
        .filter(|name| some.contains(name))
        .collect()
}
