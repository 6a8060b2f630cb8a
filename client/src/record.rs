//! Recordings: written to a file, and made into a page that shows them without a cluster.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use recording::{EXTENSION, Recording};
use scenario::{counted, span};
use serde::Serialize;
use superhero::Api;

use crate::output::Failure;
use crate::printer::{Printer, json};

/// What was written.
#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    source: &'a str,
    length_ms: u32,
    heroes: usize,
    changes: usize,
    pulls: usize,
    events: usize,
}

impl<'a> Written<'a> {
    fn of(file: &'a Path, recording: &'a Recording) -> Self {
        let Recording { source, length, heroes, changes, pulls, events, .. } = recording;
        Self {
            file,
            source,
            length_ms: *length,
            heroes: heroes.len(),
            changes: changes.len(),
            pulls: pulls.len(),
            events: events.len(),
        }
    }

    fn sentence(&self) -> String {
        let length = span::written(Duration::from_secs(u64::from(self.length_ms).div_ceil(1_000)));
        let Self { file, source, heroes, changes, pulls, .. } = self;
        let file = file.display();
        let content = [
            counted(*heroes as u64, "hero", "heroes"),
            counted(*changes as u64, "change", "changes"),
            counted(*pulls as u64, "pull", "pulls"),
        ];
        format!("{file}: {length} of {source}, {}.", content.join(", "))
    }
}

/// Records the last minutes of the cluster into a new file.
pub(crate) fn record(
    api: &Api,
    print: Printer,
    file: Option<PathBuf>,
    last: Option<Duration>,
) -> Result<(), Failure> {
    let content = api.recording(last)?;
    let recording = Recording::read(&content)
        .map_err(|error| Failure::NoAnswer(format!("{} sent no recording: {error}", api.url())))?;
    let file = file.unwrap_or_else(|| {
        let seconds = (recording.began + u64::from(recording.length)) / 1_000;
        PathBuf::from(format!("superhero-{seconds}.{EXTENSION}"))
    });
    create(&file, &content)?;
    let written = Written::of(&file, &recording);
    if print.json {
        return print.out.json(&json(&written));
    }
    print.out.line(&written.sentence())
}

/// Writes the page that shows a recording.
pub(crate) fn replay(print: Printer, file: &Path, html: Option<PathBuf>) -> Result<(), Failure> {
    let shown = file.display();
    let unusable = |why: String| Failure::Unusable(format!("{shown}: {why}"));
    let content = fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let recording = Recording::read(&content).map_err(|error| unusable(error.to_string()))?;
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let page = recording::whole(&name, &content);
    let html = html.unwrap_or_else(|| PathBuf::from(format!("{name}.html")));
    // Made from the recording, so it is made again without a question.
    fs::write(&html, page).map_err(|error| unwritten(&html, &error))?;
    let written = Written::of(&html, &recording);
    if print.json {
        return print.out.json(&json(&written));
    }
    print.out.line(&written.sentence())?;
    let path = fs::canonicalize(&html).unwrap_or(html);
    print.remark(&format!("Open file://{} in a browser.", path.display()));
    Ok(())
}

/// Writes a file that does not exist yet.
fn create(file: &Path, content: &[u8]) -> Result<(), Failure> {
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let written = created.and_then(|mut file| file.write_all(content));
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return Failure::Unusable(format!("{}: the file exists, and is kept", file.display()));
        }
        unwritten(file, &error)
    })
}

fn unwritten(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Unusable(format!("{}: {error}", file.display()))
}
