//! Anti-entropy rounds: the messages by which one replica pulls from another what it lacks.
//!
//! A round names its two ends by origin (node and incarnation), because a third node may carry it.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::crdt::batch::Batch;
use crate::crdt::fingerprint::Fingerprint;
use crate::crdt::version_vector::VersionVector;
use crate::id::Origin;
use crate::payload::Payload;

/// A step of a round, with the round's two ends. The puller is the end that lacks something.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Envelope<V: Payload> {
    /// The sender.
    pub from: Origin,
    /// The receiver. Another incarnation of that node drops the step.
    pub to: Origin,
    /// The puller's number for the round.
    pub round: u64,
    /// The step.
    pub step: Step<V>,
}

/// The steps of a round between a (the source) and b (the puller). Where both hold the same:
/// `Pull`, `Same`. Otherwise: `Pull`, `Which`, `Pull` with the vector, then `Chunk`s answered by
/// `Ack`s, and `End`.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Step<V: Payload> {
    /// A third node to b: pull from `source`, through this link.
    Invite {
        /// The node to pull from.
        source: Origin,
    },
    /// b to a: send what b lacks.
    Pull(Question),
    /// a to b: both hold the same.
    Same {
        /// Hashes of what a covers and holds.
        summary: Summary,
        /// Whether a has joined the cluster.
        joined: bool,
    },
    /// a to b: the hashes differ; send the vector.
    Which,
    /// a to b: a part of the delta.
    Chunk {
        /// a's number for this serving of the round, so that parts of two snapshots are not mixed
        /// where b asked twice.
        serving: u64,
        /// From 0, without gaps.
        number: u32,
        /// Entries that b's vector does not cover.
        entries: Batch<V>,
    },
    /// b to a: this many chunks of the round have arrived.
    Ack {
        /// The number of chunks.
        chunks: u32,
    },
    /// a to b: the round is complete.
    End {
        /// a's number for this serving.
        serving: u64,
        /// The number of chunks of the round.
        chunks: u32,
        /// a's version vector at the moment of the snapshot that the chunks are of.
        vector: VersionVector,
        /// The newest tombstones that a has collected.
        horizon: VersionVector,
        /// Whether the chunks are all that a holds, rather than what b's vector does not cover: b
        /// has not seen some tombstone that a has collected.
        full: bool,
        /// Whether a has joined the cluster.
        joined: bool,
    },
}

impl<V: Payload> Step<V> {
    /// Returns the step's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "invite",
            Self::Pull(_) => "pull",
            Self::Same { .. } => "same",
            Self::Which => "which",
            Self::Chunk { .. } => "chunk",
            Self::Ack { .. } => "ack",
            Self::End { .. } => "end",
        }
    }
}

/// The state of a puller.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct Question {
    /// Hashes of what it covers and holds.
    pub summary: Summary,
    /// Its version vector; only sent after the source asked for it, or where the two are known to
    /// differ.
    pub vector: Option<VersionVector>,
    /// The kind of pull.
    pub options: PullOptions,
}

/// The kind of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PullOptions {
    /// Whether the source shall pull back what it lacks itself.
    pub mutual: bool,
    /// Whether the source shall send all it holds: the two cover the same writes and hold different
    /// ones.
    pub full: bool,
}

/// Hashes that are equal exactly when two replicas cover and hold the same writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Summary {
    /// Hash of the version vector.
    pub vector: u64,
    /// Hash of the live entries.
    pub fingerprint: Fingerprint,
}

/// The outcome of a pull.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullOutcome {
    /// Both covered the same writes.
    Same,
    /// A round was merged.
    Merged {
        /// The number of entries in the round.
        entries: usize,
        /// The number of bytes of those entries on the link.
        bytes: usize,
        /// The numbers of the resulting changes of the map; empty where nothing changed.
        changes: RangeInclusive<u64>,
    },
    /// No answer arrived before the pull was repeated or given up.
    Unanswered,
    /// The round was refused.
    Refused,
}
