//! `superhero reset`: what it has done, and what was left undone.

use api_types::{ResetDone, ResetProblem};
use scenario::counted;

use crate::output::Failure;

/// Describes what was done.
pub(crate) fn sentence(done: &ResetDone) -> String {
    let mut text = format!(
        "Healed {} and terminated {}.",
        counted(done.healed, "fault", "faults"),
        counted(done.terminated, "hero", "heroes")
    );
    for ResetProblem { about, detail, .. } in &done.problems {
        text.push_str(&format!("\n{about}: {detail}"));
    }
    text
}

/// Returns a failure if something was left undone.
pub(crate) fn outcome(done: &ResetDone) -> Result<(), Failure> {
    if done.problems.is_empty() && done.left == 0 {
        return Ok(());
    }
    let left = counted(done.left, "hero is", "heroes are");
    Err(Failure::No(format!("the reset is incomplete: {left} left")))
}
