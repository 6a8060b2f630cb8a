//! `crdts`: a map of multi-value registers, sent whole, as state-based replication requires. The
//! last-writer-wins register of the crate cannot be a value of its map.

use crdts::{CmRDT as _, CvRDT as _, MVReg, Map};
use uuid::Uuid;

use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// The node that wrote.
type Actor = u8;
type Heroes = Map<Uuid, MVReg<Vec<u8>, Actor>, Actor>;

pub(crate) struct Crdts {
    node: Actor,
    heroes: Heroes,
}

/// Returns the record in a register; of concurrent records, the one with the latest stamp.
fn latest(register: &MVReg<Vec<u8>, Actor>) -> Option<(Record, Vec<u8>)> {
    let records = register.read().val.into_iter().map(|bytes| (Record::of_bytes(&bytes), bytes));
    records.max_by_key(|(record, _)| record.stamp)
}

impl Peer for Crdts {
    const NAME: &'static str = "crdts";
    const HEROES_MAX: u32 = 100_000;
    const LEFT_OUT: &'static str = "every exchange takes seconds";

    fn empty(node: u8) -> Self {
        Self { node, heroes: Heroes::new() }
    }

    fn write(&mut self, writes: &[Write]) {
        for Write { key, record } in writes {
            let context = self.heroes.read_ctx().derive_add_ctx(self.node);
            let change = self.heroes.update(*key, context, |register, context| {
                register.write(record.to_bytes(), context)
            });
            self.heroes.apply(change);
        }
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        let message = postcard::to_stdvec(&source.heroes).expect("a map can be encoded");
        self.heroes.merge(postcard::from_bytes(&message).expect("an encoded map can be decoded"));
        Bytes { asked: 0, answered: message.len() }
    }

    fn held(&self) -> Held {
        Held::of(self.heroes.iter().filter_map(|held| {
            let (key, register) = held.val;
            Some((*key, latest(register)?.1))
        }))
    }

    fn health(&self, number: u32) -> Option<u8> {
        let (record, _) = latest(&self.heroes.get(&key(number)).val?)?;
        Some(record.health)
    }
}
