//! The recorded history of one run, as data.
//!
//! Times are microseconds of one monotonic clock. An operation takes effect between its invocation
//! and its completion; with an unknown outcome it may take effect later, or never.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::api;
use crate::api::{Hero, Stamp};
use crate::audit::NodeReads;

/// Everything that was recorded in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The seed of the plan.
    pub seed: u64,
    /// In the order of their completion.
    pub events: Vec<Event>,
    /// The cluster at rest, after all faults had ended.
    pub end: End,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A request of a client.
    Operation(Operation),
    /// A read of every node.
    Observation(Box<Observation>),
    /// An action of the nemesis.
    Action(Action),
}

/// A request of a client, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Unique among operations, in the order of invocation.
    pub number: u64,
    /// The client.
    pub client: usize,
    /// The idempotency key; reads have none.
    pub key: Option<String>,
    /// The request.
    pub request: Request,
    /// The time just before the request was sent.
    pub invoked: u64,
    /// The time just after the response arrived, or after the client stopped waiting for it.
    pub completed: u64,
    /// The outcome.
    pub outcome: Outcome,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Creates a hero. The name is used by one key only.
    Create {
        /// Its name.
        name: String,
    },
    /// Moves a hero.
    Assign {
        /// The hero's id.
        hero: String,
        /// A city, or home.
        to: String,
    },
    /// Deletes a hero.
    Delete {
        /// The hero's id.
        hero: String,
    },
    /// Reads a hero.
    Read {
        /// The hero's id.
        hero: String,
    },
}

impl Request {
    /// Returns the id of the hero; a creation has none yet.
    #[must_use]
    pub fn hero(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Assign { hero, .. } | Self::Delete { hero } | Self::Read { hero } => Some(hero),
        }
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A creation or an assignment was executed; this is what was written.
    Written {
        /// The hero.
        hero: Hero,
    },
    /// A deletion was executed.
    Deleted,
    /// A read was answered.
    Shown {
        /// The newest copy.
        hero: Hero,
        /// The copy of each city.
        cities: BTreeMap<String, Option<Copy>>,
    },
    /// Nothing was executed.
    Refused {
        /// The status code.
        status: u16,
        /// The type of the problem.
        problem: String,
        /// Its detail.
        detail: String,
    },
    /// Whether it was executed is not known.
    Unknown {
        /// The error.
        reason: String,
        /// True if dispatch answered that it does not know.
        is_answer: bool,
    },
}

impl Outcome {
    /// Returns what a creation or an assignment wrote.
    #[must_use]
    pub fn written(&self) -> Option<&Hero> {
        match self {
            Self::Written { hero } => Some(hero),
            Self::Deleted | Self::Shown { .. } | Self::Refused { .. } | Self::Unknown { .. } => {
                None
            }
        }
    }
}

/// The copy of a hero at a city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Copy {
    /// A live hero.
    Live(Hero),
    /// The word `tombstone`.
    Word(String),
}

/// A read of every node. Observations follow each other without overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The time just before the first request.
    pub invoked: u64,
    /// The time just after the last response.
    pub completed: u64,
    /// The nodes.
    pub nodes: NodeReads,
    /// The verdict, read between the first and the last read of the nodes.
    pub verdict: Verdict,
}

/// The verdict on the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether all nodes agree.
    pub converged: bool,
    /// The number of lost writes.
    pub lost_writes: u64,
    /// The verdict in words.
    pub sentence: String,
}

/// An action of the nemesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The time just before it.
    pub began: u64,
    /// The time just after it.
    pub ended: u64,
    /// The action in words, with its response.
    pub what: String,
    /// Its effect on the guarantees.
    pub effect: Effect,
}

/// The effect of an action on the guarantees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// No process may lose anything.
    None,
    /// The incarnation of this city may have ended.
    MemoryLost(String),
    /// The process of dispatch has ended.
    DispatchEnded,
    /// A process of dispatch has started.
    DispatchStarted,
}

/// The cluster at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The time at which it was at rest. Later operations are the final reads.
    pub began: u64,
    /// The nodes, read last.
    pub last: Observation,
    /// The lost writes.
    pub lost: LostWrites,
    /// The event log of the running dispatch, complete.
    pub log: Vec<api::Event>,
}

/// The lost writes that dispatch counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostWrites {
    /// Their number.
    pub count: u64,
    /// The newest ones.
    pub lost: Vec<LostWrite>,
}

/// A lost write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/api.md defines the fields")]
pub struct LostWrite {
    pub number: u64,
    pub hero: String,
    pub wrote: Option<Copy>,
    pub stamp: Stamp,
    pub to: Option<Copy>,
}

impl Event {
    /// Returns whether it is an action with this effect.
    #[must_use]
    pub fn is_effect(&self, effect: &Effect) -> bool {
        matches!(self, Self::Action(action) if action.effect == *effect)
    }
}

impl History {
    /// Iterates over the operations, in the order of their completion.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.events.iter().filter_map(|event| match event {
            Event::Operation(operation) => Some(operation),
            Event::Observation(_) | Event::Action(_) => None,
        })
    }

    /// Iterates over the observations, the last one included.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        let during = self.events.iter().filter_map(|event| match event {
            Event::Observation(observation) => Some(&**observation),
            Event::Operation(_) | Event::Action(_) => None,
        });
        during.chain([&self.end.last])
    }

    /// Iterates over the actions of the nemesis.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.events.iter().filter_map(|event| match event {
            Event::Action(action) => Some(action),
            Event::Operation(_) | Event::Observation(_) => None,
        })
    }

    /// Writes the history as JSON lines: the seed, each event, and the end.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "{}", serde_json::json!({ "seed": self.seed }))?;
        for event in &self.events {
            writeln!(to, "{}", serde_json::to_string(event)?)?;
        }
        writeln!(to, "{}", serde_json::to_string(&self.end)?)?;
        to.flush()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, client, key, request, invoked, completed, outcome } = self;
        write!(f, "#{number} client {client}, {invoked} to {completed} us: ")?;
        match request {
            Request::Create { name } => write!(f, "create {name}")?,
            Request::Assign { hero, to } => write!(f, "assign {hero} to {to}")?,
            Request::Delete { hero } => write!(f, "delete {hero}")?,
            Request::Read { hero } => write!(f, "read {hero}")?,
        }
        if let Some(key) = key {
            write!(f, " (key {key})")?;
        }
        match outcome {
            Outcome::Written { hero } => write!(f, ": wrote {}", shown(hero)),
            Outcome::Deleted => write!(f, ": deleted"),
            Outcome::Shown { hero, cities } => {
                write!(f, ": {}", shown(hero))?;
                cities.iter().try_for_each(|(city, copy)| match copy {
                    None => write!(f, "; {city} nothing"),
                    Some(Copy::Word(word)) => write!(f, "; {city} {word}"),
                    Some(Copy::Live(hero)) => write!(f, "; {city} {}", shown(hero)),
                })
            }
            Outcome::Refused { status, problem, .. } => write!(f, ": refused, {status} {problem}"),
            Outcome::Unknown { reason, .. } => write!(f, ": unknown, {reason}"),
        }
    }
}

/// Returns a hero in one line.
#[must_use]
pub fn shown(Hero { id, name, location, stamp, .. }: &Hero) -> String {
    format!("{id} {name} at {location}, {stamp}")
}
