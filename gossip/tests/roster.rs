//! Nodes that become members of a running cluster, and leave it.

#![cfg(feature = "net")]

use std::time::Duration;

use gossip::NodeName;

use gossip::link::{AskError, Builder, Cluster, MemberState, NodeEnd, RunningNode, Secret};
use tokio::net::TcpListener;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(20);

fn name(text: &str) -> NodeName {
    text.parse().expect("a name")
}

fn secret() -> Secret {
    Secret::new("test", "a secret of this test")
}

/// Starts three members, and returns them with their addresses.
async fn three() -> (Vec<RunningNode>, Vec<(NodeName, String)>) {
    let mut listeners = Vec::new();
    for text in ["a", "b", "c"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        listeners.push((name(text), address, listener));
    }
    let addresses: Vec<(NodeName, String)> =
        listeners.iter().map(|(name, address, _)| (*name, address.clone())).collect();
    let nodes = listeners.into_iter().map(|(me, _, listener)| {
        let builder = Builder::new(me, secret()).gossip_interval(INTERVAL);
        let peers = addresses.iter().filter(|(peer, _)| *peer != me);
        peers.fold(builder, |it, (peer, address)| it.peer(*peer, address)).start(listener)
    });
    (nodes.collect(), addresses)
}

/// Starts a further node, which knows only the addresses of these members.
async fn further(text: &str, members: &[(NodeName, String)]) -> RunningNode {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let builder = Builder::new(name(text), secret()).gossip_interval(INTERVAL).further(address);
    let builder = members.iter().fold(builder, |it, (peer, address)| it.peer(*peer, address));
    builder.start(listener)
}

/// Waits until this node sees exactly these members, all of them up.
async fn sees(cluster: &Cluster, expected: &[&str]) {
    let mut changes = cluster.membership();
    timeout(LIMIT, async {
        loop {
            let members = cluster.members();
            let is_up = members.iter().all(|member| member.state == MemberState::Up);
            if is_up && members.iter().map(|member| member.name.to_string()).eq(expected.to_vec()) {
                return;
            }
            // A member that was forgotten is no change of a state.
            let _ = timeout(INTERVAL, changes.next()).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{expected:?} expected, {:?} seen", cluster.members()));
}

#[tokio::test]
async fn further_nodes_join_find_each_other_and_are_forgotten() {
    let (nodes, addresses) = three().await;
    let d = further("d", &addresses).await;
    timeout(LIMIT, d.joined()).await.expect("it joins");
    d.cluster().counter("visits").add(3).await.expect("a member writes");
    // Two at once: each needs the other, and learns its address from the members only.
    let (e, f) = (further("e", &addresses).await, further("f", &addresses).await);
    timeout(LIMIT, e.joined()).await.expect("it joins");
    timeout(LIMIT, f.joined()).await.expect("it joins");
    for cluster in
        nodes.iter().map(RunningNode::cluster).chain([d.cluster(), e.cluster(), f.cluster()])
    {
        sees(cluster, &["a", "b", "c", "d", "e", "f"]).await;
    }
    let a = nodes[0].cluster();
    assert!(matches!(a.forget(name("x")).await, Err(AskError::Refused(_))));
    e.stop().await;
    a.forget(name("e")).await.expect("a member may forget another one");
    // One that runs halts, although others have dialled it, and may start again.
    a.forget(name("f")).await.expect("a member may forget another one");
    assert_eq!(timeout(LIMIT, f.ended()).await.expect("it halts"), NodeEnd::Failed);
    for cluster in nodes.iter().map(RunningNode::cluster).chain([d.cluster()]) {
        sees(cluster, &["a", "b", "c", "d"]).await;
    }
    let again = further("f", &addresses).await;
    timeout(LIMIT, again.joined()).await.expect("it joins again");
}
