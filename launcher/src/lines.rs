//! Output to the terminal: the lines of the children, prefixed with their names, and the launcher's
//! own lines.
//!
//! Invariant: no output of a child and no state of the terminal stops the launcher or prevents it
//! from being stopped. Lines of children are bytes and are passed on unchanged; writing to a closed
//! terminal has no effect.

use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    stdout,
};
use tokio::time::timeout;

/// The longest piece of a line, in bytes; longer lines are split.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// The time limit for printing a line of the launcher. Ctrl-S suspends the terminal's output.
const PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints every line of a child until its output ends.
pub(crate) async fn show(
    lines: impl AsyncRead + Unpin,
    prefix: &str,
    mut to: impl AsyncWrite + Unpin,
) {
    let mut lines = BufReader::new(lines);
    let mut line = Vec::new();
    loop {
        line.clear();
        line.extend_from_slice(prefix.as_bytes());
        match (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        // Reading continues after a failed write, so that a child does not block on a full pipe
        // when the terminal is closed.
        let _ = write(&mut to, &line).await;
    }
}

/// Prints a line of the launcher.
pub(crate) async fn print_line(line: &str) {
    // A failure to print cannot be reported either.
    let _ = timeout(PRINT_TIMEOUT, write(&mut stdout(), format!("{line}\n").as_bytes())).await;
}

async fn write(to: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> std::io::Result<()> {
    // One call for the whole line, so that lines of different children do not mix.
    to.write_all(line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the terminal output for this output of a child.
    fn shown(output: &[u8]) -> Vec<u8> {
        let mut terminal = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(show(output, "gotham | ", &mut terminal));
        terminal
    }

    #[test]
    fn lines_are_prefixed_and_the_last_needs_no_newline() {
        assert_eq!(shown(b""), b"");
        assert_eq!(shown(b"one\n\ntwo"), b"gotham | one\ngotham | \ngotham | two\n");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_passed_on_unchanged() {
        assert_eq!(shown(b"\xff\xfe\xc3\nafter\n"), b"gotham | \xff\xfe\xc3\ngotham | after\n");
    }

    #[test]
    fn line_over_the_limit_is_shown_in_pieces() {
        let long = vec![b'x'; 100_000];
        let terminal = shown(&[long.as_slice(), b"\nafter\n"].concat());
        let lines: Vec<&[u8]> = terminal.split_inclusive(|byte| *byte == b'\n').collect();
        let (after, pieces) = lines.split_last().expect("lines");
        assert_eq!(*after, b"gotham | after\n");
        assert!(
            pieces.iter().all(|piece| piece.starts_with(b"gotham | x")
                && piece.len() as u64 <= LINE_BYTES_MAX + 10)
        );
        assert_eq!(pieces.concat().iter().filter(|byte| **byte == b'x').count(), long.len());
    }

    #[test]
    fn closed_terminal_does_not_stop_reading() {
        let mut output: &[u8] = b"one\ntwo\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (closed, _) = tokio::io::duplex(1);
        runtime.block_on(show(&mut output, "gotham | ", closed));
        assert!(output.is_empty(), "not all output was read");
    }
}
