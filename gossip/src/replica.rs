//! One node's copy of the map, and the anti-entropy rounds that bring copies together.
//!
//! **The invariant.** If the version vector covers a write, the replica holds that write, or one
//! that beats it, or the newest covered write of that key was a tombstone that has been collected.
//!
//! Everything here keeps that sentence true:
//! - A local write enters the map and the vector in one step.
//! - A round is staged, and at its end merged in one step together with the source's vector
//!   ([`Replica::handle`]): half a round would claim writes that it did not bring.
//! - The source sends from a snapshot, taken with the vector that it sends at the end.
//! - A round belongs to one incarnation of each end: the puller's number and both incarnations are
//!   in every frame. The base is the puller's own vector at the time of the pull, which within one
//!   incarnation only grows. Each serving of a round has a number, so its parts are all of one
//!   snapshot.
//! - A round with a stamp beyond the accepted drift, or one that claims this replica's own origin,
//!   is refused as a whole, and the vector stays as it was.
//! - A collected tombstone leaves a trace: `tombstone_gc` decides when it may go, and what a member
//!   that was away is owed.
//! - An incarnation that has ended leaves a trace too: `retire` decides when its slot may go, and
//!   who may still bring its writes.
//!
//! Bounds: one pull for a source and one serving for a puller at a time, each with a deadline; a
//! window of unacknowledged chunks, each of bounded size; a limit on staged entries.

mod commit;
mod config;
mod event;
mod join;
#[cfg(feature = "switches")]
mod mutants;
mod pull;
mod pull_log;
mod retire;
mod rules;
mod serve;
mod tombstone_gc;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::clock::Clock;
use crate::crdt::map::Map;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, NodeName, Origin};
use crate::payload::Payload;
use crate::protocol::{Envelope, PullOptions, PullOutcome, Question, Step, Summary};
use crate::time::{Now, UnixMillis};

pub use config::{Config, PULL_LOG_MAX};
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

/// The comparison of a peer's hashes with this replica's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The peer covers other writes.
    Apart,
    /// The peer covers and holds the same writes.
    Equal,
    /// The peer covers the same writes and holds different ones.
    Diverged,
}

/// One node's copy of the map, and its replication engine. Sans-io: inputs are its methods, outputs
/// wait for [`poll`](Self::poll).
#[derive(Clone, Debug)]
pub struct Replica<V: Payload> {
    me: Origin,
    born: UnixMillis,
    config: Config,
    clock: Clock,
    map: Map<V>,
    vector: VersionVector,
    horizon: VersionVector,
    proofs: BTreeMap<NodeName, Proof>,
    /// The incarnation of each node that was linked last.
    present: BTreeMap<NodeName, Incarnation>,
    joined: bool,
    join_at: Duration,
    /// While this incarnation has not joined: the linked members that have not reported that they
    /// have not joined either.
    undecided: BTreeMap<NodeName, Origin>,
    /// Whether it begins no rounds by itself.
    paused: bool,
    next_round: u64,
    pulls: BTreeMap<NodeName, Pull<V>>,
    serves: BTreeMap<NodeName, Serve<V>>,
    next_serving: u64,
    pull_log: PullLog,
    out: VecDeque<Output<V>>,
}

/// Hashes all that decides what the replica will do. A state explorer tells states apart by this.
impl<V: Payload> Hash for Replica<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.me, &self.clock, &self.map, &self.vector, &self.horizon).hash(state);
        (&self.proofs, &self.present, self.joined, &self.undecided, self.paused).hash(state);
        (&self.pulls, &self.serves, self.next_round).hash(state);
    }
}

impl<V: Payload> Replica<V> {
    /// Returns an empty replica at the start of the incarnation `me`.
    #[must_use]
    pub fn new(me: Origin, config: Config, now: Now) -> Self {
        Self {
            me,
            born: now.wall,
            clock: Clock::default(),
            join_at: now.mono + config.join_timeout,
            pull_log: PullLog::new(config.pull_log_max),
            config,
            map: Map::default(),
            vector: VersionVector::new(),
            horizon: VersionVector::new(),
            proofs: BTreeMap::new(),
            present: BTreeMap::new(),
            joined: false,
            undecided: BTreeMap::new(),
            paused: false,
            next_round: 1,
            pulls: BTreeMap::new(),
            serves: BTreeMap::new(),
            next_serving: 1,
            out: VecDeque::new(),
        }
    }

    /// Returns the node and incarnation.
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

    /// Returns the newest tombstones that were collected, here or at the sources of its rounds.
    #[must_use]
    pub fn horizon(&self) -> &VersionVector {
        &self.horizon
    }

    /// Returns whether it may write.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// Returns the number of rounds under way, at either end.
    #[must_use]
    pub fn rounds_under_way(&self) -> usize {
        self.pulls.len() + self.serves.len()
    }

    /// Returns the log of its pulls.
    #[must_use]
    pub fn pull_log(&self) -> &PullLog {
        &self.pull_log
    }

    /// Returns hashes of what it covers and holds.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { vector: self.vector.hash(), fingerprint: self.map.fingerprint() }
    }

    /// Stops or resumes the rounds that it begins by itself. It still serves, and pulls when
    /// invited.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Begins a pull from `source` over the link to `via`, unless rounds are paused. A pull from
    /// `source` that is under way and unanswered is repeated instead. With `mutual`, the source is
    /// asked to pull back what it lacks itself.
    pub fn pull(&mut self, now: Now, source: Origin, via: NodeName, mutual: bool) {
        if self.paused {
            return;
        }
        if self.has_fenced(source) {
            // It does not know yet that it was superseded, or forgotten; pulling from here tells
            // it.
            return self.send(via, source, 0, Step::Invite { source: self.me });
        }
        self.begin_pull(now, source, via, PullOptions { mutual, full: false });
    }

    fn begin_pull(&mut self, now: Now, source: Origin, via: NodeName, options: PullOptions) {
        if source.node == self.me.node {
            return;
        }
        if let Some(pull) = self.pulls.get(&source.node) {
            // A lost question is repeated as the same one.
            if pull.source == source && !pull.heard {
                let (via, round, options) = (pull.via, pull.round, pull.options);
                self.pull_log.ended(source, now.mono, PullOutcome::Unanswered);
                self.pull_log.asked(source, now.mono);
                let vector = options.full.then(|| self.vector.clone());
                self.send(
                    via,
                    source,
                    round,
                    Step::Pull(Question { summary: self.summary(), vector, options }),
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
        let vector = options.full.then(|| self.vector.clone());
        self.send(
            via,
            source,
            round,
            Step::Pull(Question { summary: self.summary(), vector, options }),
        );
    }

    /// Takes a step of a round that arrived over the link to `via`. A step for another incarnation
    /// of this node, or of a round that is not under way, is dropped: what it was computed for is
    /// gone.
    pub fn handle(&mut self, now: Now, via: NodeName, envelope: Envelope<V>) {
        let Envelope { from, to, round, step } = envelope;
        let mine = if self.keeps(Rule::RoundsAreBoundToIncarnations) {
            to == self.me
        } else {
            to.node == self.me.node
        };
        if !mine || from.node == self.me.node {
            return;
        }
        match step {
            // Even from a fenced source: it may know of a later incarnation of this node.
            Step::Invite { source } => {
                self.begin_pull(now, source, via, PullOptions { mutual: false, full: false })
            }
            Step::Pull(question) => self.on_pull(now, via, from, round, question),
            Step::Ack { chunks } => self.on_ack(now, from, round, chunks),
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

    /// Notes that a link to `peer` is up. Proofs of its earlier incarnations are void. While this
    /// incarnation has not joined, every peer is asked at once.
    pub fn link_up(&mut self, now: Now, peer: Origin) {
        self.present.insert(peer.node, peer.incarnation);
        if self.keeps(Rule::ProofsEndWithTheIncarnation) {
            self.proofs
                .retain(|node, proof| *node != peer.node || proof.incarnation == peer.incarnation);
        }
        if !self.joined {
            self.undecided.insert(peer.node, peer);
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Drops the rounds over the link to `via`, which is down.
    pub fn link_down(&mut self, via: NodeName) {
        self.undecided.remove(&via);
        self.pulls.retain(|_, pull| pull.via != via);
        self.serves.retain(|_, serve| serve.via != via);
    }

    /// Returns the next output, oldest first.
    pub fn poll(&mut self) -> Option<Output<V>> {
        self.out.pop_front()
    }

    /// Returns when [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let pulls = self.pulls.values().map(|pull| pull.deadline);
        let serves = self.serves.values().map(|serve| serve.deadline);
        pulls.chain(serves).chain(self.is_looking().then_some(self.join_at)).min()
    }

    /// Gives up rounds without progress, and joins as the first member when no member that has
    /// joined was found in time.
    pub fn tick(&mut self, now: Now) {
        let (overdue, alive) = std::mem::take(&mut self.pulls)
            .into_iter()
            .partition(|(_, pull)| pull.deadline <= now.mono);
        self.pulls = alive;
        for (_, pull) in BTreeMap::<NodeName, Pull<V>>::into_iter(overdue) {
            self.pull_log.ended(pull.source, now.mono, PullOutcome::Unanswered);
            self.event(Event::GivenUp { source: pull.source });
        }
        self.serves.retain(|_, serve| serve.deadline > now.mono);
        if self.is_looking() && self.join_at <= now.mono {
            self.ask_again_or_join(now);
        }
    }

    fn on_pull(&mut self, now: Now, via: NodeName, puller: Origin, round: u64, question: Question) {
        let Question { summary: theirs, vector, options } = question;
        let mine = self.summary();
        let Some(base) = vector else {
            if theirs.vector == mine.vector {
                self.compare(puller, theirs, mine);
                self.send(via, puller, round, Step::Same { summary: mine, joined: self.joined });
            } else {
                self.send(via, puller, round, Step::Which);
            }
            return;
        };
        if self
            .serves
            .get(&puller.node)
            .is_some_and(|serve| serve.puller == puller && serve.round == round)
        {
            return;
        }
        self.learn(puller, base.clone());
        let full = options.full || self.owes_full_round(&base);
        let nothing = VersionVector::new();
        let snapshot =
            self.map.packed_delta(if full { &nothing } else { &base }, self.config.chunk_bytes);
        let end = Ending {
            vector: self.vector.clone(),
            horizon: self.horizon.clone(),
            full,
            joined: self.joined,
        };
        let deadline = now.mono + self.config.round_timeout;
        let number = self.next_serving;
        self.next_serving += 1;
        self.serves
            .insert(puller.node, Serve::new(puller, via, round, number, snapshot, end, deadline));
        self.serve(puller.node);
        if options.mutual && !self.vector.covers_all(&base) {
            self.pull(now, puller, via, false);
        }
    }

    fn on_ack(&mut self, now: Now, puller: Origin, round: u64, chunks: u32) {
        let deadline = now.mono + self.config.round_timeout;
        let Some(serve) = self
            .serves
            .get_mut(&puller.node)
            .filter(|serve| serve.puller == puller && serve.round == round)
        else {
            return;
        };
        serve.acknowledged(chunks, deadline);
        self.serve(puller.node);
    }

    /// Sends as many chunks to `puller` as the window allows, and the end after the last one.
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
        let pull = self.pulls.remove(&source.node).expect("the pull just looked at");
        self.pull_log.ended(source, now.mono, PullOutcome::Same);
        if self.compare(source, theirs, self.summary()) == Comparison::Diverged {
            self.begin_pull(now, source, pull.via, PullOptions { full: true, ..pull.options });
        }
        if joined {
            self.join(now, Some(source));
        }
    }

    /// Notes a proof where `peer` covers the same writes, and raises the alarm if it holds
    /// different ones.
    fn compare(&mut self, peer: Origin, theirs: Summary, mine: Summary) -> Comparison {
        if theirs.vector != mine.vector {
            return Comparison::Apart;
        }
        self.learn(peer, self.vector.clone());
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
        pull.heard = true;
        let (via, options) = (pull.via, pull.options);
        self.send(
            via,
            source,
            round,
            Step::Pull(Question { summary, vector: Some(vector), options }),
        );
    }

    /// Stages a part of a pulled round, and commits the round when it is whole.
    fn on_part(
        &mut self,
        now: Now,
        source: Origin,
        round: u64,
        serving: u64,
        stage: impl FnOnce(&mut Pull<V>) -> Progress,
    ) {
        let deadline = now.mono + self.config.round_timeout;
        let keep_serving = self.keeps(Rule::RoundsAreOfOneServing);
        let Some(pull) = self.pull_of(source, round) else { return };
        if !pull.is_of(serving) && keep_serving {
            return;
        }
        pull.deadline = deadline;
        pull.heard = true;
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
                let pull = self.pulls.remove(&source.node).expect("the pull that was just staged");
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

    /// Returns whether a rule is kept: always, but in tests that break it.
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
