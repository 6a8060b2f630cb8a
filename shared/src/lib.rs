//! The replicated superhero map.
//!
//! Without features this crate is the core: deterministic, without clock, randomness or tokio. [`replica::Replica`] is the
//! heart; [`machine::Machine`] is the contract of whoever wraps one. Feature `net` adds what a process needs around a machine:
//! `link` (the only asynchronous part), `meter`, `options`, `configuration`, `telemetry`, `spans`.
//!
//! Lower names never import higher ones:
//! `time, trace < id < hero, clock, fault < crdt < message < membership < machine < replica < wire < link`.

pub mod clock;
pub mod crdt;
pub mod fault;
pub mod hero;
pub mod id;
pub mod machine;
pub mod membership;
pub mod message;
pub mod replica;
pub mod supervise;
pub mod time;
pub mod trace;
pub mod wire;

#[cfg(feature = "net")]
pub mod configuration;
#[cfg(feature = "net")]
pub mod link;
#[cfg(feature = "net")]
pub mod meter;
#[cfg(feature = "net")]
pub mod node;
#[cfg(feature = "net")]
pub mod options;
#[cfg(feature = "net")]
pub mod spans;
#[cfg(feature = "net")]
pub mod telemetry;
