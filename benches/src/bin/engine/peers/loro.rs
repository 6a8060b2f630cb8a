//! `loro`: one map in a document; the source sends the updates since the version vector of the
//! puller.

use loro::{ExportMode, LoroDoc, LoroMap, LoroValue, ValueOrContainer, VersionVector};

use super::keys::{HEROES, key_of_text, text_key};
use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

pub(crate) struct Loro {
    document: LoroDoc,
    heroes: LoroMap,
}

fn record(value: ValueOrContainer) -> Option<Vec<u8>> {
    match value {
        ValueOrContainer::Value(LoroValue::Binary(bytes)) => Some(bytes.to_vec()),
        ValueOrContainer::Value(_) | ValueOrContainer::Container(_) => None,
    }
}

impl Peer for Loro {
    const NAME: &'static str = "loro";

    fn empty(node: u8) -> Self {
        let document = LoroDoc::new();
        document.set_peer_id(u64::from(node) + 1).expect("a valid peer id");
        let heroes = document.get_map(HEROES);
        Self { document, heroes }
    }

    fn write(&mut self, writes: &[Write]) {
        for Write { key, record } in writes {
            self.heroes.insert(&text_key(*key), record.to_bytes()).expect("a map accepts bytes");
        }
        self.document.commit();
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let request = self.document.oplog_vv().encode();
        let theirs =
            VersionVector::decode(&request).expect("an encoded version vector can be decoded");
        let asked = request.len();
        if source.document.oplog_vv() <= theirs {
            return Bytes { asked, answered: 0 };
        }
        let answer =
            source.document.export(ExportMode::updates(&theirs)).expect("updates can be exported");
        self.document.import(&answer).expect("exported updates can be imported");
        Bytes { asked, answered: answer.len() }
    }

    fn held(&self) -> Held {
        let mut records = Vec::with_capacity(self.heroes.len());
        self.heroes.for_each(|key, value| {
            records.extend(record(value).map(|bytes| (key_of_text(key), bytes)))
        });
        Held::of(records.into_iter())
    }

    fn health(&self, number: u32) -> Option<u8> {
        Some(Record::of_bytes(&record(self.heroes.get(&text_key(key(number)))?)?).health)
    }
}
