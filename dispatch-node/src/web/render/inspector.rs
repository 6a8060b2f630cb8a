//! The inspector: every relevant write of one hero, the winner and the reason, the propagation of
//! each write, and the next steps.
//!
//! Invariant: each statement follows from observations. Times of observation are distinguished from
//! stamps, and the present state of a city from its last known state.

mod comparison;
mod explanation;
mod next;
mod picture;

use std::sync::Arc;

use askama::Template;

use gossip::Stamp;
use shared::hero::HeroId;

use crate::model::arrival::Way;
use crate::model::history::Step;
use crate::model::lost_writes::Lost;
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::{counted, title};
use crate::web::render::lost_writes;
use crate::web::render::phrase::{CityKey, Phrase, Tone};
use crate::web::render::wording::{self, Time, moment, plain, value, wall};

use comparison::{Candidate, Comparison, Fate};
use next::Next;
use picture::Picture;

/// The most writes, steps and lost writes that are listed.
const WRITES_MAX: usize = 12;
const STEPS_MAX: usize = 60;
const LOST_MAX: usize = 12;
/// The fate of a write that a city that cannot be read may still hold, or held until it stopped.
const NOT_REACHABLE: &str = "not on any reachable node";

/// The writes of one hero, compared.
#[derive(Debug, Template)]
#[template(path = "inspector.html", whitespace = "minimize")]
pub(crate) struct InspectorPanel {
    /// The hero's name, if a hero is selected.
    hero: String,
    /// The winner, in pieces that include their spaces.
    sentence: Vec<Phrase>,
    /// The reasons for the outcome, and its consequences. May be empty.
    reasons: Vec<String>,
    picture: Option<Picture>,
    writes: Vec<WriteLine>,
    /// `and 3 earlier writes`. May be empty.
    more_writes: String,
    next: Vec<Next>,
    lost: Vec<String>,
    /// `and 3 earlier ones`. May be empty.
    more_lost: String,
}

/// One write.
#[derive(Debug)]
struct WriteLine {
    /// The id of the write within the hero.
    id: String,
    /// The write is superseded and no node holds it, so its details are folded.
    is_past: bool,
    key: CityKey,
    writer: String,
    /// `Gotham 84 patrolling`.
    value: String,
    /// The fate in a word or two, and the reason.
    fate: &'static str,
    tone: &'static str,
    why: String,
    /// The time in its stamp.
    stamp: String,
    /// The time and the node of its first observation.
    observed: String,
    /// The node and incarnation that wrote it.
    origin: String,
    /// The nodes that hold it.
    held: String,
    steps: Vec<StepLine>,
    /// `and 3 more steps`. May be empty.
    more_steps: String,
}

/// One step in the propagation of a write.
#[derive(Debug)]
struct StepLine {
    at: Time,
    key: CityKey,
    text: String,
}

impl InspectorPanel {
    /// Returns the panel for this hero; a hint if no hero is selected.
    pub(crate) fn of(view: &View, hero: Option<HeroId>) -> Self {
        let Some(hero) = hero else {
            return Self::without_writes(
                String::new(),
                "Select a hero’s state to see its writes and what happens next.",
            );
        };
        let (lost, more_lost) = lost_lines(view, hero);
        let Some(row) = view.rows.get(hero) else {
            let name = view
                .lost
                .iter()
                .rev()
                .find(|lost| lost.key == hero)
                .map_or_else(|| hero.to_string(), |lost| lost_writes::name(view, lost));
            return Self {
                lost,
                more_lost,
                ..Self::without_writes(name, "No node holds this hero.")
            };
        };
        let comparison = Comparison::of(view, row);
        let (sentence, reasons) = explanation::of(view, &comparison);
        let (writes, more_writes) = write_lines(view, &comparison, STEPS_MAX);
        Self {
            hero: row.name.to_string(),
            sentence,
            reasons,
            picture: Picture::of(view, &comparison),
            writes,
            more_writes,
            next: next::of(view, row, &comparison),
            lost,
            more_lost,
        }
    }

    /// A panel with a sentence and no writes.
    fn without_writes(hero: String, text: &str) -> Self {
        Self {
            hero,
            sentence: vec![plain(text)],
            reasons: Vec::new(),
            picture: None,
            writes: Vec::new(),
            more_writes: String::new(),
            next: Vec::new(),
            lost: Vec::new(),
            more_lost: String::new(),
        }
    }

    /// Returns true if no hero is selected.
    fn is_hint(&self) -> bool {
        self.hero.is_empty()
    }
}

fn more(count: usize, one: &str, many: &str) -> String {
    if count == 0 { String::new() } else { format!("and {}", counted(count, one, many)) }
}

/// The writes as lines with at most `steps_max` steps in all, and the number of further writes.
fn write_lines(
    view: &View,
    comparison: &Comparison<'_>,
    steps_max: usize,
) -> (Vec<WriteLine>, String) {
    let mut steps_left = steps_max;
    let line = |candidate: &Candidate<'_>| {
        let entry = candidate.entry;
        // The limit is shared by all writes; the winner is first and gets its steps first.
        let shown = candidate.steps.len().min(steps_left);
        steps_left -= shown;
        let (fate, tone, why) = fate(view, comparison, candidate);
        let Stamp { hlc, origin } = entry.stamp;
        WriteLine {
            id: format!("{}-{}-{}-{}", origin.node, origin.incarnation, hlc.wall.0, hlc.logical),
            is_past: matches!(comparison.fate(candidate), Fate::Superseded)
                && candidate.holders.is_empty(),
            key: entry.stamp.origin.node.to_string(),
            writer: title(entry.stamp.origin.node),
            value: value(entry),
            fate,
            tone,
            why,
            stamp: moment(entry.stamp.hlc.wall),
            observed: observed(view, candidate),
            origin: entry.stamp.origin.to_string(),
            held: held(candidate),
            steps: candidate.steps.iter().take(shown).map(|step| step_line(view, step)).collect(),
            more_steps: more(candidate.steps.len() - shown, "more step", "more steps"),
        }
    };
    let lines = comparison.candidates.iter().take(WRITES_MAX).map(line).collect();
    (
        lines,
        more(
            comparison.candidates.len().saturating_sub(WRITES_MAX),
            "earlier write",
            "earlier writes",
        ),
    )
}

/// The fate of a write: the label, its style, and the reason.
fn fate(
    view: &View,
    comparison: &Comparison<'_>,
    candidate: &Candidate<'_>,
) -> (&'static str, &'static str, String) {
    let deletion = comparison.winner().is_some_and(|winner| winner.entry.is_tombstone());
    let node = if deletion { "the deleting node" } else { "the winner’s node" };
    let not_received = format!("{node} had not received it");
    match comparison.fate(candidate) {
        Fate::Won => ("won", "wins", String::new()),
        Fate::Wins => ("wins", "wins", String::new()),
        Fate::Superseded => ("superseded", "", "a later write had seen it".to_owned()),
        Fate::Equivalent => ("equivalent", "", "both are deletions".to_owned()),
        Fate::WillBeLost => ("will be lost", "bad", not_received),
        Fate::SupersededByLoser(by) => {
            let why = format!("by a later write from {}, which will be lost", title(by));
            ("superseded", "bad", why)
        }
        Fate::Lost => {
            let all_read =
                view.cities.iter().all(|city| city.status == NodeStatus::Up && city.is_read);
            let stamp = candidate.entry.stamp;
            // Only commands are recorded as lost, and only while every city is read.
            let (label, tone) = if view.lost.iter().any(|lost| lost.entry.stamp == stamp) {
                ("lost", "bad")
            } else if all_read {
                ("discarded", "")
            } else {
                (NOT_REACHABLE, "bad")
            };
            let why = match comparison.winner() {
                Some(winner) if winner.entry.beats(candidate.entry) => not_received,
                // Without a winner, or with unread cities, the reason is unknown.
                Some(_) if all_read => "its only holder lost its memory".to_owned(),
                Some(_) | None => String::new(),
            };
            (label, tone, why)
        }
        Fate::Stopped => {
            let stopped = wording::nodes(&candidate.stopped, "and");
            (NOT_REACHABLE, "bad", format!("{stopped} held it and stopped"))
        }
    }
}

/// The time and the node of the first observation, in words.
fn observed(view: &View, candidate: &Candidate<'_>) -> String {
    match candidate.steps.first() {
        None => "before the recorded history".to_owned(),
        Some(step) if step.way == Way::Written => moment(wall(view, step.at)),
        Some(step) => format!("{} at {}", moment(wall(view, step.at)), title(step.node)),
    }
}

/// The nodes that hold the write, in words.
fn held(candidate: &Candidate<'_>) -> String {
    let (holders, stopped) = (&candidate.holders, &candidate.stopped);
    match (holders.len(), stopped.len()) {
        (0, 0) => "no node".to_owned(),
        (0, _) => format!("no running node; stopped: {}", wording::nodes(stopped, "and")),
        _ => wording::nodes(holders, "and"),
    }
}

fn step_line(view: &View, step: &Step) -> StepLine {
    let node = title(step.node);
    let text = match step.way {
        Way::Written => format!("{node} wrote it"),
        Way::Received(from) => format!("{node} received it from {}", title(from)),
        Way::Unknown => format!("{node} held it; its source is unknown"),
    };
    let at = Time::in_millis(wall(view, step.at), view.at.wall);
    StepLine { at, key: step.node.to_string(), text }
}

/// The lost writes of this hero, newest first.
fn lost_lines(view: &View, hero: HeroId) -> (Vec<String>, String) {
    let of_hero = || view.lost.iter().rev().filter(|lost| lost.key == hero);
    let line = |lost: &Arc<Lost>| {
        let writer = title(lost.entry.stamp.origin.node);
        format!(
            "{} UTC {writer} wrote “{}”: {}",
            Time::in_millis(lost.saved, view.at.wall),
            value(&lost.entry),
            lost_writes::why(lost)
        )
    };
    let lines = of_hero().take(LOST_MAX).map(line).collect();
    (lines, more(of_hero().count().saturating_sub(LOST_MAX), "earlier one", "earlier ones"))
}

#[cfg(test)]
mod tests;
