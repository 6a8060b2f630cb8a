//! The form that plays a scenario.

use axum::extract::State;
use axum::response::Response;

use crate::web::pages::forms::{self, FormRequest};
use crate::web::state::AppState;

/// `POST /scenarios`
pub(crate) async fn play(State(state): State<AppState>, form: FormRequest) -> Response {
    let requested = form.fields().and_then(|fields| Ok((fields.get("name"), form.key()?)));
    let started = match requested {
        Ok((name, key)) => state.scenarios.play(name.unwrap_or_default(), key).await,
        Err(problem) => Err(problem),
    };
    let result = started.map(|()| forms::CommandResult::default());
    forms::answer(&state, form.headers(), None, result).await
}
