//! A cache over nodes: the owner of a key loads its value once, however many ask, and holds it for a
//! while.
//!
//! ```text
//! cargo run -p gossip --features services --example distributed_cache
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use gossip::link::local_cluster;
use gossip::services::cache::Cache;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = local_cluster(["ada".parse()?, "bob".parse()?, "eve".parse()?]).await?;
    let caches: Vec<_> = nodes.iter().map(|node| Cache::new(node.cluster())).collect();
    let loads = Arc::new(AtomicU32::new(0));
    for node in &nodes {
        let loads = Arc::clone(&loads);
        node.cluster().handle("avatar", move |_, user| {
            loads.fetch_add(1, Ordering::Relaxed);
            async move {
                // A slow database.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok([b"the picture of ".as_slice(), &user].concat())
            }
        });
    }

    // Sixty requests at three nodes, at the same time.
    let get = |request: usize| caches[request % 3].get_or_load("grace", MINUTE, "avatar", b"grace");
    let mut holder = None;
    for cached in join_all((0..60).map(get)).await {
        holder = Some(cached?.from);
    }
    let holder = holder.expect("there were requests");
    println!("60 requests, {} load; {holder} holds the value", loads.load(Ordering::Relaxed));
    assert_eq!(loads.load(Ordering::Relaxed), 1);

    // What changed must be removed, or it is served until its time is over.
    caches[0].delete("grace").await?;
    assert_eq!(caches[1].get("grace").await?.0, None);
    caches[2].put("grace", b"a new picture", MINUTE).await?;
    let (value, _) = caches[0].get("grace").await?;
    println!("now it is {}", String::from_utf8(value.expect("it was just put"))?);
    Ok(())
}
