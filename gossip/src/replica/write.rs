//! Local writes.
//!
//! Invariant: a write enters the map and the vector in one step, and its stamp is above every stamp
//! seen.

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
    #[error("has just started and has not caught up with the cluster yet")]
    Joining,
    /// The key is deleted, for good.
    #[error("the key is deleted")]
    Deleted,
    /// The entry to write over is stamped beyond the accepted drift.
    #[error("the copy is stamped too far in the future")]
    TooFarAhead,
    /// The limit of live entries is reached.
    #[error("the limit of live entries is reached")]
    TooManyLive,
    /// The limit of tombstones is reached.
    #[error("the limit of tombstones is reached")]
    TooManyTombstones,
}

impl<V: Payload> Replica<V> {
    /// Writes `value` under `key` on top of the entry held there, with a new stamp. Returns the new
    /// entry.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed.
    pub fn write(&mut self, now: Now, key: Key, value: Value<V>) -> Result<Entry<V>, WriteError> {
        let over = self.map.get(key);
        self.write_over(now, key, value, over.as_ref())
    }

    /// Writes as [`write`](Self::write), on top of `over`: a copy that came with a command, for a
    /// key not held here. The copy itself is not stored, since the vector does not cover it.
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
            // A held entry was accepted before, even if the wall clock has been set back since.
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
        if let Some(over) = over {
            self.clock.observe(over.stamp.hlc);
        }
        let stamp = self.stamp(now);
        let entry = Entry::written(value, stamp, over);
        let won = self.map.merge(key, &entry.as_entry_ref());
        assert!(won, "a local write of {key} at {stamp} lost against what was held");
        Ok(entry)
    }

    /// Returns the number of new keys that the limit of live entries leaves.
    #[must_use]
    pub fn room_for_live(&self) -> usize {
        self.config.live_max.saturating_sub(self.map.live())
    }

    /// Returns the latest reading within the accepted drift.
    pub(super) fn latest_accepted(&self, now: Now) -> Hlc {
        Hlc { wall: now.wall.plus(self.config.drift_max), logical: u32::MAX }
    }

    /// Returns the stamp of a write that enters the map now.
    ///
    /// The first stamp of an incarnation is past the accepted drift: all that earlier incarnations
    /// acknowledged was within it, so no later write is stamped below. The drift counts from the
    /// start of the incarnation, so that peers need not wait for it; from now where the clock was
    /// set back.
    pub(super) fn stamp(&mut self, now: Now) -> Stamp {
        if self.vector.slot(self.me).is_none() && self.keeps(Rule::NewIncarnationsWaitOutTheDrift) {
            let wall = now.wall.min(self.born);
            self.clock.observe(Hlc { wall: wall.plus(self.config.drift_max), logical: u32::MAX });
        }
        let incarnation = if self.keeps(Rule::OriginsNameTheIncarnation) {
            self.me.incarnation
        } else {
            Incarnation(1)
        };
        let stamp =
            Stamp { hlc: self.clock.tick(now.wall), origin: Origin { incarnation, ..self.me } };
        self.vector.advance(stamp);
        stamp
    }
}
