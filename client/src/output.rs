//! Where answers go, and how a command ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use superhero::Error;

use crate::table::{self, Look, clean};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused, or what was expected did not come about. 1.
    No(String),
    /// The same, and all has been said. 1.
    Said,
    /// The command line or a file cannot be used. 2.
    Unusable(String),
    /// Dispatch does not answer. 3.
    NoAnswer(String),
    /// Nobody reads what is printed: nothing is left to be done. 0.
    Closed,
}

impl Failure {
    /// The exit code; what there is to say goes to standard error.
    pub(crate) fn end(self) -> ExitCode {
        let (code, said) = match self {
            Self::No(said) => (1, Some(said)),
            Self::Said => (1, None),
            Self::Unusable(said) => (2, Some(said)),
            Self::NoAnswer(said) => (3, Some(said)),
            Self::Closed => (0, None),
        };
        if let Some(said) = said {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "error: {}", said.lines().map(clean).collect::<Vec<_>>().join("\n"));
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
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::No(format!("cannot print: {error}")) }
    }
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// How tables look there.
    pub(crate) look: Look,
}

impl Output {
    /// Standard output, as it is.
    pub(crate) fn standard() -> Self {
        let unwanted = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        let colour = !unwanted("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { look: if is_terminal { Look::Columns { colour } } else { Look::Tabs } }
    }

    /// Prints a line at once.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{}\n", clean(text)).as_bytes())
    }

    /// Prints this, as it is.
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

    /// Whether people read along.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self.look, Look::Columns { .. })
    }
}
