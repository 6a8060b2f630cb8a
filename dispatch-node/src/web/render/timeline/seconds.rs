//! The seconds of the timeline: pulls as arrows, writes as shapes, one fragment for each second.
//!
//! Invariant: bounded. Beyond a few in one second, pulls and writes are drawn as one path and
//! counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;

use gossip::PullOutcome;

use crate::event_log::EventKind;
use crate::model::history::{Pull, Second, Write};
use crate::model::view::View;
use crate::text::{counted, title};
use crate::web::render::html::html;
use crate::web::render::svg::{Px, Xy, shape};

use super::layout::{HOUR_S, Layout, SECOND_WIDTH, lane_y};
use super::wording::{new_entries, pull_sentence, write_words};

/// The width of a character of a label, on average.
const CHARACTER_WIDTH: f64 = 6.5;
/// The most pulls, and the most writes, of a second that are drawn one by one.
const DRAWN_MAX: usize = 8;

/// The picture of one second.
#[derive(Template)]
#[template(path = "timeline_second.html")]
struct SecondPicture {
    number: u64,
    x: f64,
    strokes: Vec<Stroke>,
    words: Vec<Words>,
}

/// A path with its tooltip.
struct Stroke {
    class: String,
    d: String,
    title: String,
}

/// A label with its tooltip.
struct Words {
    class: &'static str,
    x: f64,
    y: f64,
    text: String,
    title: String,
}

/// The seconds rendered last. A second to which nothing was added is reused.
#[derive(Debug, Default)]
pub(crate) struct SecondCache {
    /// The hour that their coordinates belong to.
    pub(super) hour: u64,
    seconds: BTreeMap<u64, (Arc<Second>, Arc<str>)>,
}

/// Renders each second of the picture. Returns the id of each group, and the group.
pub(crate) fn seconds(view: &View, cache: &mut SecondCache) -> Vec<(Arc<str>, Arc<str>)> {
    let layout = Layout::of(view);
    let hour = view.at.mono.as_secs() / HOUR_S;
    let mut before = std::mem::take(&mut cache.seconds);
    if std::mem::replace(&mut cache.hour, hour) != hour {
        before.clear();
    }
    let mut items = Vec::new();
    for second in layout.seconds() {
        // A second is copied on write, so an unchanged one is the same allocation.
        let known = before.remove(&second.number).filter(|(same, _)| Arc::ptr_eq(same, second));
        let (second, html) =
            known.unwrap_or_else(|| (Arc::clone(second), html(&layout.second(second)).into()));
        items.push((format!("second-{}", second.number).into(), Arc::clone(&html)));
        cache.seconds.insert(second.number, (second, html));
    }
    items
}

impl Layout<'_> {
    fn second(&self, second: &Second) -> SecondPicture {
        let x = self.second_x(second.number);
        let mut strokes = Vec::new();
        self.pulls(second, x, &mut strokes);
        self.writes(second, x, &mut strokes);
        SecondPicture { number: second.number, x, strokes, words: self.words(second, x) }
    }

    /// Draws the pulls of a second that begins at `x`.
    fn pulls(&self, second: &Second, x: f64, strokes: &mut Vec<Stroke>) {
        let across = |at: Duration| self.x(at) - x;
        let mut same = String::new();
        let mut same_count = 0;
        let mut received: Vec<(&Pull, String)> = Vec::new();
        let mut failed_pulls: Vec<(&Pull, String)> = Vec::new();
        for pull in &second.pulls {
            let (from, to) = (
                (across(pull.asked), self.y(pull.source)),
                (across(pull.ended), self.y(pull.puller)),
            );
            match (&pull.outcome, new_entries(pull)) {
                (PullOutcome::Unanswered | PullOutcome::Refused, _) => {
                    failed_pulls.push((
                        pull,
                        stub(
                            (across(pull.asked), to.1),
                            from.1,
                            pull.outcome == PullOutcome::Refused,
                        ),
                    ));
                }
                (PullOutcome::Same | PullOutcome::Merged { .. }, Some(_)) => {
                    received.push((pull, arrow(from, to)));
                }
                (PullOutcome::Same | PullOutcome::Merged { .. }, None) => {
                    let _ = write!(
                        same,
                        "M{}{}",
                        Xy(from.0, from.1),
                        line((to.0 - from.0, to.1 - from.1))
                    );
                    same_count += 1;
                }
            }
        }
        if same_count > 0 {
            strokes.push(Stroke {
                class: "same".into(),
                d: same,
                title: format!("{} without new entries", counted(same_count, "pull", "pulls")),
            });
        }
        let class = |pull: &Pull| {
            (format!("received {}", pull.source), format!("More pulls from {}", title(pull.source)))
        };
        bundle(received, class, pull_sentence, strokes);
        let failed = |pull: &Pull| {
            let refused = pull.outcome == PullOutcome::Refused;
            let (class, more) = if refused {
                ("failed refused", "More refused pulls")
            } else {
                ("failed", "More pulls without an answer")
            };
            (class.to_owned(), more.to_owned())
        };
        bundle(failed_pulls, failed, pull_sentence, strokes);
    }

    /// Draws the writes of a second that begins at `x`.
    fn writes(&self, second: &Second, x: f64, strokes: &mut Vec<Stroke>) {
        let drawn = second.writes.iter().map(|write| {
            let (at, y) = (self.x(write.at) - x, self.y(write.node));
            let mut d = shape(write.node, at, y, 6.0);
            if write.entry.is_tombstone() {
                let _ = write!(
                    d,
                    "M{}l5 5m0-5l-5 5",
                    Xy(at - 2.5, y - if write.node.as_str() == "gotham" { 1.5 } else { 2.5 })
                );
            }
            (write, d)
        });
        let class = |write: &Write| {
            let kind = if write.entry.is_tombstone() { "deletion" } else { "write" };
            (format!("{kind} {}", write.node), format!("More writes at {}", title(write.node)))
        };
        bundle(
            drawn.collect(),
            class,
            |write| format!("{} at {}", write_words(self, write), title(write.node)),
            strokes,
        );
    }

    /// Returns whether a label of this many characters, which ends in this second, covers no label of an
    /// earlier one at the same lane.
    fn is_free(&self, number: u64, lane: usize, characters: usize) -> bool {
        let covered = (characters as f64 * CHARACTER_WIDTH / SECOND_WIDTH).ceil() as u64;
        let is_near =
            |second: &&Arc<Second>| second.number < number && number - second.number <= covered;
        let has_label = |second: &Arc<Second>| {
            second
                .marks
                .iter()
                .any(|mark| self.lane(mark.node) == lane && event_label(mark.kind).is_some())
        };
        !self.seconds().filter(is_near).any(has_label)
    }

    /// The labels of a second that begins at `x`.
    fn words(&self, second: &Second, x: f64) -> Vec<Words> {
        // By lane: the position, the labels, and true if one of them is a loss.
        let mut marks: BTreeMap<usize, (f64, Vec<&str>, bool)> = BTreeMap::new();
        for mark in &second.marks {
            if let Some((event_label, is_bad)) = event_label(mark.kind) {
                let (_, words, bad) = marks.entry(self.lane(mark.node)).or_insert((
                    self.x(mark.at) - x,
                    Vec::new(),
                    false,
                ));
                // A city that answers again after a bomb runs as a new process.
                let is_restart = event_label == "answers" && words.contains(&"bombed");
                let event_label = if is_restart { "restarted" } else { event_label };
                if !words.contains(&event_label) {
                    words.push(event_label);
                }
                *bad |= is_bad;
            }
        }
        let words = |(lane, (x, words, is_bad)): (usize, (f64, Vec<&str>, bool))| {
            let text = words.join(", ");
            let is_free = self.is_free(second.number, lane, text.len());
            Words {
                class: if is_bad { "mark bad" } else { "mark" },
                x: x - 4.0,
                y: lane_y(lane) - 7.0,
                title: if is_free { String::new() } else { text.clone() },
                text: if is_free { text } else { "•".to_owned() },
            }
        };
        let mut words: Vec<Words> = marks.into_iter().map(words).collect();
        if second.more_writes > 0 {
            words.push(Words {
                class: "more",
                x: SECOND_WIDTH / 2.0,
                // On alternating lines, since neighbours would overlap.
                y: self.more_y() + if second.number.is_multiple_of(2) { 0.0 } else { 12.0 },
                text: format!("+{}", shortened(second.more_writes)),
                title: format!(
                    "{} more in this second",
                    counted(second.more_writes, "write", "writes")
                ),
            });
        }
        words
    }
}

/// Formats a number in at most five characters.
fn shortened(number: usize) -> String {
    if number < 10_000 { number.to_string() } else { format!("{}k", number / 1_000) }
}

/// Draws the first few items one by one, each with a tooltip, and the rest as one path for each
/// class.
fn bundle<T>(
    drawn: Vec<(&T, String)>,
    class: impl Fn(&T) -> (String, String),
    sentence: impl Fn(&T) -> String,
    strokes: &mut Vec<Stroke>,
) {
    let mut rest: BTreeMap<(String, String), (usize, String)> = BTreeMap::new();
    for (index, (item, d)) in drawn.into_iter().enumerate() {
        let (class, more) = class(item);
        if index < DRAWN_MAX {
            strokes.push(Stroke { class, d, title: sentence(item) });
        } else {
            let (count, path) = rest.entry((class, more)).or_default();
            *count += 1;
            // Items at the same position are drawn once, which bounds the path under load.
            if !path.ends_with(&d) {
                path.push_str(&d);
            }
        }
    }
    strokes.extend(rest.into_iter().map(|((class, more), (count, d))| Stroke {
        class,
        d,
        title: format!("{more}: {count}"),
    }));
}

/// A relative line, as a path.
fn line((dx, dy): (f64, f64)) -> String {
    if Px(dx).to_string() == "0" { format!("v{}", Px(dy)) } else { format!("l{}", Xy(dx, dy)) }
}

/// A line from one lane to another, with an arrowhead.
fn arrow(from: (f64, f64), to: (f64, f64)) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(0.1);
    let (ux, uy) = (dx / length, dy / length);
    let wing = |side: f64| (-5.5 * ux + side * 3.0 * uy, -5.5 * uy - side * 3.0 * ux);
    let (left, right) = (wing(1.0), wing(-1.0));
    let shaft = line((dx, dy));
    let across = (right.0 - left.0, right.1 - left.1);
    format!(
        "M{}{shaft}l{}m{}L{}",
        Xy(from.0, from.1),
        Xy(left.0, left.1),
        Xy(across.0, across.1),
        Xy(to.0, to.1)
    )
}

/// A failed pull: a short line from the puller towards the source, with a cross if it was refused.
fn stub(from: (f64, f64), towards_y: f64, is_refused: bool) -> String {
    let down = if towards_y > from.1 { 1.0 } else { -1.0 };
    let mut d = format!("M{}l{}", Xy(from.0, from.1), Xy(3.0, 15.0 * down));
    if is_refused {
        let _ = write!(d, "M{}l6 6m0-6l-6 6", Xy(from.0, from.1 + 15.0 * down - 3.0));
    }
    d
}

/// The label of an event at its lane, and true if it is a loss. An event that is drawn in another
/// form has none.
fn event_label(kind: EventKind) -> Option<(&'static str, bool)> {
    match kind {
        EventKind::Destroyed => Some(("bombed", true)),
        EventKind::Lost => Some(("no answer", true)),
        EventKind::Recovered => Some(("recovered", false)),
        EventKind::Killed => Some(("killed", true)),
        EventKind::Stopped => Some(("asked to stop", false)),
        EventKind::Answers => Some(("answers", false)),
        EventKind::Rebuilt => Some(("started", false)),
        EventKind::Founded => Some(("a member", false)),
        EventKind::Forgotten => Some(("forgotten", false)),
        EventKind::Accepted => Some(("stamps accepted", false)),
        EventKind::Paused => Some(("gossip paused", false)),
        EventKind::Resumed => Some(("gossip pace", false)),
        EventKind::LostWrite => Some(("lost write", true)),
        EventKind::Reset => Some(("reset", false)),
        EventKind::Agreed => Some(("all agree", false)),
        EventKind::Alarm => Some(("alarm", false)),
        EventKind::Created
        | EventKind::Assigned
        | EventKind::Terminated
        | EventKind::Injected
        | EventKind::Healed
        | EventKind::Quiet
        | EventKind::Stepped
        | EventKind::Played => None,
    }
}
