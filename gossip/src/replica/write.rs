//! Local writes.
//!
//! Invariant: a write enters the map and the vector in one step, and its stamp is above all stamps
//! seen before.

use crate::clock::{Hlc, Stamp};
use crate::crdt::entry::{Entry, Value};
use crate::id::{Incarnation, Key, Origin};
use crate::payload::Payload;
use crate::replica::{Replica, Rule};
use crate::time::Now;

/// The reason why a write is refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// This incarnation has not joined yet.
    #[error("this incarnation has not joined the cluster yet")]
    Joining,
    /// The key is deleted permanently.
    #[error("the key is deleted")]
    Deleted,
    /// The stamp of the entry to overwrite exceeds the accepted drift.
    #[error("the stamp of the copy is too far in the future")]
    TooFarAhead,
    /// The limit of live entries is reached.
    #[error("live entry limit reached")]
    TooManyLive,
    /// The limit of tombstones is reached.
    #[error("tombstone limit reached")]
    TooManyTombstones,
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
        if !self.joined && self.keeps(Rule::WritersHaveJoined) {
            return Err(WriteError::Joining);
        }
        if let Some(over) = over {
            if over.is_tombstone() || self.is_deleted(key, over) {
                return Err(WriteError::Deleted);
            }
            // A held entry passed the check when it was merged. The wall clock may have been set
            // back since.
            let is_held = self.map.rank(key).is_some_and(|held| held.stamp == over.stamp);
            if !is_held && over.stamp.hlc > self.latest_accepted(now) {
                return Err(WriteError::TooFarAhead);
            }
        }
        match value {
            Value::Live(_) if over.is_none() && self.room_for_live() == 0 => {
                return Err(WriteError::TooManyLive);
            }
            Value::Tombstone if self.map.tombstones() >= self.config.tombstones_max => {
                return Err(WriteError::TooManyTombstones);
            }
            Value::Live(_) | Value::Tombstone => {}
        }
        // After all checks, so that a refused write changes nothing. The copy was not merged, so
        // the clock may be behind its stamp.
        if let Some(over) = over {
            self.clock.observe(over.stamp.hlc);
        }
        let stamp = self.stamp(now);
        let entry = Entry::written(value, stamp, over);
        let won = self.map.merge(key, &entry.as_entry_ref());
        // Its stamp is above all others, and the held entry is no tombstone. Anything else is a
        // bug, and must not be acknowledged.
        assert!(won, "local write of {key} at {stamp} does not beat the held entry");
        Ok(entry)
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
        if self.vector.slot(self.me).is_none() && self.keeps(Rule::NewIncarnationsStartPastDrift) {
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
        stamp
    }
}
