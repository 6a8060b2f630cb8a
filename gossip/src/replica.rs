//! One node's copy of the map, and the anti-entropy rounds that make copies converge.
//!
//! **The invariant.** If the version vector covers a write, then the replica holds that write, or
//! it holds a write that beats it, or the newest covered write of that key was a tombstone that has
//! been collected. Entries that belong to one incarnation are the exception: they may also be gone
//! because their incarnation has ended. The module `owned` decides when.
//!
//! These rules preserve it:
//! - A local write enters the map and the vector in one step.
//! - A round is staged. When it is complete, it is merged in one step together with the source's
//!   vector ([`Replica::handle`]). Merging half a round with the vector would cover writes that
//!   have not arrived.
//! - The source serves a snapshot of its map, and sends the vector of the same moment.
//! - A round belongs to one incarnation of each end: all its frames contain both origins and the
//!   puller's number. Its base is the puller's vector at the time of the request, which only grows
//!   within one incarnation. Each serving of a round has a number, so that all its parts come from
//!   one snapshot.
//! - A round is refused as a whole, and the vector stays unchanged, if a stamp or an incarnation
//!   exceeds the accepted drift, or if no member can have sent it. The module `refuse` has these
//!   rules.
//! - A collected tombstone leaves a trace in the horizon. The module `tombstone_gc` decides when a
//!   tombstone may be collected, and when a puller needs a full round.
//! - An ended incarnation leaves a trace too. The module `retire` decides when its slot may be
//!   closed, and from which replicas its writes are still accepted.
//!
//! Bounds: one pull per source and one serving per puller at a time, each with a deadline; a
//! limited number of unacknowledged chunks, each of limited size; a limited number of staged
//! entries.

mod commit;
mod config;
mod event;
mod join;
#[cfg(feature = "switches")]
mod mutants;
mod owned;
mod pull;
mod pull_log;
mod refuse;
mod repair;
mod retire;
mod roster;
mod rules;
mod serve;
mod tombstone_gc;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::clock::Clock;
use crate::crdt::horizon::Horizon;
use crate::crdt::map::Map;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, NodeName, Origin};
use crate::payload::Payload;
use crate::protocol::{Envelope, PullOptions, PullOutcome, PullRequest, Step, Summary};
use crate::time::{Now, UnixMillis};

pub use config::{Config, PULL_LOG_MAX, TableLimits};
pub use event::{Event, Output};
pub use pull_log::{PullLog, PullRecord};
pub use retire::ForgetError;
#[doc(hidden)]
pub use rules::{Rule, Rules};
pub use write::WriteError;

use commit::Merged;
use pull::{Ending, Progress, Pull};
use serve::Serve;
use tombstone_gc::Proof;

/// The result of comparing a peer's hashes with this replica's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The peer covers different writes.
    Apart,
    /// The peer covers the same writes and holds the same entries.
    Equal,
    /// The peer covers the same writes and holds different entries.
    Diverged,
}

/// One node's copy of the map, with its replication engine.
///
/// It performs no I/O: inputs are method calls, and outputs are queued for [`poll`](Self::poll).
#[derive(Clone, Debug)]
pub struct Replica<V: Payload> {
    me: Origin,
    born: UnixMillis,
    config: Config,
    clock: Clock,
    map: Map<V>,
    vector: VersionVector,
    horizon: Horizon,
    proofs: BTreeMap<NodeName, Proof>,
    /// The most recently linked incarnation of each node.
    present: BTreeMap<NodeName, Incarnation>,
    joined: bool,
    /// The number of times that the members may have changed.
    roster_changes: u64,
    /// The first joined member of which a round was merged, before this incarnation has joined.
    caught_up: Option<Origin>,
    join_at: Duration,
    /// Before this incarnation has joined: the linked members that may have joined, because they
    /// have not reported otherwise.
    undecided: BTreeMap<NodeName, Origin>,
    /// True while it begins no rounds of its own.
    paused: bool,
    next_round: u64,
    pulls: BTreeMap<NodeName, Pull<V>>,
    serves: BTreeMap<NodeName, Serve<V>>,
    next_serving: u64,
    pull_log: PullLog,
    out: VecDeque<Output<V>>,
}

/// Hashes all state that determines the replica's behaviour. State explorers use it to identify
/// equal states.
impl<V: Payload> Hash for Replica<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.me, &self.clock, &self.map, &self.vector, &self.horizon).hash(state);
        (&self.proofs, &self.present, self.joined, self.caught_up).hash(state);
        (&self.undecided, self.paused).hash(state);
        (&self.pulls, &self.serves, self.next_round).hash(state);
    }
}

impl<V: Payload> Replica<V> {
    /// Returns an empty replica at the start of the incarnation `me`.
    #[must_use]
    pub fn new(me: Origin, config: Config, now: Now) -> Self {
        let me = if config.rules.keep(Rule::IncarnationsAreRandom) {
            me
        } else {
            Origin { incarnation: Incarnation::at(me.incarnation.number()), ..me }
        };
        Self {
            me,
            born: now.wall,
            clock: Clock::default(),
            join_at: now.mono + config.join_timeout,
            pull_log: PullLog::new(config.pull_log_max),
            config,
            map: Map::default(),
            vector: VersionVector::new(),
            horizon: Horizon::new(),
            proofs: BTreeMap::new(),
            present: BTreeMap::new(),
            joined: false,
            roster_changes: 0,
            caught_up: None,
            undecided: BTreeMap::new(),
            paused: false,
            next_round: 1,
            pulls: BTreeMap::new(),
            serves: BTreeMap::new(),
            next_serving: 1,
            out: VecDeque::new(),
        }
    }

    /// Returns the replica's own node and incarnation.
    #[must_use]
    pub fn me(&self) -> Origin {
        self.me
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &Map<V> {
        &self.map
    }

    /// Returns the version vector.
    #[must_use]
    pub fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// Returns the horizon: the tombstones that were collected and the incarnations that were closed,
    /// here or at a source of a merged round.
    #[must_use]
    pub fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// Returns whether this incarnation has joined, and so may write.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// Returns the number of rounds under way, pulled and served.
    #[must_use]
    pub fn rounds_under_way(&self) -> usize {
        self.pulls.len() + self.serves.len()
    }

    /// Returns the log of ended pulls.
    #[must_use]
    pub fn pull_log(&self) -> &PullLog {
        &self.pull_log
    }

    /// Returns the hashes of the vector and of the live entries.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { vector: self.vector.hash(), fingerprint: self.map.fingerprint() }
    }

    /// Pauses or resumes the replica's own rounds. While paused, it still serves pulls, and still
    /// pulls when invited.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Begins a pull from `source` over the link to `via`, unless paused. If a pull from `source`
    /// is already under way without a response, its request is repeated instead. With `mutual`, the
    /// source is asked to pull from this replica in turn.
    pub fn pull(&mut self, now: Now, source: Origin, via: NodeName, mutual: bool) {
        if self.paused {
            return;
        }
        if self.has_fenced(source) {
            // It has not seen yet that it was superseded or forgotten. When it pulls from here, it
            // receives the vector that shows it.
            return self.send(via, source, 0, Step::Invite { source: self.me });
        }
        self.begin_pull(now, source, via, PullOptions { mutual, full: false });
    }

    fn begin_pull(&mut self, now: Now, source: Origin, via: NodeName, options: PullOptions) {
        if source.node == self.me.node {
            return;
        }
        if let Some(pull) = self.pulls.get(&source.node) {
            // The same round number, so a request that was only delayed is not served twice.
            if pull.source == source && !pull.answered {
                let (via, round, options) = (pull.via, pull.round, pull.options);
                self.pull_log.ended(source, now.mono, PullOutcome::Unanswered);
                self.pull_log.asked(source, now.mono);
                let vector = options.full.then(|| self.vector.clone());
                self.send(
                    via,
                    source,
                    round,
                    Step::Pull(PullRequest { summary: self.summary(), vector, options }),
                );
            }
            return;
        }
        let round = self.next_round;
        self.next_round += 1;
        self.pull_log.asked(source, now.mono);
        self.pulls.insert(
            source.node,
            Pull::new(source, via, round, options, now.mono + self.config.round_timeout),
        );
        // A full pull follows equal vector hashes: without the vector, the source would answer
        // `Same`.
        let vector = options.full.then(|| self.vector.clone());
        self.send(
            via,
            source,
            round,
            Step::Pull(PullRequest { summary: self.summary(), vector, options }),
        );
    }

    /// Handles a step of a round that arrived over the link to `via`.
    ///
    /// Steps for another incarnation of this node, and steps of rounds that are not under way, are
    /// dropped: the state for which they were computed no longer exists.
    pub fn handle(&mut self, now: Now, via: NodeName, envelope: Envelope<V>) {
        let Envelope { from, to, round, step } = envelope;
        let mine = if self.keeps(Rule::RoundsAreBoundToIncarnations) {
            to == self.me
        } else {
            to.node == self.me.node
        };
        if !mine || from.node == self.me.node || !self.may_pass_on(via, from.node) {
            return;
        }
        match step {
            // Accepted even from a fenced source, which may have seen a later incarnation of this
            // node.
            Step::Invite { source } if self.may_pass_on(via, source.node) => {
                self.begin_pull(now, source, via, PullOptions { mutual: false, full: false })
            }
            Step::Invite { .. } => {}
            Step::Pull(request) => self.on_pull(now, via, from, round, request),
            Step::Ack { chunks } => self.on_ack(now, via, from, round, chunks),
            Step::Same { .. } | Step::Which | Step::Chunk { .. } | Step::End { .. }
                if self.pulls.get(&from.node).is_some_and(|pull| pull.via != via) => {}
            Step::Same { summary, joined } => self.on_same(now, from, round, summary, joined),
            Step::Which => self.on_which(now, from, round),
            Step::Chunk { serving, number, entries } => {
                #[cfg(feature = "switches")]
                self.merge_early(from, round, &entries);
                let staged_max = self.config.staged_max;
                self.on_part(now, from, round, serving, |pull| {
                    pull.stage(number, entries, staged_max)
                });
            }
            Step::End { serving, chunks, vector, horizon, full, joined } => {
                self.on_part(now, from, round, serving, |pull| {
                    pull.end(chunks, Ending { vector, horizon, full, joined })
                });
            }
        }
    }

    /// Returns whether the node at the other end of a link may send rounds of the node `from`.
    fn may_pass_on(&self, via: NodeName, from: NodeName) -> bool {
        let carries = self.config.carries(via) && self.admits(from);
        via == from || carries || !self.keeps(Rule::OnlyCarriersPassOn)
    }

    /// Records that a link to `peer` is up, and discards proofs of its other incarnations. If this
    /// incarnation has not joined, it pulls from `peer` at once.
    pub fn link_up(&mut self, now: Now, peer: Origin) {
        // A forgotten member that returns counts from now on.
        self.roster_changes += 1;
        // One dated in the future is not counted as present: its rounds are refused, and forgetting
        // the member must take effect.
        if self.is_in_future(now, peer.incarnation) {
            self.present.remove(&peer.node);
        } else {
            self.present.insert(peer.node, peer.incarnation);
        }
        if self.keeps(Rule::ProofsEndWithTheIncarnation) {
            self.proofs
                .retain(|node, proof| *node != peer.node || proof.incarnation == peer.incarnation);
        }
        if !self.joined {
            self.undecided.insert(peer.node, peer);
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Records that the link to `via` is down, and drops the rounds over it.
    pub fn link_down(&mut self, via: NodeName) {
        // `present` and the proofs stay: a lost link does not end the peer's incarnation.
        self.undecided.remove(&via);
        if !self.knows(via) {
            // It has not announced itself, so nothing waits for it.
            self.present.remove(&via);
            self.proofs.remove(&via);
        }
        self.pulls.retain(|_, pull| pull.via != via);
        self.serves.retain(|_, serve| serve.via != via);
    }

    /// Returns the next output, oldest first.
    pub fn poll(&mut self) -> Option<Output<V>> {
        self.out.pop_front()
    }

    /// Returns the time at which to call [`tick`](Self::tick); `None` if no work is scheduled.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let pulls = self.pulls.values().map(|pull| pull.deadline);
        let serves = self.serves.values().map(|serve| serve.deadline);
        pulls.chain(serves).chain(self.is_looking().then_some(self.join_at)).min()
    }

    /// Gives up rounds without progress. Joins as the first member if no joined member was found in
    /// time.
    pub fn tick(&mut self, now: Now) {
        let (overdue, active) = std::mem::take(&mut self.pulls)
            .into_iter()
            .partition(|(_, pull)| pull.deadline <= now.mono);
        self.pulls = active;
        for (_, pull) in BTreeMap::<NodeName, Pull<V>>::into_iter(overdue) {
            self.pull_log.ended(pull.source, now.mono, PullOutcome::Unanswered);
            self.event(Event::GivenUp { source: pull.source });
        }
        self.serves.retain(|_, serve| serve.deadline > now.mono);
        if self.is_looking() && self.join_at <= now.mono {
            self.ask_again_or_join(now);
        }
    }

    fn on_pull(
        &mut self,
        now: Now,
        via: NodeName,
        puller: Origin,
        round: u64,
        request: PullRequest,
    ) {
        let PullRequest { summary: theirs, vector, options } = request;
        let mine = self.summary();
        let Some(base) = vector else {
            if theirs.vector == mine.vector {
                self.compare(now, puller, theirs, mine);
                self.send(via, puller, round, Step::Same { summary: mine, joined: self.joined });
            } else {
                self.send(via, puller, round, Step::Which);
            }
            return;
        };
        // A duplicate of a request that is being served: a second snapshot would not match the
        // chunks already sent.
        if self
            .serves
            .get(&puller.node)
            .is_some_and(|serve| serve.puller == puller && serve.round == round)
        {
            return;
        }
        // The base covers all earlier rounds that the puller has merged, so it is a proof.
        if self.is_possible_proof(now, puller, &base) {
            self.note_proof(now, puller, base.clone());
        }
        let full = options.full || self.needs_full_round(&base);
        let nothing = VersionVector::new();
        let snapshot = if self.is_candidate() {
            // Others would take nothing of it.
            Vec::new()
        } else {
            let base = if full { &nothing } else { &base };
            self.map.packed_delta(base, self.config.chunk_bytes)
        };
        let end = Ending {
            vector: self.vector.clone(),
            horizon: self.horizon.clone(),
            full,
            joined: self.joined,
        };
        let deadline = now.mono + self.config.round_timeout;
        let number = self.next_serving;
        self.next_serving += 1;
        // Replaces an older serving: a puller has one round at a time with this source, so it has
        // given the older one up.
        self.serves
            .insert(puller.node, Serve::new(puller, via, round, number, snapshot, end, deadline));
        self.serve(puller.node);
        if options.mutual && !self.vector.covers_all(&base) {
            self.pull(now, puller, via, false);
        }
    }

    fn on_ack(&mut self, now: Now, via: NodeName, puller: Origin, round: u64, chunks: u32) {
        let deadline = now.mono + self.config.round_timeout;
        let Some(serve) = self
            .serves
            .get_mut(&puller.node)
            .filter(|serve| serve.puller == puller && serve.round == round && serve.via == via)
        else {
            return;
        };
        serve.acknowledged(chunks, deadline);
        self.serve(puller.node);
    }

    /// Sends as many chunks to `puller` as the window allows. The end follows the last chunk.
    fn serve(&mut self, puller: NodeName) {
        #[cfg(feature = "switches")]
        self.date_end_late(puller);
        while let Some(serve) = self.serves.get_mut(&puller) {
            let Some(step) = serve.next(self.config.window) else { return };
            let (via, to, round) = (serve.via, serve.puller, serve.round);
            if matches!(step, Step::End { .. }) {
                self.serves.remove(&puller);
            }
            self.send(via, to, round, step);
        }
    }

    fn on_same(&mut self, now: Now, source: Origin, round: u64, theirs: Summary, joined: bool) {
        if self.pull_of(source, round).is_none() {
            return;
        }
        self.note_joined(source, joined);
        let pull = self.pulls.remove(&source.node).expect("pull_of returned this pull");
        self.pull_log.ended(source, now.mono, PullOutcome::Same);
        if self.compare(now, source, theirs, self.summary()) == Comparison::Diverged {
            self.begin_pull(now, source, pull.via, PullOptions { full: true, ..pull.options });
        }
        if joined {
            self.note_caught_up(now, source);
        }
    }

    /// Compares the hashes of `peer` with this replica's own. Equal vectors are a proof of `peer`;
    /// equal vectors with different entries are reported as [`Event::Diverged`].
    fn compare(&mut self, now: Now, peer: Origin, theirs: Summary, mine: Summary) -> Comparison {
        if theirs.vector != mine.vector {
            return Comparison::Apart;
        }
        // Equal hashes: the peer's vector is this one.
        self.note_proof(now, peer, self.vector.clone());
        if theirs.fingerprint == mine.fingerprint {
            return Comparison::Equal;
        }
        self.event(Event::Diverged { peer });
        Comparison::Diverged
    }

    fn on_which(&mut self, now: Now, source: Origin, round: u64) {
        let deadline = now.mono + self.config.round_timeout;
        let summary = self.summary();
        let vector = self.vector.clone();
        let Some(pull) = self.pull_of(source, round) else { return };
        pull.deadline = deadline;
        // From here on `begin_pull` does not repeat the request.
        pull.answered = true;
        let (via, options) = (pull.via, pull.options);
        self.send(
            via,
            source,
            round,
            Step::Pull(PullRequest { summary, vector: Some(vector), options }),
        );
    }

    /// Stages a part of a pulled round, and commits the round once it is complete.
    fn on_part(
        &mut self,
        now: Now,
        source: Origin,
        round: u64,
        serving: u64,
        stage: impl FnOnce(&mut Pull<V>) -> Progress,
    ) {
        let deadline = now.mono + self.config.round_timeout;
        let keep_serving = self.keeps(Rule::RoundsUseOneServing);
        let Some(pull) = self.pull_of(source, round) else { return };
        if !pull.is_of(serving) && keep_serving {
            return;
        }
        pull.deadline = deadline;
        pull.answered = true;
        let via = pull.via;
        match stage(pull) {
            Progress::Waiting => {}
            Progress::Staged(chunks) => self.send(via, source, round, Step::Ack { chunks }),
            Progress::TooLarge => {
                self.pulls.remove(&source.node);
                self.pull_log.ended(source, now.mono, PullOutcome::Refused);
                self.event(Event::GivenUp { source });
            }
            Progress::Whole => {
                let pull = self.pulls.remove(&source.node).expect("pull_of returned this pull");
                let before = self.map.changes();
                let outcome = self.commit(now, pull).map_or(
                    PullOutcome::Refused,
                    |Merged { entries, bytes }| PullOutcome::Merged {
                        entries,
                        bytes,
                        changes: before + 1..=self.map.changes(),
                    },
                );
                self.pull_log.ended(source, now.mono, outcome);
            }
        }
    }

    /// Returns whether a rule is in force. Always true, except in tests that disable it.
    fn keeps(&self, rule: Rule) -> bool {
        self.config.rules.keep(rule)
    }

    fn pull_of(&mut self, source: Origin, round: u64) -> Option<&mut Pull<V>> {
        let incarnations = self.keeps(Rule::RoundsAreBoundToIncarnations);
        self.pulls
            .get_mut(&source.node)
            .filter(|pull| (pull.source == source || !incarnations) && pull.round == round)
    }

    fn send(&mut self, via: NodeName, to: Origin, round: u64, step: Step<V>) {
        self.out
            .push_back(Output::Send { via, envelope: Envelope { from: self.me, to, round, step } });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

#[cfg(test)]
mod tests;
