//! The scenario that dispatch plays on its own cluster, for the page and the API.
//!
//! Invariant: at most one scenario runs at a time. Its progress is data, the same for the page and
//! the API. A run that waits for a continue ends by itself, since the player bounds each wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use api_types::{PlayRequest, Question, StepLine};
use scenario::{
    Outcome, Progress, Report, Scenario, Step, StepReport, play, shipped, shipped_by_name,
};

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
    /// The question about the outcome, if there is one.
    pub(crate) question: Option<Question>,
    pub(crate) progress: api_types::Playing,
    controls: Controls,
}

/// The means to influence a run.
#[derive(Clone, Debug, Default)]
struct Controls {
    /// True once the player must stop.
    stop: Arc<AtomicBool>,
    /// The number of steps that may start; `None` if all may.
    allowed: Option<Arc<AtomicUsize>>,
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
    pub(crate) async fn play(
        &self,
        name: &str,
        options: PlayRequest,
        key: Option<String>,
    ) -> Result<(), Problem> {
        let (runner, name) = (self.clone(), name.to_owned());
        let change = Change::Play(name.clone(), options);
        let execute = async move || runner.start(&name, options).map(|()| None);
        self.dispatch.keys().once(key, change, execute).await.map(drop)
    }

    /// Starts the step that waits, unless the idempotency key was used for that before.
    ///
    /// # Errors
    /// `not_waiting`: no step waits. Nothing was started.
    pub(crate) async fn go_on(&self, key: Option<String>) -> Result<(), Problem> {
        let runner = self.clone();
        let execute = async move || runner.allow().map(|()| None);
        self.dispatch.keys().once(key, Change::Continue, execute).await.map(drop)
    }

    /// Stops the scenario in progress, if there is one, and waits until it has cleaned up. Returns its
    /// name, and whether it has ended in time.
    pub(crate) async fn end(&self, within: Duration) -> Option<(String, bool)> {
        let mut playing = self.playing.subscribe();
        let name = {
            let playing = playing.borrow_and_update();
            let Playing { progress, controls, .. } =
                playing.as_ref().filter(|it| it.is_running())?;
            controls.stop.store(true, Ordering::Relaxed);
            progress.name.clone()
        };
        let has_ended = playing.wait_for(|it| it.as_ref().is_none_or(|it| !it.is_running()));
        Some((name, timeout(within, has_ended).await.is_ok()))
    }

    /// Allows the step that waits.
    fn allow(&self) -> Result<(), Problem> {
        let is_allowed = self.playing.send_if_modified(|playing| {
            let Some(Playing { progress, controls, .. }) = playing else { return false };
            let Some((number, allowed)) = progress.waits_at.zip(controls.allowed.as_ref()) else {
                return false;
            };
            progress.waits_at = None;
            allowed.store(number as usize, Ordering::Relaxed);
            true
        });
        if is_allowed {
            return Ok(());
        }
        let detail = "no scenario waits for a continue; nothing was started";
        Err(Problem::conflict("not_waiting", detail))
    }

    fn start(&self, name: &str, options: PlayRequest) -> Result<(), Problem> {
        self.run(shipped_by_name(name).ok_or_else(|| unknown(name))?, options)
    }

    fn run(&self, mut scenario: Scenario, options: PlayRequest) -> Result<(), Problem> {
        scenario.keep_heroes |= options.keep_heroes;
        let allowed = options.pause_at_each_step.then(Arc::<AtomicUsize>::default);
        let controls = Controls { stop: Arc::default(), allowed };
        self.reserve(&scenario, controls.clone())?;
        let Controls { stop: stopped, allowed } = controls;
        let cluster = OwnCluster::new(
            self.dispatch.clone(),
            self.domain.clone(),
            self.launcher.clone(),
            self.stop.clone(),
            allowed,
        );
        let conclusion = Some(scenario.conclude.clone()).filter(|text| !text.is_empty());
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
                    progress.waits_at = None;
                    progress.conclusion = conclusion.filter(|_| passed);
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
    fn reserve(&self, scenario: &Scenario, controls: Controls) -> Result<(), Problem> {
        let mut running = None;
        self.playing.send_if_modified(|playing| {
            let in_play = playing.as_ref().filter(|playing| playing.is_running());
            running = in_play.map(|playing| playing.title.clone());
            if running.is_none() {
                *playing = Some(Playing::of(scenario, controls));
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
    fn of(scenario: &Scenario, controls: Controls) -> Self {
        let line = |step: &Step| StepLine {
            text: step.to_string(),
            say: step.say.clone(),
            state: "waiting".to_owned(),
            detail: String::new(),
        };
        let progress = api_types::Playing {
            name: scenario.name.clone(),
            steps: scenario.steps.iter().map(line).collect(),
            waits_at: None,
            outcome: None,
            failure: String::new(),
            conclusion: None,
        };
        let (title, question) = (scenario.title.clone(), scenario.predict.clone());
        Self { title, question, progress, controls }
    }

    fn is_running(&self) -> bool {
        self.progress.outcome.is_none()
    }
}

fn update(playing: Option<&mut Playing>, progress: Progress<'_>) {
    let Some(Playing { progress: shown, .. }) = playing else { return };
    let (step, state, detail) = match progress {
        Progress::Note(_) => return,
        Progress::Waiting { step } => {
            shown.waits_at = u32::try_from(step + 1).ok();
            return;
        }
        Progress::Began { step, .. } => (step, "running", ""),
        Progress::Ended { step, report: StepReport { outcome, detail, .. } } => {
            let state = match outcome {
                Outcome::Passed => "done",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            };
            (step, state, detail.as_str())
        }
    };
    shown.waits_at = None;
    if let Some(shown) = shown.steps.get_mut(step) {
        (shown.state, shown.detail) = (state.to_owned(), detail.to_owned());
    }
}

#[cfg(test)]
mod tests;
