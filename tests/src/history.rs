//! Histories from outside: clients send operations over the HTTP API of a real cluster while faults
//! are injected, everything is recorded, and a checker compares the record with the guarantees.
//!
//! - [`record`] has the recorded data, [`recorder`] records it.
//! - [`generator`] draws the clients' operations and the faults from a seed.
//! - [`nemesis`] causes the faults, and [`run`] runs everything and reads the quiescent cluster.
//! - [`checker`] is a pure function of the record. [`planted`] has errors that it must find, and
//!   [`fixture`] a small correct history.
//!
//! Patrols and fights are off: only clients write, so every value has a known writer.

pub mod checker;
pub mod fixture;
pub mod generator;
pub mod nemesis;
pub mod planted;
pub mod record;
pub mod recorder;
pub mod run;
