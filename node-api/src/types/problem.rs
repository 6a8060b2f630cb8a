//! The problems of requests to the types.

use axum::http::StatusCode;

use gossip::link::AskError;
use gossip::replica::WriteError;
use gossip::types::TypeError;
use gossip::types::counter::CounterError;
use gossip::types::names::NameError;
use gossip::types::request::RequestError;
use gossip::types::room::RoomError;

use crate::error::{Problem, unanswered};
use crate::types::VALUE_BYTES_MAX;

/// Returns the problem of a request without a result.
pub(super) fn of(error: AskError) -> Problem {
    match error {
        AskError::Refused(refusal) => refused(&refusal),
        AskError::Busy => Problem::overloaded(),
        AskError::Unknown => unanswered(),
    }
}

/// Returns the problem of a node that has not joined.
pub(super) fn joining() -> Problem {
    Problem::unavailable(
        "joining",
        "the node has just started, and has not caught up; nothing was changed",
    )
}

/// Returns the problem of a JSON value that is too large.
pub(super) fn too_large(bytes: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!(
            "a value must have at most {VALUE_BYTES_MAX} bytes as JSON, not {bytes}; nothing was \
             changed"
        ),
    )
}

/// Returns the problem of a request that a type has refused.
#[must_use]
pub fn refused(refusal: &RequestError) -> Problem {
    if let Some(common) = refusal.common() {
        return of_type(common);
    }
    let detail = format!("{refusal}; nothing was changed");
    match refusal {
        RequestError::Counter(CounterError::Overflow) => Problem::not_allowed("overflow", detail),
        RequestError::Room(RoomError::Text { .. }) => Problem::not_allowed("invalid_text", detail),
        RequestError::Room(RoomError::TooFast { .. }) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", detail)
        }
        RequestError::Room(RoomError::UnknownMessage) => {
            Problem::not_allowed("unknown_message", detail)
        }
        RequestError::Name(NameError::Taken(held)) => {
            Problem::conflict("taken", detail).owned_by(held.owner.node.as_str())
        }
        RequestError::Name(NameError::NotHeld) => Problem::conflict("not_held", detail),
        RequestError::Counter(_)
        | RequestError::Room(RoomError::Refused(_))
        | RequestError::Name(NameError::Refused(_))
        // No call of the API forgets a member in this way.
        | RequestError::Forget(_)
        | RequestError::Type(_) => Problem::not_allowed("out_of_range", detail),
    }
}

fn of_type(error: TypeError) -> Problem {
    let detail = format!("{error}; nothing was changed");
    match error {
        TypeError::Name { .. } => Problem::not_allowed("invalid_name", detail),
        TypeError::TooLarge { bytes } => too_large(bytes),
        TypeError::Contradiction { .. } => Problem::not_allowed("invalid_field", detail),
        TypeError::Write(WriteError::Joining) => joining(),
        TypeError::Write(WriteError::TooFarAhead | WriteError::Deleted | WriteError::Misplaced) => {
            Problem::conflict("too_far_ahead", detail)
        }
        TypeError::Write(
            WriteError::TooManyLive | WriteError::TooManyTombstones | WriteError::TooManyBytes,
        ) => Problem::conflict("too_many", detail),
    }
}
