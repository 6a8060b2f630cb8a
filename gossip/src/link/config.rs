//! The configuration of a cluster at one node: members, addresses and credentials.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::NodeName;
use crate::link::secret::Secret;
use crate::link::tls::Tls;
use crate::membership::Roster;

/// The configuration of the cluster at one node.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The name of the cluster. Nodes of another name are refused.
    pub name: NodeName,
    /// The members from the start.
    pub roster: Roster,
    /// The address at which others reach this node, as HOST:PORT, if it becomes a further member. They
    /// are not configured with it.
    pub advertised: Option<String>,
    /// The addresses that this node dials, as HOST:PORT.
    pub addresses: BTreeMap<NodeName, String>,
    /// The family of the members that may control the processes of other nodes: inject faults, set
    /// the pace of gossip, stop them. They receive their reports. See [`NodeName::is_of`].
    pub controller: Option<NodeName>,
    /// The secret that all members share.
    pub secret: Secret,
    /// The certificates for TLS; `None` for plain TCP.
    pub tls: Option<Tls>,
    /// The size limit of received frames, in bytes.
    pub frame_bytes_max: usize,
}

impl ClusterConfig {
    /// Returns whether this node may control the processes of others.
    pub(super) fn is_controller(&self, node: NodeName) -> bool {
        self.controller.is_some_and(|family| node.is_of(family))
    }

    /// Advertises the address at which a further node listens, unless it advertises another one. If it
    /// listens at all addresses of its machine, it is not known which one others reach.
    pub fn advertise_if_further(&mut self, listening: SocketAddr) {
        if self.roster.is_further() && self.advertised.is_none() {
            self.advertised = (!listening.ip().is_unspecified()).then(|| listening.to_string());
        }
    }
}
