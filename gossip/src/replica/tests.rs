//! Interleavings that break simpler designs, driven without clocks, sockets or tasks. This file
//! contains the helpers that the test modules share.

use super::*;
use crate::clock::{Hlc, Stamp};
use crate::crdt::entry;
use crate::id::Key;
use crate::message::Application;
use crate::plain::Plain;
use crate::time::Reference;

mod collection;
mod faulty;
mod forgetting;
mod gate;
mod join;
mod retirement;
mod roster;
mod rounds;
mod stamps;
mod tables;

/// The value type of these tests: a small number.
type Number = Plain<u8>;
type Replica = super::Replica<Number>;
type Output = super::Output<Number>;
type Envelope = crate::protocol::Envelope<Number>;
type Value = entry::Value<Number>;
type Entry = entry::Entry<Number>;
/// The application that replicates these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Numbers {}

impl Application for Numbers {
    type Value = Number;
    type Command = ();
    type Done = ();
    type Refusal = ();
}

type Frame = crate::message::Frame<Numbers>;
type Batch = crate::crdt::batch::Batch<Number>;

const START: u64 = 1_790_000_000_000;

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), UnixMillis(START + millis))
}

fn origin(name: &str, incarnation: u64) -> Origin {
    Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(incarnation) }
}

fn key(number: u8) -> Key {
    Key::from_bytes([number; 16])
}

fn live(number: u8) -> Value {
    Value::Live(Plain::new(number).unwrap())
}

/// A replica that has not joined. Chunks contain one entry each, so that rounds have several parts.
fn new_replica(name: &str, incarnation: u64, now: Now) -> Replica {
    let members = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
    let config = Config {
        members,
        carriers: ["d".parse().unwrap()].into(),
        chunk_bytes: 1,
        window: 2,
        rules: gate::rules(),
        ..Config::default()
    };
    Replica::new(origin(name, incarnation), config, now)
}

/// A replica that is no member from the start, and may become one. It has not joined.
fn further_replica(name: &str, incarnation: u64, now: Now) -> Replica {
    let replica = new_replica(name, incarnation, now);
    let config = Config { members_max: 6, ..replica.config };
    Replica::new(replica.me, config, now)
}

/// A replica that has joined as the first member.
fn replica(name: &str, incarnation: u64) -> Replica {
    let mut replica = new_replica(name, incarnation, at(0));
    replica.tick(at(1_000));
    assert!(replica.joined());
    drain(&mut replica);
    replica
}

fn drain(replica: &mut Replica) -> (Vec<Envelope>, Vec<Event>) {
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = replica.poll() {
        match output {
            Output::Send { envelope, .. } => sent.push(envelope),
            Output::Event(event) => events.push(event),
        }
    }
    (sent, events)
}

/// Delivers all messages between the two, and returns the events of both.
fn exchange(now: Now, a: &mut Replica, b: &mut Replica) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (from_a, mut more) = drain(a);
        events.append(&mut more);
        let (from_b, mut more) = drain(b);
        events.append(&mut more);
        if from_a.is_empty() && from_b.is_empty() {
            return events;
        }
        let (a_name, b_name) = (a.me().node, b.me().node);
        from_a.into_iter().for_each(|envelope| b.handle(now, a_name, envelope));
        from_b.into_iter().for_each(|envelope| a.handle(now, b_name, envelope));
    }
}

/// Runs a one-way pull by `b` from `a`.
fn pull(now: Now, a: &mut Replica, b: &mut Replica) -> Vec<Event> {
    b.pull(now, a.me(), a.me().node, false);
    exchange(now, a, b)
}

/// Begins a pull by `b` from `a`, and returns the first chunks or end of the round before they
/// reach `b`.
fn answer_to_pull(now: Now, a: &mut Replica, b: &mut Replica) -> Vec<Envelope> {
    b.pull(now, a.me(), a.me().node, false);
    for _ in 0..2 {
        for envelope in drain(b).0 {
            a.handle(now, b.me().node, envelope);
        }
        let answers = drain(a).0;
        if answers
            .iter()
            .any(|envelope| matches!(envelope.step, Step::Chunk { .. } | Step::End { .. }))
        {
            return answers;
        }
        answers.into_iter().for_each(|envelope| b.handle(now, a.me().node, envelope));
    }
    panic!("no round was served");
}

fn has_only_own_slot(replica: &Replica) -> bool {
    replica.vector().iter().all(|slot| slot.origin == replica.me())
}

/// Compares live entries only: after a one-way pull the puller covers more, at least its own
/// writes.
fn hold_the_same(a: &Replica, b: &Replica) -> bool {
    a.map().fingerprint() == b.map().fingerprint()
}

fn number(replica: &Replica, number: u8) -> Option<u8> {
    replica.map().get(key(number)).and_then(|entry| entry.live().map(|number| **number))
}

/// Three members that all hold the entry of key 1.
fn three_with_entry() -> (Replica, Replica, Replica) {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    a.write(at(2_000), key(1), live(50)).unwrap();
    pull(at(2_001), &mut a, &mut b);
    pull(at(2_001), &mut a, &mut c);
    (a, b, c)
}

/// All pull from each other, twice, so that all cover everything and have proved it.
fn all_pull(now: Now, a: &mut Replica, b: &mut Replica, c: &mut Replica) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..2 {
        events.extend([pull(now, a, b), pull(now, b, a)].concat());
        events.extend([pull(now, b, c), pull(now, c, b)].concat());
        events.extend([pull(now, c, a), pull(now, a, c)].concat());
    }
    events
}

/// A new incarnation of `old` that has caught up with `through`.
fn restarted(old: &Replica, incarnation: u64, now: Now, through: &mut Replica) -> Replica {
    let mut new = new_replica(old.me().node.as_str(), incarnation, now);
    pull(now, through, &mut new);
    assert!(new.joined());
    new
}

fn all_pull_all(now: Now, a: &mut Replica, b: &mut Replica, c: &mut Replica) -> Vec<Event> {
    [all_pull(now, a, b, c), all_pull(now, a, b, c)].concat()
}

/// The sizes of the vector and of the closed part of the horizon of each replica.
fn sizes(replicas: [&Replica; 3]) -> [(usize, usize); 3] {
    replicas.map(|replica| (replica.vector().len(), replica.horizon().closed.len()))
}

/// The source, the round and the mutual flag of the first pull request among these envelopes.
fn pull_request(sent: &[Envelope]) -> Option<(Origin, u64, bool)> {
    sent.iter().find_map(|Envelope { to, round, step, .. }| {
        let Step::Pull(request) = step else { return None };
        Some((*to, *round, request.options.mutual))
    })
}

fn collected(events: &[Event]) -> usize {
    events
        .iter()
        .map(|event| if let Event::Collected { tombstones } = event { tombstones.len() } else { 0 })
        .sum()
}
