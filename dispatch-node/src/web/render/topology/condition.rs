//! The condition of a node, in one of a few words that are never mixed.

use crate::model::node_state::{NodeState, NodeStatus};
use crate::text::title;

/// The condition of a node and its class; empty words for a node in order.
pub(super) fn condition(node: &NodeState) -> (&'static str, &'static str) {
    match node.status {
        NodeStatus::Down => ("stopped", "has stopped"),
        NodeStatus::Unreachable if node.age.is_none() => ("silent", "not heard yet"),
        NodeStatus::Unreachable | NodeStatus::Up if node.frozen => ("frozen", "frozen"),
        NodeStatus::Unreachable => ("silent", "gives no answer"),
        NodeStatus::Up if node.recovering => ("recovering", "recovering"),
        NodeStatus::Up if !node.is_read => ("silent", "not heard yet"),
        NodeStatus::Up => ("up", ""),
    }
}

/// The reasons why a link without faults carries nothing: its ends that do not answer.
pub(super) fn dead_ends(a: &NodeState, b: &NodeState) -> Vec<String> {
    let is_dead = |node: &&&NodeState| matches!(condition(node).0, "stopped" | "frozen" | "silent");
    let described = |node: &&NodeState| match condition(node).1 {
        "frozen" => format!("{} is frozen", title(node.name)),
        "not heard yet" => format!("{} was not heard yet", title(node.name)),
        words => format!("{} {words}", title(node.name)),
    };
    [a, b].iter().filter(is_dead).map(described).collect()
}
