//! The end of a pull: a complete round is merged together with its vector, or refused.
//!
//! Invariant: a round is merged in one step or not at all. A refused round changes neither the map
//! nor the vector.

use crate::clock::Stamp;
use crate::crdt::entry::{Entry, Rank};
use crate::id::{Key, Origin};
use crate::payload::Payload;
use crate::replica::pull::{Chunks, Pull, Round};
use crate::replica::{Event, Replica, Rule, retire};
use crate::table::Kind;
use crate::time::Now;

/// The size of a merged round.
pub(super) struct Merged {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// The changes that the entries of a round made.
struct Changes<V> {
    /// The number of changed keys.
    changed: usize,
    /// The late writes to deleted keys, which are not merged.
    late: Vec<(Key, Entry<V>)>,
    /// The keys of merged entries that this replica must write again.
    orphans: Vec<Key>,
}

impl<V: Payload> Replica<V> {
    /// Merges a complete round and its vector, in one step or not at all. Returns the size of the
    /// round if it was merged.
    pub(super) fn commit(&mut self, now: Now, pull: Pull<V>) -> Option<Merged> {
        let (source, repairs) = (pull.source, pull.options.full);
        let round = pull.into_round();
        if let Some(refusal) = self.refusal(now, source, &round) {
            self.event(refusal);
            return None;
        }
        let Round { entries, vector, horizon, full, joined } = round;
        if !joined && self.takes_nothing_from(source) {
            self.list_candidates(&vector);
            self.note_proof(now, source, vector);
            return Some(Merged { entries: 0, bytes: 0 });
        }
        // Own writes return in the rounds of others. Unmade ones are a sign of a second process with
        // the same origin, or of a false round. Refusing them would cut this replica off for as long
        // as others cover them. Merged, they only leave gaps, which repairs close.
        let stamps = || entries.highest().chain(vector.iter()).chain(horizon.iter());
        if stamps().any(|stamp| stamp.origin == self.me && !self.vector.covers(stamp)) {
            self.event(Event::OriginStolen { source });
        }
        // Includes the horizon, and happens before any local write: a tombstone stamped below the
        // horizon would be lost at members that have collected.
        if let Some(newest) = stamps().map(|stamp| stamp.hlc).max()
            && self.keeps(Rule::ClocksPassMergedStamps)
        {
            self.clock.observe(newest);
        }
        let repairs = full && repairs && self.is_equal_as_far_as_known(&vector);
        let ambiguous = if full && self.misses_collections(&horizon) {
            self.forget_keys_missing_at(&vector, &horizon, &entries)
        } else {
            Vec::new()
        };
        let is_candidate = self.is_candidate();
        let restored = if full {
            self.drop_orphans(source, &vector, &horizon, is_candidate)
        } else {
            Vec::new()
        };
        let merged = Merged { entries: entries.len(), bytes: entries.size() };
        if repairs {
            self.repair(source, &entries);
        }
        let Changes { changed, late, mut orphans } = self.merge(entries, &restored);
        orphans.extend(ambiguous);
        // Before the vectors are merged: afterwards the incarnations of orphans are closed here
        // too.
        if full {
            orphans.extend(self.orphans(&vector, &horizon));
        }
        let closes_more = vector.marks().any(|mark| {
            self.vector.closed_before(mark.node).is_none_or(|before| before < mark.incarnation)
        });
        self.change_roster(|replica| replica.vector.merge(&vector));
        self.end_ephemeral_entries();
        // A repair may have taken entries that were pruned here, and so may a round that replaces
        // orphans.
        if closes_more || repairs || !restored.is_empty() {
            self.prune_closed_entries();
        }
        if self.keeps(Rule::HorizonsAreInherited) {
            self.horizon.merge(&horizon);
            self.forget_old_closings();
        }
        // A candidate writes nothing, and members do not lack what it alone has.
        if !is_candidate {
            self.delete_late_writes(now, source, late);
            self.adopt(now, source, orphans);
        }
        self.event(Event::Committed { source, entries: merged.entries, changed, full });
        // After the merge, because a proof counts only if the own vector covers it.
        self.note_proof(now, source, vector);
        // Last, so that the first stamp of this incarnation is above all merged ones.
        if joined {
            self.note_caught_up(now, source);
        }
        Some(merged)
    }

    /// Returns the event with which the round ends if it must not be merged. Notes whether the source
    /// has joined in any case.
    fn refusal(&mut self, now: Now, source: Origin, round: &Round<V>) -> Option<Event> {
        let Round { entries, vector, horizon, full, joined } = round;
        self.note_joined(source, *joined);
        if *joined {
            // A joined member exists, even if this round is refused, so this incarnation is not the
            // first and waits for another round.
            self.join_at = self.join_at.max(now.mono + self.config.join_timeout);
        }
        if let Some(refusal) = self.refusal_of_origins(now, source, round) {
            return Some(refusal);
        }
        let superseded_by = retire::newest_known(vector, self.me.node)
            .filter(|newest| *newest > self.me.incarnation);
        if let Some(by) = superseded_by
            && self.keeps(Rule::OlderIncarnationHalts)
        {
            // Of two incarnations of one name the older one halts. It must not join, and must not
            // adopt or delete any writes under its own origin.
            let halts = self.joined && !self.is_superseded_by_misdated(now, by);
            return Some(Event::Superseded { by, halts });
        }
        if let Some(refusal) = self.refusal_of_stamps(now, source, entries, vector, horizon) {
            return Some(refusal);
        }
        // Since the request, this replica has received writes of an incarnation that the source has
        // closed without them. The vector of the next pull shows this, and the source then sends a
        // full round.
        let exceeds = !full && retire::exceeds(&self.vector, vector, horizon);
        exceeds.then_some(Event::GivenUp { source })
    }

    /// Merges the entries. Those under `restored` keys, which are sorted, replace entries that were
    /// dropped.
    fn merge(&mut self, entries: Chunks<V>, restored: &[Key]) -> Changes<V> {
        let skip_covered = self.keeps(Rule::CoveredEntriesAreSkipped);
        let delete_late = self.keeps(Rule::LateWritesAreDeleted);
        let unseen_stay = self.keeps(Rule::UnseenWritesToRegistersStay);
        let latest_deletion = self.horizon.latest_collected();
        let adopt_earlier = self.keeps(Rule::EarlierBirthsAreAdopted);
        let drop_owned = self.keeps(Rule::OwnedOrphansAreDropped);
        let is_candidate = self.is_candidate();
        let (mut changed, mut late, mut orphans) = (0, Vec::new(), Vec::new());
        let any_closed = self.vector.marks().next().is_some();
        // One growth of the hash table instead of several during the merge.
        self.map.reserve(entries.len());
        // The vector does not change during the merge, so the seen part of an origin is the same
        // for all rows.
        let mut seen = retire::SeenWrites::new(&self.vector, &self.horizon);
        for batch in entries.into_batches() {
            let mut rows = batch.rows();
            while let Some((key, entry)) = rows.advance() {
                let (kind, is_owned) = (key.kind(), key.kind().is_owned());
                // Deletions of registers win only over earlier writes.
                let is_later = kind == Kind::Register
                    && unseen_stay
                    && Some(entry.stamp.hlc) > latest_deletion;
                // The key may have been deleted since, and the deletion collected.
                let is_ambiguous = kind == Kind::Register
                    && adopt_earlier
                    && Some(entry.stamp.hlc) <= latest_deletion
                    && !entry.value.is_tombstone()
                    && !self.map.holds(key);
                let is_late_over = |is_deleted: bool| {
                    is_deleted && delete_late && !is_owned && !entry.value.is_tombstone()
                };
                if skip_covered && seen.has(entry.stamp) {
                    // By the invariant, this write is held, beaten or collected. Storing it again
                    // could revive a collected key. Merging into a held entry is safe, and repairs
                    // a diverged replica.
                    let is_merged = self.map.holds(key) || restored.binary_search(&key).is_ok();
                    changed += usize::from(is_merged && self.map.merge(key, &entry));
                } else if self.vector.has_closed(entry.stamp.origin)
                    && (drop_owned && is_owned || is_candidate)
                {
                    // The closing members had another write to this key, or none.
                } else if !is_later && is_late_over(seen.has(entry.born) && !self.map.holds(key)) {
                    late.push((key, entry.to_entry()));
                } else if self.map.merge(key, &entry) {
                    changed += 1;
                    let mut is_orphan =
                        |stamp: Stamp| self.vector.has_closed(stamp.origin) && !seen.has(stamp);
                    let is_closed = any_closed && (is_orphan(entry.stamp) || is_orphan(entry.born));
                    if is_ambiguous || is_closed {
                        orphans.push(key);
                    }
                } else if is_late_over(self.is_deleted_here(key)) {
                    late.push((key, entry.to_entry()));
                }
            }
        }
        Changes { changed, late, orphans }
    }

    /// Returns whether a tombstone is held that a write cannot replace. An older write to an unset
    /// register has only lost to it.
    fn is_deleted_here(&self, key: Key) -> bool {
        let is_tombstone = |rank: Rank| {
            let is_unset = !self.keeps(Rule::OlderWritesToRegistersLose)
                && self.map.get(key).is_some_and(|held| held.is_tombstone());
            rank.is_final || is_unset
        };
        self.map.rank(key).is_some_and(is_tombstone)
    }
}
