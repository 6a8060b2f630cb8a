//! The next steps: the time when each node without the winner receives it.
//!
//! A write passes between two running nodes, unless the link is cut in either direction: a pull
//! needs both.

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
    /// The node; empty where the step concerns all.
    pub(super) key: CityKey,
    pub(super) text: String,
}

/// Returns the next steps.
pub(super) fn of(view: &View, row: &Row, comparison: &Comparison<'_>) -> Vec<Next> {
    let all = |text: &str| Next { key: CityKey::new(), text: text.to_owned() };
    let Some(winner) = comparison.winner() else {
        return vec![all("Nothing: unless another city brings it back, the hero is gone.")];
    };
    let lacking: Vec<&NodeState> = holdings(view, row)
        .filter(|(_, entry)| entry.is_none_or(|entry| entry.stamp != winner.entry.stamp))
        .map(|(node, _)| node)
        .collect();
    if lacking.is_empty() {
        return vec![all("Nothing is under way: everybody holds it.")];
    }
    let paused = (view.pace.percent == 0).then(|| {
        all("Gossip is paused: nobody hears of anything until it goes on, or one exchange is run.")
    });
    let line =
        |node: &NodeState| Next { key: node.name.to_string(), text: takes(view, winner, node) };
    paused.into_iter().chain(lacking.into_iter().map(line)).collect()
}

/// The step at which this node receives the winner.
fn takes(view: &View, winner: &Candidate<'_>, node: &NodeState) -> String {
    let name = title(node.name);
    if node.status == NodeStatus::Down {
        return format!("{name} has stopped. Started again, it hears of it from the others.");
    }
    if node.status == NodeStatus::Unreachable && !node.frozen {
        return format!("{name} gives no answer; whether it hears of it is not known.");
    }
    if let Some(early) = refused_for(view, winner, node) {
        return format!(
            "{name} refuses it until its time has come, in {}: its stamp is further ahead than is accepted.",
            tenths(early)
        );
    }
    let mut ends: Vec<Duration> = view
        .faults
        .iter()
        .filter(|fault| holds_up(&fault.fault))
        .map(|fault| fault.remaining)
        .collect();
    ends.sort_unstable();
    let mut moments = [Duration::ZERO].into_iter().chain(ends);
    let Some(when) = moments.find(|when| reached(view, winner, *when).contains(&node.name)) else {
        let holders = nodes(&winner.holders, "or");
        return format!("{name} takes it when {holders} can be heard again, and still holds it.");
    };
    if when > Duration::ZERO {
        // The fault that ends at this time opens the way; earlier ones did not.
        let last =
            view.faults.iter().filter(|fault| holds_up(&fault.fault) && fault.remaining == when);
        let what = last.map(|fault| ending(&fault.fault)).next().unwrap_or_default();
        return format!(
            "{name} does not take it before {what}, in {} s.",
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
        let by_way_of: Vec<NodeName> =
            in_order(view, &neighbours).into_iter().filter(|other| *other != node.name).collect();
        let one = if by_way_of.len() == 1 { "that has" } else { "one of these has" };
        return format!(
            "{name} takes it by way of {}, once {one} heard of it: from {} it is cut.",
            nodes(&by_way_of, "or"),
            nodes(&winner.holders, "and")
        );
    }
    format!("{name} takes it when it next hears from {}.", nodes(&direct, "or"))
}

/// The time in milliseconds for which this node refuses the winner, since its stamp is too far
/// ahead.
fn refused_for(view: &View, winner: &Candidate<'_>, node: &NodeState) -> Option<u64> {
    let theirs = view.at.wall.0.saturating_add_signed(node.clock_ahead_ms.unwrap_or(0));
    let drift = view.drift_max_ms;
    winner
        .entry
        .stamp
        .hlc
        .wall
        .0
        .checked_sub(theirs.saturating_add(drift))
        .filter(|early| *early > 0)
}

/// Returns true for the kinds of faults that keep a write from a node.
fn holds_up(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Cut | FaultKind::Freeze)
}

/// The end of a fault, as a clause.
fn ending(fault: &Fault) -> String {
    match (fault.kind, fault.to) {
        (FaultKind::Freeze, _) => format!("{} wakes", title(fault.from)),
        (_, None) => format!("the cut around {} heals", title(fault.from)),
        (_, Some(to)) => format!("the cut between {} and {} heals", title(fault.from), title(to)),
    }
}

/// The faults that are still in force after that time.
fn lasting(view: &View, after: Duration) -> impl Iterator<Item = &FaultView> {
    view.faults.iter().filter(move |fault| after.is_zero() || fault.remaining > after)
}

/// Returns true if this node can pass a write on after that time.
fn runs(view: &View, name: NodeName, after: Duration) -> bool {
    let Some((_, city)) = view.city(name) else { return true };
    let frozen = || {
        lasting(view, after)
            .any(|fault| fault.fault.kind == FaultKind::Freeze && fault.fault.from == name)
    };
    match city.status {
        NodeStatus::Up => !frozen(),
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

/// The nodes that the winner reaches if only the faults that end by that time are gone.
fn reached(view: &View, winner: &Candidate<'_>, after: Duration) -> BTreeSet<NodeName> {
    let all: Vec<NodeName> =
        view.cities.iter().map(|city| city.name).chain([view.dispatch.name]).collect();
    let mut reached: BTreeSet<NodeName> =
        winner.holders.iter().copied().filter(|holder| runs(view, *holder, after)).collect();
    // As many rounds as there are nodes suffice for any path.
    for _ in &all {
        let news: Vec<NodeName> = all
            .iter()
            .copied()
            .filter(|node| reached.iter().any(|other| is_open(view, *other, *node, after)))
            .collect();
        reached.extend(news);
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
