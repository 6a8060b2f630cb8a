//! The last minutes as a recording.
//!
//! Invariant: bounded. Of the heroes that did not change and do not differ, only some have a row; the
//! others are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, PullOutcome, Stamp};
use recording::{
    Change, Event, Fault, Held, Hero, Node, Outcome, Pull, Recording, Restart, Span, Value, Write,
};
use shared::Entry;
use shared::hero::{HeroId, Location};

use crate::model::faults::describe;
use crate::model::history;
use crate::model::tape::CellChange;
use crate::model::view::View;

/// The maximum number of unchanged heroes that have a row.
const UNCHANGED_MAX: usize = 2_000;

/// Returns the recording of the last minutes before this view, of at most `last`.
#[must_use]
pub fn recording(view: &View, last: Duration, source: String) -> Recording {
    Recorder::new(view, last).record(source)
}

/// The places of the nodes, heroes and writes in the lists of a recording.
struct Recorder<'a> {
    view: &'a View,
    began: Duration,
    /// The changes since then, oldest first, each with its time.
    changes: Vec<(Duration, &'a CellChange)>,
    nodes: BTreeMap<NodeName, usize>,
    heroes: BTreeMap<HeroId, u32>,
    writes: BTreeMap<(HeroId, Stamp), u32>,
    recording: Recording,
}

impl<'a> Recorder<'a> {
    fn new(view: &'a View, last: Duration) -> Self {
        let earliest = view.at.mono.saturating_sub(last).max(view.tape.began());
        // Dispatch had nothing to record before it began.
        let began = earliest.min(view.at.mono);
        let changes = timed(view, began);
        Self {
            view,
            began,
            nodes: nodes(view, began),
            changes,
            heroes: BTreeMap::new(),
            writes: BTreeMap::new(),
            recording: Recording::default(),
        }
    }

    fn record(mut self, source: String) -> Recording {
        self.list_heroes();
        self.hold();
        self.change();
        self.suffer();
        let was_member = |name| self.view.history.members().any(|span| span.of == name);
        let observed = |name| name == self.view.dispatch.name || was_member(name);
        let mut listed = vec![Node { name: String::new(), observed: false }; self.nodes.len()];
        for (name, place) in &self.nodes {
            listed[*place] = Node { name: name.to_string(), observed: observed(*name) };
        }
        let ago = self.view.at.mono.saturating_sub(self.began);
        let recording = &mut self.recording;
        recording.format = recording::FORMAT.to_owned();
        recording.version = recording::VERSION;
        recording.source = source;
        recording.began = self.view.at.wall.0.saturating_sub(millis(ago).into());
        recording.length = millis(ago);
        recording.nodes = listed;
        self.recording
    }

    /// Lists the heroes that have changed or differ, and some of the others. Counts the rest.
    fn list_heroes(&mut self) {
        let changed: BTreeSet<HeroId> =
            self.changes.iter().map(|(_, change)| change.hero).collect();
        let mut unchanged = 0;
        let mut others = vec![0; self.nodes.len()];
        for row in self.view.rows.iter() {
            let is_needed = changed.contains(&row.id) || self.view.state(row).differs();
            if is_needed || unchanged < UNCHANGED_MAX {
                unchanged += usize::from(!is_needed);
                self.list(row.id, row.name.to_string());
                continue;
            }
            for (node, entry) in self.columns().zip(std::iter::once(&row.own).chain(&row.cells)) {
                let is_live = entry.as_ref().is_some_and(|entry| !entry.is_tombstone());
                others[self.place(node)] += u64::from(is_live);
            }
        }
        let mut gone: BTreeMap<HeroId, Option<String>> = changed
            .into_iter()
            .filter(|hero| !self.heroes.contains_key(hero))
            .map(|hero| (hero, None))
            .collect();
        for (_, change) in &self.changes {
            let Some(name) = gone.get_mut(&change.hero) else { continue };
            let mut entries = [&change.after, &change.before].into_iter().flatten();
            *name = entries.find_map(|entry| Some(entry.live()?.name.to_string())).or(name.take());
        }
        for (hero, name) in gone {
            self.list(hero, name.unwrap_or_else(|| hero.to_string()));
        }
        self.recording.others = others;
    }

    fn list(&mut self, id: HeroId, name: String) {
        let place = place(self.recording.heroes.len());
        self.recording.heroes.push(Hero { id: id.to_string(), name });
        self.heroes.insert(id, place);
    }

    /// Lists what was held at the beginning: what is held now, with every change undone.
    fn hold(&mut self) {
        let mut held: BTreeMap<(HeroId, NodeName), Option<Arc<Entry>>> = BTreeMap::new();
        for hero in self.heroes.keys() {
            let Some(row) = self.view.rows.get(*hero) else { continue };
            for (node, entry) in self.columns().zip(std::iter::once(&row.own).chain(&row.cells)) {
                held.insert((*hero, node), entry.clone());
            }
        }
        for (_, change) in self.changes.iter().rev() {
            held.insert((change.hero, change.node), change.before.clone());
        }
        for ((hero, node), entry) in held {
            let Some(entry) = entry else { continue };
            let write = self.write(hero, &entry);
            let (hero, node) = (self.heroes[&hero], place(self.place(node)));
            self.recording.held.push(Held { hero, node, write });
        }
    }

    fn change(&mut self) {
        for (at, change) in std::mem::take(&mut self.changes) {
            let write = change.after.as_ref().map(|entry| self.write(change.hero, entry));
            self.recording.changes.push(Change {
                at: self.at(at),
                hero: self.heroes[&change.hero],
                node: place(self.place(change.node)),
                write,
            });
        }
    }

    /// Lists pulls, faults, silences, restarts and events.
    fn suffer(&mut self) {
        let view = self.view;
        let seconds = || view.history.seconds();
        let pulls = seconds().flat_map(|second| &second.pulls);
        let mut pulls: Vec<Pull> = pulls
            .filter(|pull| pull.ended >= self.began)
            .map(|pull| Pull {
                asked: self.at(pull.asked),
                ended: self.at(pull.ended),
                puller: place(self.place(pull.puller)),
                source: place(self.place(pull.source)),
                outcome: match &pull.outcome {
                    PullOutcome::Same => Outcome::Same,
                    PullOutcome::Merged { entries, bytes, .. } => {
                        Outcome::Merged { entries: *entries as u64, bytes: *bytes as u64 }
                    }
                    PullOutcome::Unanswered => Outcome::Unanswered,
                    PullOutcome::Refused => Outcome::Refused,
                },
            })
            .collect();
        pulls.sort_by_key(|pull| pull.ended);
        let mut faults: Vec<Fault> = view
            .history
            .spans()
            .filter(|span| self.overlaps(span))
            .map(|history::Span { of, began, ended }| Fault {
                began: self.at(*began),
                ended: ended.map(|ended| self.at(ended)),
                kind: of.kind.as_str().to_owned(),
                from: place(self.place(of.from)),
                to: of.to.map(|to| place(self.place(to))),
                both: of.both,
                text: describe(of),
            })
            .collect();
        faults.sort_by_key(|fault| fault.began);
        let silences = self.spans(view.history.silences());
        let members = self.spans(view.history.members());
        let restarts = seconds().flat_map(|second| &second.restarts);
        let restarts = restarts.filter(|(at, _)| *at >= self.began);
        let restarts = restarts
            .map(|(at, node)| Restart { at: self.at(*at), node: place(self.place(*node)) })
            .collect();
        let events = self.events();
        let recording = &mut self.recording;
        (recording.pulls, recording.faults) = (pulls, faults);
        (recording.silences, recording.members) = (silences, members);
        (recording.restarts, recording.events) = (restarts, events);
    }

    fn events(&self) -> Vec<Event> {
        // Events have a time by the wall clock only. If it was set meanwhile, they stay in order.
        let mut before = 0;
        let ago = |event: &crate::event_log::LoggedEvent| {
            Duration::from_millis(self.view.at.wall.0.saturating_sub(event.at.0))
        };
        let events = self.view.events.iter().filter_map(|event| {
            let at = self.view.at.mono.saturating_sub(ago(event));
            (at >= self.began).then(|| {
                before = self.at(at).max(before);
                Event {
                    at: before,
                    node: place(self.place(event.node)),
                    kind: event.kind.as_str().to_owned(),
                    text: event.text.clone(),
                }
            })
        });
        events.collect()
    }

    /// Returns the place of a write, and lists it if it is a new one.
    fn write(&mut self, hero: HeroId, entry: &Entry) -> u32 {
        if let Some(place) = self.writes.get(&(hero, entry.stamp)) {
            return *place;
        }
        let began = self.view.at.wall.0.cast_signed()
            - i64::from(millis(self.view.at.mono.saturating_sub(self.began)));
        let value = entry.live().map(|hero| Value {
            place: match hero.location {
                Location::Home => "home".to_owned(),
                Location::City(city) => city.to_string(),
            },
            health: hero.health,
            patrolling: hero.is_patrolling,
        });
        let new = place(self.recording.writes.len());
        self.recording.writes.push(Write {
            node: self.nodes.get(&entry.stamp.origin.node).map(|node| place(*node)),
            incarnation: entry.stamp.origin.incarnation.number(),
            wall: entry.stamp.hlc.wall.0.cast_signed() - began,
            logical: entry.stamp.hlc.logical.into(),
            value,
        });
        self.writes.insert((hero, entry.stamp), new);
        new
    }

    /// Returns these spans, ordered by their beginnings.
    fn spans<'s>(&self, spans: impl Iterator<Item = &'s history::Span<NodeName>>) -> Vec<Span> {
        let within = spans.filter(|span| self.overlaps(span));
        let mut spans: Vec<Span> = within
            .map(|span| Span {
                began: self.at(span.began),
                ended: span.ended.map(|ended| self.at(ended)),
                node: place(self.place(span.of)),
            })
            .collect();
        spans.sort_by_key(|span| span.began);
        spans
    }

    fn overlaps<T>(&self, span: &history::Span<T>) -> bool {
        span.ended.is_none_or(|ended| ended >= self.began)
    }

    /// Returns the milliseconds of the recording at a time; those of its beginning if it is earlier.
    fn at(&self, at: Duration) -> u32 {
        millis(at.min(self.view.at.mono).saturating_sub(self.began))
    }

    /// The nodes in the order of the columns: dispatch first.
    fn columns(&self) -> impl Iterator<Item = NodeName> + use<'a> {
        let view = self.view;
        std::iter::once(view.dispatch.name).chain(view.cities.iter().map(|city| city.name))
    }

    /// Returns the place of a node; that of dispatch for one that took no other part in the recording.
    fn place(&self, node: NodeName) -> usize {
        self.nodes.get(&node).copied().unwrap_or(self.nodes.len() - 1)
    }
}

/// Returns the changes since `began`, ordered by time. Those of one cell stay in their order, although
/// they were observed in different ways.
fn timed(view: &View, began: Duration) -> Vec<(Duration, &CellChange)> {
    let mut last: BTreeMap<(HeroId, NodeName), Duration> = BTreeMap::new();
    let mut changes = Vec::new();
    for change in view.tape.changes() {
        let last = last.entry((change.hero, change.node)).or_default();
        *last = change.at.max(*last);
        if *last >= began {
            changes.push((*last, change));
        }
    }
    changes.sort_by_key(|(at, _)| *at);
    changes
}

/// Returns the nodes of the recording, with their places: the cities that were observed, those that
/// appear otherwise, and dispatch.
fn nodes(view: &View, began: Duration) -> BTreeMap<NodeName, usize> {
    let dispatch = view.dispatch.name;
    let lasted = |span: &&history::Span<NodeName>| span.ended.is_none_or(|ended| ended >= began);
    let members = view.history.members().filter(lasted).map(|span| span.of);
    let pulls = view.history.seconds().flat_map(|second| &second.pulls);
    let pulls = pulls.filter(|pull| pull.ended >= began);
    let others: BTreeSet<NodeName> =
        pulls.flat_map(|pull| [pull.puller, pull.source]).chain(members).collect();
    let mut names: Vec<NodeName> = view.cities.iter().map(|city| city.name).collect();
    names.extend(others.into_iter().filter(|it| *it != dispatch && view.city(*it).is_none()));
    names.truncate(recording::NODES_MAX - 1);
    names.push(dispatch);
    names.into_iter().zip(0..).collect()
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
