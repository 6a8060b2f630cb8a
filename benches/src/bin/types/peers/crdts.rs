//! `crdts`: a PN-counter, an add-wins set without tombstones (`Orswot`), and lists.
//!
//! The counter is sent as its state, which is smaller than two operations. Sets and lists are
//! replicated by operations, since their states are sent and merged whole. The library leaves it to
//! the application to deliver each operation in causal order, so each replica has an outbox.

use std::collections::{BTreeMap, BTreeSet};

use crdts::{CmRDT, CvRDT as _, GList, List, Orswot, PNCounter, glist, list, orswot};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chat::{Chat, KEPT, Message, Trim};
use crate::counter::Counter;
use crate::peer::{Peer, REPLICAS};
use crate::set::{Change, Set, Timed};

/// The replica that wrote.
type Actor = u8;

/// Encodes a message, and decodes it as its receiver does. Returns its size too.
fn carried<T: Serialize + ?Sized, R: DeserializeOwned>(message: &T) -> (R, usize) {
    let bytes = postcard::to_stdvec(message).expect("postcard can encode the message");
    (postcard::from_bytes(&bytes).expect("an encoded message can be decoded"), bytes.len())
}

/// A counter that is sent as its state.
pub(crate) struct CounterState {
    me: Actor,
    counter: PNCounter<Actor>,
}

impl Peer for CounterState {
    const NAME: &'static str = "crdts";

    fn three() -> [Self; REPLICAS] {
        [0, 1, 2].map(|me| Self { me, counter: PNCounter::new() })
    }

    fn sync(&mut self, other: &mut Self) -> usize {
        let (theirs, answered) = carried(&other.counter);
        let (mine, asked) = carried(&self.counter);
        self.counter.merge(theirs);
        other.counter.merge(mine);
        asked + answered
    }
}

impl Counter for CounterState {
    fn increment(&mut self, times: &[u64]) {
        for _ in times {
            self.counter.apply(self.counter.inc(self.me));
        }
    }

    fn total(&self) -> i64 {
        i64::try_from(self.counter.read()).expect("the total fits")
    }
}

/// A type that is replicated by operations, with those of this replica that another one has not
/// received yet.
pub(crate) struct Replicated<T: CmRDT> {
    me: Actor,
    held: T,
    outbox: Vec<T::Op>,
    /// The number of operations in the outbox that each other replica has received.
    received: BTreeMap<Actor, usize>,
}

impl<T: CmRDT> Replicated<T>
where
    T: Default,
    T::Op: Clone + Serialize + DeserializeOwned,
{
    fn new(me: Actor) -> Self {
        let others = (0..).take(REPLICAS).filter(|other| *other != me);
        let received = others.map(|other| (other, 0)).collect();
        Self { me, held: T::default(), outbox: Vec::new(), received }
    }

    /// Applies an operation of this replica, and keeps it for the others.
    fn make(&mut self, operation: T::Op) {
        self.outbox.push(operation.clone());
        self.held.apply(operation);
    }

    /// Sends all operations that `to` has not received, and returns their size in bytes.
    fn send(&mut self, to: &mut Self) -> usize {
        let received = self.received.entry(to.me).or_default();
        let (operations, bytes): (Vec<T::Op>, usize) = carried(&self.outbox[*received..]);
        *received = self.outbox.len();
        operations.into_iter().for_each(|operation| to.held.apply(operation));
        if let Some(by_all) = self.received.values().min().copied() {
            self.outbox.drain(..by_all);
            self.received.values_mut().for_each(|received| *received -= by_all);
        }
        bytes
    }
}

impl<T: CmRDT> Peer for Replicated<T>
where
    T: Default,
    T::Op: Clone + Serialize + DeserializeOwned,
{
    const NAME: &'static str = "crdts";

    fn three() -> [Self; REPLICAS] {
        [0, 1, 2].map(Self::new)
    }

    fn sync(&mut self, other: &mut Self) -> usize {
        self.send(other) + other.send(self)
    }
}

/// A set. Each change is an operation with a context of its own, as the documentation advises.
pub(crate) type SetOperations = Replicated<Orswot<String, Actor>>;

impl Set for SetOperations {
    fn change(&mut self, changes: &[Timed]) {
        for (_, change) in changes {
            let operation: orswot::Op<String, Actor> = match change {
                Change::Add(element) => {
                    let context = self.held.read_ctx().derive_add_ctx(self.me);
                    self.held.add(element.clone(), context)
                }
                Change::Remove(element) => {
                    let context = self.held.contains(element).derive_rm_ctx();
                    self.held.rm(element.clone(), context)
                }
            };
            self.make(operation);
        }
    }

    fn elements(&self) -> BTreeSet<String> {
        self.held.iter().map(|element| element.val.clone()).collect()
    }
}

/// A list that keeps all messages. Appending to the other list of the library, which can delete,
/// takes time in proportion to its length.
pub(crate) type GrowingList = Replicated<GList<Vec<u8>>>;

impl Chat for GrowingList {
    fn send(&mut self, messages: &[Message]) {
        for message in messages {
            let operation: glist::Op<Vec<u8>> =
                self.held.insert_after(self.held.last(), message.to_bytes());
            self.make(operation);
        }
    }

    fn messages(&self) -> Vec<Message> {
        self.held.iter().map(|entry| Message::of_bytes(entry.value())).collect()
    }
}

/// A list from which messages can be deleted.
pub(crate) type OperationList = Replicated<List<Vec<u8>, Actor>>;

impl Chat for OperationList {
    fn send(&mut self, messages: &[Message]) {
        for message in messages {
            let operation: list::Op<Vec<u8>, Actor> = self.held.append(message.to_bytes(), self.me);
            self.make(operation);
        }
    }

    fn messages(&self) -> Vec<Message> {
        self.held.iter().map(|bytes| Message::of_bytes(bytes)).collect()
    }
}

impl Trim for OperationList {
    fn trim(&mut self) {
        for _ in KEPT..self.held.len() {
            if let Some(deletion) = self.held.delete_index(0, self.me) {
                self.make(deletion);
            }
        }
    }
}
