//! The scenario that dispatch plays on its own cluster, for the page and the API.
//!
//! Invariant: at most one scenario runs at a time. Its progress is data, the same for the page and
//! the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use api_types::StepLine;
use scenario::{Outcome, Progress, Report, Scenario, StepReport, play, shipped, shipped_by_name};

use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, shortened};
use crate::web::extract::domain::Domain;
use crate::web::idempotency::Change;
use crate::web::launcher::LauncherClient;
use crate::web::scenario_executor::OwnCluster;

/// The scenario in progress, or the last one.
#[derive(Clone, Debug)]
pub(crate) struct Playing {
    pub(crate) title: String,
    pub(crate) progress: api_types::Playing,
}

/// The runner of scenarios. Clones share it.
#[derive(Clone)]
pub(crate) struct ScenarioRunner {
    dispatch: DispatchHandle,
    domain: Domain,
    launcher: LauncherClient,
    playing: watch::Sender<Option<Playing>>,
    /// Cancelled when dispatch stops.
    stop: CancellationToken,
}

impl ScenarioRunner {
    /// Returns a runner that plays on this dispatch until `stop`.
    pub(crate) fn new(
        dispatch: DispatchHandle,
        domain: Domain,
        launcher: LauncherClient,
        stop: CancellationToken,
    ) -> Self {
        Self { dispatch, domain, launcher, playing: watch::Sender::new(None), stop }
    }

    /// Returns the progress as it changes; `None` before the first scenario.
    pub(crate) fn playing(&self) -> watch::Receiver<Option<Playing>> {
        self.playing.subscribe()
    }

    /// Starts the scenario with this name, unless the idempotency key was used for that before.
    ///
    /// # Errors
    /// `unknown_scenario`; `playing`: another one is in progress. Nothing was started.
    pub(crate) async fn play(&self, name: &str, key: Option<String>) -> Result<(), Problem> {
        let (runner, name) = (self.clone(), name.to_owned());
        let change = Change::Play(name.clone());
        let execute = async move || runner.start(&name).map(|()| None);
        self.dispatch.keys().once(key, change, execute).await.map(drop)
    }

    fn start(&self, name: &str) -> Result<(), Problem> {
        let scenario = shipped_by_name(name).ok_or_else(|| unknown(name))?;
        self.reserve(&scenario)?;
        let cluster = OwnCluster::new(
            self.dispatch.clone(),
            self.domain.clone(),
            self.launcher.clone(),
            self.stop.clone(),
        );
        let stopped = Arc::new(AtomicBool::new(false));
        let (playing, stop) = (self.playing.clone(), Arc::clone(&stopped));
        // The player sleeps and waits for replies, which would block the runtime.
        let mut player = tokio::task::spawn_blocking(move || {
            play(&cluster, &scenario, &stop, &mut |progress| {
                playing.send_modify(|playing| update(playing.as_mut(), progress));
            })
        });
        let (playing, dispatch_stops) = (self.playing.clone(), self.stop.clone());
        tokio::spawn(async move {
            let report = tokio::select! {
                report = &mut player => report,
                () = dispatch_stops.cancelled() => {
                    stopped.store(true, Ordering::Relaxed);
                    player.await
                }
            };
            // Also after a panic of the player, so that the next scenario can start.
            playing.send_modify(|playing| {
                if let Some(Playing { progress, .. }) = playing {
                    let passed = report.as_ref().is_ok_and(Report::passed);
                    progress.outcome = Some(if passed { "passed" } else { "failed" }.to_owned());
                    progress.failure = match report {
                        Ok(report) => report.failure.unwrap_or_default(),
                        Err(error) => error.to_string(),
                    };
                }
            });
        });
        Ok(())
    }

    /// Marks this scenario as the one in progress, unless there is one.
    fn reserve(&self, scenario: &Scenario) -> Result<(), Problem> {
        let mut running = None;
        self.playing.send_if_modified(|playing| {
            let in_play = playing.as_ref().filter(|playing| playing.progress.outcome.is_none());
            running = in_play.map(|playing| playing.title.clone());
            if running.is_none() {
                *playing = Some(Playing::of(scenario));
            }
            running.is_none()
        });
        match running {
            None => Ok(()),
            Some(title) => {
                let detail = format!("{title:?} is in progress; nothing was started");
                Err(Problem::conflict("playing", detail))
            }
        }
    }
}

fn unknown(name: &str) -> Problem {
    let names: Vec<String> = shipped().into_iter().map(|scenario| scenario.name).collect();
    let (shown, known) = (shortened(name, 40), names.join(", "));
    let detail = format!("there is no scenario {shown:?}: expected one of {known}");
    Problem::not_found("unknown_scenario", detail)
}

impl Playing {
    fn of(scenario: &Scenario) -> Self {
        let steps = scenario.steps.iter();
        let progress = api_types::Playing {
            name: scenario.name.clone(),
            steps: steps.map(|step| line(step.to_string(), "waiting", "")).collect(),
            outcome: None,
            failure: String::new(),
        };
        Self { title: scenario.title.clone(), progress }
    }
}

fn update(playing: Option<&mut Playing>, progress: Progress<'_>) {
    let Some(Playing { progress: shown, .. }) = playing else { return };
    let (step, line) = match progress {
        Progress::Note(_) => return,
        Progress::Began { step, text } => (step, line(text.to_owned(), "running", "")),
        Progress::Ended { step, report: StepReport { text, outcome, detail, .. } } => {
            let state = match outcome {
                Outcome::Passed => "done",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            };
            (step, line(text.clone(), state, detail))
        }
    };
    if let Some(shown) = shown.steps.get_mut(step) {
        *shown = line;
    }
}

fn line(text: String, state: &str, detail: &str) -> StepLine {
    StepLine { text, state: state.to_owned(), detail: detail.to_owned() }
}
