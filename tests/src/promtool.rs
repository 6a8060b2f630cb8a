//! Prometheus' own tool, which knows what is wrong with metrics, rules and configurations.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Has promtool look at `input` or at the files that `arguments` name, and expects it to succeed
/// without a word of warning.
///
/// # Panics
/// When it is missing, fails, or warns.
#[track_caller]
pub fn promtool(arguments: &[&str], input: &str) {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("promtool cannot be run ({error}): install it with `apt-get install prometheus`, or by `scripts/setup test`")
    });
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // One that needs no input may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("one may wait for one's own child");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {}\n{said}\nof\n{input}",
        output.status
    );
    // What it was given on its input it praises by silence.
    assert!(input.is_empty() || said.is_empty(), "promtool {arguments:?} warns:\n{said}");
}
