//! The table of the timeline: the last pulls and writes as text.
//!
//! Invariant: bounded, to the newest rows.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;

use gossip::PullOutcome;

use crate::model::history::{Pull, Write};
use crate::model::view::View;
use crate::text::{grouped, title};
use crate::web::render::html::html;
use crate::web::render::wording::{Time, wall};

use super::layout::Layout;
use super::wording::{duration, new_entries, write_words};

/// The most rows of the table.
pub(super) const ROWS_MAX: usize = 40;

/// One row of the table.
#[derive(Template)]
#[template(path = "timeline_row.html")]
struct TableRow<'a> {
    key: &'a str,
    at: Time,
    kind: String,
    source: String,
    puller: String,
    entries: String,
    bytes: String,
    outcome: String,
}

/// Renders the last pulls and writes, newest first. Returns the id of each row, and the row.
pub(crate) fn table_rows(view: &View) -> Vec<(Arc<str>, Arc<str>)> {
    let layout = Layout::of(view);
    let mut rows: Vec<(Duration, String, String)> = Vec::new();
    for second in view.history.seconds().rev() {
        rows.extend(second.pulls.iter().map(|pull| layout.pull_row(pull)));
        rows.extend(second.writes.iter().map(|write| layout.write_row(write)));
        // Only after a whole second: its pulls and writes are not ordered yet.
        if rows.len() >= ROWS_MAX {
            break;
        }
    }
    rows.sort_by(|a, b| b.cmp(a));
    rows.truncate(ROWS_MAX);
    rows.into_iter().map(|(_, key, html)| (key.into(), html.into())).collect()
}

impl Layout<'_> {
    /// The row of a pull: its time, its id and its HTML.
    fn pull_row(&self, pull: &Pull) -> (Duration, String, String) {
        let key = format!("pull-{}-{}-{}", pull.puller, pull.source, pull.asked.as_micros());
        let outcome = match (&pull.outcome, new_entries(pull)) {
            (_, Some(_)) => "new entries",
            (PullOutcome::Unanswered, None) => "no answer",
            (PullOutcome::Refused, None) => "refused",
            (PullOutcome::Same | PullOutcome::Merged { .. }, None) => "no new entries",
        };
        let (entries, bytes) = new_entries(pull)
            .map(|(entries, bytes)| (grouped(entries as u64), grouped(bytes as u64)))
            .unwrap_or_default();
        let row = TableRow {
            key: &key,
            at: Time::in_seconds(wall(self.view, pull.ended), self.view.at.wall),
            kind: format!("pull, {}", duration(pull)),
            source: title(pull.source),
            puller: title(pull.puller),
            entries,
            bytes,
            outcome: outcome.to_owned(),
        };
        let html = html(&row);
        (pull.ended, key, html)
    }

    /// The row of a write: its time, its id and its HTML.
    fn write_row(&self, write: &Write) -> (Duration, String, String) {
        let stamp = write.entry.stamp;
        let key = format!(
            "write-{}-{}-{}-{}",
            write.node, write.hero, stamp.hlc.wall.0, stamp.hlc.logical
        );
        let row = TableRow {
            key: &key,
            at: Time::in_seconds(wall(self.view, write.at), self.view.at.wall),
            kind: "write".to_owned(),
            source: title(write.node),
            puller: String::new(),
            entries: String::new(),
            bytes: String::new(),
            outcome: write_words(self, write),
        };
        let html = html(&row);
        (write.at, key, html)
    }
}
