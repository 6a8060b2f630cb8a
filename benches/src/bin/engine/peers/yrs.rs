//! `yrs`: one map in a document; the source sends the difference to the state vector of the puller,
//! in either of its two encodings.

use std::marker::PhantomData;

use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Doc, Map as _, MapRef, Out, ReadTxn, StateVector, Transact as _, Update};

use super::keys::{HEROES, key_of_text, text_key};
use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// The encoding of updates.
pub(crate) trait Encoding {
    const NAME: &'static str;
    const HEROES_MAX: u32 = u32::MAX;

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
    const HEROES_MAX: u32 = 100_000;

    fn difference<T: ReadTxn>(document: &T, since: &StateVector) -> Vec<u8> {
        document.encode_diff_v2(since)
    }

    fn update(bytes: &[u8]) -> Update {
        Update::decode_v2(bytes).expect("an encoded update can be decoded")
    }
}

pub(crate) struct Yrs<E> {
    document: Doc,
    heroes: MapRef,
    encoding: PhantomData<E>,
}

fn record(value: Out) -> Option<Vec<u8>> {
    if let Out::Any(Any::Buffer(bytes)) = value { Some(bytes.to_vec()) } else { None }
}

impl<E: Encoding> Peer for Yrs<E> {
    const NAME: &'static str = E::NAME;
    const HEROES_MAX: u32 = E::HEROES_MAX;
    const LEFT_OUT: &'static str = "see its first encoding";

    fn empty(node: u8) -> Self {
        let document = Doc::with_client_id(u64::from(node) + 1);
        let heroes = document.get_or_insert_map(HEROES);
        Self { document, heroes, encoding: PhantomData }
    }

    fn write(&mut self, writes: &[Write]) {
        let mut transaction = self.document.transact_mut();
        for Write { key, record } in writes {
            self.heroes.insert(
                &mut transaction,
                text_key(*key),
                Any::Buffer(record.to_bytes().into()),
            );
        }
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let request = self.document.transact().state_vector().encode_v1();
        let since =
            StateVector::decode_v1(&request).expect("an encoded state vector can be decoded");
        let answer = E::difference(&source.document.transact(), &since);
        self.document
            .transact_mut()
            .apply_update(E::update(&answer))
            .expect("the update can be applied");
        Bytes { asked: request.len(), answered: answer.len() }
    }

    fn held(&self) -> Held {
        let transaction = self.document.transact();
        Held::of(
            self.heroes
                .iter(&transaction)
                .filter_map(|(key, value)| Some((key_of_text(key), record(value)?))),
        )
    }

    fn health(&self, number: u32) -> Option<u8> {
        let value = self.heroes.get(&self.document.transact(), &text_key(key(number)))?;
        Some(Record::of_bytes(&record(value)?).health)
    }
}
