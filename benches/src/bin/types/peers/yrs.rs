//! `yrs`: maps and an array in a document; each side sends the difference to the state vector of
//! the other, in either of the two encodings.
//!
//! The library has no counter: each replica writes its own count under its own key of a map. The
//! operations of a replica between two rounds are one transaction, so that it pays for one commit.
//! Deleted content is collected, as it is by default.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Array as _, ArrayRef, Doc, Map as _, MapRef, Number, Out};
use yrs::{ReadTxn, StateVector, Transact as _, Update};

use super::{CHAT, COUNTER, SET};
use crate::chat::{Chat, KEPT, Message, Trim};
use crate::counter::Counter;
use crate::peer::{Peer, REPLICAS};
use crate::set::{Change, Set, Timed};

/// The encoding of updates.
pub(crate) trait Encoding {
    const NAME: &'static str;

    fn difference<T: ReadTxn>(document: &T, since: &StateVector) -> Vec<u8>;
    fn update(bytes: &[u8]) -> Update;
}

pub(crate) struct V1;

impl Encoding for V1 {
    const NAME: &'static str = "yrs";

    fn difference<T: ReadTxn>(document: &T, since: &StateVector) -> Vec<u8> {
        document.encode_diff_v1(since)
    }

    fn update(bytes: &[u8]) -> Update {
        Update::decode_v1(bytes).expect("an encoded update can be decoded")
    }
}

pub(crate) struct V2;

impl Encoding for V2 {
    const NAME: &'static str = "yrs, second encoding";

    fn difference<T: ReadTxn>(document: &T, since: &StateVector) -> Vec<u8> {
        document.encode_diff_v2(since)
    }

    fn update(bytes: &[u8]) -> Update {
        Update::decode_v2(bytes).expect("an encoded update can be decoded")
    }
}

pub(crate) struct Yrs<E> {
    document: Doc,
    /// The key of this replica's count, and the count.
    own: &'static str,
    count: i64,
    counts: MapRef,
    set: MapRef,
    chat: ArrayRef,
    encoding: PhantomData<E>,
}

impl<E: Encoding> Yrs<E> {
    /// Catches up with `source`, and returns the bytes sent by both.
    fn catch_up(&self, source: &Self) -> usize {
        let request = self.document.transact().state_vector().encode_v1();
        let since =
            StateVector::decode_v1(&request).expect("an encoded state vector can be decoded");
        let answer = E::difference(&source.document.transact(), &since);
        self.document
            .transact_mut()
            .apply_update(E::update(&answer))
            .expect("the update can be applied");
        request.len() + answer.len()
    }
}

impl<E: Encoding> Peer for Yrs<E> {
    const NAME: &'static str = E::NAME;

    fn three() -> [Self; REPLICAS] {
        [(1_u64, "1"), (2, "2"), (3, "3")].map(|(client, own)| {
            let document = Doc::with_client_id(client);
            let [counts, set] = [COUNTER, SET].map(|name| document.get_or_insert_map(name));
            let chat = document.get_or_insert_array(CHAT);
            Self { document, own, count: 0, counts, set, chat, encoding: PhantomData }
        })
    }

    fn sync(&mut self, other: &mut Self) -> usize {
        self.catch_up(other) + other.catch_up(self)
    }
}

impl<E: Encoding> Counter for Yrs<E> {
    fn increment(&mut self, times: &[u64]) {
        let mut transaction = self.document.transact_mut();
        for _ in times {
            self.count += 1;
            self.counts.insert(&mut transaction, self.own, Any::from(self.count));
        }
    }

    fn total(&self) -> i64 {
        let transaction = self.document.transact();
        let count = |value| {
            if let Out::Any(Any::Number(Number::Int(count))) = value { Some(count) } else { None }
        };
        self.counts.iter(&transaction).filter_map(|(_, value)| count(value)).sum()
    }
}

impl<E: Encoding> Set for Yrs<E> {
    fn change(&mut self, changes: &[Timed]) {
        let mut transaction = self.document.transact_mut();
        for (_, change) in changes {
            match change {
                Change::Add(element) => {
                    self.set.insert(&mut transaction, element.as_str(), true);
                }
                Change::Remove(element) => {
                    self.set.remove(&mut transaction, element);
                }
            }
        }
    }

    fn elements(&self) -> BTreeSet<String> {
        let transaction = self.document.transact();
        self.set.keys(&transaction).map(ToOwned::to_owned).collect()
    }
}

impl<E: Encoding> Chat for Yrs<E> {
    fn send(&mut self, messages: &[Message]) {
        let mut transaction = self.document.transact_mut();
        let end = self.chat.len(&transaction);
        let contents = messages.iter().map(|message| Any::from(message.to_bytes()));
        self.chat.insert_range(&mut transaction, end, contents);
    }

    fn messages(&self) -> Vec<Message> {
        let transaction = self.document.transact();
        let message = |value| {
            let Out::Any(Any::Buffer(bytes)) = value else { return None };
            Some(Message::of_bytes(&bytes))
        };
        self.chat.iter(&transaction).filter_map(message).collect()
    }
}

impl<E: Encoding> Trim for Yrs<E> {
    fn trim(&mut self) {
        let mut transaction = self.document.transact_mut();
        let kept = u32::try_from(KEPT).expect("few messages are kept");
        let dropped = self.chat.len(&transaction).saturating_sub(kept);
        self.chat.remove_range(&mut transaction, 0, dropped);
    }
}
