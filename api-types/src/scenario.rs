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
}

/// The current or most recent run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Playing {
    pub name: String,
    pub steps: Vec<StepLine>,
    /// `passed` or `failed`; null while it runs.
    pub outcome: Option<String>,
    /// The error outside the steps, if any; usually empty.
    pub failure: String,
}

/// A step of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct StepLine {
    pub text: String,
    /// `waiting`, `running`, `done`, `failed` or `skipped`.
    pub state: String,
    pub detail: String,
}
