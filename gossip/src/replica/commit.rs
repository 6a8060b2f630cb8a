//! The end of a pull: a whole round is merged with its vector, or refused.
//!
//! Invariant: one step or nothing. A refused round leaves map and vector as they were.

use crate::crdt::entry::Entry;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Key, Origin};
use crate::payload::Payload;
use crate::replica::pull::{Chunks, Pull, Round};
use crate::replica::{Event, Replica, Rule, retire};
use crate::time::{Now, UnixMillis};

/// The size of a merged round.
pub(super) struct Merged {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl<V: Payload> Replica<V> {
    /// Merges a whole round and its vector, in one step or not at all. Returns its size if it was
    /// merged.
    pub(super) fn commit(&mut self, now: Now, pull: Pull<V>) -> Option<Merged> {
        let source = pull.source;
        let Round { entries, vector, horizon, full, joined } = pull.into_round();
        self.note_joined(source, joined);
        let outlived_by = retire::newest_known(&vector, self.me.node)
            .filter(|newest| *newest > self.me.incarnation);
        if let Some(by) = outlived_by
            && self.keeps(Rule::TheOlderIncarnationHalts)
        {
            // Of two incarnations of one name the older ends. It must neither begin to write now
            // nor take any write for its own.
            self.event(Event::Superseded {
                by,
                halts: self.joined && !self.is_superseded_by_misdated(now, by),
            });
            return None;
        }
        if joined {
            // Some member has joined, even if this round is refused.
            self.join_at = self.join_at.max(now.mono + self.config.join_timeout);
        }
        if let Some(refusal) = self.refusal(now, source, &entries, &vector, &horizon) {
            self.event(refusal);
            return None;
        }
        if !full && retire::exceeds(&self.vector, &vector, &horizon) {
            // This replica has seen more of a closed incarnation since it asked; its next pull says
            // so.
            self.event(Event::GivenUp { source });
            return None;
        }
        // Past the horizon too, before anything is written here: a tombstone stamped below it would
        // be lost on members that have collected.
        let stamps = entries.highest().chain(vector.iter()).chain(horizon.iter());
        if let Some(newest) = stamps.map(|stamp| stamp.hlc).max()
            && self.keeps(Rule::ClocksPassWhatWasMerged)
        {
            self.clock.observe(newest);
        }
        if full {
            self.forget_keys_missing_at(&vector, &horizon, &entries);
        }
        let brought = Merged { entries: entries.len(), bytes: entries.size() };
        let (changed, late) = self.merge(entries);
        let orphans = if full { self.orphans(&vector, &horizon) } else { Vec::new() };
        self.vector.merge(&vector);
        if self.keeps(Rule::HorizonsAreInherited) {
            self.horizon.merge(&horizon);
            self.forget_old_closings();
        }
        self.bury(now, source, late);
        self.adopt(now, source, orphans);
        self.event(Event::Committed { source, entries: brought.entries, changed, full });
        self.learn(source, vector);
        if joined {
            self.join(now, Some(source));
        }
        Some(brought)
    }

    /// Returns the reason why a round must not be merged.
    fn refusal(
        &self,
        now: Now,
        source: Origin,
        entries: &Chunks<V>,
        vector: &VersionVector,
        horizon: &VersionVector,
    ) -> Option<Event> {
        if self.has_fenced(source) {
            return Some(Event::Fenced { source });
        }
        let stamps = || entries.highest().chain(vector.iter()).chain(horizon.iter());
        if stamps().any(|stamp| stamp.origin == self.me && !self.vector.covers(stamp)) {
            return Some(Event::OriginStolen { source });
        }
        let latest = self.latest_accepted(now);
        let ahead = stamps().filter(|stamp| stamp.hlc > latest).max()?;
        let UnixMillis(wall) = ahead.hlc.wall;
        let refused =
            Event::TooFarAhead { source, writer: ahead.origin, ahead_ms: wall - now.wall.0 };
        self.keeps(Rule::RoundsAreRefusedWhole).then_some(refused)
    }

    /// Merges the entries. Returns the number of changes, and the late writes to deleted keys,
    /// which are not merged.
    fn merge(&mut self, entries: Chunks<V>) -> (usize, Vec<(Key, Entry<V>)>) {
        let skip_covered = self.keeps(Rule::CoveredEntriesAreSkipped);
        let bury = self.keeps(Rule::LateWritesAreBuried);
        let (mut changed, mut late) = (0, Vec::new());
        self.map.make_room(entries.len());
        // The vector waits for the end, so the seen part of an origin is the same for all rows.
        let mut heard = retire::SeenWrites::new(&self.vector, &self.horizon);
        for batch in entries.into_batches() {
            let mut rows = batch.rows();
            while let Some((key, entry)) = rows.advance() {
                let is_late_over = |is_dead: bool| is_dead && bury && entry.value.is_some();
                if skip_covered && heard.has(entry.stamp) {
                    // It is held, or beaten, or collected: a late copy must not come back to life.
                    // Merging over a held entry is safe, and repairs what should never be broken.
                    changed += usize::from(self.map.holds(key) && self.map.merge(key, &entry));
                } else if is_late_over(heard.has(entry.born) && !self.map.holds(key)) {
                    late.push((key, entry.to_entry()));
                } else if self.map.merge(key, &entry) {
                    changed += 1;
                } else if is_late_over(self.map.rank(key).is_some_and(|held| held.is_tombstone)) {
                    late.push((key, entry.to_entry()));
                }
            }
        }
        (changed, late)
    }
}
