//! Calls and work lists, on nodes over real sockets.

#![cfg(feature = "net")]

mod nodes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use gossip::link::{Cluster, Target};
use gossip::{CALL_BYTES_MAX, CallError, NodeName, Outcome};
use tokio::sync::Notify;
use tokio::time::timeout;

use nodes::cluster;

const MINUTE: Duration = Duration::from_secs(60);

fn name(text: &str) -> NodeName {
    text.parse().expect("a valid name")
}

fn to(node: &str) -> Target {
    Target::Node(name(node))
}

/// Registers a handler that returns the name of its node.
fn serve_name(cluster: &Cluster) {
    cluster.handle("name", |_, _| async { Ok(Vec::new()) });
}

#[tokio::test]
async fn call_has_three_outcomes() {
    let [a, b] = cluster(["a", "b"]).await;
    let started = Arc::new(Notify::new());
    let signal = Arc::clone(&started);
    b.cluster().handle("double", |_, args| async move { Ok([&args[..], &args].concat()) });
    b.cluster().handle("who", |context, _| async move { Ok(context.caller().to_string().into()) });
    b.cluster().handle("fail", |_, _| async { Err("no luck".to_owned()) });
    b.cluster().handle_blocking("panic", |_, _| panic!("at once"));
    b.cluster().handle("large", |_, _| async { Ok(vec![0; 10_000_000]) });
    b.cluster().handle("endless", move |_, _| {
        signal.notify_one();
        std::future::pending()
    });
    let call = async |target: &Target, handler: &str, args: &[u8]| {
        a.cluster().call(target, handler, args).await
    };
    // Done.
    let returned = call(&to("b"), "double", b"xy").await.expect("it has a result");
    assert_eq!((returned.from, &returned.result[..]), (name("b"), &b"xyxy"[..]));
    let returned = call(&to("b"), "who", b"").await.expect("it has a result");
    let me = a.cluster().snapshot().expect("it has joined").me();
    assert_eq!(returned.result, me.to_string().into_bytes());
    // Failed, and nothing else is disturbed.
    for (handler, expected) in [
        ("fail", "no luck"),
        ("panic", "panic: at once"),
        ("large", "a result of 10000000 bytes exceeds 65536"),
    ] {
        let error = call(&to("b"), handler, b"").await.expect_err("it fails");
        assert_eq!(error, CallError::Failed { node: name("b"), text: expected.to_owned() });
        assert_eq!(error.outcome(), Outcome::Failed);
    }
    // Not executed.
    for (target, handler, args, expected) in [
        (to("b"), "none", 0, CallError::NoHandler { node: name("b") }),
        (Target::RoundRobin, "none", 0, CallError::NoHandlers),
        (to("z"), "double", 0, CallError::NoMember(name("z"))),
        (to("b"), "", 0, CallError::Handler { bytes: 0 }),
        (to("b"), "double", CALL_BYTES_MAX + 1, CallError::TooLarge { bytes: CALL_BYTES_MAX + 1 }),
    ] {
        let error = call(&target, handler, &vec![0; args]).await.expect_err("it is refused");
        assert_eq!(error, expected);
        assert_eq!(error.outcome(), Outcome::NotExecuted);
    }
    // Unknown: no answer in time, or the link is lost.
    let short = Duration::from_millis(50);
    let late = a.cluster().call_within(short, &to("b"), "endless", b"").await;
    assert_eq!(late, Err(CallError::Unknown(name("b"))));
    started.notified().await;
    let cluster = a.cluster().clone();
    let waiting =
        tokio::spawn(async move { cluster.call_within(MINUTE, &to("b"), "endless", b"").await });
    started.notified().await;
    b.stop().await;
    assert_eq!(waiting.await.expect("no panic"), Err(CallError::Unknown(name("b"))));
    let error = call(&to("b"), "double", b"").await.expect_err("it has stopped");
    assert_eq!(error, CallError::Unreachable(name("b")));
    let stopped = a.cluster().clone();
    a.stop().await;
    assert_eq!(stopped.call(&to("b"), "double", b"").await, Err(CallError::Stopped));
}

#[tokio::test]
async fn dropped_call_stops_its_handler() {
    struct Running(Arc<Notify>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let [a, b] = cluster(["a", "b"]).await;
    let (started, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&started), Arc::clone(&dropped));
    let handler = move |_, _| {
        let (started, dropped) = signals.clone();
        async move {
            let _running = Running(dropped);
            started.notify_one();
            std::future::pending().await
        }
    };
    a.cluster().handle("endless", handler.clone());
    b.cluster().handle("endless", handler);
    for node in ["b", "a"] {
        let cluster = a.cluster().clone();
        let call =
            tokio::spawn(
                async move { cluster.call_within(MINUTE, &to(node), "endless", b"").await },
            );
        started.notified().await;
        call.abort();
        timeout(MINUTE, dropped.notified()).await.expect("its handler is stopped");
    }
}

#[tokio::test]
async fn targets_choose_among_the_nodes_with_the_handler() {
    let nodes = cluster(["a", "b", "c", "d"]).await;
    let a = nodes[0].cluster();
    // Not at the caller's own node.
    for node in &nodes[1..] {
        serve_name(node.cluster());
    }
    let mut turns = BTreeMap::new();
    for _ in 0..30 {
        let returned = a.call(&Target::RoundRobin, "name", b"").await.expect("it has a result");
        *turns.entry(returned.from.to_string()).or_insert(0) += 1;
    }
    assert!(turns.len() == 3 && turns.values().all(|turns| *turns >= 5), "{turns:?}");
    // One owner for each key, at all callers: the first in order that has the handler.
    for key in ["joker", "riddler", "penguin", "bane"] {
        let order = a.snapshot().expect("it has joined").owners(key);
        let owner = order.into_iter().find(|node| *node != name("a"));
        for node in &nodes {
            let target = Target::Owner(key.to_owned());
            let returned = node.cluster().call(&target, "name", b"").await;
            assert_eq!(Some(returned.expect("it has a result").from), owner);
        }
    }
    // The node that is busy with another call is spared.
    nodes[1].cluster().handle("wait", |_, _| std::future::pending());
    let waiting = a.clone();
    let busy =
        tokio::spawn(async move { waiting.call_within(MINUTE, &to("b"), "wait", b"").await });
    nodes[1].cluster().handle("load", |_, _| async { Ok(Vec::new()) });
    while a.call(&to("b"), "load", b"").await.is_err() {}
    for _ in 0..10 {
        let returned = a.call(&Target::LeastLoaded, "name", b"").await.expect("it has a result");
        assert_ne!(returned.from, name("b"));
    }
    busy.abort();
}

#[tokio::test]
async fn work_is_finished_although_nodes_die() {
    const ITEMS: usize = 1_000;
    let [a, b, c, d] = cluster(["a", "b", "c", "d"]).await;
    let executed = Arc::new(AtomicUsize::new(0));
    for node in [&a, &b, &c, &d] {
        let executed = Arc::clone(&executed);
        node.cluster().handle("square", move |_, args| {
            executed.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                let number = u64::from_le_bytes(args.try_into().map_err(|_| "no number")?);
                Ok((number * number).to_le_bytes().to_vec())
            }
        });
    }
    let items = (0..ITEMS as u64).map(|number| number.to_le_bytes().to_vec()).collect();
    let results = a.cluster().work("square", items).results();
    let mut results = std::pin::pin!(results);
    let mut squares = BTreeMap::new();
    let mut dying = [Some(c), Some(d)].into_iter();
    while let Some((index, result)) = results.next().await {
        let square = result.unwrap_or_else(|error| panic!("item {index}: {error}"));
        let square = u64::from_le_bytes(square.result.try_into().expect("eight bytes"));
        assert_eq!(squares.insert(index, square), None);
        if squares.len() % 300 == 0
            && let Some(node) = dying.next().flatten()
        {
            node.stop().await;
        }
    }
    let expected = (0..ITEMS).map(|index| (index, (index * index) as u64)).collect();
    assert_eq!(squares, expected);
    assert!(executed.load(Ordering::Relaxed) >= ITEMS);
    // In order, and an item that fails does not stop the others.
    let items = vec![2u64.to_le_bytes().to_vec(), vec![1], 3u64.to_le_bytes().to_vec()];
    let results = b.cluster().work("square", items).target(Target::LeastLoaded).collect().await;
    let results: Vec<_> =
        results.into_iter().map(|result| result.map(|returned| returned.result[0])).collect();
    assert!(matches!(results[..], [Ok(4), Err(CallError::Failed { .. }), Ok(9)]), "{results:?}");
}
