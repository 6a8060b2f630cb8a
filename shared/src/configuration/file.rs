//! The text of a configuration file and the location of each key and value in it.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Invalid, Place};

/// The largest file, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// The content of a file.
pub(super) struct File {
    path: String,
    text: String,
}

/// A key and its value, each with its byte range.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_at: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) value_at: Range<usize>,
}

impl File {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it is not a regular file, larger than the limit, or not UTF-8.
    pub(super) fn read(path: &Path) -> Result<Self, Invalid> {
        let file = path.display().to_string();
        let whole = |what: String| Invalid { file: file.clone(), place: None, what };
        let metadata = std::fs::metadata(path).map_err(|error| whole(error.to_string()))?;
        // Opening a named pipe would block until its other end is opened.
        if !metadata.is_file() {
            return Err(whole(
                if metadata.is_dir() { "is a directory" } else { "is not a regular file" }.into(),
            ));
        }
        let mut bytes = Vec::new();
        // The size in the metadata may change before the read, so the read itself is bounded.
        let opened = std::fs::File::open(path).map_err(|error| whole(error.to_string()))?;
        opened
            .take(BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| whole(error.to_string()))?;
        if bytes.len() > BYTES_MAX {
            return Err(whole(format!("larger than the limit of {BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            Invalid { place: Some(Place { line, column: 1 }), ..whole("not valid UTF-8".into()) }
        })?;
        Ok(Self::of(file, &text))
    }

    /// Returns a file with this path and text.
    pub(super) fn of(path: String, text: &str) -> Self {
        // A byte order mark is allowed and does not count as a column of the first line.
        Self { path, text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned() }
    }

    /// Parses the text.
    ///
    /// # Errors
    /// When it is not valid TOML.
    pub(super) fn parse(&self) -> Result<DeTable<'_>, Invalid> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let what = error.message().lines().collect::<Vec<_>>().join(" ");
            self.mistake(&error.span().unwrap_or(0..0), what)
        })?;
        Ok(table.into_inner())
    }

    /// Returns an error at this byte range.
    pub(super) fn mistake(&self, at: &Range<usize>, what: impl Into<String>) -> Invalid {
        Invalid { file: self.path.clone(), place: Some(self.place(at)), what: what.into() }
    }

    /// Returns the location of the start of this byte range.
    pub(super) fn place(&self, at: &Range<usize>) -> Place {
        let before = self.text.get(..at.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

/// Returns the entries of a table in the order of the file, so that the first error is reported
/// first.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
        let name: &std::borrow::Cow<'a, str> = key.get_ref();
        Entry { key: name, key_at: key.span(), value: value.get_ref(), value_at: value.span() }
    };
    let mut entries: Vec<Entry<'a>> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_at.start);
    entries
}
