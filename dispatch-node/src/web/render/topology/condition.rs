//! The condition of a node, in one of a few phrases that are never mixed.

use crate::model::node_state::{NodeState, NodeStatus};
use crate::text::title;

/// The CSS class and the phrase for the condition of a node; the phrase is empty for a node that is
/// up, read and not frozen.
pub(super) fn condition(node: &NodeState) -> (&'static str, &'static str) {
    match node.status {
        NodeStatus::Down => ("stopped", "has stopped"),
        NodeStatus::Unreachable if node.age.is_none() => ("unknown", "not read yet"),
        NodeStatus::Unreachable | NodeStatus::Up if node.frozen => ("frozen", "frozen"),
        NodeStatus::Unreachable => ("unknown", "is unreachable"),
        NodeStatus::Up if node.recovering => ("recovering", "recovering"),
        NodeStatus::Up if !node.is_read => ("unknown", "not read yet"),
        NodeStatus::Up => ("up", ""),
    }
}

/// The reasons for which a link without faults carries nothing: its ends that are not available.
pub(super) fn unavailable_ends(a: &NodeState, b: &NodeState) -> Vec<String> {
    let is_unavailable =
        |node: &&&NodeState| matches!(condition(node).0, "stopped" | "frozen" | "unknown");
    let described = |node: &&NodeState| match condition(node).1 {
        "frozen" => format!("{} is frozen", title(node.name)),
        "not read yet" => format!("{} was not read yet", title(node.name)),
        words => format!("{} {words}", title(node.name)),
    };
    [a, b].iter().filter(is_unavailable).map(described).collect()
}
