//! A finding: the result of a check, with a remedy.

use serde::Serialize;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// The setup works, but something needs attention.
    Warn,
    /// The setup does not work. The exit code is 1.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The subject of the check.
    pub(super) check: String,
    pub(super) state: State,
    /// The observed facts.
    pub(super) found: String,
    /// The action to take. May be empty.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), remedy: String::new() }
    }

    pub(super) fn warn(
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { check: check.into(), state: State::Warn, found: found.into(), remedy: remedy.into() }
    }

    pub(super) fn fail(
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { check: check.into(), state: State::Fail, found: found.into(), remedy: remedy.into() }
    }
}
