//! The form that accepts stamps ahead of the clocks.

use axum::extract::State;
use axum::response::Response;

use crate::web::api::stamps;
use crate::web::pages::forms::{self, FormRequest};
use crate::web::state::AppState;

/// `POST /stamps/accept`
pub(crate) async fn accept(State(state): State<AppState>, form: FormRequest) -> Response {
    let action = form.fields().and_then(|form| {
        let ahead_ms = form.get("ahead_ms").and_then(|ahead_ms| ahead_ms.parse().ok());
        // Not a number is out of range too.
        stamps::stamps(ahead_ms.unwrap_or(f64::NAN)).map(Into::into)
    });
    forms::act(&state, &form, None, action).await
}
