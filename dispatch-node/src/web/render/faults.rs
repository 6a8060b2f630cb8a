//! The panel of the faults in force and of the running or last scenario.

use askama::Template;

use api_types::StepLine;

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
    steps: Vec<StepLine>,
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
            steps: playing.progress.steps.clone(),
        });
        Self { faults: view.faults.iter().map(FaultLine::of).collect(), playing }
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
