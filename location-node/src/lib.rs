//! A city: a [`city::City`] machine around a replica, and the process around the machine.

pub mod city;
mod node;
mod options;

pub use node::main;
