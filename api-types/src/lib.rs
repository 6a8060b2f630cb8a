//! The JSON types of dispatch's HTTP API. Dispatch writes them, clients read them.
//!
//! Two invariants:
//! - Each type is defined once, and is serialized and deserialized by the same definition.
//! - With the feature `schema`, each type describes itself for `openapi.json`. A doc comment on a
//!   type or field is its description there, so a change of words is a change of the API.

mod cluster;
mod event;
mod fault;
mod gossip;
mod hero;
mod lost_write;
mod names;
mod number;
mod scenario;
mod verdict;
#[cfg(feature = "schema")]
pub mod words;

pub use cluster::{City, Cluster, Node};
pub use event::{Event, Events};
pub use fault::{
    Amount, BYTES_PER_S, DELAY_MS, Fault, FaultRequest, Faults, Frames, HEAL_AFTER_MS, SKEW_MS_MAX,
};
pub use gossip::{Exchange, ExchangeRequest, Gossip, SpeedRequest};
pub use hero::{
    AssignRequest, CityHeroes, CreateRequest, Created, Held, Hero, HeroEverywhere, Heroes, Ids,
    Stamp,
};
pub use lost_write::{LostWrite, LostWrites};
pub use names::{ALL, CITIES, FAULT_KINDS, NODES};
pub use scenario::{Playing, ScenarioSummary, Scenarios, StepLine};
pub use verdict::Verdict;
