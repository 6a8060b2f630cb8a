//! The inspector: every relevant write of one hero, the winner and the reason, the way of each
//! write, and the next steps.
//!
//! Invariant: it claims nothing beyond what is known. Observations are distinguished from stamps,
//! and the present state of a city from the last known one.

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
use crate::model::view::View;
use crate::text::{counted, title};
use crate::web::render::lost_writes;
use crate::web::render::phrase::{CityKey, Phrase, Tone};
use crate::web::render::wording::{self, moment, plain, says, wall};

use comparison::{Candidate, Comparison, Fate};
use next::Next;
use picture::Picture;

/// The most writes, steps and lost writes that are listed.
const WRITES_MAX: usize = 12;
const STEPS_MAX: usize = 60;
const LOST_MAX: usize = 12;

/// The writes of one hero, compared.
#[derive(Debug, Template)]
#[template(path = "inspector.html", whitespace = "minimize")]
pub(crate) struct InspectorPanel {
    /// The hero's name, where one is chosen and known.
    hero: String,
    /// The winner, in pieces that include their spaces.
    sentence: Vec<Phrase>,
    /// The reasons and the consequences. May be empty.
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
    /// It is built upon and held by no node, so it is folded.
    is_past: bool,
    key: CityKey,
    writer: String,
    /// `Gotham 84 patrolling`.
    says: String,
    /// The fate in a word or two, and the reason.
    fate: &'static str,
    tone: &'static str,
    why: String,
    /// The time of its stamp.
    stamp: String,
    /// The time and the node of its first observation.
    seen: String,
    /// The node and incarnation that wrote it.
    origin: String,
    /// The nodes that hold it.
    held: String,
    steps: Vec<StepLine>,
    /// `and 3 more steps`. May be empty.
    more_steps: String,
}

/// One step of the way of a write.
#[derive(Debug)]
struct StepLine {
    at: String,
    key: CityKey,
    text: String,
}

impl InspectorPanel {
    /// Returns the panel for this hero; a hint, where none is chosen.
    pub(crate) fn of(view: &View, hero: Option<HeroId>) -> Self {
        let Some(hero) = hero else {
            return Self::saying(
                String::new(),
                "Choose a hero’s state to see who wrote what, and what happens next.",
            );
        };
        let (lost, more_lost) = lost_lines(view, hero);
        let Some(row) = view.rows.get(hero) else {
            let name = view
                .lost
                .iter()
                .rev()
                .find(|lost| lost.hero == hero)
                .map_or_else(|| hero.to_string(), |lost| lost_writes::name(view, lost));
            return Self {
                lost,
                more_lost,
                ..Self::saying(name, "Nobody has heard of this hero any more.")
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

    /// A panel without writes.
    fn saying(hero: String, text: &str) -> Self {
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

    /// Returns true if no hero is chosen.
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
        let shown = candidate.steps.len().min(steps_left);
        steps_left -= shown;
        let (fate, tone, why) = fate(comparison, candidate);
        let Stamp { hlc, origin } = entry.stamp;
        WriteLine {
            id: format!("{}-{}-{}-{}", origin.node, origin.incarnation, hlc.wall.0, hlc.logical),
            is_past: matches!(comparison.fate(candidate), Fate::BuiltUpon)
                && candidate.holders.is_empty(),
            key: entry.stamp.origin.node.to_string(),
            writer: title(entry.stamp.origin.node),
            says: says(entry),
            fate,
            tone,
            why,
            stamp: moment(entry.stamp.hlc.wall),
            seen: seen(view, candidate),
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

/// The fate of a write: the words, their style, and the reason.
fn fate(
    comparison: &Comparison<'_>,
    candidate: &Candidate<'_>,
) -> (&'static str, &'static str, String) {
    let deletion = comparison.winner().is_some_and(|winner| winner.entry.is_tombstone());
    let winner = if deletion { "the deletion" } else { "the winner" };
    match comparison.fate(candidate) {
        Fate::Stands => ("stands", "wins", String::new()),
        Fate::Wins => ("wins", "wins", String::new()),
        Fate::BuiltUpon => ("was built upon", "", format!("{winner} was written over it")),
        Fate::SaysTheSame => ("says the same", "", "one deletion is as good as another".to_owned()),
        Fate::WillBeLost => ("will be lost", "bad", format!("{winner} had not seen it")),
        Fate::GoesWith(heir) => {
            ("goes with a later one", "bad", format!("{} built upon it", title(heir)))
        }
        Fate::IsNowhere => ("is nowhere any more", "bad", format!("{winner} had not seen it")),
        Fate::Stopped => (
            "went with its city",
            "bad",
            format!(
                "{} stopped, and nobody else held it",
                wording::nodes(&candidate.stopped, "and")
            ),
        ),
    }
}

/// The time and the node of the first observation, in words.
fn seen(view: &View, candidate: &Candidate<'_>) -> String {
    match candidate.steps.first() {
        None => "before what is remembered".to_owned(),
        Some(step) if step.way == Way::Written => moment(wall(view, step.at)),
        Some(step) => format!("{} at {}", moment(wall(view, step.at)), title(step.node)),
    }
}

/// The nodes that hold the write, in words.
fn held(candidate: &Candidate<'_>) -> String {
    let (holders, stopped) = (&candidate.holders, &candidate.stopped);
    match (holders.len(), stopped.len()) {
        (0, 0) => "nobody".to_owned(),
        (0, _) => format!("nobody; {} did until it stopped", wording::nodes(stopped, "and")),
        _ => wording::nodes(holders, "and"),
    }
}

fn step_line(view: &View, step: &Step) -> StepLine {
    let node = title(step.node);
    let text = match step.way {
        Way::Written => format!("{node} wrote it"),
        Way::Received(from) => format!("{node} heard it from {}", title(from)),
        Way::Unknown => format!("{node} held it; how it came there is not known"),
    };
    StepLine { at: moment(wall(view, step.at)), key: step.node.to_string(), text }
}

/// The lost writes of this hero, newest first.
fn lost_lines(view: &View, hero: HeroId) -> (Vec<String>, String) {
    let of_hero = || view.lost.iter().rev().filter(|lost| lost.hero == hero);
    let line = |lost: &Arc<Lost>| {
        let writer = title(lost.entry.stamp.origin.node);
        format!(
            "{} {writer} wrote “{}”: {}",
            moment(lost.saved),
            says(&lost.entry),
            lost_writes::why(lost)
        )
    };
    let lines = of_hero().take(LOST_MAX).map(line).collect();
    (lines, more(of_hero().count().saturating_sub(LOST_MAX), "earlier one", "earlier ones"))
}

#[cfg(test)]
mod tests;
