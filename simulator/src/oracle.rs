//! The oracle: the ground truth of a run, and the invariants checked against it.
//!
//! The driver (`cluster`) reports each event and each step of a machine. The oracle only reads the
//! processes. Invariants that hold at any time are checked in this file, those of a healed cluster
//! in `convergence`, and those of the view of dispatch in `view`.
//!
//! Invariant: a run keeps its first violation. The oracle changes no machine, network or random
//! generator, so a run is the same regardless of the checks.

pub(crate) mod convergence;
pub(crate) mod view;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dispatch_node::request::{Outcome, Reply, Written};
use gossip::replica::Event;
use gossip::{Origin, Stamp};
use shared::hero::HeroId;

use crate::checker::rank::rank;
use crate::checker::{
    agreement, answers, bounds, causality, claims, collection, counters, restarts,
};
use crate::process::{Process, Processes};
use crate::violation::Violation;
use witness::Witness;

/// The observations of one run.
#[derive(Default)]
pub(crate) struct Oracle {
    writes: claims::Writes,
    unanswered: answers::Open,
    restarts: BTreeMap<usize, restarts::Restarts>,
    /// The tickets of open requests to the library's types.
    asked: BTreeSet<u64>,
    pub(crate) increments: counters::Increments,
    /// The acknowledged writes: stamp, hero, and whether the write is a deletion.
    acknowledged: BTreeMap<Stamp, (HeroId, bool)>,
    /// One witness per process, for its current incarnation.
    witnesses: Vec<Witness>,
    violation: Option<Violation>,
    /// True if replicas lose entries or lie: then no claim about a single replica holds.
    pub(crate) faulty: bool,
}

impl Oracle {
    /// Returns the first violation, if any.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Returns the number of writes observed at any replica.
    pub(crate) fn writes(&self) -> usize {
        self.writes.len()
    }

    /// Records a violation by this incarnation if the verdict is an error.
    fn claim(
        &mut self,
        at: Duration,
        claim: &'static str,
        incarnation: Origin,
        verdict: Result<(), String>,
    ) {
        // These hold also among faulty replicas.
        let holds_always = ["answers", "restarts", "bounds"].contains(&claim);
        if let Err(text) = verdict
            && (holds_always || !self.faulty)
        {
            let text = format!("{incarnation}: {text}");
            self.violation.get_or_insert(Violation { at, claim, text });
        }
    }

    fn verdict(&self) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    // Incarnations.

    /// Adds a process; its number is the next one.
    pub(crate) fn process_added(&mut self) {
        self.witnesses.push(Witness::default());
    }

    /// Starts a new witness for the next incarnation of a process.
    ///
    /// Whether the clock was set back counts now: a frozen process is observed only later, when the
    /// clock may have caught up.
    pub(crate) fn incarnation_began(&mut self, number: usize, clock_was_set_back: bool) {
        let witness = &mut self.witnesses[number];
        *witness = witness.successor();
        if clock_was_set_back {
            witness.writers.ignore_predecessor();
        }
    }

    /// Checks a restart after a crash against the allowed intensity.
    pub(crate) fn restarted(
        &mut self,
        at: Duration,
        number: usize,
        incarnation: Origin,
        max: usize,
        window: Duration,
    ) {
        let verdict = self.restarts.entry(number).or_default().note(at, max, window);
        self.claim(at, "restarts", incarnation, verdict);
    }

    /// Clears the restarts of a process, because it has a new supervisor.
    pub(crate) fn forget_restarts(&mut self, number: usize) {
        self.restarts.remove(&number);
    }

    // Requests.

    /// Records a request to dispatch.
    pub(crate) fn requested(&mut self, at: Duration, ticket: u64) {
        self.unanswered.opened(ticket, at);
    }

    /// Checks that the ticket was open, and records the writes that the reply acknowledges.
    pub(crate) fn answered(
        &mut self,
        at: Duration,
        incarnation: Origin,
        ticket: u64,
        reply: &Outcome,
    ) {
        let verdict = self.unanswered.answered(ticket);
        self.claim(at, "answers", incarnation, verdict);
        let Ok(reply) = reply else { return };
        if let Reply::Created(created) = reply {
            let created_writes =
                created.iter().map(|written| (written.entry.stamp, (written.hero, false)));
            self.acknowledged.extend(created_writes);
        } else if let Some(Written { hero, entry }) = reply.write() {
            self.acknowledged.insert(entry.stamp, (*hero, entry.is_tombstone()));
        }
    }

    /// Records a request to one of the library's types.
    pub(crate) fn asked(&mut self, ticket: u64) {
        self.asked.insert(ticket);
    }

    /// Records its answer.
    pub(crate) fn type_answered(&mut self, at: Duration, incarnation: Origin, ticket: u64) {
        let verdict = if self.asked.remove(&ticket) {
            Ok(())
        } else {
            Err(format!("answered the request {ticket}, which is not open"))
        };
        self.claim(at, "answers", incarnation, verdict);
    }

    /// Checks that the request was answered in the step in which it arrived.
    pub(crate) fn check_answered(&mut self, at: Duration, incarnation: Origin, ticket: u64) {
        let verdict = if self.asked.remove(&ticket) {
            Err(format!("did not answer the request {ticket}"))
        } else {
            Ok(())
        };
        self.claim(at, "answers", incarnation, verdict);
    }

    /// Records that dispatch has stopped, which closes the connections of all waiting clients.
    pub(crate) fn connections_closed(&mut self) {
        self.unanswered.clear();
    }

    /// Records the end of a freeze of dispatch; the frozen time does not count as waiting.
    pub(crate) fn dispatch_thawed(&mut self, at: Duration) {
        self.unanswered.restart_time(at);
    }

    // Machines.

    /// Checks every entry of a replica that changed since the last observation.
    pub(crate) fn observe(
        &mut self,
        at: Duration,
        number: usize,
        process: &Process,
        clock_was_set_back: bool,
    ) {
        let (replica, me) = (process.replica(), process.me);
        let witness = &mut self.witnesses[number];
        if clock_was_set_back {
            witness.writers.ignore_predecessor();
        }
        let mut first: Option<(&'static str, String)> = None;
        let mut note = |claim, verdict: Result<(), String>| {
            if let Err(text) = verdict {
                first.get_or_insert((claim, text));
            }
        };
        let since = witness.changes_seen;
        for (change, key, entry) in replica.map().changed_since(since) {
            witness.changes_seen = change;
            let rank = rank(&entry);
            note("origins", self.writes.note_entry(key, &entry));
            if replica.is_candidate() {
                // What it alone has is dropped.
                continue;
            }
            note("deletions", witness.deletions.note(key, rank.0));
            // The entry of a closed incarnation may be replaced by that of the closing members.
            if !(key.kind().is_owned() && replica.vector().has_closed(entry.stamp.origin)) {
                note("monotonic reads", witness.reads.note(key, rank, entry.is_tombstone()));
            }
            if entry.stamp.origin == me {
                // A replica that has not joined may still write the tombstone of a deleted hero
                // again, to beat a late write.
                let may_write = replica.joined() || entry.is_tombstone();
                note("writers", witness.writers.wrote(entry.stamp, may_write));
            } else {
                witness.writers.received(entry.stamp);
            }
        }
        if let Some((claim, text)) = first {
            self.claim(at, claim, me, Err(text));
        }
    }

    /// Checks an event that a replica has reported.
    pub(crate) fn replica_event(
        &mut self,
        at: Duration,
        processes: &Processes,
        number: usize,
        event: &Event,
    ) {
        let incarnation = processes[number].me;
        match event {
            Event::Collected { tombstones } => {
                self.writes.note_collected(tombstones);
                let verdict = collection_is_safe(processes, number, tombstones);
                self.claim(at, "collection", incarnation, verdict);
            }
            Event::Closed { before, .. } => {
                let records = processes[number].replica().map().records();
                let is_closed_elsewhere = |origin| {
                    let mut others =
                        processes.running().filter(|process| process.me != incarnation);
                    others.any(|process| process.replica().vector().has_closed(origin))
                };
                let verdict = self.increments.note_closed(records, *before, is_closed_elsewhere);
                self.claim(at, "counters", incarnation, verdict);
            }
            Event::OriginStolen { .. } if !self.faulty => {
                self.claim(at, "origins", incarnation, Err(format!("{event:?}")));
            }
            Event::Diverged { .. } if !self.faulty => {
                self.claim(at, "agreement", incarnation, Err(format!("{event:?}")));
            }
            Event::OriginStolen { .. }
            | Event::Diverged { .. }
            | Event::Repaired { .. }
            | Event::NotMember { .. }
            | Event::TooManyIncarnations { .. }
            | Event::Committed { .. }
            | Event::LateWritesDeleted { .. }
            | Event::TooFarAhead { .. }
            | Event::Adopted { .. }
            | Event::OrphansDropped { .. }
            | Event::Forgotten { .. }
            | Event::Fenced { .. }
            | Event::GivenUp { .. }
            | Event::Superseded { .. }
            | Event::Announced
            | Event::Listed { .. }
            | Event::Joined { .. } => {}
        }
    }

    /// Checks all processes of a cluster with `nodes` node names; `dispatch` is the process number
    /// of dispatch.
    pub(crate) fn inspect(
        &mut self,
        at: Duration,
        processes: &Processes,
        dispatch: usize,
        nodes: usize,
    ) {
        let names: Vec<String> =
            processes.running().map(|process| process.me.to_string()).collect();
        let replicas = processes.running().zip(&names).map(|(process, name)| {
            let replica = process.replica();
            (name.as_str(), replica.vector(), replica.map().fingerprint())
        });
        let agreed = agreement::equal_vectors_mean_equal_maps(replicas);
        self.claim(at, "agreement", processes[dispatch].me, agreed);
        if processes[dispatch].is_awake() {
            let deadlines = self.unanswered.check_deadlines(at);
            self.claim(at, "answers", processes[dispatch].me, deadlines);
        }
        for (number, process) in processes.iter().enumerate() {
            if process.is_running() {
                let (replica, incarnation) = (process.replica(), process.me);
                let monotonic = self.witnesses[number].reads.note_vector(replica.vector());
                let covered = collection::horizon_is_covered(replica.horizon(), replica.vector());
                self.claim(at, "monotonic reads", incarnation, monotonic);
                self.claim(at, "collection", incarnation, covered);
                self.claim(at, "bounds", incarnation, bounds::rounds_in_flight(replica, nodes));
                let causal =
                    causality::questions_come_first(replica.map().records(), replica.vector());
                self.claim(at, "causal cuts", incarnation, causal);
                let ended = claims::no_ended_entries(replica.map(), replica.vector());
                self.claim(at, "presence", incarnation, ended);
            }
        }
    }
}

/// Checks that every other member that counts covers the tombstones just collected.
fn collection_is_safe(
    processes: &Processes,
    collector: usize,
    collected: &[Stamp],
) -> Result<(), String> {
    let replica = processes[collector].replica();
    let members = processes.running().filter(|process| process.me != replica.me());
    // The collector pulls nothing more from an incarnation that it has fenced, which halts once it
    // learns of the later one; also after that one has ended.
    let counted = members.filter(|process| {
        !process.replica().is_candidate()
            && !replica.is_forgotten(process.name)
            && !replica.has_fenced(process.me)
            && !processes.is_superseded(process)
    });
    let incarnations = counted.map(|process| (process.me, process.replica().vector()));
    collection::all_have_seen(collected, replica.vector(), incarnations)
}
