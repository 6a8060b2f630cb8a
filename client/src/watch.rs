//! `superhero watch`: changes of the cluster, from dispatch's live socket.

use std::collections::BTreeMap;

use serde::Deserialize;

use api_types::{Event, Fault, Gossip, Verdict};
use superhero::{Api, REQUEST_TIMEOUT};

use crate::output::{Failure, Output, at};
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

/// Prints a line for each change, or with `json` the frames as received, until the pipe closes.
/// Reconnects when the connection is lost.
pub(crate) fn watch(api: &Api, out: Output, json: bool) -> Result<(), Failure> {
    let mut printed = Printed::default();
    let live = Endpoint { api, path: "/live?as=data".to_owned(), silence: REQUEST_TIMEOUT };
    live.follow(|text, is_resumed| {
        printed.is_resumed |= is_resumed;
        if json {
            return out.json(text);
        }
        let frame: Frame = live.parsed(text)?;
        for line in printed.changes(frame, out) {
            out.parts(&line)?;
        }
        Ok(())
    })
}

/// The state as last printed.
#[derive(Default)]
struct Printed {
    sentence: String,
    lost_writes: Option<u64>,
    faults: BTreeMap<String, String>,
    gossip: Option<Gossip>,
    /// The number and the time of the last event.
    last_event: Option<(u64, u64)>,
    /// The next frame is the first of a new connection, and repeats earlier events.
    is_resumed: bool,
}

impl Printed {
    /// Returns a line for each change in this frame.
    fn changes(&mut self, frame: Frame, out: Output) -> Vec<String> {
        let mut lines = Vec::new();
        if frame.t != "data" {
            return lines;
        }
        let (events, missing) = self.new_events(frame.events);
        lines.extend(missing);
        lines.extend(events.iter().map(|event| {
            format!("{}  {}: {}", at(event.at_ms), out.part(&event.kind), out.part(&event.text))
        }));
        if let Some(faults) = frame.faults {
            let faults: BTreeMap<String, String> = faults
                .iter()
                .map(|fault| (fault.id.clone(), out.part(&described(fault))))
                .collect();
            lines.extend(
                faults
                    .iter()
                    .filter(|(id, _)| !self.faults.contains_key(*id))
                    .map(|(id, fault)| format!("fault {}: {fault}", out.part(id))),
            );
            lines.extend(
                self.faults
                    .keys()
                    .filter(|id| !faults.contains_key(*id))
                    .map(|id| format!("fault {} is healed", out.part(id))),
            );
            self.faults = faults;
        }
        if let Some(gossip) = frame.gossip.filter(|gossip| self.gossip.as_ref() != Some(gossip)) {
            let state = if gossip.paused { "paused" } else { "running" };
            lines.push(format!("gossip is {state}, rate {} %", gossip.percent));
            self.gossip = Some(gossip);
        }
        if let Some(verdict) = frame.verdict {
            if verdict.sentence != self.sentence {
                lines.push(out.part(&verdict.sentence));
                self.sentence = verdict.sentence;
            }
            if self.lost_writes.is_some_and(|lost| lost != verdict.lost_writes) {
                lines.push(format!("lost writes: {}", verdict.lost_writes));
            }
            self.lost_writes = Some(verdict.lost_writes);
        }
        lines
    }

    /// Returns the events that were not printed yet, and a line about missing ones.
    fn new_events(&mut self, mut events: Vec<Event>) -> (Vec<Event>, Option<String>) {
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
        let missing = (first > last + 1).then(|| {
            format!(
                "events {} to {} are missing: superhero events --since {last}",
                last + 1,
                first - 1
            )
        });
        (events, missing)
    }
}

fn described(fault: &Fault) -> String {
    let to = fault.to.as_ref().map_or_else(String::new, |to| {
        format!(" {} {to}", if fault.both == Some(true) { "<->" } else { "->" })
    });
    format!("{} {}{to}", fault.kind, fault.from)
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
        let cut = json!({ "id": "3", "kind": "cut", "from": "gotham", "to": "*", "both": true });
        let gossip = json!({ "paused": false, "percent": 100 });
        let unchanged = |events: Value| {
            json!({
                "t": "data", "verdict": verdict("All agree.", 1), "faults": [cut],
                "gossip": gossip, "events": events,
            })
        };
        assert_eq!(
            printed.changes(frame(unchanged(json!([event]))), OUT),
            [
                &*format!("{}  destroyed: boom", at(1_790_000_000_123)),
                "fault 3: cut gotham <-> *",
                "gossip is running, rate 100 %",
                "All agree."
            ]
        );
        assert_eq!(printed.changes(frame(unchanged(json!([]))), OUT), [""; 0]);
        assert_eq!(printed.changes(frame(json!({ "t": "k" })), OUT), [""; 0]);
        let later = json!({
            "t": "data", "verdict": verdict("All agree.", 2), "faults": [],
            "gossip": { "paused": true, "percent": 100 }, "events": [],
        });
        assert_eq!(
            printed.changes(frame(later), OUT),
            ["fault 3 is healed", "gossip is paused, rate 100 %", "lost writes: 2"]
        );
    }
}
