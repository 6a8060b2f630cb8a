//! Output to the terminal: the lines of the children, prefixed with their names, and the launcher's
//! own lines.
//!
//! Invariant: no output of a child and no state of the terminal blocks a child or the launcher. A
//! bounded queue is between them and a thread that writes; lines that do not fit are dropped and
//! counted. A line of a child is one line with its prefix, and acts on no terminal: control
//! characters and bytes that are not UTF-8 are escaped. Writing to a closed terminal has no effect.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use shared::escape::escaped;

/// The longest piece of a line, in bytes; longer lines are split.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// The mark of the second and further pieces of a line.
const CONTINUED: &str = "\u{2026} ";
/// The number of lines that wait for the terminal.
const LINES_MAX: usize = 4_096;

/// The queue of lines to the terminal.
#[derive(Clone)]
pub(crate) struct Terminal {
    queue: SyncSender<Vec<u8>>,
    /// The number of lines dropped since the last notice of them.
    dropped: Arc<AtomicU64>,
}

/// The end of the output.
pub(crate) struct End(Receiver<()>);

impl Terminal {
    /// Starts a thread that writes lines.
    pub(crate) fn new(to: impl Write + Send + 'static) -> (Self, End) {
        Self::with_queue(LINES_MAX, to)
    }

    fn with_queue(lines_max: usize, to: impl Write + Send + 'static) -> (Self, End) {
        let (queue, lines) = sync_channel(lines_max);
        let (ended, end) = channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let terminal = Self { queue, dropped: Arc::clone(&dropped) };
        thread::spawn(move || {
            write_all(&lines, &dropped, to);
            // The receiver is gone if the terminal was given up.
            let _ = ended.send(());
        });
        (terminal, End(end))
    }

    /// Prints a line of the launcher.
    pub(crate) fn print(&self, line: &str) {
        self.push(format!("{line}\n").into_bytes());
    }

    fn push(&self, line: Vec<u8>) {
        // The notice stands where the lines are missing.
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let is_full = dropped > 0 && self.queue.try_send(notice(dropped)).is_err();
        if is_full || self.queue.try_send(line).is_err() {
            let noticed = if is_full { dropped } else { 0 };
            self.dropped.fetch_add(noticed + 1, Ordering::Relaxed);
        }
    }
}

impl End {
    /// Waits until all lines are written, at most for this long. Every [`Terminal`] must have been
    /// dropped.
    pub(crate) fn wait(self, limit: Duration) {
        // A terminal that accepts no output is given up.
        let _ = self.0.recv_timeout(limit);
    }
}

/// Writes lines until the queue is closed.
fn write_all(lines: &Receiver<Vec<u8>>, dropped: &AtomicU64, mut to: impl Write) {
    // One call for the whole line, so that lines of different children do not mix. Reading
    // continues after a failed write: the terminal is closed, and the children still run.
    let mut write = |line: &[u8]| drop(to.write_all(line).and_then(|()| to.flush()));
    loop {
        let line = match lines.try_recv() {
            Ok(line) => Ok(line),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                let dropped = dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    write(&notice(dropped));
                }
                lines.recv()
            }
        };
        match line {
            Ok(line) => write(&line),
            Err(_) => return,
        }
    }
}

fn notice(dropped: u64) -> Vec<u8> {
    let lines = if dropped == 1 { "line" } else { "lines" };
    let (name, count) = ("launcher", grouped(dropped));
    format!("{name:<10} | {count} {lines} dropped: output was not read\n").into_bytes()
}

/// Returns the number with its digits in groups of three: `1,234`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints every line of a child until its output ends.
pub(crate) async fn show(lines: impl AsyncRead + Unpin, prefix: &str, terminal: &Terminal) {
    let mut lines = BufReader::new(lines);
    let (mut piece, mut is_continued) = (Vec::new(), false);
    loop {
        match (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut piece).await {
            Ok(0) if piece.is_empty() => return,
            Err(_) => return,
            Ok(read) => {
                let is_end = read == 0 || piece.ends_with(b"\n");
                let rest = if is_end { Vec::new() } else { cut_character(&mut piece) };
                let text = printable(piece.strip_suffix(b"\n").unwrap_or(&piece));
                let mark = if is_continued { CONTINUED } else { "" };
                terminal.push(format!("{prefix}{mark}{text}\n").into_bytes());
                (piece, is_continued) = (rest, !is_end);
            }
        }
    }
}

/// Removes the beginning of a character from the end of a piece, and returns it.
fn cut_character(piece: &mut Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(piece) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            piece.split_off(error.valid_up_to())
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Returns the bytes of a line as text. Tabs are kept.
fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        let parts = chunk.valid().split_inclusive('\t');
        for part in parts {
            let (part, tab) = part.strip_suffix('\t').map_or((part, ""), |part| (part, "\t"));
            text.push_str(&escaped(part));
            text.push_str(tab);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Prints to standard error, and gives up if it accepts no output in time.
pub(crate) fn print_error(text: Vec<u8>, limit: Duration) {
    let (terminal, end) = Terminal::new(std::io::stderr());
    terminal.push(text);
    drop(terminal);
    end.wait(limit);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A terminal that shows what was written. A write waits until the lock is free.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics with it").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Returns the terminal output for this output of a child.
    fn shown(output: &[u8]) -> Vec<u8> {
        let screen = Screen::default();
        let (terminal, end) = Terminal::new(screen.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(show(output, "gotham | ", &terminal));
        drop(terminal);
        end.0.recv().expect("the thread ends");
        std::mem::take(&mut screen.0.lock().expect("no test panics with it"))
    }

    #[test]
    fn lines_are_prefixed_and_the_last_needs_no_newline() {
        assert_eq!(shown(b""), b"");
        assert_eq!(shown(b"one\n\ntwo"), b"gotham | one\ngotham | \ngotham | two\n");
    }

    #[test]
    fn line_of_a_child_is_one_line_and_acts_on_no_terminal() {
        let output = "a\r\u{1b}[2J\0\u{9b}\u{85}\u{2028}\u{202e}\tb\nafter\n";
        let text = String::from_utf8(shown(output.as_bytes())).expect("text");
        assert_eq!(
            text,
            "gotham | a\\r\\u{1b}[2J\\u{0}\\u{9b}\\u{85}\\u{2028}\\u{202e}\tb\n\
             gotham | after\n"
        );
        assert_eq!(
            shown(b"\xff\xfe\x9b2J\xc3\nafter\n"),
            b"gotham | \\xff\\xfe\\x9b2J\\xc3\ngotham | after\n"
        );
    }

    #[test]
    fn characters_at_the_limit_of_a_piece_stay_whole() {
        let long = format!("x{}", "\u{e9}".repeat(20_000));
        let text = String::from_utf8(shown(long.as_bytes())).expect("text");
        assert_eq!(text.matches('\u{e9}').count(), 20_000);
        assert!(!text.contains('\\'), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("gotham | \u{2026} ")), "{text}");
    }

    #[test]
    fn line_over_the_limit_is_shown_in_pieces() {
        let long = vec![b'x'; 100_000];
        let terminal = shown(&[long.as_slice(), b"\nafter\n"].concat());
        let lines: Vec<&[u8]> = terminal.split_inclusive(|byte| *byte == b'\n').collect();
        let (after, pieces) = lines.split_last().expect("lines");
        assert_eq!(*after, b"gotham | after\n");
        assert!(
            pieces.iter().all(|piece| piece.len() as u64 <= LINE_BYTES_MAX + 14)
                && pieces[0].starts_with(b"gotham | x")
        );
        let continued = format!("gotham | {CONTINUED}x");
        assert!(pieces[1..].iter().all(|piece| piece.starts_with(continued.as_bytes())));
        assert_eq!(pieces.concat().iter().filter(|byte| **byte == b'x').count(), long.len());
    }

    #[test]
    fn closed_terminal_does_not_stop_reading() {
        let mut output: &[u8] = b"one\ntwo\n";
        let (closed, writer) = std::io::pipe().expect("a pipe");
        drop(closed);
        let (terminal, end) = Terminal::new(writer);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(show(&mut output, "gotham | ", &terminal));
        drop(terminal);
        end.0.recv().expect("the thread ends");
        assert!(output.is_empty(), "not all output was read");
    }

    #[test]
    fn lines_that_an_unread_terminal_does_not_take_are_dropped_and_counted() {
        let screen = Screen::default();
        let (terminal, end) = Terminal::with_queue(3, screen.clone());
        let blocked = screen.0.lock().expect("no test panics with it");
        // The thread takes at most one line out of the queue, and blocks on it.
        for number in 0..2_000 {
            terminal.print(&number.to_string());
        }
        drop(blocked);
        terminal.print("after");
        drop(terminal);
        end.0.recv().expect("the thread ends");
        let text = String::from_utf8(screen.0.lock().expect("no test panics with it").clone());
        let text = text.expect("text");
        let numbers = text.lines().filter(|line| line.parse::<u32>().is_ok()).count();
        let is_after_shown = text.lines().any(|line| line == "after");
        let notices = text.lines().filter_map(|line| {
            let count = line.strip_prefix("launcher   | ")?.split(' ').next()?;
            count.replace(',', "").parse::<usize>().ok()
        });
        let dropped: usize = notices.sum();
        assert_eq!(numbers + dropped + usize::from(is_after_shown), 2_001, "{text}");
        assert!(numbers < 10 && text.contains(" lines dropped: output was not read\n"), "{text}");
        assert!(text.lines().count() < 10, "{text}");
    }

    #[test]
    fn blocked_terminal_is_given_up() {
        let screen = Screen::default();
        let (terminal, end) = Terminal::new(screen.clone());
        let _blocked = screen.0.lock().expect("no test panics with it");
        terminal.print("never shown");
        drop(terminal);
        end.wait(Duration::from_millis(1));
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
