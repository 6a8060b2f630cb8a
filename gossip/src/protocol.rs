//! Anti-entropy rounds: the messages with which one replica pulls missing entries from another.
//!
//! A round identifies its two ends by origin (node and incarnation), because a third node may carry
//! it.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::crdt::batch::Batch;
use crate::crdt::fingerprint::Fingerprint;
use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::Origin;
use crate::payload::Payload;

/// A step of a round, with the sender and the receiver.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Envelope<V: Payload> {
    /// The sender.
    pub from: Origin,
    /// The receiver. Other incarnations of that node drop the step.
    pub to: Origin,
    /// The puller's number for the round.
    pub round: u64,
    /// The step.
    pub step: Step<V>,
}

/// The steps of a round between a (the source) and b (the puller).
///
/// If both hold the same entries: `Pull`, `Same`. Otherwise: `Pull`, `Which`, `Pull` with the
/// vector, then `Chunk`s, each acknowledged by an `Ack`, and `End`.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Step<V: Payload> {
    /// A third node to b: pull from `source` over this link.
    Invite {
        /// The node to pull from.
        source: Origin,
    },
    /// b to a: send the entries that b is missing.
    Pull(PullRequest),
    /// a to b: both cover the same writes.
    Same {
        /// The hashes of a's vector and entries.
        summary: Summary,
        /// True once a has joined the cluster.
        joined: bool,
    },
    /// a to b: the hashes differ; send the vector.
    Which,
    /// a to b: a part of the delta.
    Chunk {
        /// a's number for this serving of the round. It keeps parts of two snapshots apart if b's
        /// request was repeated.
        serving: u64,
        /// The number of the chunk, from 0 without gaps.
        number: u32,
        /// Entries that b's vector does not cover.
        entries: Batch<V>,
    },
    /// b to a: acknowledges chunks.
    Ack {
        /// The number of chunks of the round received so far.
        chunks: u32,
    },
    /// a to b: the round is complete.
    End {
        /// a's number for this serving.
        serving: u64,
        /// The number of chunks of the round.
        chunks: u32,
        /// a's version vector at the time of the snapshot from which the chunks were taken.
        vector: VersionVector,
        /// a's horizon.
        horizon: Horizon,
        /// True if the chunks contain all entries of a, instead of those that b's vector does not
        /// cover. Needed if b has not seen a tombstone that a has collected.
        full: bool,
        /// True once a has joined the cluster.
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

/// A pull request: the state of the puller.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct PullRequest {
    /// The hashes of its vector and entries.
    pub summary: Summary,
    /// Its version vector. Sent after the source asked for it, or if the two replicas are known to
    /// differ.
    pub vector: Option<VersionVector>,
    /// The kind of pull.
    pub options: PullOptions,
}

/// The kind of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PullOptions {
    /// True if the source is to pull from the puller in turn.
    pub mutual: bool,
    /// True if the source is to send all its entries, because the two cover the same writes and
    /// hold different entries.
    pub full: bool,
}

/// Hashes that are equal if two replicas cover the same writes and hold the same live entries.
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
    /// Both cover the same writes.
    Same,
    /// A round was merged.
    Merged {
        /// The number of entries in the round.
        entries: usize,
        /// The number of bytes of those entries on the link.
        bytes: usize,
        /// The numbers of the resulting changes of the map; empty if nothing changed.
        changes: RangeInclusive<u64>,
    },
    /// No response arrived before the pull was repeated or given up.
    Unanswered,
    /// The round was refused.
    Refused,
}
