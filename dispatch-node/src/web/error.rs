//! Errors of the web part: [problem documents](Problem), and those shared by several handlers.

pub(crate) use gossip::link::{Problem, shortened};
use shared::hero::HeroId;

/// The type of a problem after which nothing is known about the effect of the request.
pub(crate) const OUTCOME_UNKNOWN: &str = "outcome_unknown";

/// Returns the problem of a machine that did not reply: it crashed, or is overloaded.
pub(crate) fn dispatch_unresponsive() -> Problem {
    Problem::unavailable(
        OUTCOME_UNKNOWN,
        "dispatch did not answer in time; whether anything was changed is unknown",
    )
}

/// Returns the problem of a number outside its range.
pub(crate) fn out_of_range(field: &str, allowed: &str, given: f64) -> Problem {
    Problem::not_allowed(
        "out_of_range",
        format!("{field} must be {allowed}, not {given}; nothing was changed"),
    )
}

/// A refused command, to be shown next to the control that sent it.
pub(crate) struct Refusal {
    pub(crate) hero: Option<HeroId>,
    pub(crate) problem: Problem,
}
