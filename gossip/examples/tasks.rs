//! Tasks over nodes: a call with its three outcomes, and a list of work that is finished although a node
//! stops.
//!
//! ```text
//! cargo run -p gossip --features net --example tasks
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use gossip::link::{Cluster, Target, local_cluster};

/// Registers the handlers of a node. Code does not travel: each program brings its own.
fn serve(cluster: &Cluster) {
    // Computes, so it runs on a thread of its own.
    cluster.handle_blocking("prime", |context, args| {
        let above: u64 = std::str::from_utf8(args)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("the argument is no number")?;
        let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        let prime = (above + 1..).take_while(|_| !context.is_cancelled()).find(is_prime);
        prime.map(|prime| prime.to_string().into_bytes()).ok_or("cancelled".to_owned())
    });
    cluster.handle("sleep", |_, _| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(Vec::new())
    });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [a, b, c, d] =
        local_cluster(["ada".parse()?, "bob".parse()?, "eve".parse()?, "fay".parse()?]).await?;
    for node in [&a, &b, &c, &d] {
        serve(node.cluster());
    }
    let cluster = a.cluster();

    // It is done, failed or was not executed, or nobody knows.
    let done = cluster.call(&Target::LeastLoaded, "prime", b"1000000").await?;
    println!("{} found {}", done.from, String::from_utf8(done.result)?);
    let failed = cluster.call(&Target::RoundRobin, "prime", b"one").await;
    println!("{}", failed.expect_err("it is no number"));
    let bob = Target::Node("bob".parse()?);
    let late = cluster.call_within(Duration::from_millis(100), &bob, "sleep", b"").await;
    println!("{}", late.expect_err("it sleeps"));

    // Two hundred items, and a node that stops in between.
    let numbers: Vec<u64> = (1..=200).map(|number| number * 1_000_000).collect();
    let items = numbers.iter().map(|number| number.to_string().into_bytes()).collect();
    let mut results = std::pin::pin!(cluster.work("prime", items).results());
    let (mut counts, mut stopping, mut finished) = (BTreeMap::new(), Some(d), 0);
    while let Some((_item, result)) = results.next().await {
        *counts.entry(result?.from).or_insert(0) += 1;
        finished += 1;
        if finished == 50
            && let Some(node) = stopping.take()
        {
            println!("fay stops");
            node.stop().await;
        }
    }
    for (node, count) in counts {
        println!("{node} found {count} primes");
    }
    assert_eq!(finished, numbers.len());
    Ok(())
}
