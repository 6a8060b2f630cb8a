//! A distributed counter on two nodes, over real sockets: create, increment, decrement, local and
//! total value. A node leaves and joins again, and nothing is lost.
//!
//! ```text
//! cargo run -p gossip --features net --example counter
//! ```

use gossip::NodeName;
use gossip::link::{Builder, Cluster, RunningNode, Secret};
use tokio::net::TcpListener;

/// Starts `name` at its address, with the other node as its peer.
async fn start(
    name: NodeName,
    address: &str,
    peer: (NodeName, &str),
) -> std::io::Result<RunningNode> {
    let listener = TcpListener::bind(address).await?;
    let secret = Secret::new("counter example", "a secret that both nodes share");
    let node = Builder::new(name, secret).peer(peer.0, peer.1).start(listener);
    node.joined().await;
    Ok(node)
}

/// Waits until this node has the total.
async fn wait_for(cluster: &Cluster, name: &str, total: i128) {
    let mut snapshots = cluster.snapshots();
    let has_total = |snapshot: &Option<gossip::types::snapshot::Snapshot>| {
        let counter = snapshot.as_ref().and_then(|snapshot| snapshot.counter(name));
        counter.is_some_and(|counter| counter.total == total)
    };
    snapshots.wait_for(has_total).await.expect("the node is running");
}

/// Two free addresses of this machine.
async fn addresses() -> std::io::Result<[String; 2]> {
    let (one, other) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    Ok([one.local_addr()?.to_string(), other.local_addr()?.to_string()])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ada, bob): (NodeName, NodeName) = ("ada".parse()?, "bob".parse()?);
    let [at_ada, at_bob] = addresses().await?;
    let (a, b) = tokio::try_join!(
        start(ada, &at_ada, (bob, &at_bob)),
        start(bob, &at_bob, (ada, &at_ada)),
    )?;

    // A counter exists as soon as somebody counts.
    a.cluster().counter("visits").add(5).await?;
    b.cluster().counter("visits").add(10).await?;
    b.cluster().counter("visits").add(-3).await?;
    for node in [&a, &b] {
        wait_for(node.cluster(), "visits", 12).await;
        let counter = node.cluster().counter("visits");
        println!("local {}, total {}", counter.local(), counter.value().total);
    }

    // bob leaves: his share stays, and ada goes on counting.
    b.stop().await;
    let visits = a.cluster().counter("visits");
    visits.add(1).await?;
    println!(
        "without bob: total {}, of which bob's {}",
        visits.value().total,
        visits.value().share(bob)
    );

    // bob joins again with an empty memory, takes what ada holds, and counts on.
    let b = start(bob, &at_bob, (ada, &at_ada)).await?;
    wait_for(b.cluster(), "visits", 13).await;
    b.cluster().counter("visits").add(7).await?;
    for node in [&a, &b] {
        wait_for(node.cluster(), "visits", 20).await;
        let counter = node.cluster().counter("visits");
        println!("local {}, total {}", counter.local(), counter.value().total);
    }
    Ok(())
}
