//! `automerge`: a counter, a map of elements, and a list in a document, and its own sync protocol,
//! which keeps a state per peer.
//!
//! The operations of a replica between two rounds are one commit. Containers are created by
//! operations, so all replicas start from one document.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::{Message as SyncMessage, State, SyncDoc as _};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, Value};

use super::{CHAT, COUNTER, SET};
use crate::chat::{Chat, KEPT, Message, Trim};
use crate::counter::Counter;
use crate::peer::{Peer, REPLICAS};
use crate::set::{Change, Set, Timed};

pub(crate) struct Automerge {
    number: u8,
    document: AutoCommit,
    set: ObjId,
    chat: ObjId,
    /// The sync state for each replica.
    states: BTreeMap<u8, State>,
}

impl Automerge {
    fn new(number: u8, created: &[u8]) -> Self {
        let document = AutoCommit::load(created).expect("a saved document can be loaded");
        let document = document.with_actor(ActorId::from([number]));
        let object = |name| {
            let found = document.get(ROOT, name).expect("the root can be read");
            found.expect("the document has this container").1
        };
        let (set, chat) = (object(SET), object(CHAT));
        Self { number, document, set, chat, states: BTreeMap::new() }
    }

    /// Sends the next sync message to `to`, if there is one, and returns its size in bytes.
    fn send(&mut self, to: &mut Self) -> usize {
        let Some(message) =
            self.document.sync().generate_sync_message(self.states.entry(to.number).or_default())
        else {
            return 0;
        };
        let message = message.encode();
        let received = SyncMessage::decode(&message).expect("an encoded message can be decoded");
        to.document
            .sync()
            .receive_sync_message(to.states.entry(self.number).or_default(), received)
            .expect("the message can be applied");
        message.len()
    }
}

impl Peer for Automerge {
    const NAME: &'static str = "automerge";

    fn three() -> [Self; REPLICAS] {
        let mut document = AutoCommit::new();
        document.put(ROOT, COUNTER, ScalarValue::counter(0)).expect("a root accepts a counter");
        document.put_object(ROOT, SET, ObjType::Map).expect("a root accepts a map");
        document.put_object(ROOT, CHAT, ObjType::List).expect("a root accepts a list");
        let created = document.save();
        [0, 1, 2].map(|number| Self::new(number, &created))
    }

    /// The sync protocol always transfers in both directions.
    fn sync(&mut self, other: &mut Self) -> usize {
        let mut bytes = 0;
        loop {
            let sent = self.send(other) + other.send(self);
            if sent == 0 {
                return bytes;
            }
            bytes += sent;
        }
    }
}

impl Counter for Automerge {
    fn increment(&mut self, times: &[u64]) {
        for _ in times {
            self.document.increment(ROOT, COUNTER, 1).expect("a counter counts");
        }
        self.document.commit();
    }

    fn total(&self) -> i64 {
        let found = self.document.get(ROOT, COUNTER).expect("the root can be read");
        found.and_then(|(value, _)| value.as_i64()).expect("the document has the counter")
    }
}

impl Set for Automerge {
    fn change(&mut self, changes: &[Timed]) {
        for (_, change) in changes {
            match change {
                Change::Add(element) => self.document.put(&self.set, element.as_str(), true),
                Change::Remove(element) => self.document.delete(&self.set, element.as_str()),
            }
            .expect("a map can be changed");
        }
        self.document.commit();
    }

    fn elements(&self) -> BTreeSet<String> {
        self.document.keys(&self.set).collect()
    }
}

impl Chat for Automerge {
    fn send(&mut self, messages: &[Message]) {
        let end = self.document.length(&self.chat);
        let contents = messages.iter().map(|message| ScalarValue::Bytes(message.to_bytes()));
        self.document.splice(&self.chat, end, 0, contents).expect("a list accepts bytes");
        self.document.commit();
    }

    fn messages(&self) -> Vec<Message> {
        let message = |value: Value<'_>| {
            let Value::Scalar(scalar) = value else { return None };
            let ScalarValue::Bytes(bytes) = scalar.as_ref() else { return None };
            Some(Message::of_bytes(bytes))
        };
        self.document.values(&self.chat).filter_map(|(value, _)| message(value)).collect()
    }
}

impl Trim for Automerge {
    fn trim(&mut self) {
        let dropped = self.document.length(&self.chat).saturating_sub(KEPT);
        let dropped = isize::try_from(dropped).expect("a list is short");
        self.document
            .splice(&self.chat, 0, dropped, [] as [ScalarValue; 0])
            .expect("the list has these messages");
        self.document.commit();
    }
}
