//! Checks that secret files exist and are not accessible to all users.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::configuration::Known;
use super::finding::Finding;

/// The mode bits by which other users may read or write.
const OTHERS: u32 = 0o006;

/// Checks each secret file once, even if several nodes use it.
pub(super) fn examine(known: &Known, findings: &mut Vec<Finding>) {
    let secret =
        |key: &str| key == "cookie-file" || key == "tls-key" || key.ends_with("-token-file");
    let files: BTreeMap<(&str, &str), &str> = known
        .texts()
        .filter(|(_, key, _)| secret(key))
        .map(|(node, key, path)| ((key, path), node))
        .collect();
    for ((key, path), _) in files {
        findings.push(check(key, path));
    }
}

fn check(key: &str, path: &str) -> Finding {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::fail(
                key,
                format!("{path}: {error}"),
                format!("create the file, or correct {key}"),
            );
        }
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() {
        return Finding::fail(key, format!("{path} is not a file"), format!("correct {key}"));
    }
    if mode & OTHERS != 0 {
        let found = format!("all users can access {path} (mode {:o})", mode & 0o777);
        return Finding::fail(
            key,
            found,
            format!("chmod o= {path}, and replace the secret, which may be compromised"),
        );
    }
    // A warning only: the nodes may run as another user.
    match std::fs::File::open(path) {
        Ok(_) => {
            Finding::ok(key, format!("not all users can access {path} (mode {:o})", mode & 0o777))
        }
        Err(error) => Finding::warn(
            key,
            format!("{path}: {error}"),
            "none needed if the user that runs the nodes can read the file",
        ),
    }
}
