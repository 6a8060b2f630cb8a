//! `superhero doctor`: looks at a set-up from outside, and says what is wrong with it and what to do about that.
//!
//! - `configuration`: can each node use the file? `files`, `certificates`: are the files that it names as they must be?
//! - `machine`: does this machine allow what nodes need?
//! - `port`: who, if anybody, is at an address?
//! - `cluster`: what dispatch and the nodes say of themselves.
//!
//! Invariant: it changes nothing, and every check ends; one that cannot be made says so.

mod certificates;
mod cluster;
mod configuration;
mod files;
mod machine;
mod port;

use std::path::Path;

use serde::Serialize;

use superhero::Api;

use crate::output::{Failure, Output};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works, and somebody should know.
    Warn,
    /// Does not work.
    Fail,
}

/// A line of what the doctor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    state: State,
    /// What is the case.
    found: String,
    /// What to do about it; empty where there is nothing to be done.
    remedy: String,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), remedy: String::new() }
    }

    fn warn(check: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Warn, found: found.into(), remedy: remedy.into() }
    }

    fn fail(check: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Fail, found: found.into(), remedy: remedy.into() }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    well: bool,
    findings: &'a [Finding],
}

/// Makes all checks and prints them, those first on which others rest.
pub(crate) fn examine(api: &Api, out: Output, json: bool, config: Option<&Path>) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let known = config.map(|config| configuration::examine(config, &mut findings)).unwrap_or_default();
    files::examine(&known, &mut findings);
    certificates::examine(&known, &mut findings);
    machine::examine(&mut findings);
    cluster::examine(api, &known, &mut findings);

    let well = findings.iter().all(|finding| finding.state != State::Fail);
    if json {
        let report = serde_json::to_string(&Report { well, findings: &findings });
        out.line(&report.map_err(|error| Failure::No(format!("cannot print: {error}")))?)?;
    } else {
        out.table(&["STATE", "CHECK", "FOUND", "WHAT TO DO"], &findings.iter().map(row).collect::<Vec<_>>())?;
    }
    if well { Ok(()) } else { Err(Failure::Said) }
}

fn row(Finding { check, state, found, remedy }: &Finding) -> Vec<String> {
    let state = match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Fail => "FAIL",
    };
    vec![state.to_owned(), check.clone(), found.clone(), remedy.clone()]
}
