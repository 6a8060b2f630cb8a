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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn python_packages_are_installed_with_hashes() {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
        let mut requirements = 0;
        for entry in fs::read_dir(scripts).expect("the scripts of the project") {
            let path = entry.expect("a file").path();
            let text = fs::read_to_string(&path).expect("a text");
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            if path.extension().is_some_and(|extension| extension == "txt") {
                let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
                for requirement in text.lines().filter(|line| !line.trim().is_empty()) {
                    requirements += 1;
                    assert!(
                        requirement.contains("==") && requirement.contains("--hash=sha256:"),
                        "{}: {requirement}",
                        path.display()
                    );
                }
            } else {
                for line in lines.filter(|line| line.contains("pip") && line.contains(" install "))
                {
                    let is_checked = line.contains("--require-hashes");
                    assert!(is_checked, "{}: {line}", path.display());
                }
            }
        }
        assert!(requirements > 10, "{requirements}");
    }
}
