//! The heroes that dispatch remembers, including deleted ones: their names, the stamps of their
//! creation, and the newest acknowledged write to each.
//!
//! Invariant: bounded. If there are too many names, those of heroes that no node holds are dropped;
//! an acknowledged write is dropped when dispatch's own copy covers it, or when it was lost with its
//! writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip::{Stamp, VersionVector};
use shared::hero::{HeroId, HeroName};
use shared::{Entry, EntryRef};

/// The number of remembered heroes above which those that no node holds are dropped. The default
/// limits of a replica, one million live heroes and as many tombstones, stay below it.
const KNOWN_MAX: usize = 2_000_000;

/// The heroes that dispatch remembers.
#[derive(Debug, Default)]
pub(crate) struct KnownHeroes {
    known: BTreeMap<HeroId, Known>,
    /// The acknowledged writes that dispatch's own copy does not cover yet.
    acknowledged: BTreeMap<HeroId, Arc<Entry>>,
}

#[derive(Debug)]
struct Known {
    name: HeroName,
    born: Stamp,
}

impl KnownHeroes {
    /// Remembers the name and the creation of the hero in `entry`, if the entry is live.
    pub(crate) fn remember(&mut self, id: HeroId, entry: &EntryRef<'_, '_>) {
        if let Some(hero) = entry.value.live() {
            self.known
                .entry(id)
                .or_insert_with(|| Known { name: hero.name.into(), born: entry.born });
        }
    }

    /// Drops the heroes that no node holds, if too many are remembered.
    pub(crate) fn prune(&mut self, is_held: impl Fn(HeroId) -> bool) {
        if self.known.len() > KNOWN_MAX {
            self.known.retain(|id, _| is_held(*id));
        }
    }

    /// Returns the name of the hero, or its id if the name is unknown.
    pub(crate) fn name(&self, id: HeroId) -> HeroName {
        self.known.get(&id).map_or_else(|| id.to_string().into(), |known| known.name.clone())
    }

    /// Returns the stamp of a hero's first write, if the hero is remembered.
    pub(crate) fn born(&self, id: HeroId) -> Option<Stamp> {
        Some(self.known.get(&id)?.born)
    }

    /// Remembers a write that a city acknowledged.
    pub(crate) fn acknowledge(&mut self, id: HeroId, entry: Arc<Entry>) {
        self.acknowledged.insert(id, entry);
    }

    /// Returns the newest acknowledged write to the hero that dispatch's own copy may not contain.
    pub(crate) fn acknowledged(&self, id: HeroId) -> Option<&Arc<Entry>> {
        self.acknowledged.get(&id)
    }

    /// Drops the acknowledged writes that dispatch's own copy covers, and those that are gone.
    pub(crate) fn drop_settled(
        &mut self,
        vector: &VersionVector,
        is_gone: impl Fn(HeroId, &Entry) -> bool,
    ) {
        self.acknowledged.retain(|id, entry| !vector.covers(entry.stamp) && !is_gone(*id, entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{Hlc, Incarnation, Origin, UnixMillis};
    use shared::Value;
    use shared::hero::Hero;

    #[test]
    fn name_survives_deletion_and_acknowledged_write_until_covered() {
        let origin = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(1) };
        let stamp = |wall| Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin };
        let (id, mut known) = (HeroId::MIN, KnownHeroes::default());
        assert_eq!(&*known.name(id), id.to_string());
        let born = Entry::written(Value::Live(Hero::new("Granite".into())), stamp(1), None);
        let dead = Entry::written(Value::Tombstone, stamp(2), Some(&born));
        known.remember(id, &born.as_entry_ref());
        known.remember(id, &dead.as_entry_ref());
        assert_eq!(&*known.name(id), "Granite");
        known.acknowledge(id, Arc::new(dead));
        known.drop_settled(&VersionVector::new(), |_, _| false);
        assert!(known.acknowledged(id).is_some());
        known.drop_settled(&VersionVector::new(), |_, entry| entry.stamp == stamp(2));
        assert!(known.acknowledged(id).is_none());
        assert_eq!(known.born(id), Some(stamp(1)));
    }
}
