//! A machine that is driven by hand, behind both ends.

use std::time::Duration;

use super::*;
use crate::id::Incarnation;
use crate::replica::{Config, Output, Replica};
use crate::testing::Text;
use crate::time::{Now, UnixMillis};
use crate::types::counter::CounterError;
use crate::types::desk::Desk;

const NOW: Now = Now::new(Duration::from_secs(100), UnixMillis(1_790_000_100_000));

/// The machine of one incarnation.
struct Node {
    desk: Desk,
    replica: Replica<Text>,
}

impl Node {
    fn new(incarnation: u64) -> Self {
        let name = "a".parse().unwrap();
        let config = Config { members: [name].into(), ..Config::default() };
        let me = Origin { node: name, incarnation: Incarnation::at(incarnation) };
        let begun = Now::new(Duration::ZERO, UnixMillis(1_790_000_000_000));
        let mut replica = Replica::new(me, config, begun);
        replica.tick(NOW);
        assert!(replica.joined());
        Self { desk: Desk::new(NOW), replica }
    }

    fn execute(&mut self, asked: Asked) -> Answered {
        self.desk.execute(&mut self.replica, NOW, asked)
    }

    fn snapshot(&self) -> Snapshot {
        self.desk.snapshot(&self.replica)
    }
}

fn add(amount: i64) -> Request {
    Request::Add { counter: "visits".into(), amount }
}

fn total(cluster: &Cluster) -> Option<i128> {
    cluster.snapshot()?.counter("visits").map(|counter| counter.total)
}

#[tokio::test]
async fn result_is_shown_before_it_is_returned() {
    let (sender, mut queue) = mpsc::channel::<Asked>(8);
    let (cluster, server) = Cluster::new("gotham".parse().unwrap(), sender);
    assert!(cluster.snapshot().is_none());
    let mut node = Node::new(2);
    server.publish(node.snapshot());
    let asked = tokio::spawn({
        let cluster = cluster.clone();
        async move { (cluster.ask(add(5)).await, total(&cluster)) }
    });
    server.answered(node.execute(queue.recv().await.unwrap()));
    tokio::task::yield_now().await;
    assert!(!asked.is_finished(), "the snapshot is still the one before");
    server.publish(node.snapshot());
    let (done, total) = asked.await.unwrap();
    assert!(matches!(done, Ok(Done::Counted(counter)) if counter.total == 5));
    assert_eq!(total, Some(5));
}

#[tokio::test]
async fn refusal_is_returned_at_once() {
    let (sender, mut queue) = mpsc::channel::<Asked>(8);
    let (cluster, server) = Cluster::new("gotham".parse().unwrap(), sender);
    let asked = tokio::spawn(async move { cluster.ask(add(0)).await });
    server.answered(Node::new(2).execute(queue.recv().await.unwrap()));
    let refused = AskError::Refused(RequestError::Counter(CounterError::Zero));
    assert_eq!(asked.await.unwrap(), Err(refused));
}

#[tokio::test]
async fn full_queue_refuses_requests_at_once() {
    let (sender, queue) = mpsc::channel::<Asked>(1);
    let (cluster, _server) = Cluster::new("gotham".parse().unwrap(), sender);
    let waiting = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.ask(add(1)).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(cluster.ask(add(1)).await, Err(AskError::Busy));
    assert_eq!(locked(&cluster.waiting).len(), 1);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(locked(&cluster.waiting).is_empty(), "a caller that gives up leaves no ticket");
    drop(queue);
    assert_eq!(cluster.ask(add(1)).await, Err(AskError::Busy), "the node has stopped");
}

#[tokio::test]
async fn result_of_an_ended_incarnation_is_unknown() {
    let (sender, mut queue) = mpsc::channel::<Asked>(8);
    let (cluster, server) = Cluster::new("gotham".parse().unwrap(), sender);
    let mut node = Node::new(2);
    server.publish(node.snapshot());
    let asked = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.ask(add(5)).await }
    });
    server.answered(node.execute(queue.recv().await.unwrap()));
    server.publish(Node::new(3).snapshot());
    assert_eq!(asked.await.unwrap(), Err(AskError::Unknown));
}

/// Of what the first incarnation had added, only the first part reached the other member.
#[test]
fn loss_is_reported_once_when_the_ended_incarnation_is_closed() {
    let (sender, _queue) = mpsc::channel::<Asked>(8);
    let (cluster, server) = Cluster::new("gotham".parse().unwrap(), sender);
    let config = Config {
        members: ["a", "b"].map(|name| name.parse().unwrap()).into(),
        ..Config::default()
    };
    let begun = Now::new(Duration::ZERO, UnixMillis(1_790_000_000_000));
    let new = |name: &str, incarnation| {
        let me = Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(incarnation) };
        let replica = Replica::<Text>::new(me, config.clone(), begun);
        Node { desk: Desk::new(NOW), replica }
    };
    let pull = |puller: &mut Node, source: &mut Node| {
        puller.replica.pull(NOW, source.replica.me(), source.replica.me().node, false);
        let drain = |node: &mut Node| {
            let outputs: Vec<_> = std::iter::from_fn(|| node.replica.poll()).collect();
            outputs.into_iter().filter_map(|output| match output {
                Output::Send { envelope, .. } => Some(envelope),
                Output::Event(_) => None,
            })
        };
        loop {
            let asked: Vec<_> = drain(puller).collect();
            let answered: Vec<_> = drain(source).collect();
            if asked.is_empty() && answered.is_empty() {
                return;
            }
            let (from, to) = (puller.replica.me().node, source.replica.me().node);
            asked.into_iter().for_each(|step| source.replica.handle(NOW, from, step));
            answered.into_iter().for_each(|step| puller.replica.handle(NOW, to, step));
        }
    };
    let (mut a, mut b) = (new("a", 2), new("b", 2));
    a.replica.tick(NOW);
    b.replica.tick(NOW);
    a.execute(Asked { ticket: 0, request: add(5) });
    pull(&mut b, &mut a);
    a.execute(Asked { ticket: 0, request: add(3) });
    server.publish(a.snapshot());
    let mut next = new("a", 3);
    server.publish(next.snapshot());
    assert_eq!(cluster.take_losses(), []);
    pull(&mut next, &mut b);
    server.publish(next.snapshot());
    assert_eq!((total(&cluster), cluster.take_losses()), (Some(5), vec![]), "not closed yet");
    for _ in 0..3 {
        pull(&mut b, &mut next);
        pull(&mut next, &mut b);
    }
    server.publish(next.snapshot());
    let lost = Loss { counter: "visits".into(), incarnation: a.replica.me(), amount: 3 };
    assert_eq!(cluster.take_losses(), [lost]);
    assert_eq!(cluster.take_losses(), []);
}

#[tokio::test]
async fn request_without_an_answer_has_an_unknown_outcome() {
    let (sender, mut queue) = mpsc::channel::<Asked>(8);
    let (cluster, server) = Cluster::new("gotham".parse().unwrap(), sender);
    assert_eq!(cluster.ask(add(1)).await, Err(AskError::Unknown));
    assert!(locked(&cluster.waiting).is_empty());
    // A late answer has no receiver.
    server.answered(Node::new(2).execute(queue.recv().await.unwrap()));
}

#[test]
fn snapshot_is_current_until_something_changes() {
    let mut node = Node::new(2);
    let starting = node.snapshot();
    node.desk.tick(Now::new(NOW.mono + Duration::from_secs(30), NOW.wall));
    assert!(!node.desk.is_shown_by(&starting, &node.replica), "the start has ended");
    let before = node.snapshot();
    let is_shown = |node: &Node| node.desk.is_shown_by(&before, &node.replica);
    assert!(is_shown(&node));
    let peer = Origin { node: "b".parse().unwrap(), incarnation: Incarnation::at(7) };
    node.desk.link_up(peer);
    assert!(!is_shown(&node), "a peer is reachable");
    node.desk.link_down(NOW, peer.node);
    assert!(!is_shown(&node), "the peer is in its grace");
    node.desk.tick(Now::new(NOW.mono + Duration::from_secs(60), NOW.wall));
    assert!(is_shown(&node));
    node.execute(Asked { ticket: 0, request: add(1) });
    assert!(!is_shown(&node));
}
