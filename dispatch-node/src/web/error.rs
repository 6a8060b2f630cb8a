//! Errors of the web part: [problem documents](Problem), and those shared by several handlers.

pub(crate) use node_api::error::{OUTCOME_UNKNOWN, Problem, out_of_range, shortened};
use shared::hero::HeroId;

/// Returns the problem of a machine that did not reply: it crashed, or is overloaded.
pub(crate) fn dispatch_unresponsive() -> Problem {
    Problem::unavailable(
        OUTCOME_UNKNOWN,
        "dispatch did not answer in time; whether anything was changed is unknown",
    )
}

/// A refused command, to be shown next to the control that sent it.
pub(crate) struct Refusal {
    pub(crate) hero: Option<HeroId>,
    pub(crate) problem: Problem,
}
