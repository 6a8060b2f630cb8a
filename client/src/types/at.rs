//! The node that a command asks.

use superhero::{Api, Error};

use crate::output::Failure;
use crate::table::clean;

/// The largest number of nodes that an error names.
const NODES_SHOWN: usize = 32;

/// Returns the client of the node with this name or URL. Names are those of dispatch's cluster, and
/// `None` is dispatch.
///
/// # Errors
/// There is no such node, or dispatch does not know its address, or does not answer.
pub(super) fn node(dispatch: &Api, at: Option<&str>) -> Result<Api, Failure> {
    let Some(at) = at else { return Ok(dispatch.clone()) };
    if at.contains("://") {
        return Ok(dispatch.at(at)?);
    }
    let nodes = dispatch.cluster().map_err(unresolved)?.value.nodes;
    let Some(node) = nodes.iter().find(|node| node.name.eq_ignore_ascii_case(at)) else {
        let known: Vec<&str> =
            nodes.iter().take(NODES_SHOWN).map(|node| node.name.as_str()).collect();
        let known = clean(&known.join(", "));
        return Err(Failure::Unusable(format!(
            "there is no node {at:?}; expected a URL, or one of {known}"
        )));
    };
    match &node.address {
        // Dispatch has the address of the others only.
        _ if node.role == "dispatch" => Ok(dispatch.clone()),
        Some(address) => Ok(dispatch.at_address(address)?),
        None => Err(Failure::Unusable(format!(
            "dispatch does not know the address of {at}; give the URL of the node"
        ))),
    }
}

/// Returns the failure to look up a name at dispatch.
fn unresolved(error: Error) -> Failure {
    if error.is_unreachable() {
        let hint = "a node is found by its name at dispatch only; --at takes its URL too";
        return Failure::NoAnswer(format!("{error}; {hint}"));
    }
    error.into()
}
