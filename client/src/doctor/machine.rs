//! The limits of this machine.

use nix::sys::resource::{Resource, getrlimit};

use super::finding::Finding;

/// The open files that a node with 4096 connections needs, with some to spare. The hard limit is
/// what counts, since a node raises its soft limit to it.
const FILES: u64 = 4_096 + 128;

/// Checks the limits that a process started from here inherits.
pub(super) fn examine(findings: &mut Vec<Finding>) {
    const CHECK: &str = "open files";
    findings.push(match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if hard >= FILES => Finding::ok(CHECK, format!("hard limit {hard}")),
        Ok((_, hard)) => {
            let found =
                format!("hard limit {hard}; a node with the most connections needs {FILES}");
            Finding::warn(CHECK, found, "raise the hard limit of this user (ulimit -Hn)")
        }
        Err(error) => {
            Finding::warn(CHECK, format!("cannot read the limit: {error}"), "check ulimit -Hn")
        }
    });
}
