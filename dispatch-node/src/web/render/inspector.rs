//! The inspector: every relevant write of one hero, the winner and the reason, the propagation of
//! each write, and the next steps.
//!
//! Invariant: each statement follows from observations. Times of observation are distinguished from
//! stamps, and the present state of a city from its last known state.

mod comparison;
mod explanation;
mod next;
mod picture;

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;

use api_types::{ExplainedLoss, ExplainedWrite, Explanation};
use gossip::Stamp;
use shared::hero::HeroId;

use crate::model::arrival::Way;
use crate::model::history::Step;
use crate::model::lost_writes::Lost;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Row;
use crate::model::view::View;
use crate::text::{counted, title};
use crate::web::page_query::PageQuery;
use crate::web::render::counterfactual;
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
    /// The commands to the hero; `None` if no node holds it live.
    commands: Option<Commands>,
    /// The address of the page without the explanation.
    close: String,
    /// The winner, in pieces that include their spaces.
    sentence: Vec<Phrase>,
    /// The reasons for the outcome, and its consequences. May be empty.
    reasons: Vec<String>,
    picture: Option<Picture>,
    writes: Vec<Writes>,
    /// `and 3 earlier writes`. May be empty.
    more_writes: String,
    next: Vec<Next>,
    lost: Vec<LostLine>,
    /// `and 3 earlier ones`. May be empty.
    more_lost: String,
}

/// One lost write.
#[derive(Debug)]
pub(crate) struct LostLine {
    pub(crate) at: Time,
    key: CityKey,
    /// `Gotham wrote “Gotham 84”: Metropolis had not seen it`.
    pub(crate) text: String,
    /// What would have become of it under other rules. Empty if that is not recorded.
    pub(crate) under: Vec<counterfactual::Line>,
}

/// The form of the commands to a hero.
#[derive(Debug)]
struct Commands {
    id: HeroId,
    /// The words of the cities.
    cities: Vec<CityKey>,
}

/// Writes in the list: one, or several that patrols and fights have made and later ones have superseded.
#[derive(Debug)]
struct Writes {
    /// What is folded: `4 writes of patrols and fights, superseded`. Empty for one write.
    folded: String,
    lines: Vec<WriteLine>,
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
    /// Returns the panel for the hero of this query; a hint if none is selected.
    pub(crate) fn of(view: &View, query: &PageQuery) -> Self {
        let close = PageQuery { hero: None, ..query.clone() }.href();
        Self { close, ..Self::of_hero(view, query.hero) }
    }

    /// Returns the panel for this hero, without an address to close it.
    pub(crate) fn of_hero(view: &View, hero: Option<HeroId>) -> Self {
        let Some(hero) = hero else {
            return Self::without_writes(String::new(), "");
        };
        let (lost, more_lost) = lost_lines(view, hero);
        let Some(row) = view.rows.get(hero) else {
            return Self::of_gone(view, hero, lost, more_lost);
        };
        let comparison = Comparison::of(view, row);
        let (sentence, reasons) = explanation::of(view, &comparison);
        let (writes, more_writes) = write_lines(view, &comparison, STEPS_MAX);
        let cities = || view.cities.iter().map(|city| city.name.to_string()).collect();
        Self {
            hero: row.name.to_string(),
            commands: row.pattern.is_alive().then(|| Commands { id: hero, cities: cities() }),
            close: String::new(),
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

    /// Returns the panel for a hero that no node holds, as far as its writes are recorded.
    fn of_gone(view: &View, hero: HeroId, lost: Vec<LostLine>, more_lost: String) -> Self {
        let of_hero = |lost: &&Arc<Lost>| lost.key == hero;
        let name = view.lost.iter().rev().find(of_hero).map(|lost| lost_writes::name(view, lost));
        let recorded = || view.history.trail(hero).filter_map(|step| step.entry.live());
        let name = name.or_else(|| recorded().last().map(|hero| hero.name.to_string()));
        let row =
            Row::gone(hero, name.unwrap_or_else(|| hero.to_string()).into(), view.cities.len());
        let comparison = Comparison::of(view, &row);
        let (writes, more_writes) = write_lines(view, &comparison, STEPS_MAX);
        let deletion =
            comparison.candidates.iter().find(|candidate| candidate.entry.is_tombstone());
        let sentence = match deletion {
            Some(deletion) => vec![
                wording::node(view, deletion.writer()),
                plain(" deleted this hero. Every node has heard of it, and none holds it."),
            ],
            None => vec![plain("No node holds this hero.")],
        };
        Self {
            writes,
            more_writes,
            lost,
            more_lost,
            sentence,
            ..Self::without_writes(row.name.to_string(), "")
        }
    }

    /// Returns the same for the API; `None` if nothing is recorded.
    pub(crate) fn explanation(self, hero: HeroId) -> Option<Explanation> {
        if self.writes.is_empty() && self.lost.is_empty() {
            return None;
        }
        let write = |write: WriteLine| ExplainedWrite {
            writer: write.writer,
            wrote: write.value,
            stamp: write.stamp,
            fate: write.fate.to_owned(),
            why: write.why,
            held: write.held,
        };
        let loss = |line: LostLine| ExplainedLoss {
            saved: line.at.to_string(),
            text: line.text,
            under: line.under.into_iter().map(Into::into).collect(),
        };
        Some(Explanation {
            hero: hero.to_string(),
            name: self.hero,
            sentence: self.sentence.into_iter().map(|phrase| phrase.text).collect(),
            reasons: self.reasons,
            writes: self.writes.into_iter().flat_map(|writes| writes.lines).map(write).collect(),
            lost: self.lost.into_iter().map(loss).collect(),
            next: self.next.into_iter().map(|next| next.text).collect(),
        })
    }

    /// A panel with a sentence and no writes.
    fn without_writes(hero: String, text: &str) -> Self {
        Self {
            hero,
            commands: None,
            close: String::new(),
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
) -> (Vec<Writes>, String) {
    let mut steps_left = steps_max;
    let mut line = |candidate: &Candidate<'_>| {
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
    let commands = commands(view);
    let is_command = |candidate: &Candidate<'_>| commands.contains(&candidate.entry.stamp);
    // The winner and the commands come before the writes of patrols and fights.
    let mut order: Vec<(usize, &Candidate<'_>)> =
        comparison.candidates.iter().enumerate().collect();
    order.sort_by_key(|(place, candidate)| *place > 0 && !is_command(candidate));
    let shown = order.into_iter().take(WRITES_MAX);
    let lines: Vec<(bool, WriteLine)> =
        shown.map(|(_, candidate)| (is_command(candidate), line(candidate))).collect();
    (
        folded(lines),
        more(
            comparison.candidates.len().saturating_sub(WRITES_MAX),
            "earlier write",
            "earlier writes",
        ),
    )
}

/// Returns the writes that are commands of users.
fn commands(view: &View) -> BTreeSet<Stamp> {
    let commands = view.events.iter().filter(|event| event.kind.is_command());
    commands.filter_map(|event| Some(event.write?.stamp)).collect()
}

/// Folds the superseded writes of patrols and fights, if there are several in a row.
fn folded(lines: Vec<(bool, WriteLine)>) -> Vec<Writes> {
    let mut writes: Vec<(bool, Writes)> = Vec::new();
    for (is_command, line) in lines {
        let is_tick = !is_command && line.is_past && line.tone.is_empty();
        match writes.last_mut() {
            Some((true, last)) if is_tick => last.lines.push(line),
            _ => writes.push((is_tick, Writes { folded: String::new(), lines: vec![line] })),
        }
    }
    let named = |(is_tick, mut writes): (bool, Writes)| {
        if is_tick && writes.lines.len() > 1 {
            let count = counted(writes.lines.len(), "write", "writes");
            writes.folded = format!("{count} of patrols and fights, superseded");
        }
        writes
    };
    writes.into_iter().map(named).collect()
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
            let is_gone = comparison.winner().is_none();
            let (label, tone) = if is_gone && candidate.entry.is_tombstone() {
                ("deleted the hero", "wins")
            } else if view.lost.iter().any(|lost| lost.entry.stamp == stamp) {
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
            let why = match label {
                "discarded" if !why.is_empty() => format!("{why}; only commands count as lost"),
                _ => why,
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
fn lost_lines(view: &View, hero: HeroId) -> (Vec<LostLine>, String) {
    let of_hero = || view.lost.iter().rev().filter(|lost| lost.key == hero);
    let line = |lost: &Arc<Lost>| {
        let writer = lost.entry.stamp.origin.node;
        LostLine {
            at: Time::in_millis(lost.saved, view.at.wall),
            key: writer.to_string(),
            text: format!("{} wrote “{}”: {}", title(writer), value(&lost.entry), lost.why()),
            under: counterfactual::lines(&lost.outcomes),
        }
    };
    let lines = of_hero().take(LOST_MAX).map(line).collect();
    (lines, more(of_hero().count().saturating_sub(LOST_MAX), "earlier one", "earlier ones"))
}

#[cfg(test)]
mod tests;
