//! The baseline: the source sends its whole map, and the receiver keeps the newer records.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use uuid::Uuid;

use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

type Map = BTreeMap<Uuid, Record>;

/// The encoding of the map.
pub(crate) trait Format {
    const NAME: &'static str;
    const HEROES_MAX: u32 = u32::MAX;

    fn encode(map: &Map) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Map;
}

pub(crate) struct Postcard;

impl Format for Postcard {
    const NAME: &'static str = "whole map, postcard";

    fn encode(map: &Map) -> Vec<u8> {
        postcard::to_stdvec(map).expect("a map can be encoded")
    }

    fn decode(bytes: &[u8]) -> Map {
        postcard::from_bytes(bytes).expect("an encoded map can be decoded")
    }
}

pub(crate) struct Json;

impl Format for Json {
    const NAME: &'static str = "whole map, JSON";
    const HEROES_MAX: u32 = 100_000;

    fn encode(map: &Map) -> Vec<u8> {
        serde_json::to_vec(map).expect("a map can be encoded")
    }

    fn decode(bytes: &[u8]) -> Map {
        serde_json::from_slice(bytes).expect("an encoded map can be decoded")
    }
}

pub(crate) struct WholeMap<F> {
    map: Map,
    format: PhantomData<F>,
}

impl<F> WholeMap<F> {
    fn merge(&mut self, key: Uuid, record: Record) {
        if self.map.get(&key).is_none_or(|held| held.stamp < record.stamp) {
            self.map.insert(key, record);
        }
    }
}

impl<F: Format> Peer for WholeMap<F> {
    const NAME: &'static str = F::NAME;
    const HEROES_MAX: u32 = F::HEROES_MAX;
    const LEFT_OUT: &'static str = "see the same map as postcard";

    fn empty(_: u8) -> Self {
        Self { map: Map::new(), format: PhantomData }
    }

    fn write(&mut self, writes: &[Write]) {
        writes.iter().for_each(|Write { key, record }| self.merge(*key, record.clone()));
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let message = F::encode(&source.map);
        F::decode(&message).into_iter().for_each(|(key, record)| self.merge(key, record));
        Bytes { asked: 0, answered: message.len() }
    }

    fn held(&self) -> Held {
        Held::of(self.map.iter().map(|(key, record)| (*key, record.to_bytes())))
    }

    fn health(&self, number: u32) -> Option<u8> {
        Some(self.map.get(&key(number))?.health)
    }
}
