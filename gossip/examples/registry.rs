//! A global registry on two nodes: a name has one owner. When its owner ends, another node takes
//! over.
//!
//! ```text
//! cargo run -p gossip --features net --example registry
//! ```

use std::time::Duration;

use gossip::NodeName;
use gossip::link::{AskError, Builder, Cluster, RunningNode, Secret};
use tokio::net::TcpListener;

async fn start(
    name: NodeName,
    address: &str,
    peer: (NodeName, &str),
) -> std::io::Result<RunningNode> {
    let listener = TcpListener::bind(address).await?;
    let secret = Secret::new("registry example", "a secret that both nodes share");
    let node = Builder::new(name, secret).peer(peer.0, peer.1).start(listener);
    node.joined().await;
    Ok(node)
}

/// Waits until this node knows the owner of the name.
async fn wait_for_owner(cluster: &Cluster, name: &str) -> NodeName {
    let mut snapshots = cluster.snapshots();
    loop {
        if let Some(held) = cluster.name(name).find() {
            return held.owner.node;
        }
        snapshots.changed().await.expect("the node is running");
    }
}

/// Registers the name as soon as it is free.
async fn take_over(cluster: &Cluster, name: &str) -> Result<(), AskError> {
    loop {
        match cluster.name(name).register(b"10.0.0.2:80").await {
            Ok(_) => return Ok(()),
            // The owner may have ended without a word: it is up until its silence is noticed.
            Err(AskError::Refused(why)) => println!("  not yet: {why}"),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ada, bob): (NodeName, NodeName) = ("ada".parse()?, "bob".parse()?);
    let (one, other) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (at_ada, at_bob) = (one.local_addr()?.to_string(), other.local_addr()?.to_string());
    drop((one, other));
    let (a, b) = tokio::try_join!(
        start(ada, &at_ada, (bob, &at_bob)),
        start(bob, &at_bob, (ada, &at_ada)),
    )?;

    let claim = a.cluster().name("mailer").register(b"10.0.0.1:80").await?;
    println!("ada registered the name, with the fencing token {}", claim.token());
    println!("bob finds its owner: {}", wait_for_owner(b.cluster(), "mailer").await);

    let refused = b.cluster().name("mailer").register(b"10.0.0.2:80").await;
    println!("bob tries to register it: {}", refused.err().expect("ada holds it"));

    println!("ada ends");
    a.stop().await;
    take_over(b.cluster(), "mailer").await?;
    let held = b.cluster().name("mailer").find().expect("bob holds it");
    println!("bob took over, with the higher token {}", held.token);
    assert!(held.token > claim.token());
    Ok(())
}
