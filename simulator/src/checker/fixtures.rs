//! Test fixtures: stamps and maps for broken histories.

use gossip::{Hlc, Incarnation, Origin, Stamp, UnixMillis};
use shared::hero::{Hero, HeroId};
use shared::{Entry, Map, Value};

pub(crate) const KEY: HeroId = HeroId::MIN;

pub(crate) fn stamp(node: &str, wall: u64) -> Stamp {
    Stamp {
        hlc: Hlc { wall: UnixMillis(wall), logical: 0 },
        origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(1) },
    }
}

pub(crate) fn map_with(stamp: Stamp) -> Map {
    let mut map = Map::default();
    let entry = Entry::written(Value::Live(Hero::new("Granite".into())), stamp, None);
    map.merge(KEY, &entry.as_entry_ref());
    map
}
