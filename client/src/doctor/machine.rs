//! What this machine allows.

use nix::sys::resource::{Resource, getrlimit};

use super::finding::Finding;

/// The open files that a node with 4096 connections needs, with some to spare. It asks for as many
/// as the hard limit lets it.
const FILES: u64 = 4_096 + 128;

/// Looks at the limits under which what is started here would run.
pub(super) fn examine(findings: &mut Vec<Finding>) {
    const CHECK: &str = "open files";
    findings.push(match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if hard >= FILES => Finding::ok(CHECK, format!("{hard} are allowed here")),
        Ok((_, hard)) => {
            let found =
                format!("{hard} are allowed here; a node with all its connections needs {FILES}");
            Finding::warn(CHECK, found, "raise the hard limit of this user")
        }
        Err(error) => Finding::warn(
            CHECK,
            format!("the system does not say how many are allowed: {error}"),
            "",
        ),
    });
}
