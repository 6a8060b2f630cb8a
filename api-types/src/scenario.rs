//! The scenarios that dispatch can play, and the progress of the one in play.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// The scenarios that there are, and the one that is played, or was last.
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
    /// About how long it takes, in seconds.
    pub takes_s: Option<u64>,
}

/// A scenario that is being played, or was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Playing {
    pub name: String,
    pub steps: Vec<StepLine>,
    /// `passed` or `failed`, when it has ended.
    pub outcome: Option<String>,
    /// What went wrong beside the steps. Usually empty.
    pub failure: String,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct StepLine {
    pub text: String,
    /// `waiting`, `running`, `done`, `failed` or `skipped`.
    pub state: String,
    pub detail: String,
}
