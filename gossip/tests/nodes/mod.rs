//! Nodes over real sockets, for the tests of the handles.

use std::time::Duration;

use gossip::NodeName;
use gossip::link::{Builder, Cluster, RunningNode, Secret};
use gossip::types::snapshot::Snapshot;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Starts nodes with these names, which know each other, and waits until they have joined.
pub(crate) async fn cluster<const N: usize>(names: [&str; N]) -> [RunningNode; N] {
    let names = names.map(|name| name.parse::<NodeName>().expect("a valid name"));
    let mut listeners = Vec::new();
    for _ in names {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    }
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let mut listeners = listeners.into_iter();
    let nodes = names.map(|name| {
        let builder = Builder::new(name, Secret::new("test", "secret"))
            .gossip_interval(Duration::from_millis(20));
        let peers = names.iter().zip(&addresses).filter(|(peer, _)| **peer != name);
        let builder = peers.fold(builder, |builder, (peer, address)| builder.peer(*peer, address));
        builder.start(listeners.next().expect("one for each name"))
    });
    for node in &nodes {
        node.joined().await;
    }
    nodes
}

/// Waits until a node shows this.
pub(crate) async fn shown(cluster: &Cluster, is_shown: impl Fn(&Snapshot) -> bool) {
    let mut snapshots = cluster.snapshots();
    let is_shown = snapshots.wait_for(|snapshot| snapshot.as_ref().is_some_and(&is_shown));
    let is_shown = timeout(Duration::from_secs(30), is_shown).await.expect("it is shown in time");
    drop(is_shown.expect("the node is running"));
}
