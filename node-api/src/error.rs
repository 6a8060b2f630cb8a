//! [Problem documents](Problem), and those shared by several handlers.

pub use gossip::link::{Problem, shortened};

/// The type of a problem after which nothing is known about the effect of the request.
pub const OUTCOME_UNKNOWN: &str = "outcome_unknown";

/// The type of a problem of a handler that was executed, and failed.
pub const HANDLER_FAILED: &str = "handler_failed";

/// Returns the problem of a machine that did not reply: it crashed, or is overloaded.
#[must_use]
pub fn unanswered() -> Problem {
    Problem::unavailable(
        OUTCOME_UNKNOWN,
        "the node did not answer in time; whether anything was changed is unknown",
    )
}

/// Returns the problem of a number outside its range.
#[must_use]
pub fn out_of_range(field: &str, allowed: &str, given: f64) -> Problem {
    Problem::not_allowed(
        "out_of_range",
        format!("{field} must be {allowed}, not {given}; nothing was changed"),
    )
}
