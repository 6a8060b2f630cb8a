//! The explanation of the writes to a hero, and what other rules would have done.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// Which write to a hero wins, why, and what became of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Explanation {
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    pub hero: String,
    pub name: String,
    /// The outcome, as a sentence.
    pub sentence: String,
    /// The reasons, as sentences.
    pub reasons: Vec<String>,
    /// The writes of the last minutes, the winner first.
    pub writes: Vec<ExplainedWrite>,
    /// The lost writes, newest first.
    pub lost: Vec<ExplainedLoss>,
    /// What happens next, as sentences.
    pub next: Vec<String>,
}

/// A write to a hero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ExplainedWrite {
    /// The node that made it.
    pub writer: String,
    /// The value.
    pub wrote: String,
    /// The time in its stamp (UTC).
    pub stamp: String,
    /// What became of it.
    pub fate: String,
    /// The reason; may be empty.
    pub why: String,
    /// The nodes that hold it.
    pub held: String,
}

/// A lost write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ExplainedLoss {
    /// The time at which it was acknowledged (UTC).
    pub saved: String,
    /// The write, and why it was lost.
    pub text: String,
    /// What would have become of it under other rules; empty if that is not recorded.
    pub under: Vec<UnderRule>,
}

/// The fate of a write under another rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct UnderRule {
    /// `majority`, `fields`, `whole_seconds`, `keep_both`, `health_counter` or `vault`.
    pub rule: String,
    /// The name of the rule.
    pub label: String,
    /// `saved`, `saved in part`, `lost`, `undecided` or `refused`.
    pub fate: String,
    /// The reason.
    pub why: String,
}

/// The acknowledged writes to heroes of the last minute, under other rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct OtherRules {
    /// The commands that were looked at: those of the last minute, of at most 50 heroes.
    pub writes: u64,
    /// Those of them that are lost.
    pub lost: u64,
    /// What would have become of the same writes under each rule.
    pub rules: Vec<RuleTally>,
}

/// The fates of writes under one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct RuleTally {
    pub rule: String,
    pub label: String,
    pub saved: u64,
    pub saved_in_part: u64,
    pub lost: u64,
    pub undecided: u64,
    pub refused: u64,
}
