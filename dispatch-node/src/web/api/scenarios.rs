//! Scenarios: those that can be played, and the one that is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use scenario::{Scenario, shipped};
use utoipa::ToSchema;

use crate::web::api::refusals::{Beginning, Reading};
use crate::web::error::Problem;
use crate::web::extract::parameters::ScenarioPath;
use crate::web::scenario_runner::{Playing, ScenarioRunner};

/// The scenarios that there are, and the one that is played, or was last.
#[derive(Serialize, ToSchema)]
pub(crate) struct Scenarios {
    scenarios: Vec<Listed>,
    playing: Option<Playing>,
}

/// A scenario that can be played.
#[derive(Serialize, ToSchema)]
#[schema(as = Scenario)]
struct Listed {
    #[schema(example = "split-brain")]
    name: String,
    title: String,
    about: String,
    /// About how long it takes, in seconds.
    takes_s: Option<u64>,
}

/// All scenarios
#[utoipa::path(get, path = "/scenarios", tag = "scenarios", responses(
    (status = 200, description = "the scenarios", body = Scenarios),
    Reading,
))]
pub(crate) async fn scenarios(State(runner): State<ScenarioRunner>) -> Response {
    let listed = |scenario: Scenario| Listed {
        name: scenario.name,
        title: scenario.title,
        about: scenario.about,
        takes_s: scenario.takes.map(|takes| takes.as_secs()),
    };
    let playing = runner.playing().borrow().clone();
    Json(Scenarios { scenarios: shipped().into_iter().map(listed).collect(), playing }).into_response()
}

/// Play a scenario
///
/// One at a time. How it goes is told by `GET /scenarios`.
#[utoipa::path(post, path = "/scenarios/{name}/play", tag = "scenarios", params(ScenarioPath), responses(
    (status = 202, description = "it has begun"),
    Beginning,
))]
pub(crate) async fn play_scenario(State(runner): State<ScenarioRunner>, ScenarioPath(name): ScenarioPath) -> Result<StatusCode, Problem> {
    runner.play(&name)?;
    Ok(StatusCode::ACCEPTED)
}
