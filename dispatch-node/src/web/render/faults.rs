//! The panel of the faults in force and of the running or last scenario.

use askama::Template;

use api_types::{Question, StepLine};

use crate::model::faults::{FaultView, describe};
use crate::model::view::View;
use crate::text::counted;
use crate::web::render::wording::capitalised;
use crate::web::scenario_runner::Playing;

/// The faults in force, and the running or last scenario.
#[derive(Debug, Template)]
#[template(path = "faults.html", whitespace = "minimize")]
pub(crate) struct FaultsPanel {
    faults: Vec<FaultLine>,
    playing: Option<PlayingPanel>,
}

/// One fault in force.
#[derive(Debug)]
struct FaultLine {
    id: String,
    /// `Gotham is cut from every other node, both ways`.
    text: String,
    /// `12 frames dropped`. May be empty.
    effect: String,
    /// `heals in 12 s`.
    left: String,
}

/// The running or last scenario.
#[derive(Debug)]
struct PlayingPanel {
    title: String,
    /// `running`, or the outcome.
    outcome: String,
    /// The question about the outcome, while the scenario runs.
    question: Option<Question>,
    steps: Vec<StepLine>,
    /// The number of the step that waits for a continue; 0 if none does.
    waits_at: usize,
    /// The answer to the question, and what the scenario has shown. May be empty.
    conclusion: String,
}

impl FaultsPanel {
    pub(crate) fn of(view: &View, playing: Option<&Playing>) -> Self {
        let playing = playing.map(|playing| PlayingPanel {
            title: playing.title.clone(),
            outcome: match playing.progress.outcome.as_deref() {
                None => "running".to_owned(),
                Some("passed") => "passed: every expectation was met".to_owned(),
                Some(_) if playing.progress.failure.is_empty() => "failed".to_owned(),
                Some(_) => format!("failed: {}", playing.progress.failure),
            },
            question: playing.question.clone().filter(|_| playing.progress.outcome.is_none()),
            steps: playing.progress.steps.clone(),
            waits_at: playing.progress.waits_at.map_or(0, |number| number as usize),
            conclusion: conclusion(playing),
        });
        Self { faults: view.faults.iter().map(FaultLine::of).collect(), playing }
    }
}

/// Returns the right answer to the question, and what the scenario has shown, once it has passed.
fn conclusion(playing: &Playing) -> String {
    let Some(conclusion) = &playing.progress.conclusion else { return String::new() };
    let right = playing
        .question
        .as_ref()
        .and_then(|question| question.answers.get((question.right as usize).checked_sub(1)?));
    match right {
        Some(right) => format!("The right answer is: {right}. {conclusion}"),
        None => conclusion.clone(),
    }
}

impl FaultLine {
    fn of(view: &FaultView) -> Self {
        let frames = view.frames;
        let effects = [
            (frames.dropped, "dropped"),
            (frames.delayed, "delayed"),
            (frames.duplicated, "duplicated"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, effect)| {
            format!(
                "{} {effect}",
                counted(usize::try_from(count).unwrap_or(usize::MAX), "frame", "frames")
            )
        });
        Self {
            id: view.fault.id.to_string(),
            text: capitalised(&describe(&view.fault)),
            effect: effects.collect::<Vec<_>>().join(", "),
            left: format!("heals in {} s", view.remaining.as_secs_f64().ceil()),
        }
    }
}
