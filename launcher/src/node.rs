//! The nodes that the launcher starts: the four of every cluster, and the cities that are founded.

use gossip::NodeName;
use shared::well_known::{DISPATCH, LOCATION};

/// The nodes in the order of their start. The colours are those of the page.
pub(crate) const NODES: [Node; 4] = [
    Node { name: "gotham", program: "gotham", port: 4901, colour: 98 },
    Node { name: "metropolis", program: "metropolis", port: 4902, colour: 36 },
    Node { name: "capitol", program: "capitol", port: 4903, colour: 172 },
    Node { name: DISPATCH, program: DISPATCH, port: DISPATCH_PORT, colour: DISPATCH_COLOUR },
];

/// The default port of dispatch. The ports of all nodes move with it.
pub(crate) const DISPATCH_PORT: u16 = 4900;
/// The colour of the names of dispatches.
const DISPATCH_COLOUR: u8 = 245;
/// The colour of the names of founded cities.
const FOUNDED_COLOUR: u8 = 29;

/// A node of the cluster, which runs as a process.
#[derive(Debug)]
pub(crate) struct Node {
    /// The name of the node.
    pub(crate) name: &'static str,
    /// The name of its binary.
    pub(crate) program: &'static str,
    /// The port on which it listens, if dispatch has its default one.
    pub(crate) port: u16,
    /// The colour of the name, from the 256 colours of a terminal.
    pub(crate) colour: u8,
}

impl Node {
    /// Returns a further dispatch: `number` is at least 2.
    pub(crate) fn dispatch(number: u16) -> &'static Self {
        let name = Box::leak(format!("{DISPATCH}-{number}").into_boxed_str());
        let port = DISPATCH_PORT + 1 - number;
        Box::leak(Box::new(Self { name, program: DISPATCH, port, colour: DISPATCH_COLOUR }))
    }

    /// Returns whether it serves the page.
    pub(crate) fn is_dispatch(&self) -> bool {
        self.program == DISPATCH
    }

    /// Returns a city that is founded. It is never freed, so the number of names must be bounded.
    pub(crate) fn founded(name: NodeName, port: u16) -> &'static Self {
        let name = Box::leak(name.to_string().into_boxed_str());
        Box::leak(Box::new(Self { name, program: LOCATION, port, colour: FOUNDED_COLOUR }))
    }

    /// Returns whether it is a city that was founded.
    pub(crate) fn is_founded(&self) -> bool {
        self.program == LOCATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_the_nodes() {
        for node in &NODES {
            assert_eq!(shared::options::well_known_address(node.name).port(), node.port);
        }
    }
}
