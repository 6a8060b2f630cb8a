//! Nodes over real sockets, for the tests of the handles.

use std::time::Duration;

use gossip::NodeName;
use gossip::link::{Cluster, RunningNode, local_cluster};
use gossip::types::snapshot::Snapshot;
use tokio::time::timeout;

/// Starts nodes with these names, and waits until each reaches all.
pub(crate) async fn cluster<const N: usize>(names: [&str; N]) -> [RunningNode; N] {
    let names = names.map(|name| name.parse::<NodeName>().expect("a valid name"));
    local_cluster(names).await.expect("there are free ports")
}

/// Waits until a node shows this.
#[allow(dead_code, reason = "not all tests wait")]
pub(crate) async fn shown(cluster: &Cluster, is_shown: impl Fn(&Snapshot) -> bool) {
    let mut snapshots = cluster.snapshots();
    let is_shown = snapshots.wait_for(|snapshot| snapshot.as_ref().is_some_and(&is_shown));
    let is_shown = timeout(Duration::from_secs(30), is_shown).await.expect("it is shown in time");
    drop(is_shown.expect("the node is running"));
}
