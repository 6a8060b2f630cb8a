//! Code shared by the programs of the superhero cluster: heroes and their commands, and (feature
//! `net`) the process around a machine of the library `gossip`: options, configuration, logs,
//! metrics and traces.

mod app;
pub mod hero;
pub mod message;
pub mod well_known;

#[cfg(feature = "net")]
mod certificates;
#[cfg(feature = "net")]
mod command_spans;
#[cfg(feature = "net")]
pub mod configuration;
#[cfg(feature = "net")]
pub mod escape;
#[cfg(feature = "net")]
pub mod meter;
#[cfg(feature = "net")]
pub mod node;
#[cfg(feature = "net")]
pub mod options;
#[cfg(feature = "net")]
pub mod process;
#[cfg(feature = "net")]
pub mod spans;
#[cfg(feature = "net")]
pub mod telemetry;

pub use app::{
    Batch, Change, Changes, Entry, EntryRef, Envelope, Frame, Input, Map, Observation, Output,
    Replica, ReplicaOutput, Step, Superheroes, Value,
};
