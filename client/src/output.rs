//! Output and exit codes of the commands.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use superhero::Error;

use crate::table::{self, Look, clean};

/// The reason why a command failed, with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request was refused, or an expectation failed: 1.
    No(String),
    /// The same, after the command has printed the reason: 1.
    Said,
    /// The command line or a file cannot be used: 2.
    Unusable(String),
    /// Dispatch does not answer: 3.
    NoAnswer(String),
    /// The reader closed the pipe, so there is nothing left to do: 0.
    Closed,
}

impl Failure {
    /// Prints the reason to standard error, and returns the exit code.
    pub(crate) fn end(self) -> ExitCode {
        let (code, said) = match self {
            Self::No(said) => (1, Some(said)),
            Self::Said => (1, None),
            Self::Unusable(said) => (2, Some(said)),
            Self::NoAnswer(said) => (3, Some(said)),
            Self::Closed => (0, None),
        };
        if let Some(said) = said {
            // A closed standard error is no further failure.
            let _ = writeln!(
                io::stderr(),
                "error: {}",
                said.lines().map(clean).collect::<Vec<_>>().join("\n")
            );
        }
        ExitCode::from(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::Address { .. } | Error::Access { .. } => Self::Unusable(said),
            Error::NoAnswer { .. } | Error::NotDispatch { .. } => Self::NoAnswer(said),
            Error::Refused { .. } => Self::No(said),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::No(format!("cannot print: {error}"))
        }
    }
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The style of tables.
    pub(crate) look: Look,
}

impl Output {
    /// Returns standard output, with the style that fits it.
    pub(crate) fn standard() -> Self {
        let unwanted = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        let colour =
            !unwanted("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { look: if is_terminal { Look::Columns { colour } } else { Look::Tabs } }
    }

    /// Prints a line, and flushes it.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{}\n", clean(text)).as_bytes())
    }

    /// Prints bytes unchanged.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Prints a table.
    pub(crate) fn table(self, headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let lines = table::table(self.look, headings, rows);
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        self.bytes(text.as_bytes())
    }

    /// Returns whether the output is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self.look, Look::Columns { .. })
    }
}

/// The first millisecond of the year 10000, which RFC 3339 cannot write.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// Returns a time as text, in UTC: `2026-09-21T14:13:20.123Z`.
pub(crate) fn at(unix_ms: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    match time.filter(|_| unix_ms < YEAR_10000_MS) {
        Some(time) => humantime::format_rfc3339_millis(time).to_string(),
        None => unix_ms.to_string(),
    }
}
