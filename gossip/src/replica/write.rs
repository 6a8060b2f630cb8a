//! Local writes.
//!
//! Invariant: a write enters the map and the vector in one step, and its stamp is above all stamps
//! seen before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{Hlc, Stamp};
use crate::crdt::entry::{Entry, EntryRef, Seen, Value};
use crate::id::{Incarnation, Key, Origin};
use crate::payload::Payload;
use crate::replica::{Replica, Rule};
use crate::table::{Kind, Record};
use crate::time::Now;

/// The reason why a write is refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum WriteError {
    /// This incarnation has not joined yet.
    #[error("this incarnation has not joined the cluster yet")]
    Joining,
    /// The key is deleted permanently.
    #[error("the key is deleted")]
    Deleted,
    /// The stamp of the entry to overwrite exceeds the accepted drift, or an incarnation that it names.
    #[error("the stamp of the copy is too far in the future")]
    TooFarAhead,
    /// The limit of live entries is reached.
    #[error("live entry limit reached")]
    TooManyLive,
    /// The limit of tombstones is reached.
    #[error("tombstone limit reached")]
    TooManyTombstones,
    /// The limit of bytes of the table is reached.
    #[error("byte limit of the table reached")]
    TooManyBytes,
    /// The value does not belong to the key: its table, its names, or its owner differ.
    #[error("the value does not belong to the key")]
    Misplaced,
}

/// An upper bound of what the checked writes of a batch add to a table.
#[derive(Clone, Copy, Debug, Default)]
struct Planned {
    live: usize,
    tombstones: usize,
    bytes: usize,
}

impl Planned {
    fn add<V: Payload>(&mut self, value: &Value<V>, over: Option<&Entry<V>>) {
        let is_tombstone = matches!(value, Value::Tombstone | Value::Unset);
        let is_new = over.is_none_or(Entry::is_tombstone);
        self.live += usize::from(!is_tombstone && is_new);
        self.tombstones += usize::from(is_tombstone);
        let before = over.map_or(0, |over| bytes(&over.value));
        self.bytes = (self.bytes + bytes(value)).saturating_sub(before);
    }
}

/// Returns whether a record with the same names may replace this entry. Keys are hashes, so another
/// record can have the same one.
fn is_same_record<V>(key: Key, over: &Entry<V>, value: &Value<V>) -> bool {
    let (Value::Record(held), Value::Record(new)) = (&over.value, value) else { return true };
    let kind = key.kind();
    let names = |bytes| Record::decode(bytes, kind).map(|record| (record.group, record.name));
    // The keys of the kind `Once` are random, and are never written again.
    kind != Kind::Once && names(held) == names(new)
}

/// Returns the number of bytes that a value adds to the size of its table.
fn bytes<V>(value: &Value<V>) -> usize {
    match value {
        Value::Record(bytes) => bytes.len(),
        Value::Live(_) | Value::Tombstone | Value::Unset => 0,
    }
}

impl<V: Payload> Replica<V> {
    /// Writes `value` to `key` with a new stamp, over the entry that the replica holds. Returns the
    /// new entry.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed.
    pub fn write(&mut self, now: Now, key: Key, value: Value<V>) -> Result<Entry<V>, WriteError> {
        let over = self.map.get(key);
        self.write_over(now, key, value, over.as_ref())
    }

    /// Writes like [`write`](Self::write), but over `over`: a copy of the entry that came with a
    /// command, for a key that this replica does not hold. The copy itself is not stored, since the
    /// vector does not cover it.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed.
    pub fn write_over(
        &mut self,
        now: Now,
        key: Key,
        value: Value<V>,
        over: Option<&Entry<V>>,
    ) -> Result<Entry<V>, WriteError> {
        self.check_write(now, key, &value, over, Planned::default())?;
        // After all checks, so that a refused write changes nothing. The copy was not merged, so
        // the clock may be behind its stamp.
        if let Some(over) = over {
            self.clock.observe(over.stamp.hlc);
        }
        let stamp = self.stamp(now);
        let mut entry = Entry::written(value, stamp, over);
        if key.kind().is_owned() {
            // They show which concurrent writes were lost, and an owner writes alone.
            entry.seen = Seen::default();
        }
        if let Some(over) = over
            && !self.keeps(Rule::RegistersAreReborn)
        {
            entry.born = over.born;
        }
        let won = self.map.merge(key, &entry.as_entry_ref());
        // Its stamp is above all others, and the held entry is no tombstone. Anything else is a
        // bug, and must not be acknowledged.
        assert!(won, "local write of {key} at {stamp} does not beat the held entry");
        Ok(entry)
    }

    /// Writes several values in one step: they travel in one round, so no other replica shows a part
    /// of them. Without any, it only checks that this incarnation has joined.
    ///
    /// # Errors
    /// The first [`WriteError`]; nothing was changed.
    pub fn write_all(
        &mut self,
        now: Now,
        writes: BTreeMap<Key, Value<V>>,
    ) -> Result<(), WriteError> {
        self.check_joined()?;
        let mut planned = Planned::default();
        for (key, value) in &writes {
            let over = self.map.get(*key);
            self.check_write(now, *key, value, over.as_ref(), planned)?;
            planned.add(value, over.as_ref());
        }
        for (key, value) in writes {
            self.write(now, key, value)?;
        }
        Ok(())
    }

    fn check_joined(&self) -> Result<(), WriteError> {
        let may_write = self.joined || !self.keeps(Rule::WritersHaveJoined);
        if may_write { Ok(()) } else { Err(WriteError::Joining) }
    }

    /// Checks everything that can refuse a write over `over`, after `planned` others.
    fn check_write(
        &self,
        now: Now,
        key: Key,
        value: &Value<V>,
        over: Option<&Entry<V>>,
        planned: Planned,
    ) -> Result<(), WriteError> {
        self.check_joined()?;
        let is_misplaced = match (key.table(), value) {
            (Some(_), value) => {
                // Of the stamp, only the origin decides whether the value belongs to the key.
                let stamp = Stamp { hlc: Hlc::default(), origin: self.me };
                let value_ref = value.as_value_ref();
                let proposed = EntryRef { value: value_ref, stamp, born: stamp, seen: &[] };
                !proposed.is_valid(key)
                    || over.is_some_and(|over| !is_same_record(key, over, value))
            }
            (None, Value::Live(_) | Value::Tombstone) => false,
            (None, Value::Record(_) | Value::Unset) => true,
        };
        if is_misplaced {
            return Err(WriteError::Misplaced);
        }
        if let Some(over) = over {
            // A register may be set again.
            let sets = matches!((&over.value, value), (Value::Unset, Value::Record(_)));
            if over.is_tombstone() && !sets || self.is_deleted(key, over) {
                return Err(WriteError::Deleted);
            }
            // A held entry passed the check when it was merged. The wall clock may have been set
            // back since.
            let is_held = self.map.rank(key).is_some_and(|held| held.stamp == over.stamp);
            // Others refuse an entry that names an incarnation in the future, so it would stay here.
            let names_future = self.keeps(Rule::FutureIncarnationsAreRefused)
                && [over.stamp, over.born]
                    .iter()
                    .chain(over.seen.stamps())
                    .any(|stamp| self.is_in_future(now, stamp.origin.incarnation));
            let is_ahead = over.stamp.hlc > self.latest_accepted(now) || names_future;
            if !is_held && is_ahead {
                return Err(WriteError::TooFarAhead);
            }
        }
        self.check_room(key, value, over, planned)
    }

    /// Checks that the limits of the key's table allow the write.
    fn check_room(
        &self,
        key: Key,
        value: &Value<V>,
        over: Option<&Entry<V>>,
        planned: Planned,
    ) -> Result<(), WriteError> {
        let (size, limits) = match key.table() {
            None => (self.map.application(), self.config.application_limits()),
            Some(table) => (self.map.table(table), self.config.table_limits),
        };
        let is_new = over.is_none_or(Entry::is_tombstone);
        let before = over.map_or(0, |over| bytes(&over.value));
        match value {
            Value::Live(_) | Value::Record(_)
                if is_new && size.live + planned.live >= limits.live =>
            {
                Err(WriteError::TooManyLive)
            }
            Value::Record(_)
                if size.bytes + planned.bytes + bytes(value)
                    > limits.bytes.saturating_add(before) =>
            {
                Err(WriteError::TooManyBytes)
            }
            Value::Tombstone | Value::Unset
                if size.tombstones + planned.tombstones >= limits.tombstones =>
            {
                Err(WriteError::TooManyTombstones)
            }
            Value::Unset if over.is_none() => Err(WriteError::Deleted),
            Value::Live(_) | Value::Record(_) | Value::Tombstone | Value::Unset => Ok(()),
        }
    }

    /// Returns the number of new keys that can be written before the limit of live entries.
    #[must_use]
    pub fn room_for_live(&self) -> usize {
        self.config.live_max.saturating_sub(self.map.live())
    }

    /// Returns the latest reading that the accepted drift allows.
    pub(super) fn latest_accepted(&self, now: Now) -> Hlc {
        let reference =
            if self.keeps(Rule::AcceptedStampsStayAccepted) { now.reference } else { now.wall };
        Hlc { wall: reference.plus(self.config.drift_max), logical: u32::MAX }
    }

    /// Returns the stamp of a new local write, and advances the vector to it.
    ///
    /// The first stamp of an incarnation is beyond the accepted drift. All writes that earlier
    /// incarnations acknowledged were within it, so no later write is stamped below them. The drift
    /// is measured from the start of the incarnation, so that peers accept the stamp without
    /// waiting, or from the current time if the clock was set back.
    pub(super) fn stamp(&mut self, now: Now) -> Stamp {
        let is_first = self.vector.slot(self.me).is_none();
        if is_first && self.keeps(Rule::NewIncarnationsStartPastDrift) {
            let wall = now.wall.min(self.born);
            self.clock.observe(Hlc { wall: wall.plus(self.config.drift_max), logical: u32::MAX });
        }
        let incarnation = if self.keeps(Rule::OriginsNameTheIncarnation) {
            self.me.incarnation
        } else {
            Incarnation::at(1)
        };
        let stamp =
            Stamp { hlc: self.clock.tick(now.wall), origin: Origin { incarnation, ..self.me } };
        self.vector.advance(stamp);
        if is_first {
            self.end_ephemeral_entries();
        }
        stamp
    }
}
