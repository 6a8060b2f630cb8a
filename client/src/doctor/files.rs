//! Whether the files that must stay secret are there, and are secret.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::configuration::Known;
use super::finding::Finding;

/// What anybody on the machine may do: read, or write.
const EVERYBODY: u32 = 0o006;

/// Looks at each file once, whoever reads it.
pub(super) fn examine(known: &Known, findings: &mut Vec<Finding>) {
    let secret =
        |key: &str| key == "cookie-file" || key == "tls-key" || key.ends_with("-token-file");
    let files: BTreeMap<(&str, &str), &str> = known
        .texts()
        .filter(|(_, key, _)| secret(key))
        .map(|(node, key, path)| ((key, path), node))
        .collect();
    for ((key, path), _) in files {
        findings.push(look(key, path));
    }
}

fn look(key: &str, path: &str) -> Finding {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::fail(
                key,
                format!("{path}: {error}"),
                "put it there, or mend the path",
            );
        }
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() {
        return Finding::fail(key, format!("{path} is not a file"), "mend the path");
    }
    if mode & EVERYBODY != 0 {
        let found = format!(
            "everybody on this machine may read or change {path} (mode {:o})",
            mode & 0o777
        );
        return Finding::fail(
            key,
            found,
            format!("chmod o= {path}, and change the secret: it may be known"),
        );
    }
    match std::fs::File::open(path) {
        Ok(_) => Finding::ok(key, format!("{path} is for some only (mode {:o})", mode & 0o777)),
        Err(error) => Finding::warn(
            key,
            format!("{path}: {error}"),
            "nothing, if the nodes run as a user who may read it",
        ),
    }
}
