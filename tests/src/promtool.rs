//! Prometheus' own checker for metrics, rules and configurations.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs promtool on `input` or on the files that `arguments` name, and expects it to succeed
/// without a warning.
///
/// # Panics
/// If it is missing, fails, or warns.
#[track_caller]
pub fn promtool(arguments: &[&str], input: &str) {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!(
            "promtool cannot be run ({error}): install it with `apt-get install prometheus` or \
             `scripts/setup test`"
        )
    });
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // A run that reads no input may have exited already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a child process can be waited for");
    let output_text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {}\n{output_text}\nof\n{input}",
        output.status
    );
    // promtool prints nothing about valid standard input.
    assert!(
        input.is_empty() || output_text.is_empty(),
        "promtool {arguments:?} warns:\n{output_text}"
    );
}
