//! The panel of the faults in force, and of the scenario that is played.

use askama::Template;

use api_types::StepLine;

use crate::model::faults::{FaultView, describe};
use crate::model::view::View;
use crate::text::counted;
use crate::web::render::wording::capitalised;
use crate::web::scenario_runner::Playing;

/// The faults in force, and the scenario that is played.
#[derive(Debug, Template)]
#[template(path = "trouble.html", whitespace = "minimize")]
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
    /// `12 frames lost`. May be empty.
    did: String,
    /// `heals in 12 s`.
    left: String,
}

/// The scenario that is played, or was last.
#[derive(Debug)]
struct PlayingPanel {
    title: String,
    /// `is being played`, or the outcome.
    outcome: String,
    steps: Vec<StepLine>,
}

impl FaultsPanel {
    pub(crate) fn of(view: &View, playing: Option<&Playing>) -> Self {
        let playing = playing.map(|playing| PlayingPanel {
            title: playing.title.clone(),
            outcome: match playing.progress.outcome.as_deref() {
                None => "is being played".to_owned(),
                Some("passed") => "passed: everything came about as it says".to_owned(),
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
        let did =
            [(frames.dropped, "lost"), (frames.delayed, "late"), (frames.duplicated, "repeated")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| {
                    format!(
                        "{} {what}",
                        counted(usize::try_from(count).unwrap_or(usize::MAX), "frame", "frames")
                    )
                });
        Self {
            id: view.fault.id.to_string(),
            text: capitalised(&describe(&view.fault)),
            did: did.collect::<Vec<_>>().join(", "),
            left: format!("heals in {} s", view.remaining.as_secs_f64().ceil()),
        }
    }
}
