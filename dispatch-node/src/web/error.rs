//! What dispatch says that went wrong: [problem documents](Problem), and the one that only it has.

use shared::id::HeroId;
pub(crate) use shared::link::problem::{Problem, shortened};

/// The machine did not answer: it crashed, or is drowned in work.
pub(crate) fn dispatch_silent() -> Problem {
    Problem::unavailable("outcome_unknown", "dispatch itself gave no answer; whether anything was changed is not known")
}

/// A number in a request is outside of its range.
pub(crate) fn out_of_range(field: &str, allowed: &str, given: f64) -> Problem {
    Problem::not_allowed("out_of_range", format!("{field} is {allowed}, not {given}; nothing was changed"))
}

/// A command that was refused, to be shown beside its control.
pub(crate) struct Refusal {
    pub(crate) hero: Option<HeroId>,
    pub(crate) problem: Problem,
}
