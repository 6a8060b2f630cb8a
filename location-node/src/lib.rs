//! A city node: the [`city::City`] machine, which owns a replica, and the process that runs it.

pub mod city;
mod civics;
mod node;
mod options;
mod work;

pub use node::main;
