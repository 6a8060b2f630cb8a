//! What nodes say to each other over a link. Four conversations share it: replication rounds, commands, observation, and control.
//!
//! Rounds name their two ends by origin (node and incarnation), because a third node may carry them. The others stay between the
//! two ends of the link, and no fault touches them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crdt::{Batch, Entry, Fingerprint, VersionVector};
use crate::fault::{Control, Report};
use crate::hero::Location;
use crate::id::{HeroId, Incarnation, NodeName, Origin};
use crate::time::UnixMillis;
use crate::trace::TraceContext;

/// One message on a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// A step of an anti-entropy round.
    Round(Envelope),
    /// Dispatch asks a city to do something.
    Command {
        /// Chosen by the sender, repeated in the answer.
        request: u64,
        /// A city does not act on a command later than this, by its own wall clock: a command that outlived its
        /// sender's patience (in a frozen city's buffers, say) must not happen after all.
        expires: UnixMillis,
        /// The span in whose course it is asked for, if a trace of that is kept.
        trace: Option<TraceContext>,
        /// What to do.
        command: Command,
    },
    /// A city says what became of a command.
    Answer {
        /// The number of the command.
        request: u64,
        /// What became of it.
        result: Result<Done, Refusal>,
    },
    /// Asks for what changed at the receiver after its change numbered `since`. Answered when there is something,
    /// and at the latest after a second with nothing.
    Observe {
        /// The number of the newest change the sender knows of; 0 for none.
        since: u64,
        /// The number of the newest pull the sender knows of; 0 for none.
        pulls: u64,
    },
    /// The receiver's own truth, or the part of it that changed.
    Observation(Observation),
    /// Dispatch asks something of a node's process. No machine sees it.
    Control(Control),
    /// A node's process tells dispatch what is in force there.
    Report(Report),
}

impl Frame {
    /// What kind of frame it is, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Round(Envelope { step, .. }) => match step {
                Step::Invite { .. } => "invite",
                Step::Pull(_) => "pull",
                Step::Same { .. } => "same",
                Step::Which => "which",
                Step::Chunk { .. } => "chunk",
                Step::Ack { .. } => "ack",
                Step::End { .. } => "end",
            },
            Self::Command { .. } => "command",
            Self::Answer { .. } => "answer",
            Self::Observe { .. } => "observe",
            Self::Observation(_) => "observation",
            Self::Control(_) => "control",
            Self::Report(_) => "report",
        }
    }
}

/// A step of a round with its two ends. The receiver of a round (the one that lacks something) pulls it.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who says it.
    pub from: Origin,
    /// To whom; another life of that node drops it.
    pub to: Origin,
    /// The puller's number for this round.
    pub round: u64,
    /// What is said.
    pub step: Step,
}

/// The steps of a round from a (the source) to b (the puller). Idle: `Pull`, `Same`. Otherwise: `Pull`, `Which`,
/// `Pull` with the vector, then `Chunk`s answered by `Ack`s, and `End`.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub enum Step {
    /// A third node to b: pull from `source`, through me.
    Invite {
        /// Whom to pull from.
        source: Origin,
    },
    /// b to a: send me what I lack.
    Pull(Question),
    /// a to b: I have what you have.
    Same {
        /// Hashes of what a has.
        summary: Summary,
        /// Whether a has joined the cluster.
        joined: bool,
    },
    /// a to b: I have something else; which vector have you?
    Which,
    /// a to b: a part of the delta.
    Chunk {
        /// a's number for this serving of the round: should b have asked twice, the parts of two moments are not mixed.
        serving: u64,
        /// From 0, without gaps.
        number: u32,
        /// Entries that b's vector does not cover.
        entries: Batch,
    },
    /// b to a: I hold this many chunks of the round.
    Ack {
        /// How many.
        chunks: u32,
    },
    /// a to b: that was all.
    End {
        /// a's number for this serving.
        serving: u64,
        /// How many chunks there were.
        chunks: u32,
        /// What a covered when it took the snapshot that the chunks are of.
        vector: VersionVector,
        /// The newest tombstones that a has collected.
        horizon: VersionVector,
        /// Whether the chunks are all that a holds, rather than what b's vector does not cover: b has not heard of some
        /// tombstone that a has collected.
        full: bool,
        /// Whether a has joined the cluster.
        joined: bool,
    },
}

/// What a puller says of itself.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct Question {
    /// Hashes of what it has.
    pub summary: Summary,
    /// What it covers; sent only after the source asked which, or where it is known that the source's differs.
    pub vector: Option<VersionVector>,
    /// What the puller wants beside that.
    pub wish: Wish,
}

/// What a puller wants beside what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// That the source pulls back, if the puller has something that it lacks.
    pub mutual: bool,
    /// All that the source holds, since the two cover the same and hold something else.
    pub full: bool,
}

/// Hashes that are equal exactly when two replicas cover and hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Summary {
    /// Of the version vector.
    pub vector: u64,
    /// Of the entries.
    pub fingerprint: Fingerprint,
}

/// What dispatch may ask of a city.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Take this hero in.
    Assign {
        /// Which.
        hero: HeroId,
        /// Where to.
        to: Location,
        /// Dispatch's copy, for a city that has not heard of the hero.
        copy: Option<Arc<Entry>>,
    },
    /// Crash: lose all memory and begin a new life.
    Bomb,
}

/// What a city did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// It took the hero in; this is its write.
    Assigned(Arc<Entry>),
    /// It is about to crash.
    Bombed,
}

/// Why a city did not do what it was asked. Nothing was changed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It has never heard of the hero, and no copy came along.
    NotHeardOf,
    /// The hero is dead.
    Deleted,
    /// It has just started and has not caught up yet.
    Joining,
    /// The command arrived after its time.
    Expired,
    /// The copy that came along is stamped too far in the future.
    TooFarAhead,
}

/// A city's own truth: its counts, and the entries that changed since a point the observer named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The life of the city that this is of; changes are numbered anew in each.
    pub life: Incarnation,
    /// The point it starts after.
    pub since: u64,
    /// The point it goes up to; what lies after it follows in the next.
    pub until: u64,
    /// What the city's wall clock reads, by which it judges whether a command has expired.
    pub wall: UnixMillis,
    /// The number of the city's newest change.
    pub head: u64,
    /// What was removed between the two; any of it that came back is among the entries.
    pub removed: Vec<HeroId>,
    /// What changed between the two, oldest first.
    pub changes: Changes,
    /// What became of the city's pulls after the one that the observer named; the newest, if there are more than are kept.
    pub pulls: Vec<Pulled>,
    /// The number of the newest pull.
    pub pulls_until: u64,
    /// How often the city begins a pull of its own, if at all.
    pub gossip_interval: Option<Duration>,
    /// Living heroes at the city.
    pub heroes: u64,
    /// Tombstones at the city.
    pub tombstones: u64,
    /// Hash of all the city holds.
    pub fingerprint: Fingerprint,
    /// What the city covers.
    pub vector: VersionVector,
    /// How often the city has crashed since its process started.
    pub crashes: u32,
    /// Whether it has joined the cluster.
    pub joined: bool,
}

/// Changes of a city's map, packed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The city's number for each.
    pub numbers: Vec<u64>,
    /// What the city holds since.
    pub entries: Batch,
}

/// A change of a city's map.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The city's number for it.
    pub number: u64,
    /// Of which hero.
    pub hero: HeroId,
    /// What the city holds since.
    pub entry: Arc<Entry>,
}

impl Changes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Whether a node of this version can have told them: each has its number.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.numbers.len() == self.entries.len()
    }

    /// Each of them, standing by itself.
    pub fn iter(&self) -> impl Iterator<Item = Change> {
        self.numbers.iter().zip(self.entries.iter()).map(|(number, (hero, entry))| Change { number: *number, hero, entry: entry.into() })
    }
}

impl FromIterator<Change> for Changes {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut numbers = Vec::new();
        let with_its_number = |Change { number, hero, entry }: Change| {
            numbers.push(number);
            (hero, Arc::unwrap_or_clone(entry))
        };
        let entries = changes.into_iter().map(with_its_number).collect();
        Self { numbers, entries }
    }
}

/// What became of a pull, told by its puller. Times are spans before the telling: the puller's clock may be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pulled {
    /// Who was asked.
    pub source: NodeName,
    /// How long ago.
    pub asked_ago: Duration,
    /// How long ago that was over.
    pub ended_ago: Duration,
    /// What came of it.
    pub outcome: PullOutcome,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullOutcome {
    /// Both covered the same.
    Same,
    /// A round was merged.
    Merged {
        /// How many entries it brought.
        entries: usize,
        /// How many bytes they took on the link.
        bytes: usize,
        /// The changes of the map that came of it, by number; empty where none did.
        changes: RangeInclusive<u64>,
    },
    /// No answer came before it was asked again, or given up: the question or its answer was lost, or is slow.
    Unanswered,
    /// What came was not taken.
    Refused,
}
