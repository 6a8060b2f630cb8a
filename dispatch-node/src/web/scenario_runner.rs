//! Scenarios, played on the page's behalf: the very player of `superhero play`, against this dispatch's own API.
//!
//! Invariant: one scenario is played at a time. What is told of it is data; the page and the API show the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scenario::{Outcome, Progress, Report, Scenario, StepReport, play, shipped, shipped_by_name};
use serde::Serialize;
use superhero::{Access, Api};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::web::error::{Problem, shortened};

/// A scenario that is being played, or was last.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Playing {
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) title: String,
    pub(crate) steps: Vec<StepLine>,
    /// `passed` or `failed`, when it has ended.
    pub(crate) outcome: Option<&'static str>,
    /// What went wrong beside the steps. Usually empty.
    pub(crate) failure: String,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StepLine {
    pub(crate) text: String,
    /// `waiting`, `running`, `done`, `failed` or `skipped`.
    pub(crate) state: &'static str,
    pub(crate) detail: String,
}

/// Where scenarios are played.
#[derive(Clone)]
pub struct ScenarioRunner {
    url: Arc<str>,
    token: Option<String>,
    playing: watch::Sender<Option<Playing>>,
    stop: CancellationToken,
}

impl ScenarioRunner {
    /// A stage before the dispatch that listens at `address`, and plays as who knows `token`, until `stop`.
    #[must_use]
    pub fn new(address: SocketAddr, token: Option<String>, stop: CancellationToken) -> Self {
        // One that listens everywhere is reached at home.
        let home = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        let host = if address.ip().is_unspecified() { home } else { address.ip() };
        let url = format!("http://{}", SocketAddr::new(host, address.port()));
        Self { url: url.into(), token, playing: watch::Sender::new(None), stop }
    }

    pub(crate) fn playing(&self) -> watch::Receiver<Option<Playing>> {
        self.playing.subscribe()
    }

    /// Begins to play the scenario of this name.
    ///
    /// # Errors
    /// `unknown_scenario`; `playing`: one is under way. Nothing was begun.
    pub(crate) fn play(&self, name: &str) -> Result<(), Problem> {
        let scenario = shipped_by_name(name).ok_or_else(|| {
            let names: Vec<String> = shipped().into_iter().map(|scenario| scenario.name).collect();
            let shown = shortened(name, 40);
            Problem::not_found("unknown_scenario", format!("there is no scenario {shown:?}: it is one of {}", names.join(", ")))
        })?;
        let api = Api::with(&self.url, Access::default().with_token(self.token.clone()))
            .map_err(|error| Problem::unavailable("no_answer", error.to_string()))?;
        let mut running = None;
        self.playing.send_if_modified(|playing| {
            running = playing.as_ref().filter(|playing| playing.outcome.is_none()).map(|playing| playing.title.clone());
            if running.is_none() {
                *playing = Some(Playing::of(&scenario));
            }
            running.is_none()
        });
        if let Some(title) = running {
            return Err(Problem::conflict("playing", format!("{title:?} is being played; nothing was begun")));
        }
        let (playing, told_to_stop, dispatch_stops) = (self.playing.clone(), Arc::new(AtomicBool::new(false)), self.stop.clone());
        let (watched, stop) = (self.playing.clone(), Arc::clone(&told_to_stop));
        let mut player = tokio::task::spawn_blocking(move || {
            play(&api, &scenario, &stop, &mut |progress| watched.send_modify(|playing| tell(playing.as_mut(), progress)))
        });
        tokio::spawn(async move {
            let report = tokio::select! {
                report = &mut player => report,
                () = dispatch_stops.cancelled() => {
                    told_to_stop.store(true, Ordering::Relaxed);
                    player.await
                }
            };
            // Whatever became of the player: the stage is free again.
            playing.send_modify(|playing| {
                if let Some(playing) = playing {
                    let passed = report.as_ref().is_ok_and(Report::passed);
                    playing.failure = report.map_or_else(|error| error.to_string(), |report| report.failure.unwrap_or_default());
                    playing.outcome = Some(if passed { "passed" } else { "failed" });
                }
            });
        });
        Ok(())
    }
}

impl Playing {
    fn of(scenario: &Scenario) -> Self {
        let waiting = |step: &scenario::Step| StepLine { text: step.to_string(), state: "waiting", detail: String::new() };
        Self {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            steps: scenario.steps.iter().map(waiting).collect(),
            outcome: None,
            failure: String::new(),
        }
    }
}

fn tell(playing: Option<&mut Playing>, progress: Progress<'_>) {
    let Some(playing) = playing else { return };
    match progress {
        Progress::Note(_) => {}
        Progress::Began { step, text } => {
            if let Some(line) = playing.steps.get_mut(step) {
                *line = StepLine { text: text.to_owned(), state: "running", detail: String::new() };
            }
        }
        Progress::Ended { step, report: StepReport { text, outcome, detail, .. } } => {
            let state = match outcome {
                Outcome::Passed => "done",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
            };
            if let Some(line) = playing.steps.get_mut(step) {
                *line = StepLine { text: text.clone(), state, detail: detail.clone() };
            }
        }
    }
}
