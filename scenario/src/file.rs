//! Scenario files: the TOML parser and its validation.
//!
//! - `table`: the deserialized tables of a file. `labels`: the heroes and faults that a step can
//!   name. `value`: single values, with their ranges.
//! - `header`, `step`, `fault`, `expectation`: the conversion of tables to parts of a scenario.
//!
//! Invariant: every mistake in a file is reported here with its position, before any step runs.

mod expectation;
mod fault;
mod header;
mod labels;
mod mistake;
mod step;
mod table;
mod value;

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use crate::scenario::Scenario;

use mistake::Mistake;

/// The maximum size of a scenario file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024;

/// The reason a scenario file is invalid, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The path of the file.
    pub file: String,
    /// The line, from 1; 0 if the error concerns the whole file.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The error, and the valid alternatives.
    pub what: String,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what } = self;
        if *line == 0 {
            write!(f, "{file}: {what}")
        } else {
            write!(f, "{file}:{line}:{column}: {what}")
        }
    }
}

impl Invalid {
    fn whole(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, what: what.into() }
    }

    fn too_large(file: &str) -> Self {
        Self::whole(file, format!("a scenario file must have at most {FILE_BYTES_MAX} bytes"))
    }

    /// Converts a byte position to a line and a column.
    fn placed(file: &str, text: &str, Mistake { span, what }: Mistake) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.matches('\n').count();
        let column = 1 + before[line_start..].chars().count();
        Self { file: file.to_owned(), line, column, what }
    }
}

impl Scenario {
    /// Reads a scenario file. The name of the scenario is the file name without its extension.
    ///
    /// # Errors
    /// The file cannot be read, is too large or not UTF-8, or [`parse`](Self::parse) fails.
    pub fn read(path: &Path) -> Result<Self, Invalid> {
        let file = path.display().to_string();
        let unreadable = |error: std::io::Error| Invalid::whole(&file, error.to_string());
        let mut bytes = Vec::new();
        // One byte more than the maximum, so that a larger file is detected without reading it all.
        let limit = FILE_BYTES_MAX as u64 + 1;
        let opened = std::fs::File::open(path).map_err(unreadable)?;
        opened.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(Invalid::too_large(&file));
        }
        let text = str::from_utf8(&bytes).map_err(|error| {
            let valid = &bytes[..error.valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            Invalid { line, column: 1, ..Invalid::whole(&file, "invalid UTF-8") }
        })?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Self::parse(&stem.unwrap_or_else(|| file.clone()), &file, text)
    }

    /// Parses a scenario. `file` is the path to use in errors.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, Invalid> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Invalid::too_large(file));
        }
        // Some editors write a byte order mark, which TOML does not allow.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed: table::File = toml::from_str(text).map_err(|error| {
            // An error is one line, but messages of the TOML parser can have several.
            let what = error.message().lines().collect::<Vec<_>>().join(" ");
            Invalid::placed(file, text, Mistake { span: error.span().unwrap_or(0..0), what })
        })?;
        header::scenario(parsed, name).map_err(|mistake| Invalid::placed(file, text, mistake))
    }
}

#[cfg(test)]
mod tests;
