//! The reset: back to a cluster without faults and without heroes.
//!
//! It keeps what cannot be deleted as a whole, and what is a record of the past: the counters, sets,
//! tables, rooms and names of the library's types, further cities, events, and lost writes.
//!
//! Invariants: a reset ends within [`RESET_TIMEOUT`] and a few replies. Each of its parts is attempted
//! even if an earlier one failed, and each failure is reported.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use api_types::{ResetDone, ResetProblem};
use gossip::fault::Pace;
use shared::hero::HeroId;

use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Pattern;
use crate::model::view::View;
use crate::request::{Heal, Log, SetPace, SetQuiet, TERMINATE_MAX, TerminateMany, Terminations};
use crate::text::counted;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_unresponsive};
use crate::web::idempotency::{Answer, Change};
use crate::web::launcher::{self, LauncherClient};
use crate::web::scenario_runner::ScenarioRunner;

/// The time after which no further part of a reset begins. Shorter than a browser waits for its
/// command.
const RESET_TIMEOUT: Duration = Duration::from_secs(20);
/// The time in which a scenario must have cleaned up.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(8);
/// The interval between two attempts to terminate heroes that could not be terminated.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// The maximum number of reported problems.
const PROBLEMS_MAX: usize = 100;

/// Resets the cluster, unless the idempotency key was used for that before.
///
/// # Errors
/// Dispatch does not reply; nothing was changed. And those of
/// [`IdempotencyKeys`](crate::web::idempotency::IdempotencyKeys).
pub(crate) async fn reset(
    dispatch: &DispatchHandle,
    scenarios: &ScenarioRunner,
    launcher: &LauncherClient,
    key: Option<String>,
) -> Result<Arc<ResetDone>, Problem> {
    let run = Reset {
        dispatch: dispatch.clone(),
        scenarios: scenarios.clone(),
        launcher: launcher.clone(),
        limit: RESET_TIMEOUT,
        until: Instant::now() + RESET_TIMEOUT,
        done: ResetDone::default(),
    };
    run_once(run, key).await
}

async fn run_once(run: Reset, key: Option<String>) -> Result<Arc<ResetDone>, Problem> {
    let dispatch = run.dispatch.clone();
    let execute = async move || Ok(Some(Answer::Reset(Arc::new(run.run().await?))));
    match dispatch.keys().once(key, Change::Reset, execute).await? {
        Some(Answer::Reset(done)) => Ok(done),
        // The same key and change have the same answer, so this cannot happen.
        Some(Answer::Machine(_)) | None => Err(dispatch_unresponsive()),
    }
}

/// A reset in progress.
struct Reset {
    dispatch: DispatchHandle,
    scenarios: ScenarioRunner,
    launcher: LauncherClient,
    limit: Duration,
    until: Instant,
    done: ResetDone,
}

impl Reset {
    async fn run(mut self) -> Result<ResetDone, Problem> {
        // Before the first change, so that a dispatch that does not reply has changed nothing.
        let before = self.dispatch.now().await?;
        // First, since a running scenario would undo the rest. It heals its own faults at its end.
        self.end_scenario().await;
        self.heal(&before).await;
        self.restore_settings(&before).await;
        self.rebuild(&before).await;
        self.terminate().await;
        let text = summary(&self.done);
        let node = before.dispatch.name;
        self.dispatch.log(Log { node, kind: EventKind::Reset, text, heard_from: None }).await;
        Ok(self.done)
    }

    /// Reports the problem of a part, if there is one. Returns whether there is none.
    fn note<T>(&mut self, about: &str, outcome: Result<T, Problem>) -> bool {
        let Err(problem) = outcome else { return true };
        self.report(about, problem.code, problem.detail);
        false
    }

    fn report(&mut self, about: &str, kind: &str, detail: String) {
        if self.done.problems.len() < PROBLEMS_MAX {
            let (about, kind) = (about.to_owned(), kind.to_owned());
            self.done.problems.push(ResetProblem { about, kind, detail });
        }
    }

    async fn end_scenario(&mut self) {
        let Some((name, has_ended)) = self.scenarios.end(SCENARIO_TIMEOUT).await else { return };
        if !has_ended {
            let detail = format!("the scenario {name} was stopped, and has not cleaned up in time");
            self.report("scenario", "outcome_unknown", detail);
        }
        self.done.scenario = Some(name);
    }

    async fn heal(&mut self, before: &View) {
        let outcome = self.dispatch.ask(Heal { fault: None }, None).await;
        self.note("faults", outcome);
        let Ok(after) = self.dispatch.now().await else { return };
        let is_left = |id| after.faults.iter().any(|fault| fault.fault.id == id);
        let healed = before.faults.iter().filter(|fault| !is_left(fault.fault.id));
        self.done.healed = healed.count() as u64;
    }

    async fn restore_settings(&mut self, before: &View) {
        let resumed = self.dispatch.ask(SetPace { pace: Pace::FREE }, None).await;
        self.done.resumed = self.note("gossip", resumed) && before.pace != Pace::FREE;
        let ended = self.dispatch.ask(SetQuiet { quiet: false }, None).await;
        self.done.quiet_ended = self.note("quiet", ended) && before.quiet;
    }

    /// Starts the processes of the cities that have stopped.
    async fn rebuild(&mut self, before: &View) {
        let down = before.cities.iter().filter(|city| city.status == NodeStatus::Down);
        for city in down.map(|city| city.name) {
            let rebuilt = if Instant::now() < self.until {
                launcher::rebuild(&self.dispatch, &self.launcher, city, None).await
            } else {
                Err(self.out_of_time(&format!("{city} was not rebuilt")))
            };
            // A scenario that was ended has started those that it had stopped.
            if rebuilt.as_ref().is_err_and(|problem| problem.code == "alive") {
                continue;
            }
            if self.note(city.as_str(), rebuilt) {
                self.done.rebuilt.push(city.to_string());
            }
        }
    }

    /// Terminates all heroes, also those that are created or become known meanwhile, until none lives
    /// or the time is up.
    async fn terminate(&mut self) {
        loop {
            let pass = self.terminate_once().await;
            let (Terminations { terminated, refused }, skipped) = match pass {
                Ok(pass) => pass,
                Err(problem) => {
                    self.note::<()>("heroes", Err(problem));
                    return;
                }
            };
            self.done.terminated += terminated as u64;
            if terminated == 0 && refused.is_empty() && skipped == 0 {
                return;
            }
            if Instant::now() >= self.until {
                self.done.left = (refused.len() + skipped) as u64;
                if skipped > 0 {
                    let heroes = counted(skipped, "hero was", "heroes were");
                    let problem = self.out_of_time(&format!("{heroes} not terminated"));
                    self.note::<()>("heroes", Err(problem));
                }
                for (hero, error) in refused {
                    self.note::<()>(&hero.to_string(), Err(error.into()));
                }
                return;
            }
            if terminated == 0 {
                sleep(RETRY_INTERVAL).await;
            }
        }
    }

    /// Attempts to terminate each hero that any node holds live. Returns the outcome, and the number of
    /// those that were skipped because the time is up.
    async fn terminate_once(&self) -> Result<(Terminations, usize), Problem> {
        let alive: Vec<HeroId> = {
            let view = self.dispatch.now().await?;
            view.rows.having(Pattern::is_alive).map(|row| row.id).collect()
        };
        let mut all = Terminations::default();
        let mut chunks = alive.chunks(TERMINATE_MAX);
        for heroes in chunks.by_ref() {
            let asked = self.dispatch.ask(TerminateMany { heroes: heroes.to_vec() }, None).await?;
            all.terminated += asked.terminated;
            all.refused.extend(asked.refused);
            if Instant::now() >= self.until {
                break;
            }
        }
        Ok((all, chunks.map(<[HeroId]>::len).sum()))
    }

    fn out_of_time(&self, what: &str) -> Problem {
        let seconds = self.limit.as_secs_f64();
        Problem::unavailable("out_of_time", format!("{what} within {seconds} s"))
    }
}

/// Returns what a reset has done as a sentence.
pub(crate) fn summary(done: &ResetDone) -> String {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let some =
        |number: usize, one: &str, many: &str| (number > 0).then(|| counted(number, one, many));
    let parts = [
        done.scenario.as_ref().map(|name| format!("the scenario {name} was ended")),
        some(number(done.healed), "fault was healed", "faults were healed"),
        done.resumed.then(|| "gossip was resumed".to_owned()),
        done.quiet_ended.then(|| "the quiet was ended".to_owned()),
        (!done.rebuilt.is_empty()).then(|| format!("started again: {}", done.rebuilt.join(", "))),
        some(number(done.terminated), "hero was terminated", "heroes were terminated"),
        some(number(done.left), "hero is left", "heroes are left"),
        some(done.problems.len(), "problem", "problems"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return "the cluster was reset; there was nothing to do".to_owned();
    }
    format!("the cluster was reset: {}", parts.join("; "))
}

#[cfg(test)]
mod tests;
