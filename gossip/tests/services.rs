//! The services at the owners of keys, on nodes over real sockets.

#![cfg(feature = "services")]

mod nodes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use gossip::CallError;
use gossip::link::{Cluster, RunningNode};
use gossip::services::cache::{Cache, Cached};
use gossip::services::limiter::{Quota, RateLimiter, Verdict};
use gossip::services::tracker::Tracker;
use tokio::time::timeout;

use nodes::cluster;

const HOUR: Duration = Duration::from_secs(3_600);

/// Returns the position of the owner of a key.
fn owner(nodes: &[RunningNode], key: &str) -> usize {
    let owners = nodes[0].cluster().snapshot().expect("it has joined").owners(key);
    let is_owner = |node: &RunningNode| node.cluster().node() == owners[0];
    nodes.iter().position(is_owner).expect("the owner is one of them")
}

/// Makes a node never answer calls of this handler, as if it were frozen.
fn silence(cluster: &Cluster, handler: &str) {
    cluster.handle(handler, |_, _| std::future::pending());
}

#[tokio::test]
async fn limit_holds_over_all_nodes_and_at_each_node_without_the_owner() {
    let nodes = cluster(["a", "b", "c", "d"]).await;
    let limiters: Vec<_> = nodes.iter().map(|node| RateLimiter::new(node.cluster())).collect();
    let quota = Quota::new(10, HOUR).expect("a valid quota");
    // A hundred clients at four nodes hit one key at the same time.
    let hit = |client: usize| limiters[client % 4].hit("login", "ada", quota);
    let verdicts: Vec<Verdict> = join_all((0..100).map(hit)).await;
    let allowed: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.allowed).collect();
    assert_eq!(allowed.len(), 10);
    assert!(verdicts.iter().all(|verdict| !verdict.is_local));
    assert!(verdicts.iter().all(|verdict| verdict.decided_by == allowed[0].decided_by));
    let refused = verdicts.iter().filter(|verdict| !verdict.allowed);
    assert!(refused.into_iter().all(|verdict| verdict.retry_after > HOUR / 20));
    assert_eq!(allowed.iter().map(|verdict| verdict.remaining).min(), Some(0));
    // The owner of another key is silent: each node decides for itself, and says so.
    let silent = owner(&nodes, "login\0grace");
    silence(nodes[silent].cluster(), "gossip/limit");
    let hit = |client: usize| limiters[client % 4].hit("login", "grace", quota);
    let verdicts: Vec<Verdict> = join_all((0..100).map(hit)).await;
    for node in &nodes {
        let name = node.cluster().node();
        let of_node = verdicts.iter().filter(|verdict| verdict.decided_by == name);
        assert_eq!(of_node.filter(|verdict| verdict.allowed).count(), 10, "{name}");
    }
    assert!(verdicts.iter().all(|verdict| verdict.is_local));
    // Other keys are not affected.
    let other = (0..).map(|number| number.to_string());
    let other = other.into_iter().find(|key| owner(&nodes, &format!("login\0{key}")) != silent);
    let verdict = limiters[0].hit("login", &other.expect("there are many"), quota).await;
    assert!(verdict.allowed && !verdict.is_local);
}

#[tokio::test]
async fn value_is_loaded_once_and_held_by_its_owner() {
    let nodes = cluster(["a", "b", "c", "d"]).await;
    let caches: Vec<_> = nodes.iter().map(|node| Cache::new(node.cluster())).collect();
    let loaded = Arc::new(AtomicUsize::new(0));
    for node in &nodes {
        let loaded = Arc::clone(&loaded);
        node.cluster().handle("avatar", move |_, args| {
            loaded.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if args.is_empty() { Err("no such user".to_owned()) } else { Ok(args) }
            }
        });
    }
    let holder = owner(&nodes, "ada");
    let expected =
        Cached { value: b"ada's".to_vec(), from: nodes[holder].cluster().node(), is_held: true };
    let load = |number: usize| caches[number % 4].get_or_load("ada", HOUR, "avatar", b"ada's");
    for cached in join_all((0..100).map(load)).await {
        assert_eq!(cached, Ok(expected.clone()));
    }
    assert_eq!(loaded.load(Ordering::Relaxed), 1);
    for cache in &caches {
        assert_eq!(cache.get("ada").await, Ok((Some(b"ada's".to_vec()), expected.from)));
    }
    // A failure is not held.
    for _ in 0..2 {
        let failed = caches[0].get_or_load("nobody", HOUR, "avatar", b"").await;
        assert!(matches!(failed, Err(CallError::Failed { .. })), "{failed:?}");
    }
    assert_eq!(loaded.load(Ordering::Relaxed), 3);
    // Values end by their time to live, and by deletion.
    let short = Duration::from_millis(30);
    caches[1].put("brief", b"1", short).await.expect("the owner answers");
    tokio::time::sleep(short * 2).await;
    assert_eq!(caches[2].get("brief").await.map(|(value, _)| value), Ok(None));
    assert_eq!(caches[3].delete("ada").await, Ok(true));
    assert_eq!(caches[0].delete("ada").await, Ok(false));
    assert_eq!(caches[0].get("ada").await.map(|(value, _)| value), Ok(None));
    // A silent owner does not hold up those who ask, and what is loaded for them is not held.
    let key = (0..).map(|number| number.to_string()).find(|key| owner(&nodes, key) == 3);
    let key = key.expect("there are many");
    silence(nodes[3].cluster(), "gossip/cache/load");
    let loaded = caches[0].get_or_load(&key, HOUR, "avatar", b"3").await.expect("it is loaded");
    assert!(loaded.value == b"3" && !loaded.is_held && loaded.from != nodes[3].cluster().node());
    let name = "x".repeat(401);
    assert_eq!(caches[0].get(&name).await, Err(CallError::Handler { bytes: 401 }));
}

#[tokio::test]
async fn frequent_events_are_found_and_missing_nodes_are_told() {
    let nodes = cluster(["a", "b", "c", "d"]).await;
    let trackers: Vec<_> = nodes.iter().map(|node| Tracker::new(node.cluster())).collect();
    for (event, count) in [("get", 20), ("put", 10), ("delete", 5)] {
        for number in 0..count {
            trackers[number % 4].track("api", event);
        }
    }
    trackers[0].track("page", "open");
    // Events are sent without waiting.
    let sum = |events: &[(String, u64)]| events.iter().map(|(_, count)| count).sum::<u64>();
    let all = async { while sum(&trackers[1].top("api", 10).await.events) < 35 {} };
    timeout(HOUR / 60, all).await.expect("all events are counted");
    let top = trackers[0].top("api", 2).await;
    assert_eq!(top.events, [("get".to_owned(), 20), ("put".to_owned(), 10)]);
    assert_eq!((top.answered, top.of), (4, 4));
    let missing = owner(&nodes, "api\0delete");
    silence(nodes[missing].cluster(), "gossip/track");
    let top = trackers[(missing + 1) % 4].top("api", 10).await;
    assert_eq!((top.answered, top.of), (3, 4));
    assert!(!top.events.iter().any(|(event, _)| event == "delete"));
}
