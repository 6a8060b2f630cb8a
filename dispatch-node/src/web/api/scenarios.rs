//! Scenarios: those that can be played, and the one in progress.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use node_api::idempotency::IdempotencyKey;
use scenario::{Scenario, shipped};

use api_types::Scenarios;

use crate::web::api::refusals::{Beginning, Reading};
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
/// Only one can run at a time. `GET /scenarios` reports its progress.
#[utoipa::path(
    post, path = "/scenarios/{name}/play", tag = "scenarios", params(ScenarioPath, IdempotencyKey),
    responses(
        (status = 202, description = "the scenario has started"),
        Beginning,
    )
)]
pub(crate) async fn play_scenario(
    State(runner): State<ScenarioRunner>,
    ScenarioPath(name): ScenarioPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    runner.play(&name, key).await?;
    Ok(StatusCode::ACCEPTED)
}
