//! Discovery: where a node looks for others whose addresses it was not configured with.
//!
//! A [`Discovery`] finds addresses, never members. A probe asks each address for the name of
//! the node there, and the node then dials it like any other: the handshake proves who it is, and the
//! roster decides whether it may link. So a false answer of a name server costs an attempt, and no
//! more.
//!
//! Invariant: what was found is kept until the same way finds something else, so an empty answer ends
//! no link.

#[cfg(feature = "discovery")]
mod dns;
#[cfg(feature = "discovery")]
mod kubernetes;
mod list;
#[cfg(feature = "discovery")]
mod multicast;
mod probe;
mod search;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::id::NodeName;
use crate::link::secret::Secret;

#[cfg(feature = "discovery")]
pub use dns::Dns;
#[cfg(feature = "discovery")]
pub use kubernetes::Kubernetes;
pub use list::AddressList;
#[cfg(feature = "discovery")]
pub use multicast::Multicast;
pub(super) use search::{Located, Search, search};

/// The shortest and the longest time between two looks, if they succeed.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// A way to find addresses at which nodes of the cluster may listen. It is displayed in logs.
pub trait Discovery: fmt::Display + Send {
    /// Looks once. It is called again and again, and is given up after 10 s.
    ///
    /// # Errors
    /// If nothing could be asked. An answer without addresses is no error.
    fn look<'a>(&'a mut self, own: &'a Own) -> BoxFuture<'a, anyhow::Result<Found>>;
}

/// The result of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The addresses, as HOST:PORT. Others are ignored, and so are those beyond the first 256.
    pub addresses: Vec<String>,
    /// The time for which the answer is valid. The next look follows after 1 to 5 s.
    pub valid_for: Duration,
}

/// What a node may tell others in order to be found.
#[derive(Clone, Debug)]
pub struct Own {
    /// The name of the cluster.
    pub cluster: NodeName,
    /// The name of the node.
    pub name: NodeName,
    /// The address at which it listens.
    pub listening: SocketAddr,
    /// The secret that all nodes of the cluster share.
    pub secret: Secret,
}
