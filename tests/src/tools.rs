//! Tools of others that tests drive: installed by `scripts/setup test` beside what cargo builds, at
//! the versions of `scripts/requirements.txt`.
//!
//! Invariant: a tool that is missing fails the test, and says what to do. A check that did not run
//! has not passed.

use std::path::PathBuf;

/// The path of a program of the Python tools.
///
/// # Panics
/// When it has not been installed.
#[track_caller]
#[must_use]
pub fn python_tool(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let beside = |directory: &std::path::Path| directory.join("tools/python/bin").join(name);
    let found = program.ancestors().map(beside).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is missing: run `scripts/setup test` first (make test does)")
    })
}
