//! What this machine allows.

use nix::sys::resource::{Resource, getrlimit};

use super::Finding;

/// The open files that a node with 4096 connections needs, with some to spare.
const FILES: u64 = 4_096 + 128;

/// Looks at the limits under which what is started here would run.
pub(super) fn examine(findings: &mut Vec<Finding>) {
    const CHECK: &str = "open files";
    findings.push(match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft >= FILES => Finding::ok(CHECK, format!("{soft} are allowed here")),
        Ok((soft, hard)) => {
            let remedy = if hard >= FILES {
                format!("ulimit -n {FILES} before a node is started here")
            } else {
                "raise the limit of this user".into()
            };
            Finding::warn(CHECK, format!("{soft} are allowed here; a node with all its connections needs {FILES}"), remedy)
        }
        Err(error) => Finding::warn(CHECK, format!("the system does not say how many are allowed: {error}"), ""),
    });
}
