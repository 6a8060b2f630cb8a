//! The configuration file as text: read whole or not at all, with the place of everything in it.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Invalid, Place};

/// The largest file, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// A file that could be read.
pub(super) struct File {
    path: String,
    text: String,
}

/// A key and its value, each with its place.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_at: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) value_at: Range<usize>,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no file, too large, or not text.
    pub(super) fn read(path: &Path) -> Result<Self, Invalid> {
        let file = path.display().to_string();
        let whole = |what: String| Invalid { file: file.clone(), place: None, what };
        let metadata = std::fs::metadata(path).map_err(|error| whole(error.to_string()))?;
        // Whoever opened a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(whole(
                if metadata.is_dir() {
                    "this is a directory"
                } else {
                    "this is not a regular file"
                }
                .into(),
            ));
        }
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(path).map_err(|error| whole(error.to_string()))?;
        opened
            .take(BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| whole(error.to_string()))?;
        if bytes.len() > BYTES_MAX {
            return Err(whole(format!("a configuration file has at most {BYTES_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            Invalid { place: Some(Place { line, column: 1 }), ..whole("this is not UTF-8".into()) }
        })?;
        Ok(Self::of(file, &text))
    }

    /// A file of this name with this text.
    pub(super) fn of(path: String, text: &str) -> Self {
        // A byte order mark is no mistake, and no character of the first line.
        Self { path, text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned() }
    }

    /// What stands in it.
    ///
    /// # Errors
    /// When it is not TOML.
    pub(super) fn parse(&self) -> Result<DeTable<'_>, Invalid> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let what = error.message().lines().collect::<Vec<_>>().join(" ");
            self.mistake(&error.span().unwrap_or(0..0), what)
        })?;
        Ok(table.into_inner())
    }

    /// What is wrong here.
    pub(super) fn mistake(&self, at: &Range<usize>, what: impl Into<String>) -> Invalid {
        Invalid { file: self.path.clone(), place: Some(self.place(at)), what: what.into() }
    }

    /// Where this is.
    pub(super) fn place(&self, at: &Range<usize>) -> Place {
        let before = self.text.get(..at.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

/// What stands in a table, in the order of the file: so the first mistake is the first that is
/// told.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
        let name: &std::borrow::Cow<'a, str> = key.get_ref();
        Entry { key: name, key_at: key.span(), value: value.get_ref(), value_at: value.span() }
    };
    let mut entries: Vec<Entry<'a>> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_at.start);
    entries
}
