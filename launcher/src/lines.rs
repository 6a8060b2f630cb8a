//! Lines for the terminal: the children's, each behind its name, and the launcher's own.
//!
//! Invariant: no output of a child and no state of the terminal ends the launcher or keeps it from
//! being stopped. Children's lines are bytes and are passed on as they are; writing to a terminal
//! that is gone has no effect.

use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    stdout,
};
use tokio::time::timeout;

/// Longer lines are shown in pieces of this size.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// The longest time that a terminal may delay the launcher's own lines (Ctrl-S stops it).
const PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// Shows every line of a child, until it writes no more.
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
        // Also when it cannot be shown, it is read: a child must not wait for a terminal that is
        // gone.
        let _ = write(&mut to, &line).await;
    }
}

/// Shows a line of the launcher's own.
pub(crate) async fn say(line: &str) {
    // A failure to print cannot be printed either.
    let _ = timeout(PRINT_TIMEOUT, write(&mut stdout(), format!("{line}\n").as_bytes())).await;
}

async fn write(to: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> std::io::Result<()> {
    // In one piece, so that lines from several sides do not mix.
    to.write_all(line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the output for these lines of a child.
    fn shown(said: &[u8]) -> Vec<u8> {
        let mut terminal = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(show(said, "gotham | ", &mut terminal));
        terminal
    }

    #[test]
    fn each_line_stands_behind_its_name_and_the_last_one_needs_no_end() {
        assert_eq!(shown(b""), b"");
        assert_eq!(shown(b"one\n\ntwo"), b"gotham | one\ngotham | \ngotham | two\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_on_and_so_is_what_follows() {
        assert_eq!(shown(b"\xff\xfe\xc3\nafter\n"), b"gotham | \xff\xfe\xc3\ngotham | after\n");
    }

    #[test]
    fn a_line_without_end_is_shown_in_pieces_and_so_is_what_follows() {
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
    fn a_terminal_that_is_gone_stops_nobody() {
        let mut said: &[u8] = b"one\ntwo\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (gone, _) = tokio::io::duplex(1);
        runtime.block_on(show(&mut said, "gotham | ", gone));
        assert!(said.is_empty(), "all has been read");
    }
}
