//! The invariants of a small world: in every state, and after healing.

use std::collections::BTreeSet;

use gossip::Stamp;
use gossip::replica::Rules;
use gossip::types::counter;
use shared::{Map, Replica};

use super::world::{GROUP, NAMES, World};
use crate::checker::rank::{Rank, rank};
use crate::checker::{agreement, claims, survival};

impl World {
    /// Returns whether a later incarnation of that name runs or has been seen by another replica.
    pub(super) fn is_superseded(&self, replica: &Replica) -> bool {
        let later =
            |other: &Replica| other.me().node == replica.me().node && other.me() > replica.me();
        self.running().any(|(_, other)| later(other) || other.has_fenced(replica.me()))
    }

    /// Checks the invariants of every state.
    pub(super) fn check(&self) -> Result<(), String> {
        // Entries held only by a superseded incarnation are not pulled by others, so they do not
        // count as held elsewhere. After two processes of one name have run, a replica may keep an
        // orphaned write until it receives the closing of its incarnation, so no entry counts.
        let counts =
            |replica: &Replica| !self.is_superseded(replica) && !self.is_candidate(replica);
        let counted = self.running().filter(|(_, replica)| counts(replica));
        let mut held: BTreeSet<_> = counted
            .flat_map(|(_, replica)| replica.map().iter().map(|(_, entry)| entry.stamp))
            .collect();
        if self.nodes.len() > NAMES.len() {
            held.clear();
        }
        for (_, replica) in self.running() {
            let claims = claims::no_overclaim(&self.writes, replica.map(), replica.vector(), &held);
            claims
                .and(self.total_is_sum_of_seen(replica))
                .and(claims::no_underclaim(replica.map(), replica.vector()))
                .and(claims::no_ended_entries(replica.map(), replica.vector()))
                .map_err(|text| format!("{}: {text}", replica.me()))?;
        }
        let replicas =
            self.running().map(|(_, replica)| (replica.me().node, replica)).collect::<Vec<_>>();
        let replicas = replicas
            .iter()
            .map(|(name, replica)| (name.as_str(), replica.vector(), replica.map().fingerprint()));
        agreement::equal_vectors_mean_equal_maps(replicas)
    }

    /// Checks that the total of each counter is the number of increments that the replica has seen.
    fn total_is_sum_of_seen(&self, replica: &Replica) -> Result<(), String> {
        let seen = self
            .writes
            .iter()
            .filter(|(key, stamp)| key.table() == Some(counter::TABLE) && replica.has_seen(*stamp));
        let (seen, held) = (seen.count(), counter::read(replica.map().records(), GROUP));
        let total = held.map_or(0, |counter| counter.total);
        if i128::try_from(seen) == Ok(total) {
            Ok(())
        } else {
            Err(format!("the total is {total}, but {seen} increments were seen"))
        }
    }

    /// Drops all messages in flight and lets every replica pull from every other until nothing
    /// changes. Then all replicas must be equal, and no write of a survivor may be lost.
    pub(super) fn heal(&self, rules: &Rules) -> Result<(), String> {
        let mut world = self.clone();
        world.under_way.clear();
        let mut survivors = survival::Survivors::default();
        self.running()
            .filter(|(_, replica)| !self.is_superseded(replica) && !self.is_candidate(replica))
            .for_each(|(_, replica)| survivors.note_all(replica.map()));
        let is_orphan = |stamp: Stamp| {
            self.running().any(|(_, replica)| {
                replica.vector().has_closed(stamp.origin) && !replica.has_seen(stamp)
            })
        };
        let survivors = survivors.without_owned_orphans(is_orphan);
        let mut before = None;
        // Limits the passes, so that a world that never settles fails the checks below instead of
        // looping.
        for _ in 0..12 {
            let now: Vec<_> = world
                .running()
                .map(|(_, replica)| {
                    (replica.summary(), tombstones(replica.map()), replica.horizon().clone())
                })
                .collect();
            if before.as_ref() == Some(&now) {
                break;
            }
            before = Some(now);
            world.all_pull(rules);
            if let Some(violation) = world.violation.clone() {
                return Err(format!("while healing: {violation}"));
            }
        }
        world.check().map_err(|text| format!("after healing: {text}"))?;
        let first = world.running().next().map(|(_, replica)| replica.map().fingerprint());
        for (_, replica) in world.running() {
            if Some(replica.map().fingerprint()) != first {
                return Err(format!(
                    "after healing: {} differs from the first replica",
                    replica.me()
                ));
            }
            let held = |key| replica.map().get(key).map(|entry| rank(&entry));
            let deleted = |key, write: Rank| {
                world.writes.covers_deletion(key, write, replica.vector())
                    || claims::is_pruned(key, write.1, replica.map(), replica.vector())
            };
            let survived = survivors.all_held(held, deleted);
            survived.map_err(|text| format!("after healing: {}: {text}", replica.me()))?;
            // Collection needs proofs of all members, so tombstones may stay if a process has
            // halted or a second one runs.
            if world.running().count() == NAMES.len()
                && replica.joined()
                && tombstones(replica.map()) > 0
            {
                return Err(format!(
                    "after healing: {} keeps a tombstone that every replica has seen",
                    replica.me()
                ));
            }
        }
        Ok(())
    }
}

/// Returns the number of tombstones in all tables.
fn tombstones(map: &Map) -> usize {
    map.tombstones() + map.tables().map(|(_, size)| size.tombstones).sum::<usize>()
}
