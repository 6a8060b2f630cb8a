//! `superhero doctor`: checks of a setup from outside, each with a remedy.
//!
//! - `configuration`: the nodes' configuration file. `files`, `certificates`: the files it names.
//! - `machine`: the limits of this machine.
//! - `port`: the process at an address.
//! - `cluster`: the state that dispatch reports, and the nodes' own addresses.
//! - `finding`: the result of a check.
//!
//! Invariant: a check changes nothing and is bounded in time. A check that cannot be made is itself
//! a finding.

mod certificates;
mod cluster;
mod configuration;
mod files;
mod finding;
mod machine;
mod port;

use std::path::Path;

use serde::Serialize;

use superhero::Api;

use crate::output::{Failure, Output};

use finding::{Finding, State};

#[derive(Serialize)]
struct Report<'a> {
    well: bool,
    findings: &'a [Finding],
}

/// Runs all checks and prints the findings. The configuration is first, since others depend on it.
pub(crate) fn examine(
    api: &Api,
    out: Output,
    json: bool,
    config: Option<&Path>,
) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let known =
        config.map(|config| configuration::examine(config, &mut findings)).unwrap_or_default();
    files::examine(&known, &mut findings);
    certificates::examine(&known, &mut findings);
    machine::examine(&mut findings);
    cluster::examine(api, &known, &mut findings);

    let well = findings.iter().all(|finding| finding.state != State::Fail);
    if json {
        let report = serde_json::to_string(&Report { well, findings: &findings });
        out.json(&report.map_err(|error| Failure::No(error.to_string()))?)?;
    } else {
        out.table(
            &["STATE", "CHECK", "FINDING", "REMEDY"],
            &findings.iter().map(row).collect::<Vec<_>>(),
        )?;
    }
    if well { Ok(()) } else { Err(Failure::Printed) }
}

fn row(Finding { check, state, found, remedy }: &Finding) -> Vec<String> {
    let state = match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Fail => "FAIL",
    };
    vec![state.to_owned(), check.clone(), found.clone(), remedy.clone()]
}
