//! What dispatch says that went wrong: [problem documents](Problem), and the one that only it has.

pub(crate) use shared::link::problem::{Problem, shortened};

/// The machine did not answer: it crashed, or is drowned in work.
pub(crate) fn dispatch_silent() -> Problem {
    Problem::unavailable("outcome_unknown", "dispatch itself gave no answer; whether anything was changed is not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_surely_not_done_says_that_there_was_no_answer() {
        let silent = dispatch_silent();
        assert_eq!(silent.code, "outcome_unknown", "{}", silent.detail);
    }
}
