//! The scenarios that dispatch can play, and the progress of the current one.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// The available scenarios, and the current or most recent run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Scenarios {
    pub scenarios: Vec<ScenarioSummary>,
    pub playing: Option<Playing>,
}

/// A scenario that can be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Scenario))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct ScenarioSummary {
    #[cfg_attr(feature = "schema", schema(example = "split-brain"))]
    pub name: String,
    pub title: String,
    pub about: String,
    /// The approximate duration, in seconds.
    pub takes_s: Option<u64>,
    /// The steps, in order.
    // A dispatch of an older version omits this field and the next.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub steps: Vec<StepText>,
    /// A question about the outcome, to answer before the first step; null without one.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub predict: Option<Question>,
}

/// A step of a scenario in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct StepText {
    /// The action or the expectation.
    pub text: String,
    /// What the step does, and what to look at; empty if the file does not say.
    pub say: String,
}

/// A question about the outcome of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Question {
    pub question: String,
    pub answers: Vec<String>,
    /// The number of the right answer; the first is 1.
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub right: u32,
}

/// The ways in which a scenario can be played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Play))]
pub struct PlayRequest {
    /// Wait before each step until `POST /scenarios/continue`, for ten minutes at most.
    pub pause_at_each_step: bool,
    /// Keep the heroes that the scenario creates. By default they are terminated at its end.
    pub keep_heroes: bool,
}

/// The current or most recent run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Playing {
    pub name: String,
    pub steps: Vec<StepLine>,
    /// The number of the step that waits for `POST /scenarios/continue`; the first is 1. Null if none
    /// does.
    // A dispatch of an older version omits this field.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true, minimum = 1))]
    pub waits_at: Option<u32>,
    /// `passed` or `failed`; null while it runs.
    pub outcome: Option<String>,
    /// The error outside the steps, if any; usually empty.
    pub failure: String,
    /// What the scenario has shown; null unless it has passed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub conclusion: Option<String>,
}

/// A step of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct StepLine {
    pub text: String,
    /// What the step does, and what to look at; empty if the file does not say.
    // A dispatch of an older version omits this field.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub say: String,
    /// `waiting`, `running`, `done`, `failed` or `skipped`.
    pub state: String,
    pub detail: String,
}
