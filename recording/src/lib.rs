//! Recordings: what each node held, pulled and suffered during some minutes, as a file that opens
//! without a cluster.
//!
//! A file is gzip-compressed JSON. Times are milliseconds since the beginning of the recording.
//! Nodes, heroes and writes are referred to by their places in the lists of the recording.
//!
//! Invariant: each place exists, and each list is ordered by time. [`read`](Recording::read) refuses
//! every other file, so a player needs no checks of its own.

mod check;
mod file;
mod page;

use serde::{Deserialize, Serialize};

pub use check::{Invalid, NODES_MAX};
pub use file::{JSON_BYTES_MAX, ReadError};
pub use page::{linked, whole};

/// The name of the format, the first member of each file.
pub const FORMAT: &str = "superhero-recording";
/// The version of the format that is written. Files of a higher version are refused.
pub const VERSION: u32 = 1;
/// The extension of the files.
pub const EXTENSION: &str = "replay.gz";
/// The media type of the files.
pub const MEDIA_TYPE: &str = "application/gzip";

/// Some minutes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The origin: `dispatch-1`, or `simulator, seed 17`.
    pub source: String,
    /// The beginning, in milliseconds since 1970, by the clock of the recording node.
    pub began: u64,
    /// The length in milliseconds.
    pub length: u32,
    /// The nodes, the recording one last.
    pub nodes: Vec<Node>,
    /// The heroes that are shown: all that changed, and some that did not.
    pub heroes: Vec<Hero>,
    /// The number of further heroes that each node held from beginning to end.
    pub others: Vec<u64>,
    /// The writes that are referred to.
    pub writes: Vec<Write>,
    /// The writes that the nodes held at the beginning.
    pub held: Vec<Held>,
    /// The changes of what the nodes held, oldest first.
    pub changes: Vec<Change>,
    /// The pulls, ordered by their ends.
    pub pulls: Vec<Pull>,
    /// The faults in force, ordered by their beginnings.
    pub faults: Vec<Fault>,
    /// The times during which a node did not answer, ordered by their beginnings.
    pub silences: Vec<Span>,
    /// The times during which a node was observed, ordered by their beginnings.
    pub members: Vec<Span>,
    /// The restarts of nodes with an empty memory, oldest first.
    pub restarts: Vec<Restart>,
    /// The logged events, oldest first.
    pub events: Vec<Event>,
}

/// A node of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The name.
    pub name: String,
    /// True if it is recorded what the node held: a city, or the recording node.
    pub observed: bool,
}

/// A hero of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hero {
    /// The id.
    pub id: String,
    /// The name, at the end of the recording.
    pub name: String,
}

/// A write to a hero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The node that made it; `None` for one that took no part in the recording.
    pub node: Option<u32>,
    /// The number of its incarnation.
    pub incarnation: u64,
    /// The time of the stamp by the clock of that node, in milliseconds since the beginning; negative
    /// if earlier.
    pub wall: i64,
    /// The counter of the stamp.
    pub logical: u64,
    /// The value; `None` for a deletion.
    pub value: Option<Value>,
}

/// The value of a hero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The location: `gotham`, or `home`.
    pub place: String,
    /// The health, 0 to 100.
    pub health: u8,
    /// True on patrol.
    pub patrolling: bool,
}

/// A write that a node held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The hero.
    pub hero: u32,
    /// The node.
    pub node: u32,
    /// The write.
    pub write: u32,
}

/// A change of what a node held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The time.
    pub at: u32,
    /// The hero.
    pub hero: u32,
    /// The node.
    pub node: u32,
    /// The write that it held from then on; `None` if it held none.
    pub write: Option<u32>,
}

/// A pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// The time of the question.
    pub asked: u32,
    /// The time of the end.
    pub ended: u32,
    /// The node that pulled.
    pub puller: u32,
    /// The node that was asked.
    pub source: u32,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Both held the same.
    Same,
    /// The puller merged entries.
    Merged {
        /// The number of entries.
        entries: u64,
        /// Their size on the link, in bytes.
        bytes: u64,
    },
    /// No answer came.
    Unanswered,
    /// The puller refused the round.
    Refused,
}

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The time of its beginning.
    pub began: u32,
    /// The time of its end; `None` if it was still in force at the end of the recording.
    pub ended: Option<u32>,
    /// The kind: `cut`, `freeze`, `delay`.
    pub kind: String,
    /// The node that sends what it affects, or that it affects alone.
    pub from: u32,
    /// The other node of a link; `None` for all.
    pub to: Option<u32>,
    /// True if it affects both directions.
    pub both: bool,
    /// The fault in words: `cut: gotham and capitol`.
    pub text: String,
}

/// The time during which a node did not answer, or was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The time of its beginning.
    pub began: u32,
    /// The time of its end; `None` if it lasted until the end of the recording.
    pub ended: Option<u32>,
    /// The node.
    pub node: u32,
}

/// The restart of a node with an empty memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The time.
    pub at: u32,
    /// The node.
    pub node: u32,
}

/// A logged event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The time.
    pub at: u32,
    /// The node that it concerns.
    pub node: u32,
    /// The kind, as in `GET /events`.
    pub kind: String,
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording with something in each list.
    pub(crate) fn recording() -> Recording {
        let value = Value { place: "gotham".into(), health: 90, patrolling: true };
        let write = |wall, value| Write { node: Some(0), incarnation: 2, wall, logical: 0, value };
        Recording {
            format: FORMAT.into(),
            version: VERSION,
            source: "a test".into(),
            began: 1_790_000_000_000,
            length: 10_000,
            nodes: ["gotham", "dispatch"]
                .map(|name| Node { name: name.into(), observed: true })
                .into(),
            heroes: vec![Hero { id: "7f3a".into(), name: "Granite".into() }],
            others: vec![3, 3],
            writes: vec![write(-5, Some(value)), write(900, None)],
            held: vec![Held { hero: 0, node: 0, write: 0 }],
            changes: vec![
                Change { at: 900, hero: 0, node: 0, write: Some(1) },
                Change { at: 950, hero: 0, node: 1, write: Some(1) },
                Change { at: 2_000, hero: 0, node: 0, write: None },
            ],
            pulls: vec![Pull {
                asked: 940,
                ended: 950,
                puller: 1,
                source: 0,
                outcome: Outcome::Merged { entries: 1, bytes: 120 },
            }],
            faults: vec![Fault {
                began: 100,
                ended: None,
                kind: "cut".into(),
                from: 0,
                to: Some(1),
                both: true,
                text: "cut: gotham and dispatch".into(),
            }],
            silences: vec![Span { began: 1_900, ended: Some(2_000), node: 0 }],
            members: vec![Span { began: 0, ended: None, node: 0 }],
            restarts: vec![Restart { at: 2_000, node: 0 }],
            events: vec![Event {
                at: 2_000,
                node: 0,
                kind: "destroyed".into(),
                text: "gotham was bombed".into(),
            }],
        }
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        type Break = fn(&mut Recording);
        let cases: [(Break, &str); 13] = [
            (|it| it.format = "x".into(), "`format` is \"x\""),
            (|it| it.version = 0, "`version` is 0"),
            (|it| it.nodes.clear(), "`nodes` has 0 nodes"),
            (|it| it.length = 90_000_000, "`length` is 90000000 ms"),
            (|it| it.others.push(1), "`others` has 3 numbers for 2 nodes"),
            (|it| it.writes[1].node = Some(2), "`writes` 1 refers to node 2, and there are 2"),
            (|it| it.held[0].hero = 1, "`held` 0 refers to hero 1, and there are 1"),
            (|it| it.changes[0].write = Some(2), "`changes` 0 refers to write 2"),
            (|it| it.changes[1].at = 800, "`changes` 1 is at 800 ms"),
            (|it| it.events[0].at = 10_001, "`events` 0 is at 10001 ms"),
            (|it| it.pulls[0].asked = 951, "`pulls` 0 ends before it begins"),
            (|it| it.faults[0].to = Some(9), "`faults` 0 refers to node 9"),
            (|it| it.silences[0].ended = Some(3), "`silences` 0 ends before it begins"),
        ];
        assert_eq!(recording().check(), Ok(()));
        for (broken, words) in cases {
            let mut recording = recording();
            broken(&mut recording);
            let said = recording.check().expect_err(words).to_string();
            assert!(said.starts_with(words), "{said}");
        }
    }
}
