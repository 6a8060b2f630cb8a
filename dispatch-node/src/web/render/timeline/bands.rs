//! The faults of the timeline, as bands on the lanes of the nodes that they affect.
//!
//! Invariant: bounded, to the newest faults, with one band for each.

use std::time::Duration;

use askama::Template;

use gossip::fault::FaultKind;

use crate::model::faults::describe;
use crate::model::history::Span;
use crate::model::view::View;
use crate::text::title;
use crate::web::render::html::html;
use crate::web::render::svg::{Px, Xy};

use super::layout::{Layout, WORDS_HEIGHT};

/// The first baseline of the labels, and the number of lines.
const WORDS_Y: f64 = 13.0;
const WORDS_LINES: usize = 2;
/// The most bands. A fault is one band, with a rectangle on each lane that it affects.
const BANDS_MAX: usize = 64;

#[derive(Template)]
#[template(path = "timeline_spans.html")]
struct Bands {
    bands: Vec<Band>,
}

/// One fault.
struct Band {
    class: &'static str,
    title: String,
    x: f64,
    width: f64,
    lanes: Vec<f64>,
    /// The line from the label down to the lanes.
    post: String,
    /// The position and the text of the label, if there is room for it.
    words: Option<(f64, f64, String)>,
}

/// Renders the past and present faults, as the group `timeline-spans`.
pub(crate) fn spans(view: &View) -> String {
    let layout = Layout::of(view);
    let first = Duration::from_secs(layout.first());
    let shown: Vec<&Span> =
        view.history.spans().filter(|span| span.ended.is_none_or(|ended| ended >= first)).collect();
    // The newest, in the order in which they began: the labels are placed from left to right.
    let shown = shown.iter().rev().take(BANDS_MAX).rev();
    // The end of the last label of each line.
    let mut ends = [f64::NEG_INFINITY; WORDS_LINES];
    let bands = shown.map(|span| layout.band(span, &mut ends)).collect();
    html(&Bands { bands })
}

impl Layout<'_> {
    /// The band of one fault. `ends` contains the end of the last label of each line, and is
    /// updated.
    fn band(&self, span: &Span, ends: &mut [f64]) -> Band {
        let (beyond_left, inside, beyond_right) = self.edges();
        let is_older = span.began.as_secs() < self.first();
        let x = self.x(span.began).max(beyond_left);
        let words_x = if is_older { inside } else { x };
        // A fault in force is drawn beyond the present and clipped, so that its band does not change.
        let until = span.ended.map_or(beyond_right, |ended| self.x(ended));
        let fault = &span.of;
        let mut lanes = vec![self.y(fault.from)];
        if let Some(to) = fault.to.filter(|_| fault.kind.is_between_nodes()) {
            lanes.push(self.y(to));
        }
        let text = label(span);
        // An estimate: the font and its widths are known only to the browser.
        let width = 6.6 * text.chars().count() as f64 + 16.0;
        let free = ends.iter().position(|end| *end <= words_x);
        let words = free.map(|line| {
            ends[line] = words_x + width;
            (words_x + 4.0, WORDS_Y + WORDS_HEIGHT * line as f64, text)
        });
        let top = words.as_ref().map_or(lanes[0], |(_, y, _)| y - 9.0);
        let bottom = lanes.iter().copied().fold(0.0, f64::max) + 11.0;
        Band {
            class: if fault.kind == FaultKind::Cut { "bad" } else { "odd" },
            title: describe(fault),
            x,
            width: (until - x).max(1.0),
            lanes: lanes.iter().map(|y| y - 11.0).collect(),
            post: if is_older { String::new() } else { format!("M{}V{}", Xy(x, top), Px(bottom)) },
            words,
        }
    }
}

/// The label of a fault, shorter than [`describe`].
fn label(span: &Span) -> String {
    let fault = &span.of;
    let from = title(fault.from);
    let ends = match (fault.to.map(title), fault.both) {
        (None, true) => from.clone(),
        (None, false) => format!("from {from}"),
        (Some(to), true) => format!("{from} – {to}"),
        (Some(to), false) => format!("{from} to {to}"),
    };
    match fault.kind {
        FaultKind::Cut if fault.to.is_none() && fault.both => format!("{from} cut off"),
        FaultKind::Cut => format!("{ends} cut"),
        FaultKind::Delay { by, .. } => format!("{ends} delayed, {} ms", by.as_millis()),
        FaultKind::Loss(chance) => format!("{ends} drops {} %", chance.percent()),
        FaultKind::Duplicate(chance) => format!("{ends} duplicates {} %", chance.percent()),
        FaultKind::Reorder(chance) => format!("{ends} reorders {} %", chance.percent()),
        FaultKind::Throttle(_) => format!("{ends} throttled"),
        FaultKind::Freeze => format!("{from} frozen"),
        FaultKind::Skew(ms) => format!(
            "{from} clock {} {}",
            seconds_of(ms.unsigned_abs()),
            if ms > 0 { "ahead" } else { "behind" }
        ),
    }
}

fn seconds_of(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms / 100 % 10)
}
