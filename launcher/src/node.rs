//! The four nodes, by name.

use shared::well_known::DISPATCH;

/// The nodes in the order in which they start, with the page's colours for their names.
pub(crate) const NODES: [Node; 4] = [
    Node { name: "gotham", colour: 98 },
    Node { name: "metropolis", colour: 36 },
    Node { name: "capitol", colour: 172 },
    Node { name: DISPATCH, colour: 245 },
];

/// A process of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    /// The name of the node, and of its binary.
    pub(crate) name: &'static str,
    /// One of a terminal's 256 colours.
    pub(crate) colour: u8,
}
