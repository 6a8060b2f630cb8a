//! Entries from which the checkers' tests make broken histories.

use shared::clock::{Hlc, Stamp};
use shared::crdt::{Entry, Map, Value};
use shared::hero::Hero;
use shared::id::{HeroId, Incarnation, Origin};
use shared::time::UnixMillis;

pub(crate) const KEY: HeroId = HeroId(uuid::Uuid::nil());

pub(crate) fn stamp(node: &str, wall: u64) -> Stamp {
    Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation(1) } }
}

pub(crate) fn map_with(stamp: Stamp) -> Map {
    let mut map = Map::default();
    let entry = Entry::written(Value::Live(Hero::new("Granite".into())), stamp, None);
    map.merge(KEY, &entry.as_entry_ref());
    map
}
