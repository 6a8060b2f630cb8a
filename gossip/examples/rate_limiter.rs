//! A rate limiter for the whole cluster: each key is counted by its owner, whichever node is asked.
//! When the owner stops, another node owns the key.
//!
//! ```text
//! cargo run -p gossip --features services --example rate_limiter
//! ```

use std::time::Duration;

use gossip::link::local_cluster;
use gossip::services::limiter::{Quota, RateLimiter};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes =
        local_cluster(["ada".parse()?, "bob".parse()?, "eve".parse()?, "fay".parse()?]).await?;
    let limiters: Vec<_> = nodes.iter().map(|node| RateLimiter::new(node.cluster())).collect();
    let quota = Quota::new(10, Duration::from_secs(3_600))?;

    // A hundred log-ins of one user, at four nodes.
    let mut allowed = 0;
    for attempt in 0..100 {
        let verdict = limiters[attempt % 4].hit("login", "10.0.0.7", quota).await;
        allowed += u32::from(verdict.allowed);
    }
    let verdict = limiters[0].hit("login", "10.0.0.7", quota).await;
    let wait = verdict.retry_after.as_secs();
    println!("{allowed} of 100 allowed by {}; again in {wait} s", verdict.decided_by);
    assert_eq!(allowed, 10);

    // The owner stops. The next one has counted nothing yet.
    let owner = verdict.decided_by;
    let is_owner = |node: &gossip::link::RunningNode| node.cluster().node() == owner;
    let mut nodes = Vec::from(nodes);
    let position = nodes.iter().position(is_owner).expect("the owner is one of them");
    nodes.remove(position).stop().await;
    let asked = usize::from(position == 0);
    let verdict = limiters[asked].hit("login", "10.0.0.7", quota).await;
    println!("{owner} has stopped: {} allows {} more", verdict.decided_by, verdict.remaining + 1);
    assert!(verdict.allowed && verdict.decided_by != owner);
    Ok(())
}
