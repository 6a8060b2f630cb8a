//! `loro`: a counter, a map of elements, and a list in a document; each side sends the updates
//! since the version vector of the other.
//!
//! The operations of a replica between two rounds are one commit: the library commits when updates
//! are exported, unless the application does so earlier.

use std::collections::BTreeSet;

use loro::{ExportMode, LoroCounter, LoroDoc, LoroList, LoroMap, VersionVector};
use loro::{LoroValue, ValueOrContainer};

use super::{CHAT, COUNTER, SET};
use crate::chat::{Chat, KEPT, Message, Trim};
use crate::counter::Counter;
use crate::peer::{Peer, REPLICAS};
use crate::set::{Change, Set, Timed};

pub(crate) struct Loro {
    document: LoroDoc,
    counter: LoroCounter,
    set: LoroMap,
    chat: LoroList,
}

impl Loro {
    /// Catches up with `source`, and returns the bytes sent by both.
    fn catch_up(&self, source: &Self) -> usize {
        let request = self.document.oplog_vv().encode();
        let held =
            VersionVector::decode(&request).expect("an encoded version vector can be decoded");
        if source.document.oplog_vv() <= held {
            return request.len();
        }
        let answer =
            source.document.export(ExportMode::updates(&held)).expect("updates can be exported");
        self.document.import(&answer).expect("exported updates can be imported");
        request.len() + answer.len()
    }
}

impl Peer for Loro {
    const NAME: &'static str = "loro";

    fn three() -> [Self; REPLICAS] {
        [1, 2, 3].map(|peer| {
            let document = LoroDoc::new();
            document.set_peer_id(peer).expect("a valid peer id");
            let counter = document.get_counter(COUNTER);
            let (set, chat) = (document.get_map(SET), document.get_list(CHAT));
            Self { document, counter, set, chat }
        })
    }

    fn sync(&mut self, other: &mut Self) -> usize {
        self.catch_up(other) + other.catch_up(self)
    }
}

impl Counter for Loro {
    fn increment(&mut self, times: &[u64]) {
        for _ in times {
            self.counter.increment(1.0).expect("an attached counter counts");
        }
        self.document.commit();
    }

    fn total(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "the total is a small integer")]
        let total = self.counter.get() as i64;
        total
    }
}

impl Set for Loro {
    fn change(&mut self, changes: &[Timed]) {
        for (_, change) in changes {
            match change {
                Change::Add(element) => self.set.insert(element, true),
                Change::Remove(element) => self.set.delete(element),
            }
            .expect("an attached map can be changed");
        }
        self.document.commit();
    }

    fn elements(&self) -> BTreeSet<String> {
        self.set.keys().map(|element| element.as_str().to_owned()).collect()
    }
}

impl Chat for Loro {
    fn send(&mut self, messages: &[Message]) {
        for message in messages {
            self.chat.push(message.to_bytes()).expect("a list accepts bytes");
        }
        self.document.commit();
    }

    fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.chat.len());
        self.chat.for_each(|value| {
            if let ValueOrContainer::Value(LoroValue::Binary(bytes)) = value {
                messages.push(Message::of_bytes(&bytes));
            }
        });
        messages
    }
}

impl Trim for Loro {
    fn trim(&mut self) {
        let dropped = self.chat.len().saturating_sub(KEPT);
        self.chat.delete(0, dropped).expect("the list has these messages");
        self.document.commit();
    }
}
