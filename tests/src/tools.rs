//! External tools that tests run: `scripts/setup test` installs them next to cargo's build
//! directories, at the versions of `scripts/requirements.txt`.
//!
//! Invariant: a missing tool fails the test, and the message names the remedy. A check that did not
//! run has not passed.

use std::path::PathBuf;

/// Returns the path of a Python tool.
///
/// # Panics
/// If it is not installed.
#[track_caller]
#[must_use]
pub fn python_tool(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let candidate = |directory: &std::path::Path| directory.join("tools/python/bin").join(name);
    let found = program.ancestors().map(candidate).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is missing: run `scripts/setup test` first (make test does)")
    })
}
