//! The properties of a healed cluster: all replicas are equal, no write of a survivor is lost, and
//! all collectable state is collected.
//!
//! Invariant: these checks read the processes and change nothing except the recorded violation.

use std::time::Duration;

use gossip::{Fingerprint, Origin, Stamp, VersionVector};
use location_node::city::FIGHTS;
use shared::Replica;

use super::Oracle;
use crate::checker::rank::{Rank, rank};
use crate::checker::survival::Survivors;
use crate::checker::{bounds, claims};
use crate::process::{Process, Processes};
use crate::violation::Violation;

impl Oracle {
    /// Checks that every covered write is held, or replaced by a later write, or deleted.
    ///
    /// # Errors
    /// Returns the first violation of the run.
    pub(crate) fn check_claims(
        &mut self,
        at: Duration,
        processes: &Processes,
    ) -> Result<(), Violation> {
        // A second process of a city that is founded may stay a candidate.
        let counted = || processes.running().filter(|process| !process.replica().is_candidate());
        let entries = counted().flat_map(|process| process.replica().map().iter());
        let held = entries.map(|(_, entry)| entry.stamp).collect();
        for process in counted() {
            let (map, vector) = (process.replica().map(), process.replica().vector());
            let verdict = claims::no_overclaim(&self.writes, map, vector, &held)
                .and_then(|()| claims::no_underclaim(map, vector))
                .and_then(|()| claims::no_ended_entries(map, vector));
            self.claim(at, "claims", process.me, verdict);
        }
        // Fights go on until the end.
        let is_complete = |name: &str, origin| {
            name != FIGHTS && processes.members().any(|process| process.me == origin)
        };
        for process in processes.members() {
            let verdict = self.increments.check(process.replica().map().records(), is_complete);
            self.claim(at, "counters", process.me, verdict);
        }
        self.verdict()
    }

    /// Returns the writes and version vectors of all replicas that will continue. Of two
    /// incarnations of one name, this is the later one.
    pub(crate) fn survivors(&self, processes: &Processes) -> (Survivors, Vec<VersionVector>) {
        let (mut survivors, mut vectors) = (Survivors::default(), Vec::new());
        let fenced = |process: &Process| {
            processes.running().any(|other| other.replica().has_fenced(process.me))
        };
        let superseded = |process: &Process| processes.is_superseded(process) || fenced(process);
        // A candidate is no member yet. What it alone has is dropped.
        let counts = |process: &&Process| !superseded(process) && !process.replica().is_candidate();
        for process in processes.running().filter(counts) {
            let is_checked = |is_tombstone| !(self.faulty && is_tombstone);
            survivors.note_if(process.replica().map(), is_checked);
            vectors.push(process.replica().vector().clone());
            // Acknowledged writes count if their writer still runs, and has not lost entries.
            let acknowledged = self.acknowledged.iter().filter(|_| !self.faulty);
            for (stamp, (key, is_tombstone)) in
                acknowledged.filter(|(stamp, _)| stamp.origin == process.me)
            {
                survivors.note(*key, (*is_tombstone, *stamp));
            }
        }
        let is_orphan = |stamp: Stamp| {
            processes.running().map(Process::replica).any(|replica| {
                replica.vector().has_closed(stamp.origin) && !replica.has_seen(stamp)
            })
        };
        (survivors.without_owned_orphans(is_orphan), vectors)
    }

    /// Checks that every member holds each write of the survivors, or a later one.
    ///
    /// # Errors
    /// Returns the first lost write.
    pub(crate) fn all_survive(
        &self,
        at: Duration,
        processes: &Processes,
        survivors: &Survivors,
    ) -> Result<(), Violation> {
        for process in processes.members() {
            let replica = process.replica();
            let held = |key| replica.map().get(key).map(|entry| rank(&entry));
            let deleted = |key, write: Rank| {
                self.writes.covers_deletion(key, write, replica.vector())
                    || claims::is_pruned(key, write.1, replica.map(), replica.vector())
            };
            survivors.all_held(held, deleted).map_err(|text| Violation {
                at,
                claim: "survival",
                text: format!("{}: {text}", process.me),
            })?;
        }
        Ok(())
    }

    /// Checks the size limits of all members of a cluster of `nodes` names at rest.
    ///
    /// # Errors
    /// Returns the first violation of the run.
    pub(crate) fn check_at_rest(
        &mut self,
        at: Duration,
        processes: &Processes,
        nodes: usize,
    ) -> Result<(), Violation> {
        let members: Vec<Origin> = processes.members().map(|process| process.me).collect();
        for process in processes.running().filter(|process| members.contains(&process.me)) {
            self.claim(at, "bounds", process.me, bounds::at_rest(process.replica(), nodes));
        }
        self.verdict()
    }
}

/// Returns whether each of `nodes` names has exactly one member and all members are equal. With
/// `tidy`, also requires that no collectable state is left of `names` names.
pub(crate) fn all_at_rest(processes: &Processes, nodes: usize, names: usize, tidy: bool) -> bool {
    let tidied = |replica: &Replica| bounds::at_rest(replica, names).is_ok();
    common_fingerprint(processes, nodes).is_some()
        && (!tidy || processes.members().all(|process| tidied(process.replica())))
}

/// Returns the fingerprint of all members, if each of `nodes` names has exactly one member and all
/// members are equal.
pub(crate) fn common_fingerprint(processes: &Processes, nodes: usize) -> Option<Fingerprint> {
    let mut fingerprints = processes.members().map(|process| process.replica().map().fingerprint());
    let first = fingerprints.next()?;
    let are_equal = fingerprints.all(|fingerprint| fingerprint == first);
    (are_equal && processes.members().count() == nodes).then_some(first)
}

/// Returns whether every member covers all of these vectors.
pub(crate) fn all_cover(processes: &Processes, vectors: &[VersionVector]) -> bool {
    let covers = |process: &Process| {
        vectors.iter().all(|vector| process.replica().vector().covers_all(vector))
    };
    processes.members().all(covers)
}
