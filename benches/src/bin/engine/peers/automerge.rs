//! `automerge`: the root of a document, a commit for each hundred writes, and its own protocol,
//! which remembers what each peer has sent.

use std::collections::BTreeMap;

use automerge::sync::{Message, State, SyncDoc as _};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ReadDoc as _, ScalarValue, Value};

use super::keys::{key_of_text, text_key};
use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// How many writes are one commit. One each would take longer in everything.
const COMMIT: usize = 100;

pub(crate) struct Automerge {
    node: u8,
    document: AutoCommit,
    /// What it has heard from each node.
    heard: BTreeMap<u8, State>,
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
    /// Says to `to` what there is to say, if anything; how many bytes that took.
    fn tell(&mut self, to: &mut Self) -> usize {
        let Some(message) =
            self.document.sync().generate_sync_message(self.heard.entry(to.node).or_default())
        else {
            return 0;
        };
        let message = message.encode();
        let heard = Message::decode(&message).expect("what was written can be read");
        to.document
            .sync()
            .receive_sync_message(to.heard.entry(self.node).or_default(), heard)
            .expect("a message that can be applied");
        message.len()
    }
}

impl Peer for Automerge {
    const NAME: &'static str = "automerge";
    const HEROES_MAX: u32 = 100_000;
    const LEFT_OUT: &'static str = "making them alone takes half a minute";

    fn empty(node: u8) -> Self {
        Self {
            node,
            document: AutoCommit::new().with_actor(ActorId::from([node])),
            heard: BTreeMap::new(),
        }
    }

    fn write(&mut self, writes: &[Write]) {
        for commit in writes.chunks(COMMIT) {
            for Write { key, record } in commit {
                self.document
                    .put(automerge::ROOT, text_key(*key), ScalarValue::Bytes(record.to_bytes()))
                    .expect("a document takes bytes");
            }
            self.document.commit();
        }
    }

    /// Its protocol always goes both ways.
    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let mut bytes = Bytes::default();
        loop {
            let sent = bytes;
            bytes.asked += self.tell(source);
            bytes.answered += source.tell(self);
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
            .expect("a document can be asked")?;
        Some(Record::of_bytes(&record(&value)?).health)
    }
}
