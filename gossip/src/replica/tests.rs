//! Interleavings that break simpler designs, as data in and data out: no clock, no socket, no task.
//! This file holds what the groups of tests have in common.

use super::*;
use crate::clock::{Hlc, Stamp};
use crate::crdt::entry;
use crate::id::Key;
use crate::message::Application;
use crate::plain::Plain;

mod collection;
mod forgetting;
mod gate;
mod join;
mod retirement;
mod rounds;
mod stamps;

/// The replicas of these tests hold small numbers.
type Number = Plain<u8>;
type Replica = super::Replica<Number>;
type Output = super::Output<Number>;
type Envelope = crate::protocol::Envelope<Number>;
type Value = entry::Value<Number>;
type Entry = entry::Entry<Number>;
/// The application of these numbers.
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
    Now { mono: Duration::from_millis(millis), wall: UnixMillis(START + millis) }
}

fn origin(name: &str, incarnation: u64) -> Origin {
    Origin { node: name.parse().unwrap(), incarnation: Incarnation(incarnation) }
}

fn key(number: u8) -> Key {
    Key::from_bytes([number; 16])
}

fn live(number: u8) -> Value {
    Value::Live(Plain::new(number).unwrap())
}

/// A replica of one entry a chunk, so that every round has borders.
fn newborn(name: &str, incarnation: u64, now: Now) -> Replica {
    let members = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
    let config =
        Config { members, chunk_bytes: 1, window: 2, rules: gate::rules(), ..Config::default() };
    Replica::new(origin(name, incarnation), config, now)
}

/// One that has joined, as the first.
fn replica(name: &str, incarnation: u64) -> Replica {
    let mut replica = newborn(name, incarnation, at(0));
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

/// Runs the conversation between the two until nobody has anything to say; the events of both.
fn talk(now: Now, a: &mut Replica, b: &mut Replica) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (from_a, mut happened) = drain(a);
        events.append(&mut happened);
        let (from_b, mut happened) = drain(b);
        events.append(&mut happened);
        if from_a.is_empty() && from_b.is_empty() {
            return events;
        }
        let (a_name, b_name) = (a.me().node, b.me().node);
        from_a.into_iter().for_each(|envelope| b.handle(now, a_name, envelope));
        from_b.into_iter().for_each(|envelope| a.handle(now, b_name, envelope));
    }
}

/// `b` pulls from `a`, one way.
fn pull(now: Now, a: &mut Replica, b: &mut Replica) -> Vec<Event> {
    b.pull(now, a.me(), a.me().node, false);
    talk(now, a, b)
}

/// The frames of a pull by `b` from `a` that `b` has not seen yet: everything after its vector was
/// asked for.
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

/// Whether the two hold the same; after a one-way pull the puller has heard more, at least of
/// itself.
fn hold_the_same(a: &Replica, b: &Replica) -> bool {
    a.map().fingerprint() == b.map().fingerprint()
}

fn number(replica: &Replica, number: u8) -> Option<u8> {
    replica.map().get(key(number)).and_then(|entry| entry.live().map(|number| **number))
}

/// Three members that all hold hero 1, and have proved it to each other.
fn three_with_a_hero() -> (Replica, Replica, Replica) {
    let (mut a, mut b, mut c) = (replica("a", 1), replica("b", 1), replica("c", 1));
    a.write(at(2_000), key(1), live(50)).unwrap();
    pull(at(2_001), &mut a, &mut b);
    pull(at(2_001), &mut a, &mut c);
    (a, b, c)
}

/// Every one pulls from every other, twice: all have heard all, and all have proved it.
fn all_pull(now: Now, a: &mut Replica, b: &mut Replica, c: &mut Replica) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..2 {
        events.extend([pull(now, a, b), pull(now, b, a)].concat());
        events.extend([pull(now, b, c), pull(now, c, b)].concat());
        events.extend([pull(now, c, a), pull(now, a, c)].concat());
    }
    events
}

/// A new life of `old`, brought up to date by `through`.
fn reborn(old: &Replica, incarnation: u64, now: Now, through: &mut Replica) -> Replica {
    let mut new = newborn(old.me().node.as_str(), incarnation, now);
    pull(now, through, &mut new);
    assert!(new.joined());
    new
}

fn all_pull_all(now: Now, a: &mut Replica, b: &mut Replica, c: &mut Replica) -> Vec<Event> {
    [all_pull(now, a, b, c), all_pull(now, a, b, c)].concat()
}

fn sizes(replicas: [&Replica; 3]) -> [(usize, usize); 3] {
    replicas.map(|replica| (replica.vector().len(), replica.horizon().len()))
}

/// The question that a pull begins with, if one of these envelopes is one: of which round, and
/// whether it is mutual.
fn question(sent: &[Envelope]) -> Option<(Origin, u64, bool)> {
    sent.iter().find_map(|Envelope { to, round, step, .. }| {
        let Step::Pull(question) = step else { return None };
        Some((*to, *round, question.options.mutual))
    })
}

fn collected(events: &[Event]) -> usize {
    events
        .iter()
        .map(|event| if let Event::Collected { tombstones } = event { tombstones.len() } else { 0 })
        .sum()
}
