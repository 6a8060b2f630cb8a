//! A key-value table on three nodes: writes of two sides of a partition, batches that arrive whole,
//! and scans by prefix.
//!
//! ```text
//! cargo run -p gossip --features net --example kv
//! ```

use gossip::NodeName;
use gossip::link::{Builder, RunningNode, Secret, TableHandle};
use gossip::types::registers::Batch;
use tokio::net::TcpListener;

/// Starts three nodes that know each other.
async fn three() -> Result<Vec<RunningNode>, Box<dyn std::error::Error>> {
    let mut listeners = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let name: NodeName = name.parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listeners.push((name, listener.local_addr()?.to_string(), listener));
    }
    let peers: Vec<(NodeName, String)> =
        listeners.iter().map(|(name, address, _)| (*name, address.clone())).collect();
    let mut nodes = Vec::new();
    for (name, _, listener) in listeners {
        let secret = Secret::new("kv example", "a secret that all three share");
        let others = peers.iter().filter(|(peer, _)| *peer != name);
        let builder = others.fold(Builder::new(name, secret), |builder, (peer, address)| {
            builder.peer(*peer, address.clone())
        });
        nodes.push(builder.start(listener));
    }
    for node in &nodes {
        node.joined().await;
    }
    Ok(nodes)
}

/// Waits until the key has this value, or none.
async fn wait_for(node: &RunningNode, table: &TableHandle, key: &str, value: Option<&str>) {
    let mut snapshots = node.cluster().snapshots();
    loop {
        let held = table.get(key).map(|register| register.value);
        if held.as_deref() == value.map(str::as_bytes) {
            return;
        }
        snapshots.changed().await.expect("the node is running");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = three().await?;
    let tables: Vec<TableHandle> =
        nodes.iter().map(|node| node.cluster().table("villains")).collect();

    tables[0].put("joker", b"at large").await?;
    for (node, table) in nodes.iter().zip(&tables) {
        wait_for(node, table, "joker", Some("at large")).await;
    }
    println!("all read what ada wrote");

    // A batch is one step: no other node shows one of its keys without the other.
    let put = [("penguin", "arrested"), ("riddler", "arrested")]
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    tables[1].write(Batch { put: put.into(), delete: ["joker".to_owned()].into() }).await?;
    wait_for(&nodes[0], &tables[0], "penguin", Some("arrested")).await;
    assert!(tables[0].get("riddler").is_some() && tables[0].get("joker").is_none());
    println!("ada reads the whole batch: {:?}", tables[0].scan("").keys());

    // Of two writes to one key the later one wins, wherever they were made.
    let (first, second) =
        tokio::join!(tables[0].put("riddler", b"escaped"), tables[1].put("riddler", b"released"));
    first?;
    second?;
    let winner = tables.iter().filter_map(|table| table.get("riddler"));
    let winner = winner.max_by_key(|register| register.stamp).expect("both have written it");
    let winner = String::from_utf8(winner.value)?;
    for (node, table) in nodes.iter().zip(&tables) {
        wait_for(node, table, "riddler", Some(&winner)).await;
    }
    println!("all three agree: the riddler is {winner}");

    // A deleted key may be set again.
    tables[2].put("joker", b"back").await?;
    wait_for(&nodes[0], &tables[0], "joker", Some("back")).await;
    println!("keys with the prefix \"j\": {:?}", tables[0].scan("j").keys());
    Ok(())
}
