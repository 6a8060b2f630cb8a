//! The forms that play a scenario, and continue one that waits.

use axum::extract::State;
use axum::response::Response;

use api_types::PlayRequest;

use crate::web::pages::forms::{self, FormRequest};
use crate::web::state::AppState;

/// `POST /scenarios`
pub(crate) async fn play(State(state): State<AppState>, form: FormRequest) -> Response {
    let requested = form.fields().and_then(|fields| {
        let options = PlayRequest {
            pause_at_each_step: fields.get("pause_at_each_step") == Some("true"),
            keep_heroes: false,
        };
        Ok((fields.get("name"), options, form.key()?))
    });
    let started = match requested {
        Ok((name, options, key)) => {
            state.scenarios.play(name.unwrap_or_default(), options, key).await
        }
        Err(problem) => Err(problem),
    };
    let result = started.map(|()| forms::CommandResult::default());
    forms::answer(&state, form.headers(), None, result).await
}

/// `POST /scenarios/continue`
pub(crate) async fn go_on(State(state): State<AppState>, form: FormRequest) -> Response {
    let continued = match form.key() {
        Ok(key) => state.scenarios.go_on(key).await,
        Err(problem) => Err(problem),
    };
    let result = continued.map(|()| forms::CommandResult::default());
    forms::answer(&state, form.headers(), None, result).await
}
