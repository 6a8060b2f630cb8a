//! Output and exit codes of the commands.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use superhero::{Error, OUTCOME_UNKNOWN};

use crate::table::{self, Style, clean};

/// The reason a command failed. Each kind has its own exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request was refused, or an expectation failed: exit code 1.
    No(String),
    /// The same, and the command has already printed the reason: exit code 1.
    Printed,
    /// The command line or a file is invalid: exit code 2.
    Unusable(String),
    /// There was no usable response from dispatch: exit code 3.
    NoAnswer(String),
    /// The request may have taken effect: exit code 4.
    Unknown(String),
    /// The reader closed the pipe, which is no error: exit code 0.
    Closed,
}

impl Failure {
    /// Prints the reason to standard error, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (code, message) = match self {
            Self::No(message) => (1, Some(message)),
            Self::Printed => (1, None),
            Self::Unusable(message) => (2, Some(message)),
            Self::NoAnswer(message) => (3, Some(message)),
            Self::Unknown(message) => (4, Some(message)),
            Self::Closed => (0, None),
        };
        if let Some(message) = message {
            note(&format!("error: {message}"));
        }
        ExitCode::from(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Address { .. } | Error::Access { .. } => Self::Unusable(message),
            Error::NoAnswer { .. } | Error::Untrusted { .. } | Error::NotDispatch { .. } => {
                Self::NoAnswer(message)
            }
            Error::OutcomeUnknown { .. } => Self::Unknown(message),
            Error::Refused { ref kind, .. } if kind == OUTCOME_UNKNOWN => Self::Unknown(message),
            Error::Refused { .. } => Self::No(message),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::No(format!("cannot write to standard output: {error}"))
        }
    }
}

/// Prints lines to standard error.
pub(crate) fn note(text: &str) {
    let lines: Vec<String> = text.lines().map(clean).collect();
    // A closed standard error must not change the exit code.
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The style of tables.
    pub(crate) style: Style,
}

impl Output {
    /// Returns standard output: columns on a terminal, tabs otherwise.
    pub(crate) fn standard() -> Self {
        // As no-color.org defines it: an empty NO_COLOR counts as unset.
        let is_set = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        let colour =
            !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { style: if is_terminal { Style::Columns { colour } } else { Style::Tabs } }
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
        let lines = table::table(self.style, headings, rows);
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        self.bytes(text.as_bytes())
    }

    /// Returns whether the output is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self.style, Style::Columns { .. })
    }
}

/// The first millisecond of the year 10000, which RFC 3339 cannot represent.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// Formats a time in UTC: `2026-09-21T14:13:20.123Z`.
pub(crate) fn at(unix_ms: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    match time.filter(|_| unix_ms < YEAR_10000_MS) {
        Some(time) => humantime::format_rfc3339_millis(time).to_string(),
        None => unix_ms.to_string(),
    }
}
