//! `automerge`: the root map of a document, one commit per hundred writes, and its own sync
//! protocol, which keeps a state per peer.

use std::collections::BTreeMap;

use automerge::sync::{Message, State, SyncDoc as _};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ReadDoc as _, ScalarValue, Value};

use super::keys::{key_of_text, text_key};
use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// The number of writes per commit. One commit per write is slower in every workload.
const COMMIT: usize = 100;

pub(crate) struct Automerge {
    node: u8,
    document: AutoCommit,
    /// The sync state for each node.
    states: BTreeMap<u8, State>,
}

fn record(value: &Value<'_>) -> Option<Vec<u8>> {
    if let Value::Scalar(scalar) = value
        && let ScalarValue::Bytes(bytes) = scalar.as_ref()
    {
        Some(bytes.clone())
    } else {
        None
    }
}

impl Automerge {
    /// Sends the next sync message to `to`, if there is one, and returns its size in bytes.
    fn send(&mut self, to: &mut Self) -> usize {
        let Some(message) =
            self.document.sync().generate_sync_message(self.states.entry(to.node).or_default())
        else {
            return 0;
        };
        let message = message.encode();
        let received = Message::decode(&message).expect("an encoded message can be decoded");
        to.document
            .sync()
            .receive_sync_message(to.states.entry(self.node).or_default(), received)
            .expect("the message can be applied");
        message.len()
    }
}

impl Peer for Automerge {
    const NAME: &'static str = "automerge";
    const HEROES_MAX: u32 = 100_000;
    const LEFT_OUT: &'static str = "creating them takes half a minute";

    fn empty(node: u8) -> Self {
        Self {
            node,
            document: AutoCommit::new().with_actor(ActorId::from([node])),
            states: BTreeMap::new(),
        }
    }

    fn write(&mut self, writes: &[Write]) {
        for commit in writes.chunks(COMMIT) {
            for Write { key, record } in commit {
                self.document
                    .put(automerge::ROOT, text_key(*key), ScalarValue::Bytes(record.to_bytes()))
                    .expect("a document accepts bytes");
            }
            self.document.commit();
        }
    }

    /// The sync protocol always transfers in both directions.
    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let mut bytes = Bytes::default();
        loop {
            let sent = bytes;
            bytes.asked += self.send(source);
            bytes.answered += source.send(self);
            if bytes == sent {
                return bytes;
            }
        }
    }

    fn sync(&mut self, other: &mut Self) -> Bytes {
        self.catch_up(other)
    }

    fn held(&self) -> Held {
        let items = self.document.map_range(automerge::ROOT, ..);
        Held::of(
            items.filter_map(|item| Some((key_of_text(&item.key), record(&item.value.into())?))),
        )
    }

    fn health(&self, number: u32) -> Option<u8> {
        let (value, _) = self
            .document
            .get(automerge::ROOT, text_key(key(number)))
            .expect("the root map is readable")?;
        Some(Record::of_bytes(&record(&value)?).health)
    }
}
