//! One node's copy of the map, and the anti-entropy rounds that bring copies together.
//!
//! **The invariant.** If the version vector covers a write, the replica holds that write, or something that beats it, or the
//! newest covered write of that key was a tombstone that has been collected.
//!
//! Everything here keeps that sentence true:
//! - A local write enters the map and the vector in one step.
//! - A round is staged, and at its end merged in one step together with the source's vector ([`Replica::handle`]): half a
//!   round would claim what it did not bring.
//! - The source sends from a snapshot, taken with the vector that it announces at the end.
//! - A round belongs to one life of each end: the puller's number and both incarnations are in every frame. The base is the
//!   puller's own vector at the time of the pull, which within one life only grows. Each serving of a round has a
//!   number, so its parts are all of one snapshot.
//! - A round that holds a stamp too far in the future, or one that claims this replica's own origin, is refused whole, with
//!   the vector as it was.
//! - What has been collected leaves a trace: `collect` says when a tombstone may go, and what is owed to those who return.
//! - A life that is over leaves a trace too: `close` says when its slot may go, and who may still bring its writes.
//!
//! What bounds it: one pull a source and one serving a puller at a time, each with a deadline; a window of unacknowledged
//! chunks, each of bounded size; a limit on staged entries.

mod close;
mod collect;
mod journal;
mod pull;
mod rules;
mod serve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::clock::{Clock, Hlc, Stamp};
use crate::crdt::{Entry, Map, Value, VersionVector};
use crate::id::{HeroId, Incarnation, NodeName, Origin};
use crate::message::{Envelope, PullOutcome, Question, Step, Summary, Wish};
use crate::time::{Now, UnixMillis};

pub use close::ForgetError;
pub use journal::{Journal, PullRecord};
pub use rules::{Rule, Rules};

use collect::Proof;
use pull::{Chunks, Ending, Progress, Pull, Round};
use serve::Serve;

/// How many records of its pulls a replica keeps: those of a minute or so.
pub const JOURNAL_MAX: usize = 256;

/// What a replica's rounds may cost and how long they may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every member of the cluster, this node included, whether alive or not. A tombstone is kept until all of them have heard
    /// of it; where this node is not among them, for ever.
    pub members: BTreeSet<NodeName>,
    /// How far ahead of this node's wall clock a stamp may be. The same on every node of a cluster: a laxer one would
    /// relay what the others must refuse.
    pub drift_max: Duration,
    /// How long a new life looks for a member that has joined before it takes itself for the first; and how often it asks those
    /// again who are linked and have not said.
    pub join_patience: Duration,
    /// How long a round may stand still before it is given up.
    pub round_timeout: Duration,
    /// After how many bytes of entries a chunk is full.
    pub chunk_bytes: usize,
    /// How many chunks may be under way unacknowledged.
    pub window: u32,
    /// How many entries a round may bring; a larger one is given up.
    pub staged_max: usize,
    /// How many heroes may live before no more are born here. What others bring is always taken.
    pub heroes_max: usize,
    /// How many tombstones may be kept before nobody is ended here.
    pub tombstones_max: usize,
    /// How many records of its pulls a replica keeps.
    pub journal_max: usize,
    /// Which rules are kept: all of them, outside tests.
    pub rules: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            members: BTreeSet::new(),
            drift_max: Duration::from_secs(2),
            join_patience: Duration::from_secs(1),
            round_timeout: Duration::from_secs(3),
            chunk_bytes: 64 * 1024,
            window: 8,
            staged_max: 4_000_000,
            heroes_max: 1_000_000,
            tombstones_max: 1_000_000,
            journal_max: JOURNAL_MAX,
            rules: Rules::default(),
        }
    }
}

/// Why a write is refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// This life has not joined yet.
    #[error("has just started and has not caught up with the cluster yet")]
    Joining,
    /// The hero is dead.
    #[error("the hero is dead")]
    Dead,
    /// What it should be written over is stamped further ahead than the accepted drift.
    #[error("the copy is stamped too far in the future")]
    TooFarAhead,
    /// As many heroes live here as may.
    #[error("as many heroes live as may")]
    TooManyHeroes,
    /// As many tombstones wait here as may for every member to hear of them.
    #[error("as many tombstones wait as may")]
    TooManyTombstones,
}

/// What a replica asks of the machine around it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this step over the link to `via`.
    Send {
        /// The node at the other end of the link.
        via: NodeName,
        /// The step.
        envelope: Envelope,
    },
    /// Something happened that an operator may want to know.
    Event(Event),
}

/// What happened in the rounds of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Tombstones that every member has heard of were dropped.
    Collected {
        /// Their stamps.
        tombstones: Vec<Stamp>,
    },
    /// Writes came late, to heroes whose tombstones were collected already. They were buried anew.
    Buried {
        /// Who sent the round.
        source: Origin,
        /// How many.
        writes: usize,
    },
    /// Writes of lives that all others had closed without having heard of them were written anew here.
    Adopted {
        /// Who had closed the lives.
        source: Origin,
        /// How many.
        writes: usize,
    },
    /// Lives that are over, and of which every member has heard the same, lost their slots.
    Closed {
        /// The first life of that node that stays open.
        before: Origin,
        /// How many.
        lives: usize,
    },
    /// A member was forgotten.
    Forgotten {
        /// Which.
        member: NodeName,
    },
    /// A round was refused whole: its source is a life that a later one of its name has followed. Nothing was changed.
    Fenced {
        /// Who sent the round.
        source: Origin,
    },
    /// A round ended and was merged.
    Committed {
        /// Where it came from.
        source: Origin,
        /// How many entries it brought.
        entries: usize,
        /// How many of them beat what was held.
        changed: usize,
        /// Whether it brought all that the source held.
        full: bool,
    },
    /// A round was refused whole: it holds a stamp beyond the accepted drift. Nothing was changed.
    TooFarAhead {
        /// Who sent the round.
        source: Origin,
        /// Who wrote the stamp.
        writer: Origin,
        /// How far it is ahead of this node's wall clock, in milliseconds.
        ahead_ms: u64,
    },
    /// A round was refused whole: it claims writes of this very life that it never made. Nothing was changed.
    OriginStolen {
        /// Who sent the round.
        source: Origin,
    },
    /// The alarm that should never ring: same vectors, different entries.
    Diverged {
        /// The other side.
        peer: Origin,
    },
    /// A pull was given up: it stood still for too long, brought more than this replica takes, or was overtaken by another.
    /// Nothing was changed.
    GivenUp {
        /// Where it was to come from.
        source: Origin,
    },
    /// This life may write from now on.
    Joined {
        /// The member that brought it up to date, or `None` where none was found: it is the first.
        through: Option<Origin>,
    },
    /// A newer life of this name has written somewhere. This one is over.
    Superseded {
        /// The newer life.
        by: Incarnation,
        /// Whether its process ends with it. If not, it is to begin a life later than that one.
        halts: bool,
    },
}

impl Event {
    /// Returns the reason for which the event refused a round, if it did: a label of the metrics.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Fenced { .. } => Some("fenced"),
            Self::TooFarAhead { .. } => Some("too_far_ahead"),
            Self::OriginStolen { .. } => Some("origin_stolen"),
            Self::Collected { .. }
            | Self::Buried { .. }
            | Self::Adopted { .. }
            | Self::Closed { .. }
            | Self::Forgotten { .. }
            | Self::Committed { .. }
            | Self::Diverged { .. }
            | Self::GivenUp { .. }
            | Self::Joined { .. }
            | Self::Superseded { .. } => None,
        }
    }
}

/// How long a life that was refused, since its name is alive, does not take itself for the first. Longer than any pause between two
/// attempts to link.
const REFUSED_PATIENCE: Duration = Duration::from_secs(10);

/// What a round that was merged had brought.
struct Merged {
    entries: usize,
    bytes: usize,
}

/// What two hashes of a peer say beside one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// It covers something else.
    Apart,
    /// It covers and holds the same.
    Equal,
    /// It covers the same and holds something else.
    Diverged,
}

/// One node's copy of the map and its engine. Sans-io: inputs through its methods, outputs through [`poll`](Self::poll).
#[derive(Clone, Debug)]
pub struct Replica {
    me: Origin,
    born: UnixMillis,
    config: Config,
    clock: Clock,
    map: Map,
    vector: VersionVector,
    horizon: VersionVector,
    proofs: BTreeMap<NodeName, Proof>,
    /// The life of each node that was linked last.
    present: BTreeMap<NodeName, Incarnation>,
    joined: bool,
    join_at: Duration,
    /// While this life has not joined: the linked members that have not said that they have not joined either.
    undecided: BTreeMap<NodeName, Origin>,
    /// Whether it begins no rounds of its own accord.
    paused: bool,
    next_round: u64,
    pulls: BTreeMap<NodeName, Pull>,
    serves: BTreeMap<NodeName, Serve>,
    next_serving: u64,
    journal: Journal,
    out: VecDeque<Output>,
}

/// All that decides what it will do: whoever explores its states tells them apart by this.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.me, &self.clock, &self.map, &self.vector, &self.horizon).hash(state);
        (&self.proofs, &self.present, self.joined, &self.undecided, self.paused).hash(state);
        (&self.pulls, &self.serves, self.next_round).hash(state);
    }
}

impl Replica {
    /// An empty replica at the beginning of the life `me`.
    #[must_use]
    pub fn new(me: Origin, config: Config, now: Now) -> Self {
        Self {
            me,
            born: now.wall,
            clock: Clock::default(),
            join_at: now.mono + config.join_patience,
            journal: Journal::new(config.journal_max),
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

    /// Whose replica this is.
    #[must_use]
    pub fn me(&self) -> Origin {
        self.me
    }

    /// All it holds.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// What it covers.
    #[must_use]
    pub fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// The newest tombstones that were collected, here or where this replica learned from.
    #[must_use]
    pub fn horizon(&self) -> &VersionVector {
        &self.horizon
    }

    /// Whether it may write.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// How many rounds it takes part in at this moment, at either end.
    #[must_use]
    pub fn rounds_under_way(&self) -> usize {
        self.pulls.len() + self.serves.len()
    }

    /// What became of its pulls.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Hashes of what it covers and holds.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { vector: self.vector.hash(), fingerprint: self.map.fingerprint() }
    }

    /// Writes `value` under `key` on top of what is held there, with a new stamp, and returns the entry written.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed.
    pub fn write(&mut self, now: Now, key: HeroId, value: Value) -> Result<Entry, WriteError> {
        let over = self.map.get(key);
        self.write_over(now, key, value, over.as_ref())
    }

    /// As [`write`](Self::write), on top of `over`: a copy that came with a command, for a key not held here. The copy
    /// itself is not taken in, since the vector does not cover it.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed.
    pub fn write_over(&mut self, now: Now, key: HeroId, value: Value, over: Option<&Entry>) -> Result<Entry, WriteError> {
        if !self.joined && self.config.rules.keep(Rule::WritersHaveJoined) {
            return Err(WriteError::Joining);
        }
        if let Some(over) = over {
            if over.is_tombstone() || self.knows_dead(key, over) {
                return Err(WriteError::Dead);
            }
            // What is held was accepted, even if the wall clock has been set back since.
            let is_held = self.map.rank(key).is_some_and(|held| held.stamp == over.stamp);
            if !is_held && over.stamp.hlc > self.latest_accepted(now) {
                return Err(WriteError::TooFarAhead);
            }
        }
        match value {
            Value::Live(_) if over.is_none() && self.room_for_heroes() == 0 => return Err(WriteError::TooManyHeroes),
            Value::Tombstone if self.map.tombstones() >= self.config.tombstones_max => return Err(WriteError::TooManyTombstones),
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

    /// How many heroes may still be born here.
    #[must_use]
    pub fn room_for_heroes(&self) -> usize {
        self.config.heroes_max.saturating_sub(self.map.live())
    }

    /// The latest reading that is not too far in the future.
    fn latest_accepted(&self, now: Now) -> Hlc {
        Hlc { wall: now.wall.plus(self.config.drift_max), logical: u32::MAX }
    }

    /// The stamp of a write that enters the map now.
    ///
    /// The first of a life is past the accepted drift: whatever its dead self acknowledged was within that drift, so nothing it
    /// writes can be stamped below it. The drift counts from birth, so that peers need not wait for it; but from now where the clock
    /// was set back meanwhile.
    fn stamp(&mut self, now: Now) -> Stamp {
        if self.vector.slot(self.me).is_none() && self.config.rules.keep(Rule::NewLivesWaitOutTheDrift) {
            let wall = now.wall.min(self.born);
            self.clock.observe(Hlc { wall: wall.plus(self.config.drift_max), logical: u32::MAX });
        }
        let incarnation = if self.config.rules.keep(Rule::OriginsCarryTheLife) { self.me.incarnation } else { Incarnation(1) };
        let stamp = Stamp { hlc: self.clock.tick(now.wall), origin: Origin { incarnation, ..self.me } };
        self.vector.advance(stamp);
        stamp
    }

    /// From now on begins no round of its own accord, or does again. It still serves, and pulls where it is invited to.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Begins a pull from `source` over the link to `via`, unless one from it is under way (its question is repeated where nothing has
    /// been heard to it), or rounds are paused. With `mutual`, the
    /// source is asked to pull back what it lacks itself.
    pub fn pull(&mut self, now: Now, source: Origin, via: NodeName, mutual: bool) {
        if self.paused {
            return;
        }
        if self.has_fenced(source) {
            // It does not know yet that it is outlived, or forgotten. It will when it pulls from here.
            return self.send(via, source, 0, Step::Invite { source: self.me });
        }
        self.begin_pull(now, source, via, Wish { mutual, full: false });
    }

    fn begin_pull(&mut self, now: Now, source: Origin, via: NodeName, wish: Wish) {
        if source.node == self.me.node {
            return;
        }
        if let Some(pull) = self.pulls.get(&source.node) {
            // A question that was lost need not be waited for: it is asked again, as the same one.
            if pull.source == source && !pull.heard {
                let (via, round, wish) = (pull.via, pull.round, pull.wish);
                self.journal.ended(source, now.mono, PullOutcome::Unanswered);
                self.journal.asked(source, now.mono);
                let vector = wish.full.then(|| self.vector.clone());
                self.send(via, source, round, Step::Pull(Question { summary: self.summary(), vector, wish }));
            }
            return;
        }
        let round = self.next_round;
        self.next_round += 1;
        self.journal.asked(source, now.mono);
        self.pulls.insert(source.node, Pull::new(source, via, round, wish, now.mono + self.config.round_timeout));
        let vector = wish.full.then(|| self.vector.clone());
        self.send(via, source, round, Step::Pull(Question { summary: self.summary(), vector, wish }));
    }

    /// Takes a step of a round that arrived over the link to `via`. A step for another life of this node, or of a round
    /// that is not under way, is dropped: whatever it was computed for is gone.
    pub fn handle(&mut self, now: Now, via: NodeName, envelope: Envelope) {
        let Envelope { from, to, round, step } = envelope;
        let mine = if self.config.rules.keep(Rule::RoundsAreBoundToLives) { to == self.me } else { to.node == self.me.node };
        if !mine || from.node == self.me.node {
            return;
        }
        match step {
            // Even from one that is fenced: who invites may know of a later life of this node.
            Step::Invite { source } => self.begin_pull(now, source, via, Wish { mutual: false, full: false }),
            Step::Pull(question) => self.on_pull(now, via, from, round, question),
            Step::Ack { chunks } => self.on_ack(now, from, round, chunks),
            Step::Same { summary, joined } => self.on_same(now, from, round, summary, joined),
            Step::Which => self.on_which(now, from, round),
            Step::Chunk { serving, number, entries } => {
                if !self.config.rules.keep(Rule::VectorsWaitForTheEnd) && self.pull_of(from, round).is_some() {
                    for (key, entry) in entries.iter() {
                        self.map.merge(key, &entry.as_entry_ref());
                        self.vector.advance(entry.stamp);
                    }
                }
                let staged_max = self.config.staged_max;
                self.on_part(now, from, round, serving, |pull| pull.stage(number, entries, staged_max));
            }
            Step::End { serving, chunks, vector, horizon, full, joined } => {
                self.on_part(now, from, round, serving, |pull| pull.end(chunks, Ending { vector, horizon, full, joined }));
            }
        }
    }

    /// A link to `peer` stands. What an earlier life of it proved is void; and while this life has not joined, every peer is
    /// asked at once.
    pub fn link_up(&mut self, now: Now, peer: Origin) {
        self.present.insert(peer.node, peer.incarnation);
        if self.config.rules.keep(Rule::ProofsDieWithTheLife) {
            self.proofs.retain(|node, proof| *node != peer.node || proof.incarnation == peer.incarnation);
        }
        if !self.joined {
            self.undecided.insert(peer.node, peer);
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Somebody will not link, since the life `alive` of this replica's name lives. The older of two lives halts; and whoever hears that it is
    /// not alone is not the first.
    pub fn refused(&mut self, now: Now, alive: Incarnation) {
        if !self.joined {
            self.join_at = now.mono + self.config.join_patience.max(REFUSED_PATIENCE);
        } else if alive > self.me.incarnation && self.config.rules.keep(Rule::TheOlderLifeHalts) {
            self.event(Event::Superseded { by: alive, halts: true });
        }
    }

    /// Forgets the rounds over the link to `via`, which is gone.
    pub fn link_down(&mut self, via: NodeName) {
        self.undecided.remove(&via);
        self.pulls.retain(|_, pull| pull.via != via);
        self.serves.retain(|_, serve| serve.via != via);
    }

    /// The next output, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let pulls = self.pulls.values().map(|pull| pull.deadline);
        let serves = self.serves.values().map(|serve| serve.deadline);
        pulls.chain(serves).chain(self.is_looking().then_some(self.join_at)).min()
    }

    /// Gives up the rounds that stood still, and joins as the first when nobody who has joined was found in time.
    pub fn tick(&mut self, now: Now) {
        let (overdue, alive) = std::mem::take(&mut self.pulls).into_iter().partition(|(_, pull)| pull.deadline <= now.mono);
        self.pulls = alive;
        for (_, pull) in BTreeMap::<NodeName, Pull>::into_iter(overdue) {
            self.journal.ended(pull.source, now.mono, PullOutcome::Unanswered);
            self.event(Event::GivenUp { source: pull.source });
        }
        self.serves.retain(|_, serve| serve.deadline > now.mono);
        if self.is_looking() && self.join_at <= now.mono {
            self.ask_again_or_join(now);
        }
    }

    fn on_pull(&mut self, now: Now, via: NodeName, puller: Origin, round: u64, question: Question) {
        let Question { summary: theirs, vector, wish } = question;
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
        if self.serves.get(&puller.node).is_some_and(|serve| serve.puller == puller && serve.round == round) {
            return;
        }
        self.learn(puller, base.clone());
        let full = wish.full || self.owes_full_round(&base);
        let nothing = VersionVector::new();
        let snapshot = self.map.packed_delta(if full { &nothing } else { &base }, self.config.chunk_bytes);
        let end = Ending { vector: self.vector.clone(), horizon: self.horizon.clone(), full, joined: self.joined };
        let deadline = now.mono + self.config.round_timeout;
        let number = self.next_serving;
        self.next_serving += 1;
        self.serves.insert(puller.node, Serve::new(puller, via, round, number, snapshot, end, deadline));
        self.serve(puller.node);
        if wish.mutual && !self.vector.covers_all(&base) {
            self.pull(now, puller, via, false);
        }
    }

    fn on_ack(&mut self, now: Now, puller: Origin, round: u64, chunks: u32) {
        let deadline = now.mono + self.config.round_timeout;
        let Some(serve) = self.serves.get_mut(&puller.node).filter(|serve| serve.puller == puller && serve.round == round) else {
            return;
        };
        serve.acknowledged(chunks, deadline);
        self.serve(puller.node);
    }

    /// Sends what the window allows of the round served to `puller`, and its end after the last chunk.
    fn serve(&mut self, puller: NodeName) {
        while let Some(serve) = self.serves.get_mut(&puller) {
            if !self.config.rules.keep(Rule::TheEndIsOfTheSnapshot) {
                serve.retell(self.vector.clone());
            }
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
        self.hear_whether_joined(source, joined);
        let pull = self.pulls.remove(&source.node).expect("the pull just looked at");
        self.journal.ended(source, now.mono, PullOutcome::Same);
        if self.compare(source, theirs, self.summary()) == Comparison::Diverged {
            self.begin_pull(now, source, pull.via, Wish { full: true, ..pull.wish });
        }
        if joined {
            self.join(now, Some(source));
        }
    }

    /// Takes note that `peer` covers what this replica covers, if it does, and rings the alarm if it holds something else.
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
        let (via, wish) = (pull.via, pull.wish);
        self.send(via, source, round, Step::Pull(Question { summary, vector: Some(vector), wish }));
    }

    /// Puts a part of a pulled round where it belongs, and commits the round when it is whole.
    fn on_part(&mut self, now: Now, source: Origin, round: u64, serving: u64, stage: impl FnOnce(&mut Pull) -> Progress) {
        let deadline = now.mono + self.config.round_timeout;
        let keep_serving = self.config.rules.keep(Rule::RoundsAreOfOneServing);
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
                self.journal.ended(source, now.mono, PullOutcome::Refused);
                self.event(Event::GivenUp { source });
            }
            Progress::Whole => {
                let pull = self.pulls.remove(&source.node).expect("the pull that was just staged");
                let before = self.map.changes();
                let outcome = self.commit(now, pull).map_or(PullOutcome::Refused, |Merged { entries, bytes }| PullOutcome::Merged {
                    entries,
                    bytes,
                    changes: before + 1..=self.map.changes(),
                });
                self.journal.ended(source, now.mono, outcome);
            }
        }
    }

    /// Merges a whole round and its vector, in one step or not at all. Returns what it brought, if it was.
    fn commit(&mut self, now: Now, pull: Pull) -> Option<Merged> {
        let source = pull.source;
        let Round { entries, vector, horizon, full, joined } = pull.into_round();
        self.hear_whether_joined(source, joined);
        let outlived_by = close::newest_known(&vector, self.me.node).filter(|newest| *newest > self.me.incarnation);
        if let Some(by) = outlived_by
            && self.config.rules.keep(Rule::TheOlderLifeHalts)
        {
            // Of two lives of one name the older one ends. It must not begin to write now, nor take anything as its own.
            self.event(Event::Superseded { by, halts: self.joined && !self.is_outlived_by_an_error(now, by) });
            return None;
        }
        if joined {
            // Whatever comes of this round, somebody has joined before.
            self.join_at = self.join_at.max(now.mono + self.config.join_patience);
        }
        if let Some(refusal) = self.refusal(now, source, &entries, &vector, &horizon) {
            self.event(refusal);
            return None;
        }
        if !full && close::exceeds(&self.vector, &vector, &horizon) {
            // This replica has heard more of a closed life since it asked. The next question says so.
            self.event(Event::GivenUp { source });
            return None;
        }
        // Past the horizon too, before anything is written here: a burial below it would be lost on those who collected.
        let stamps = entries.highest().chain(vector.iter()).chain(horizon.iter());
        if let Some(newest) = stamps.map(|stamp| stamp.hlc).max()
            && self.config.rules.keep(Rule::ClocksPassWhatWasMerged)
        {
            self.clock.observe(newest);
        }
        if full {
            self.forget_what_is_gone_at(&vector, &horizon, &entries);
        }
        let brought = Merged { entries: entries.len(), bytes: entries.size() };
        let (changed, late) = self.merge(entries);
        let orphans = if full { self.orphans(&vector, &horizon) } else { Vec::new() };
        self.vector.merge(&vector);
        if self.config.rules.keep(Rule::HorizonsAreInherited) {
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

    /// Why a round must not be merged, if so.
    fn refusal(&self, now: Now, source: Origin, entries: &Chunks, vector: &VersionVector, horizon: &VersionVector) -> Option<Event> {
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
        let refused = Event::TooFarAhead { source, writer: ahead.origin, ahead_ms: wall - now.wall.0 };
        self.config.rules.keep(Rule::RoundsAreRefusedWhole).then_some(refused)
    }

    /// Takes what beats what is held. Returns how much that was, and the late writes to the dead, which are not taken.
    fn merge(&mut self, entries: Chunks) -> (usize, Vec<(HeroId, Entry)>) {
        let skip_covered = self.config.rules.keep(Rule::CoveredEntriesAreSkipped);
        let bury = self.config.rules.keep(Rule::LateWritesAreBuried);
        let (mut changed, mut late) = (0, Vec::new());
        self.map.make_room(entries.len());
        // The vector waits for the end, so what has been heard of an origin is the same for all rows.
        let mut heard = close::Heard::new(&self.vector, &self.horizon);
        for batch in entries.into_batches() {
            let mut rows = batch.rows();
            while let Some((key, entry)) = rows.advance() {
                let is_late_over = |is_dead: bool| is_dead && bury && entry.hero.is_some();
                if skip_covered && heard.has(entry.stamp) {
                    // It is held, or beaten, or collected: a late copy must not come back to life. Merging over what stands
                    // is without danger, and mends what should never be broken.
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

    /// Whether it looks for a member that has joined, and has no question open.
    fn is_looking(&self) -> bool {
        !self.joined && !self.paused && self.pulls.is_empty()
    }

    /// Joins as the first, or asks those again who may know better.
    fn ask_again_or_join(&mut self, now: Now) {
        if self.undecided.is_empty() || !self.config.rules.keep(Rule::TheFirstHasAskedAll) {
            return self.join(now, None);
        }
        self.join_at = now.mono + self.config.join_patience;
        for peer in self.undecided.values().copied().collect::<Vec<_>>() {
            self.pull(now, peer, peer.node, true);
        }
    }

    /// Takes note of whether `source` has joined, as it says.
    fn hear_whether_joined(&mut self, source: Origin, joined: bool) {
        if !joined && self.undecided.get(&source.node) == Some(&source) {
            self.undecided.remove(&source.node);
        }
    }

    /// Lets this life write from now on. It announces itself in the vector: whoever hears of it fences the lives before.
    fn join(&mut self, now: Now, through: Option<Origin>) {
        if !self.joined {
            self.joined = true;
            self.undecided.clear();
            self.stamp(now);
            self.event(Event::Joined { through });
        }
    }

    fn pull_of(&mut self, source: Origin, round: u64) -> Option<&mut Pull> {
        let lives = self.config.rules.keep(Rule::RoundsAreBoundToLives);
        self.pulls.get_mut(&source.node).filter(|pull| (pull.source == source || !lives) && pull.round == round)
    }

    fn send(&mut self, via: NodeName, to: Origin, round: u64, step: Step) {
        self.out.push_back(Output::Send { via, envelope: Envelope { from: self.me, to, round, step } });
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

#[cfg(test)]
mod tests;
