//! Output and exit codes of the commands.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use superhero::{Error, OUTCOME_UNKNOWN};

use crate::table::{self, Style, clean};

/// The reason a command failed. Each kind has its own exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Clap has a message: help (exit code 0) or an invalid command line (exit code 2).
    Usage(clap::Error),
    /// The request was refused, or an expectation failed: exit code 1.
    No(String),
    /// The same, and the command has already printed the reason: exit code 1.
    Printed,
    /// The command line or a file is invalid: exit code 2.
    Unusable(String),
    /// There was no usable response: exit code 3.
    NoAnswer(String),
    /// The request may have taken effect: exit code 4.
    Unknown(String),
    /// The reader closed the pipe, which is no error: exit code 0.
    Closed,
}

impl Failure {
    /// Prints the reason to standard error, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = match &self {
            Self::Usage(error) => return answered(error),
            Self::No(_) | Self::Printed => 1,
            Self::Unusable(_) => 2,
            Self::NoAnswer(_) => 3,
            Self::Unknown(_) => 4,
            Self::Closed => 0,
        };
        match &self {
            Self::No(message) | Self::NoAnswer(message) | Self::Unknown(message) => {
                note(&format!("error: {message}"));
            }
            // Errors of local files show the lines of the file.
            Self::Unusable(message) => note_lines(&format!("error: {message}")),
            Self::Usage(_) | Self::Printed | Self::Closed => {}
        }
        ExitCode::from(code)
    }
}

/// Prints a message of clap, and returns the exit code.
fn answered(error: &clap::Error) -> ExitCode {
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(failed) if !error.use_stderr() => Failure::from(failed).report(),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
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

/// Prints a line to standard error. The text may contain texts of dispatch.
pub(crate) fn note(text: &str) {
    // A closed standard error must not change the exit code.
    let _ = writeln!(io::stderr(), "{}", clean(text));
}

/// Prints lines to standard error. The text must not contain texts of dispatch.
fn note_lines(text: &str) {
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

    /// Prints a line of [parts](Self::part), and flushes it.
    pub(crate) fn parts(self, line: &str) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Prints a part of a line of JSON, and flushes it.
    pub(crate) fn json_part(self, json: &str) -> Result<(), Failure> {
        self.bytes(escaped(json).as_bytes())
    }

    /// Prints JSON as a line, and flushes it.
    pub(crate) fn json(self, json: &str) -> Result<(), Failure> {
        self.bytes(format!("{}\n", escaped(json)).as_bytes())
    }

    /// Returns a text for a part of a line. On a terminal, right-to-left text does not reorder the
    /// rest of the line.
    pub(crate) fn part(self, text: &str) -> String {
        if self.is_terminal() { table::isolated(text) } else { clean(text) }
    }

    /// Prints bytes unchanged.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Prints a row of cells that are not aligned with those of other rows, and flushes it.
    pub(crate) fn row(self, cells: &[String]) -> Result<(), Failure> {
        self.parts(&table::row(self.style, cells))
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

/// Returns `yes` or `no`.
pub(crate) fn yes(holds: bool) -> String {
    if holds { "yes" } else { "no" }.to_owned()
}

/// Formats a time in the local time zone, as in RFC 3339: `2026-09-21T16:13:20.123+02:00`.
pub(crate) fn at(unix_ms: u64) -> String {
    static ZONE: LazyLock<TimeZone> =
        LazyLock::new(|| TimeZone::try_system().unwrap_or(TimeZone::UTC));
    at_in(&ZONE, unix_ms)
}

fn at_in(zone: &TimeZone, unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    // RFC 3339 ends with the year 9999.
    let Some(time) = time else { return unix_ms.to_string() };
    let time = time.to_zoned_datetime(zone.clone());
    let offset = if time.offset() == Offset::UTC { "Z" } else { "%:z" };
    time.strftime(&format!("%Y-%m-%dT%H:%M:%S.%3f{offset}")).to_string()
}

/// Returns JSON in which each character that could act on a terminal is escaped.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // Only between values: in a string they are escaped already.
            '\n' | '\r' | '\t' => escaped.push(' '),
            _ if table::is_hostile(character) => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn time_has_its_date_and_offset() {
        let ms = 1_790_000_000_123;
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a POSIX time zone");
        assert_eq!(at_in(&berlin, ms), "2026-09-21T16:13:20.123+02:00");
        assert_eq!(at_in(&berlin, 1_800_000_000_000), "2027-01-15T09:00:00.000+01:00");
        assert_eq!(at_in(&TimeZone::UTC, ms), "2026-09-21T14:13:20.123Z");
        assert_eq!(at_in(&TimeZone::UTC, u64::MAX), u64::MAX.to_string());
        assert_eq!(at_in(&TimeZone::UTC, 253_402_300_800_000), "253402300800000");
    }

    #[test]
    fn json_is_escaped_without_loss() {
        let text = "{\"name\":\"a\u{202e}b\u{9b}c\u{e9}\",\n\"x\":1}";
        let escaped = escaped(text);
        assert_eq!(escaped, "{\"name\":\"a\\u202eb\\u009bc\u{e9}\", \"x\":1}");
        let values = [text, escaped.as_str()]
            .map(|text| serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
        assert_eq!(values[0], values[1]);
    }
}
