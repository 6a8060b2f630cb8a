//! The names and colours of the four nodes.

use shared::well_known::DISPATCH;

/// The nodes in the order of their start. The colours are those of the page.
pub(crate) const NODES: [Node; 4] = [
    Node { name: "gotham", colour: 98 },
    Node { name: "metropolis", colour: 36 },
    Node { name: "capitol", colour: 172 },
    Node { name: DISPATCH, colour: 245 },
];

/// A node of the cluster, which runs as a process.
#[derive(Debug)]
pub(crate) struct Node {
    /// The name of the node, and of its binary.
    pub(crate) name: &'static str,
    /// The colour of the name, from the 256 colours of a terminal.
    pub(crate) colour: u8,
}
