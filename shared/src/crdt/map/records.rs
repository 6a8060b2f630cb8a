//! Where the records of a map lie: in lists of bounded size, so that a map that grows moves no more than the last of them.

use crate::crdt::map::order::Place;
use crate::hero::HeroName;
use crate::id::HeroId;
use crate::time::UnixMillis;

/// How many records a list has.
const LIST: usize = 1 << 10;

/// The number of no city.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A stamp, its origin interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) wall: UnixMillis,
    pub(super) logical: u32,
    pub(super) origin: u32,
}

/// An entry as the map keeps it: whatever other entries have in common with it, as a number.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: HeroId,
    pub(super) stamp: Mark,
    pub(super) born: Mark,
    /// The map's number of the change that brought it.
    pub(super) change: u64,
    pub(super) seen: Box<[Mark]>,
    /// Empty for a tombstone.
    pub(super) name: HeroName,
    /// The number of the city where the hero is; [`NOWHERE`] at home, or for a tombstone.
    pub(super) city: u32,
    /// 0 for a tombstone.
    pub(super) health: u8,
    pub(super) is_patrolling: bool,
}

impl Record {
    pub(super) fn is_tombstone(&self) -> bool {
        self.health == 0
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    lists: Vec<Vec<Option<Record>>>,
    free: Vec<Place>,
}

impl Records {
    /// The record at a place that holds one.
    pub(super) fn at(&self, place: Place) -> &Record {
        self.lists[place as usize / LIST][place as usize % LIST].as_ref().expect("a place in use")
    }

    /// The place that the next record [put](Self::put) here will have.
    pub(super) fn next_place(&self) -> Place {
        let used = self.lists.last().map_or(0, |last| (self.lists.len() - 1) * LIST + last.len());
        self.free.last().copied().unwrap_or_else(|| Place::try_from(used).expect("memory ends before four billion records"))
    }

    pub(super) fn put(&mut self, record: Record) {
        if let Some(place) = self.free.pop() {
            return self.replace(place, record);
        }
        if self.lists.last().is_none_or(|list| list.len() == LIST) {
            self.lists.push(Vec::new());
        }
        self.lists.last_mut().expect("the list just looked at").push(Some(record));
    }

    /// Puts `record` in the place of another.
    pub(super) fn replace(&mut self, place: Place, record: Record) {
        self.lists[place as usize / LIST][place as usize % LIST] = Some(record);
    }

    pub(super) fn take(&mut self, place: Place) -> Record {
        self.free.push(place);
        self.lists[place as usize / LIST][place as usize % LIST].take().expect("a place in use")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.lists.iter().flatten().flatten()
    }
}
