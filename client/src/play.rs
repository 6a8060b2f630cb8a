//! `superhero play` and `superhero scenarios`.

mod junit;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use api_types::{Question, ScenarioSummary};
use scenario::span::written;
use scenario::{Outcome, Progress, Report, Scenario, shipped, shipped_by_name};
use superhero::Api;

use crate::output::{Failure, Output};

use junit::junit;

/// Plays scenarios one after the other, and reports on each.
pub(crate) fn play(
    api: &Api,
    out: Output,
    json: bool,
    named: &[String],
    report_to: Option<&Path>,
    keeps_heroes: bool,
) -> Result<(), Failure> {
    let found = |name: &String| {
        let scenario = find(name)?;
        Ok(Scenario { keep_heroes: scenario.keep_heroes || keeps_heroes, ..scenario })
    };
    let scenarios: Vec<Scenario> = named.iter().map(found).collect::<Result<_, Failure>>()?;
    if let Some(path) = report_to {
        // An empty report is written first, so that an unwritable path fails before any step.
        fs::write(path, junit(&[]))
            .map_err(|error| Failure::Unusable(format!("--junit {}: {error}", path.display())))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&stop);
    // Ctrl-C stops the player, which then still cleans up.
    ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::No(format!("cannot handle Ctrl-C: {error}")))?;
    // An unreachable dispatch is exit code 3 with no output, rather than a failed scenario.
    api.verdict()?;
    let mut reports = Vec::new();
    let mut unprinted = None;
    for scenario in &scenarios {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut print = |line: String| {
            // A closed pipe stops the player like Ctrl-C, so that it still cleans up.
            if unprinted.is_none()
                && let Err(failure) = if json { out.json(&line) } else { out.line(&line) }
            {
                stop.store(true, Ordering::Relaxed);
                unprinted = Some(failure);
            }
        };
        if !json {
            print(format!("{}: {}", scenario.name, scenario.title));
            question(scenario).into_iter().for_each(&mut print);
        }
        let report = scenario::play(api, scenario, &stop, &mut |progress| {
            if !json {
                lines(&progress, scenario).into_iter().for_each(&mut print);
            }
        });
        if json {
            print(described(&report).to_string())
        } else {
            conclusion(scenario, &report).into_iter().for_each(&mut print)
        }
        reports.push(report);
        if let Some(path) = report_to {
            // After each scenario, so that a killed process leaves a report of the earlier ones.
            fs::write(path, junit(&reports))
                .map_err(|error| Failure::No(format!("--junit {}: {error}", path.display())))?;
        }
    }
    if let Some(failure) = unprinted {
        return Err(failure);
    }
    let passed = reports.len() == scenarios.len() && reports.iter().all(Report::passed);
    if passed {
        return Ok(());
    }
    // Without a verdict dispatch was lost during the scenario, which is exit code 3.
    if reports.last().is_some_and(|report| report.verdict.is_none()) {
        api.verdict()?;
    }
    Err(if stop.load(Ordering::Relaxed) {
        Failure::No("interrupted".into())
    } else {
        Failure::Printed
    })
}

fn find(name: &str) -> Result<Scenario, Failure> {
    if let Some(scenario) = shipped_by_name(name) {
        return Ok(scenario);
    }
    let path = Path::new(name);
    if !path.exists() {
        let names: Vec<String> = shipped().into_iter().map(|scenario| scenario.name).collect();
        return Err(Failure::Unusable(format!(
            "no scenario or file {name:?}; shipped scenarios: {}",
            names.join(", ")
        )));
    }
    Scenario::read(path).map_err(|invalid| Failure::Unusable(invalid.to_string()))
}

/// Returns the question of a scenario, with its possible answers.
fn question(scenario: &Scenario) -> Vec<String> {
    let Some(Question { question, answers, .. }) = &scenario.predict else { return Vec::new() };
    let answers = ('a'..).zip(answers).map(|(letter, answer)| format!("     {letter}) {answer}"));
    std::iter::once(format!("  ?  {question}")).chain(answers).collect()
}

/// Returns the lines to print for a progress report.
fn lines(progress: &Progress<'_>, scenario: &Scenario) -> Vec<String> {
    let steps = scenario.steps.len();
    match progress {
        Progress::Note(text) => vec![format!("  {text}")],
        // The line of the step's end contains its text.
        Progress::Began { step, .. } => {
            let said = scenario.steps.get(*step).map(|step| &step.say);
            said.filter(|say| !say.is_empty())
                .map(|say| format!("     {say}"))
                .into_iter()
                .collect()
        }
        Progress::Waiting { .. } => Vec::new(),
        Progress::Ended { step, report } => {
            let mark = match report.outcome {
                Outcome::Passed => "ok    ",
                Outcome::Failed => "FAILED",
                Outcome::Skipped => "-     ",
            };
            let detail = if report.detail.is_empty() {
                String::new()
            } else {
                format!("  [{}]", report.detail)
            };
            vec![format!("  {mark} {:>2}/{steps}  {}{detail}", step + 1, report.text)]
        }
    }
}

fn conclusion(scenario: &Scenario, report: &Report) -> Vec<String> {
    let mut lines: Vec<String> =
        report.failure.iter().map(|failure| format!("  FAILED {failure}")).collect();
    lines.extend(report.verdict.iter().map(|verdict| format!("  {}", verdict.sentence)));
    // The answer and the conclusion describe a run in which every expectation held.
    if report.passed() {
        let right = scenario.predict.as_ref().and_then(|predict| {
            let answers = (1..).zip('a'..).zip(&predict.answers);
            answers
                .map(|((number, letter), answer)| (number, letter, answer))
                .find(|(number, ..)| *number == predict.right)
        });
        lines.extend(right.map(|(_, letter, answer)| format!("  !  {letter}) {answer}")));
        let conclusion = Some(&scenario.conclude).filter(|text| !text.is_empty());
        lines.extend(conclusion.map(|text| format!("     {text}")));
    }
    let outcome = if report.passed() { "passed" } else { "failed" };
    lines.push(format!("{}: {outcome} after {:.1} s", report.name, report.took.as_secs_f64()));
    lines
}

/// Returns the report as JSON, with the field names of the API.
fn described(report: &Report) -> Value {
    let state = |outcome| match outcome {
        Outcome::Passed => "done",
        Outcome::Failed => "failed",
        Outcome::Skipped => "waiting",
    };
    let steps = report.steps.iter().map(
        |step| json!({ "text": step.text, "state": state(step.outcome), "detail": step.detail }),
    );
    let outcome = if report.passed() { "passed" } else { "failed" };
    json!({
        "name": report.name,
        "steps": steps.collect::<Vec<_>>(),
        "outcome": outcome,
        "failure": report.failure,
    })
}

/// Lists the shipped scenarios.
pub(crate) fn list(out: Output, json: bool) -> Result<(), Failure> {
    let shipped = shipped();
    if json {
        let scenarios: Vec<ScenarioSummary> = shipped.into_iter().map(Scenario::summary).collect();
        return out.json(&json!({ "scenarios": scenarios }).to_string());
    }
    let rows: Vec<Vec<String>> = shipped
        .into_iter()
        .map(|scenario| {
            vec![scenario.name, scenario.takes.map_or_else(String::new, written), scenario.about]
        })
        .collect();
    out.table(&["NAME", "DURATION", "DESCRIPTION"], &rows)
}
