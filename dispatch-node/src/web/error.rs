//! What dispatch says that went wrong: [problem documents](Problem), and the one that only it has.

pub(crate) use shared::link::problem::{Problem, shortened};

/// The machine did not answer: it crashed, or is drowned in work.
pub(crate) fn dispatch_silent() -> Problem {
    Problem::unavailable("outcome_unknown", "dispatch itself gave no answer; whether anything was changed is not known")
}
