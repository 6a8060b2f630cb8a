//! The forms that set the pace of gossip and the quiet, and run one exchange.

use axum::extract::State;
use axum::response::Response;

use gossip::fault::Pace;

use crate::request::{SetPace, SetQuiet};
use crate::web::error::Problem;
use crate::web::pages::forms::{self, FormRequest};
use crate::web::state::AppState;

/// `POST /gossip/pause`
pub(crate) async fn pause(State(state): State<AppState>, form: FormRequest) -> Response {
    forms::act(&state, &form, None, Ok(SetPace { pace: Pace::PAUSED }.into())).await
}

/// `POST /gossip/resume`
pub(crate) async fn resume(State(state): State<AppState>, form: FormRequest) -> Response {
    forms::act(&state, &form, None, Ok(SetPace { pace: Pace::FREE }.into())).await
}

/// `POST /quiet`
pub(crate) async fn quiet(State(state): State<AppState>, form: FormRequest) -> Response {
    forms::act(&state, &form, None, Ok(SetQuiet { quiet: true }.into())).await
}

/// `POST /quiet/end`
pub(crate) async fn end_quiet(State(state): State<AppState>, form: FormRequest) -> Response {
    forms::act(&state, &form, None, Ok(SetQuiet { quiet: false }.into())).await
}

/// `POST /gossip/speed`
pub(crate) async fn speed(State(state): State<AppState>, form: FormRequest) -> Response {
    let action = form.fields().and_then(|form| {
        let percent = form
            .get("percent")
            .and_then(forms::whole)
            .and_then(|percent| percent.try_into().ok())
            .filter(|percent| Pace::RANGE.contains(percent));
        let refused = || {
            Problem::not_allowed(
                "out_of_range",
                "speed must be a whole number from 10 to 1000 percent; nothing was changed",
            )
        };
        percent.map(|percent| SetPace { pace: Pace { percent } }.into()).ok_or_else(refused)
    });
    forms::act(&state, &form, None, action).await
}

/// `POST /gossip/step`
pub(crate) async fn step(State(state): State<AppState>, form: FormRequest) -> Response {
    let action = form.fields().and_then(|form| {
        let node = |field| form.get(field).filter(|name| !name.is_empty());
        state.domain.exchange(node("from"), node("to")).map(Into::into)
    });
    forms::act(&state, &form, None, action).await
}
