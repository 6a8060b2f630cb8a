//! `messages`: the latency of publications to a hundred subscribers at four nodes, with and without ten
//! that never read; the time of a call; a list of work over four nodes next to one.
//!
//! All nodes run in this process, over sockets of the loopback address.

use std::time::Duration;

use benches::table::{Spread, budgeted, in_ms, line, part};
use benches::text::times;
use gossip::NodeName;
use gossip::link::{Cluster, News, RunningNode, Target, local_cluster};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// The subscribers, a quarter of them at each node.
const SUBSCRIBERS: usize = 100;
/// Those of them that never read.
const SLEEPERS: usize = 10;
/// The messages of a run, one each millisecond.
const MESSAGES: u64 = 5_000;
/// How much the 99th percentile may grow with sleepers.
const GROWTH_MAX: Duration = Duration::from_millis(50);
/// The calls that are timed.
const CALLS: usize = 5_000;
/// The items of a list, and how long each takes.
const ITEMS: usize = 1_000;
const ITEM_TIME: Duration = Duration::from_millis(5);
/// The time after which a reader gives up.
const SILENCE_MAX: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let names = ["a", "b", "c", "d"].map(|name| name.parse::<NodeName>().expect("a valid name"));
    let nodes = local_cluster(names).await.expect("free ports");

    part("1,000 messages a second, 100 subscribers at 4 nodes");
    let alone = latencies(&nodes, 0).await;
    let beside = latencies(&nodes, SLEEPERS).await;
    for (name, spread) in [("all read", &alone), ("10 never read", &beside)] {
        line(name, &spread.ms());
    }
    let growth = beside.at(0.99) - alone.at(0.99);
    budgeted("growth of p99", &format!("{growth:.1} ms"), "50 ms", growth <= in_ms(GROWTH_MAX));

    part("Calls");
    for node in &nodes {
        serve(node.cluster());
    }
    let cluster = nodes[0].cluster();
    for (name, target) in [("to another node", names[1]), ("to the node itself", names[0])] {
        let mut spread = Vec::new();
        for _ in 0..CALLS {
            let started = Instant::now();
            cluster.call(&Target::Node(target), "echo", b"hello").await.expect("a result");
            spread.push(started.elapsed().as_secs_f64() * 1e6);
        }
        let spread = Spread::of(spread);
        line(name, &format!("p50 {:.0}, p99 {:.0} µs", spread.at(0.5), spread.at(0.99)));
    }

    part("1,000 items of 5 ms each, 4 at the same time at each node");
    let one = work(cluster, Target::Node(names[1]), 4).await;
    let four = work(cluster, Target::RoundRobin, 16).await;
    line("one node", &format!("{:.2} s", one.as_secs_f64()));
    line("four nodes", &format!("{:.2} s", four.as_secs_f64()));
    line("one node next to four", &times(one.as_secs_f64() / four.as_secs_f64()));
    for node in nodes {
        node.stop().await;
    }
}

fn serve(cluster: &Cluster) {
    cluster.handle("echo", |_, args| async { Ok(args) });
    cluster.handle("wait", |_, _| async {
        sleep(ITEM_TIME).await;
        Ok(Vec::new())
    });
}

/// Publishes at the first node, and returns the latencies of all messages at all readers, in
/// milliseconds. The first subscribers never read.
async fn latencies(nodes: &[RunningNode], sleepers: usize) -> Spread {
    let topic = format!("news {sleepers}");
    let started = Instant::now();
    let mut subscriptions: Vec<_> = (0..SUBSCRIBERS)
        .map(|number| nodes[number % nodes.len()].cluster().topic(&topic).subscribe())
        .collect();
    // Kept, so that messages wait for them.
    let sleeping: Vec<_> = subscriptions.drain(..sleepers).collect();
    let mut readers = JoinSet::new();
    for mut subscription in subscriptions {
        readers.spawn(async move {
            let mut latencies = Vec::new();
            let mut received = 0;
            while received < MESSAGES {
                match timeout(SILENCE_MAX, subscription.next()).await {
                    Ok(Some(News::Message { body, .. })) => {
                        let sent = u64::from_le_bytes((*body).try_into().expect("eight bytes"));
                        let now = started.elapsed().as_secs_f64();
                        latencies.push((now - Duration::from_nanos(sent).as_secs_f64()) * 1e3);
                        received += 1;
                    }
                    Ok(Some(News::Missed { count, .. })) => received += count,
                    Ok(None) | Err(_) => break,
                }
            }
            latencies
        });
    }
    let publisher = nodes[0].cluster().topic(&topic);
    let mut ticks = interval(Duration::from_millis(1));
    for _ in 0..MESSAGES {
        ticks.tick().await;
        let sent = u64::try_from(started.elapsed().as_nanos()).expect("a short run");
        publisher.post(&sent.to_le_bytes()).expect("room in the queue");
    }
    let latencies: Vec<f64> = readers.join_all().await.into_iter().flatten().collect();
    let expected = (SUBSCRIBERS - sleepers) * usize::try_from(MESSAGES).expect("few messages");
    line("messages received of those published", &format!("{} of {expected}", latencies.len()));
    drop(sleeping);
    Spread::of(latencies)
}

/// Returns the time of a list of work.
async fn work(cluster: &Cluster, target: Target, concurrency: usize) -> Duration {
    let started = Instant::now();
    let work = cluster.work("wait", vec![Vec::new(); ITEMS]);
    let results = work.target(target).concurrency(concurrency).collect().await;
    assert!(results.iter().all(Result::is_ok), "an item has no result");
    started.elapsed()
}
