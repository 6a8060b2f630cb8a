//! Scenarios: those that can be played, and the one in progress.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use node_api::idempotency::IdempotencyKey;
use scenario::{Scenario, shipped};

use api_types::{PlayRequest, Scenarios};
use node_api::body::OptionalJsonBody;

use crate::web::api::refusals::{Beginning, Continuing, Reading};
use crate::web::error::Problem;
use crate::web::extract::parameters::ScenarioPath;
use crate::web::scenario_runner::ScenarioRunner;

/// All scenarios
#[utoipa::path(get, path = "/scenarios", tag = "scenarios", responses(
    (status = 200, description = "the scenarios", body = Scenarios),
    Reading,
))]
pub(crate) async fn scenarios(State(runner): State<ScenarioRunner>) -> Json<Scenarios> {
    let scenarios = shipped().into_iter().map(Scenario::summary).collect();
    let playing = runner.playing().borrow().as_ref().map(|playing| playing.progress.clone());
    Json(Scenarios { scenarios, playing })
}

/// Play a scenario
///
/// Only one can run at a time. `GET /scenarios` reports its progress. At its end, faults are healed
/// and its heroes are terminated.
#[utoipa::path(
    post, path = "/scenarios/{name}/play", tag = "scenarios", params(ScenarioPath, IdempotencyKey),
    request_body = Option<PlayRequest>,
    responses(
        (status = 202, description = "the scenario has started"),
        Beginning,
    )
)]
pub(crate) async fn play_scenario(
    State(runner): State<ScenarioRunner>,
    ScenarioPath(name): ScenarioPath,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJsonBody(options): OptionalJsonBody<PlayRequest>,
) -> Result<StatusCode, Problem> {
    runner.play(&name, options, key).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Continue the scenario
///
/// Starts the step that waits, in a scenario that pauses at each step. A step that waits for ten
/// minutes fails, and the scenario ends.
#[utoipa::path(
    post, path = "/scenarios/continue", tag = "scenarios", params(IdempotencyKey),
    responses(
        (status = 202, description = "the step has started"),
        Continuing,
    )
)]
pub(crate) async fn continue_scenario(
    State(runner): State<ScenarioRunner>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    runner.go_on(key).await?;
    Ok(StatusCode::ACCEPTED)
}
