//! The JSON types of the HTTP API. Nodes serialize them, clients deserialize them.
//!
//! Invariants:
//! - Each type is defined once, for both serialization and deserialization.
//! - With the feature `schema`, each type has a schema for `openapi.json`. The doc comment of a
//!   type or field is its description there, so changing the text changes the API document.

mod cluster;
mod event;
mod explanation;
mod fault;
mod gossip;
mod hero;
mod lost_write;
mod names;
mod number;
mod reset;
mod scenario;
mod services;
mod stamps;
mod types;
mod verdict;
#[cfg(feature = "schema")]
pub mod words;

pub use cluster::{City, Cluster, FoundRequest, Node, Quiet};
pub use event::{Event, Events};
pub use explanation::{
    ExplainedLoss, ExplainedWrite, Explanation, OtherRules, RuleTally, UnderRule,
};
pub use fault::{
    Amount, BYTES_PER_S, DELAY_MS, Fault, FaultRequest, Faults, Frames, HEAL_AFTER_MS, SKEW_MS_MAX,
};
pub use gossip::{Exchange, ExchangeRequest, Gossip, SpeedRequest};
pub use hero::{
    AssignRequest, CityHeroes, CreateRequest, Created, Held, Hero, HeroEverywhere, Heroes, Ids,
    Stamp,
};
pub use lost_write::{LostRecord, LostWrite, LostWrites};
pub use names::{ALL, CITIES, FAULT_KINDS, NODES};
pub use reset::{ResetDone, ResetProblem};
pub use scenario::{
    PlayRequest, Playing, Question, ScenarioSummary, Scenarios, StepLine, StepText,
};
pub use services::{
    CacheEntry, CacheRequest, CallDone, CallRequest, Frequency, LimitRequest, LimitVerdict,
    MapDone, MapRequest, MapResult, Member, Members, Top, TrackRequest,
};
pub use stamps::{AcceptRequest, Accepted};
pub use types::{
    AddRequest, BatchDone, BatchRequest, Counter, CounterTotal, Counters, Element, Messages, Name,
    Names, Owner, Presence, Present, Published, Puts, RoomMessage, RoomSize, Rooms, SendRequest,
    Set, SetSize, Sets, TableEntries, TableEntry, TableSize, Tables, TopicEvent, TopicSize, Topics,
    ValueRequest,
};
pub use verdict::Verdict;
