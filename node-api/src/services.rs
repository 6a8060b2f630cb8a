//! The services of the cluster as resources: members, calls, lists of work, rate limits, the cache, and
//! frequent events.
//!
//! Invariant: every request ends within a time limit, and tells whether something was executed.

mod cache;
mod calls;
pub mod limits;
mod members;
mod refusals;
mod tracked;

use std::time::Duration;

use axum::extract::FromRef;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use gossip::{CallError, Outcome};

use crate::error::{HANDLER_FAILED, OUTCOME_UNKNOWN, Problem};
use crate::types::Types;

/// Returns the routes of all services. The path and method of each call are declared at its handler.
#[must_use]
pub fn routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S>
where
    Types: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(members::members))
        .routes(routes!(calls::call))
        .routes(routes!(calls::map))
        .routes(routes!(limits::hit))
        .routes(routes!(cache::cached, cache::cache, cache::uncache))
        .routes(routes!(tracked::top, tracked::track))
}

/// Returns the problem of a call without a result.
#[must_use]
pub fn problem(error: &CallError) -> Problem {
    let executed = match error.outcome() {
        Outcome::NotExecuted => "; nothing was executed",
        Outcome::Failed | Outcome::Unknown => "",
    };
    let detail = format!("{error}{executed}");
    match error {
        CallError::Handler { .. } => Problem::not_allowed("invalid_name", detail),
        CallError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
        CallError::NoMember(_) => Problem::not_allowed("unknown_node", detail),
        CallError::NoHandler { .. } | CallError::NoHandlers => {
            Problem::not_found("unknown_handler", detail)
        }
        CallError::Unreachable(_) | CallError::Stopped => {
            Problem::unavailable("unreachable", detail)
        }
        CallError::Busy(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail),
        CallError::Failed { .. } => Problem::new(StatusCode::BAD_GATEWAY, HANDLER_FAILED, detail),
        CallError::Unknown(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, OUTCOME_UNKNOWN, detail),
    }
}

/// Returns a time limit or a time to live within 1 to `max` milliseconds.
fn millis(
    field: &str,
    given: Option<u64>,
    default: Duration,
    max: u64,
) -> Result<Duration, Problem> {
    match given {
        None => Ok(default),
        Some(millis) if (1..=max).contains(&millis) => Ok(Duration::from_millis(millis)),
        Some(millis) => Err(Problem::not_allowed(
            "out_of_range",
            format!("{field} must be 1 to {max}, not {millis}; nothing was executed"),
        )),
    }
}
