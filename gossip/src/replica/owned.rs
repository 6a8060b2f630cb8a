//! The entries of owned tables: their incarnation alone writes them, and some end with it.
//!
//! Invariants: an entry of an ephemeral table is held only while no later incarnation of its owner's
//! node is known, and the node is not forgotten. This depends on the version vector alone, so equal
//! vectors still mean equal maps, and no tombstone is needed. A lasting entry of a closed incarnation
//! is the one that the closing members had. Some of them end later: which ones depends on the entries
//! of closed incarnations alone, and all members have the same.

use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::retire::has_seen;
use crate::replica::{Event, Replica, Rule};
use crate::shard::Shard;
use crate::table::{Kind, RING_KEPT, Record, Table};

/// An entry of a table that folds.
struct FoldingEntry<'a> {
    group: &'a str,
    node: NodeName,
    incarnation: Incarnation,
    /// It contains the entries of all incarnations before this one.
    before: Option<Incarnation>,
    key: Key,
}

impl<'a> FoldingEntry<'a> {
    /// Returns the entry of a record; `None` for an invalid one.
    fn of(key: Key, Origin { node, incarnation }: Origin, bytes: &'a [u8]) -> Option<Self> {
        let Record { group, content, .. } = Record::decode(bytes, Kind::Lasting).ok()?;
        let before = Shard::decode(content).ok()?.folded.map(|folded| folded.before);
        Some(Self { group, node, incarnation, before, key })
    }
}

impl<V: Payload> Replica<V> {
    /// Removes the ephemeral entries of ended incarnations. Must be called whenever the vector has
    /// changed, except by a write of an incarnation that has written before.
    pub(super) fn end_ephemeral_entries(&mut self) {
        if !self.keeps(Rule::EphemeralEntriesEnd) {
            return;
        }
        let tables = self.map.tables().map(|(table, _)| table);
        let ephemeral: Vec<Table> =
            tables.filter(|table| table.kind() == Kind::Ephemeral).collect();
        let mut ended = Vec::new();
        for table in ephemeral {
            let records = self.map.records().range(table.keys());
            let of_ended = records.filter(|(_, stamp, _)| self.vector.has_ended(stamp.origin));
            ended.extend(of_ended.map(|(key, ..)| key));
        }
        ended.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Removes the entries of closed incarnations that are not kept: of a ring, all but the newest;
    /// of a table that folds, those that another one contains. Must be called whenever incarnations
    /// have been closed.
    pub(super) fn prune_closed_entries(&mut self) {
        self.prune_rings();
        self.prune_folded_entries();
    }

    /// Returns the incarnation before which the closed incarnations of this node may be folded;
    /// `None` if none may.
    #[must_use]
    pub(crate) fn folds_before(&self) -> Option<Incarnation> {
        if self.keeps(Rule::OnlyClosedEntriesAreFolded) {
            self.vector.closed_before(self.me.node)
        } else {
            Some(self.me.incarnation)
        }
    }

    /// Removes the entries of closed incarnations that the entry of another closed incarnation
    /// contains. What an open one contains stays: the open one may be dropped as an orphan.
    ///
    /// An entry that is removed was contained in one that is kept, so what the entries of a group
    /// add up to does not change.
    fn prune_folded_entries(&mut self) {
        if !self.keeps(Rule::FoldedEntriesEnd) {
            return;
        }
        let tables = self.map.tables().map(|(table, _)| table);
        let folding: Vec<Table> = tables.filter(|table| table.folds()).collect();
        let mut pruned = Vec::new();
        for table in folding {
            let mut closed: Vec<FoldingEntry<'_>> = self
                .map
                .records()
                .range(table.keys())
                .filter(|(_, stamp, _)| self.vector.has_closed(stamp.origin))
                .filter_map(|(key, stamp, bytes)| FoldingEntry::of(key, stamp.origin, bytes))
                .collect();
            closed.sort_unstable_by_key(|entry| (entry.group, entry.node));
            for entries in closed.chunk_by(|a, b| (a.group, a.node) == (b.group, b.node)) {
                let before = entries.iter().filter_map(|entry| entry.before).max();
                let contained = entries.iter().filter(|entry| Some(entry.incarnation) < before);
                pruned.extend(contained.map(|entry| entry.key));
            }
        }
        // A deterministic order, since each removal gets a change number.
        pruned.sort_unstable();
        pruned.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Removes the entries of closed incarnations that are not among the newest of their group, in
    /// tables that are rings.
    ///
    /// The newest of those that were newest before are the newest of all.
    fn prune_rings(&mut self) {
        if !self.keeps(Rule::RingsKeepTheNewest) {
            return;
        }
        let rings: Vec<Table> =
            self.map.tables().map(|(table, _)| table).filter(|table| table.is_ring()).collect();
        let mut pruned = Vec::new();
        for table in rings {
            let closed = self.map.records().range(table.keys()).filter_map(|(key, stamp, _)| {
                self.vector.has_closed(stamp.origin).then_some((key.group(), stamp, key))
            });
            let mut closed: Vec<_> = closed.collect();
            closed.sort_unstable();
            for group in closed.chunk_by(|(one, ..), (other, ..)| one == other) {
                let excess = group.len().saturating_sub(RING_KEPT);
                pruned.extend(group[..excess].iter().map(|(.., key)| *key));
            }
        }
        pruned.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Before a full round is merged, removes the owned entries that its source has not seen and
    /// whose incarnation it has closed, so that those of the closing members replace them. A candidate
    /// removes all orphans. Returns their keys, sorted.
    ///
    /// They cannot be adopted like other orphans: their keys belong to the closed incarnation, and a
    /// candidate writes nothing.
    pub(super) fn drop_orphans(
        &mut self,
        source: Origin,
        vector: &VersionVector,
        horizon: &Horizon,
        is_candidate: bool,
    ) -> Vec<Key> {
        if !self.keeps(Rule::OwnedOrphansAreDropped) {
            return Vec::new();
        }
        let origins = self.map.origins().filter(|origin| vector.has_closed(*origin));
        let written = origins.flat_map(|origin| self.map.written_by(origin));
        let mut dropped: Vec<Key> = written
            .filter(|(key, entry)| key.kind().is_owned() && !has_seen(vector, horizon, entry.stamp))
            .map(|(key, _)| key)
            .collect();
        if is_candidate {
            dropped.extend(self.orphans(vector, horizon));
        }
        // A deterministic order, since each removal gets a change number.
        dropped.sort_unstable();
        dropped.iter().for_each(|key| self.map.remove(*key));
        if !dropped.is_empty() {
            self.event(Event::OrphansDropped { source, writes: dropped.len() });
        }
        dropped
    }
}
