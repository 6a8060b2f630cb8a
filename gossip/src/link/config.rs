//! What a node knows of its cluster: who belongs to it, where they listen, and what proves it.

use std::collections::BTreeMap;

use crate::id::NodeName;
use crate::link::secret::Secret;
use crate::link::tls::Tls;
use crate::membership::Roster;

/// A node's configuration of its cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The members, this node among them.
    pub roster: Roster,
    /// The addresses that this node dials, as HOST:PORT.
    pub addresses: BTreeMap<NodeName, String>,
    /// The member that may control other nodes' processes: inject faults, set the pace of gossip,
    /// end them. It receives their reports.
    pub controller: Option<NodeName>,
    /// The secret that all members share.
    pub secret: Secret,
    /// The certificates by which links are encrypted, if they are.
    pub tls: Option<Tls>,
    /// The largest frame that is read, in bytes.
    pub frame_bytes_max: usize,
}
