//! `superhero watch`: changes of the cluster, from dispatch's live socket.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use api_types::{Event, Fault, Gossip, Verdict};
use superhero::{Api, REQUEST_TIMEOUT};

use crate::fault::described;
use crate::gossip::sentence;
use crate::output::{Failure, Output, at};
use crate::printer;
use crate::socket::Endpoint;

/// A frame of the live socket. Unknown kinds are ignored, since a newer dispatch may send more.
#[derive(Deserialize)]
struct Frame {
    t: String,
    verdict: Option<Verdict>,
    #[serde(default)]
    faults: Option<Vec<Fault>>,
    gossip: Option<Gossip>,
    #[serde(default)]
    events: Vec<Event>,
}

/// Prints a line for each change, or with `json` an object for each, until the pipe closes.
/// Reconnects when the connection is lost.
pub(crate) fn watch(api: &Api, out: Output, json: bool) -> Result<(), Failure> {
    let mut printed = Printed::default();
    let live = Endpoint { api, path: "/live?as=data".to_owned(), silence: REQUEST_TIMEOUT };
    live.follow(|text, is_resumed| {
        printed.is_resumed |= is_resumed;
        for change in printed.changes(live.parsed(text)?) {
            if json {
                out.json(&printer::json(&change))?;
            } else {
                change.lines(out).iter().try_for_each(|line| out.parts(line))?;
            }
        }
        Ok(())
    })
}

/// A change of the cluster.
#[derive(Debug, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Change {
    /// An event was logged.
    Event { event: Event },
    /// Events were missed while there was no connection, from one number to another.
    Missing { from: u64, to: u64 },
    /// A fault came into force.
    Fault { fault: Fault },
    /// A fault is no longer in force.
    Healed { id: String },
    /// Gossip was paused or resumed, or has another rate.
    Gossip { gossip: Gossip },
    /// Fields of the verdict have changed. The others are absent.
    Verdict {
        #[serde(skip_serializing_if = "Option::is_none")]
        converged: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sentence: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        differences: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tables: Option<BTreeMap<String, u64>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        only_copies: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lost_writes: Option<u64>,
    },
}

impl Change {
    /// Returns the change of the verdict. All fields are new if there was none before; the age of
    /// the oldest difference always changes, and is left out.
    fn of_verdict(before: Option<&Verdict>, now: &Verdict) -> Self {
        fn new<T: Clone + PartialEq>(before: Option<&T>, now: &T) -> Option<T> {
            (before != Some(now)).then(|| now.clone())
        }
        Self::Verdict {
            converged: new(before.map(|it| &it.converged), &now.converged),
            sentence: new(before.map(|it| &it.sentence), &now.sentence),
            differences: new(before.map(|it| &it.differences), &now.differences),
            tables: new(before.map(|it| &it.tables), &now.tables),
            only_copies: new(before.map(|it| &it.only_copies), &now.only_copies),
            lost_writes: new(before.map(|it| &it.lost_writes), &now.lost_writes),
        }
    }

    /// Returns the lines of the change. Numbers of the verdict are part of its sentence, except for
    /// the lost writes.
    fn lines(&self, out: Output) -> Vec<String> {
        match self {
            Self::Event { event } => {
                let (kind, text) = (out.part(&event.kind), out.part(&event.text));
                // Some texts begin with their kind.
                let kind = format!("{kind}: ");
                let kind = if text.starts_with(&kind) { "" } else { &kind };
                vec![format!("{}  {kind}{text}", at(event.at_ms))]
            }
            Self::Missing { from, to } => {
                let since = from - 1;
                vec![format!("events {from} to {to} are missing: superhero events --since {since}")]
            }
            Self::Fault { fault } => vec![out.part(&described(fault))],
            Self::Healed { id } => vec![format!("Fault {} is healed.", out.part(id))],
            Self::Gossip { gossip } => vec![sentence(gossip)],
            Self::Verdict { sentence, lost_writes, .. } => {
                let sentence = sentence.iter().map(|sentence| out.part(sentence));
                let lost = lost_writes.iter().filter(|lost| **lost > 0);
                sentence.chain(lost.map(|lost| format!("lost writes: {lost}"))).collect()
            }
        }
    }
}

/// The state as last printed.
#[derive(Default)]
struct Printed {
    verdict: Option<Verdict>,
    faults: BTreeSet<String>,
    gossip: Option<Gossip>,
    /// The number and the time of the last event.
    last_event: Option<(u64, u64)>,
    /// The next frame is the first of a new connection, and repeats earlier events.
    is_resumed: bool,
}

impl Printed {
    /// Returns the changes in this frame.
    fn changes(&mut self, frame: Frame) -> Vec<Change> {
        let mut changes = Vec::new();
        if frame.t != "data" {
            return changes;
        }
        let (events, missing) = self.new_events(frame.events);
        changes.extend(missing);
        changes.extend(events.into_iter().map(|event| Change::Event { event }));
        if let Some(faults) = frame.faults {
            let ids: BTreeSet<String> = faults.iter().map(|fault| fault.id.clone()).collect();
            let new = faults.into_iter().filter(|fault| !self.faults.contains(&fault.id));
            changes.extend(new.map(|fault| Change::Fault { fault }));
            let healed = self.faults.difference(&ids).cloned();
            changes.extend(healed.map(|id| Change::Healed { id }));
            self.faults = ids;
        }
        if let Some(gossip) = frame.gossip.filter(|gossip| self.gossip.as_ref() != Some(gossip)) {
            changes.push(Change::Gossip { gossip });
            self.gossip = Some(gossip);
        }
        if let Some(mut verdict) = frame.verdict {
            verdict.oldest_difference_ms = None;
            if self.verdict.as_ref() != Some(&verdict) {
                changes.push(Change::of_verdict(self.verdict.as_ref(), &verdict));
                self.verdict = Some(verdict);
            }
        }
        changes
    }

    /// Returns the events that were not printed yet, and the change about missing ones.
    fn new_events(&mut self, mut events: Vec<Event>) -> (Vec<Event>, Option<Change>) {
        // On one connection, a frame contains only the events since the previous frame.
        let resumed_after = self.last_event.filter(|_| std::mem::take(&mut self.is_resumed));
        self.last_event =
            events.last().map(|event| (event.number, event.at_ms)).or(self.last_event);
        let (Some((last, at_ms)), Some(first)) = (resumed_after, events.first()) else {
            return (events, None);
        };
        let first = first.number;
        // A restarted dispatch numbers its events from 1, so an equal number may be another event.
        let continues =
            first > last || events.iter().any(|event| (event.number, event.at_ms) == (last, at_ms));
        if !continues {
            return (events, None);
        }
        events.retain(|event| event.number > last);
        let missing =
            (first > last + 1).then_some(Change::Missing { from: last + 1, to: first - 1 });
        (events, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Style;
    use serde_json::{Value, json};

    const OUT: Output = Output { style: Style::Tabs };

    fn frame(value: Value) -> Frame {
        serde_json::from_value(value).expect("a frame")
    }

    #[test]
    fn each_change_is_one_line() {
        let mut printed = Printed::default();
        let verdict = |sentence: &str, lost: u64| {
            json!({
                "converged": true, "sentence": sentence, "differences": 0, "only_copies": 0,
                "lost_writes": lost, "oldest_difference_ms": null,
            })
        };
        let event = json!({
            "number": 7, "at_ms": 1_790_000_000_123_u64, "node": "gotham", "kind": "destroyed",
            "text": "boom", "hero": "?",
        });
        let cut = json!({
            "id": "3", "kind": "cut", "from": "gotham", "to": "*", "both": true,
            "heals_in_ms": 9_000,
        });
        let gossip = json!({ "paused": false, "percent": 100 });
        let unchanged = |events: Value| {
            json!({
                "t": "data", "verdict": verdict("All agree.", 1), "faults": [cut],
                "gossip": gossip, "events": events,
            })
        };
        let mut changes = |value| printed.changes(frame(value));
        let lines = |changes: &[Change]| -> Vec<String> {
            changes.iter().flat_map(|change| change.lines(OUT)).collect()
        };
        assert_eq!(
            lines(&changes(unchanged(json!([event])))),
            [
                &*format!("{}  destroyed: boom", at(1_790_000_000_123)),
                "Fault 3: cut gotham <-> all, heals in 9s",
                "Gossip runs at 100 % of its configured rate.",
                "All agree.",
                "lost writes: 1"
            ]
        );
        assert!(changes(unchanged(json!([]))).is_empty());
        assert!(changes(json!({ "t": "k" })).is_empty());
        let later = changes(json!({
            "t": "data", "verdict": verdict("All agree.", 2), "faults": [],
            "gossip": { "paused": true, "percent": 0 }, "events": [],
        }));
        assert_eq!(lines(&later), ["Fault 3 is healed.", "Gossip is paused.", "lost writes: 2"]);
        let objects = later.iter().map(|change| serde_json::to_value(change).expect("JSON"));
        assert_eq!(
            objects.collect::<Vec<_>>(),
            [
                json!({ "change": "healed", "id": "3" }),
                json!({ "change": "gossip", "gossip": { "paused": true, "percent": 0 } }),
                json!({ "change": "verdict", "lost_writes": 2 }),
            ]
        );
    }
}
