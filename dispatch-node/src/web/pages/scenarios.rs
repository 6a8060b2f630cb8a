//! The form that plays a scenario.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::web::error::Problem;
use crate::web::extract::body::FormBody;
use crate::web::pages::forms;
use crate::web::state::AppState;

/// `POST /scenarios`
pub(crate) async fn play(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: Result<FormBody, Problem>,
) -> Response {
    let started = form.and_then(|form| state.scenarios.play(form.get("name").unwrap_or_default()));
    forms::answer(&state, &headers, None, started.map(|()| forms::CommandResult::default())).await
}
