//! The sizes of the workloads.

use clap::Args;
use clap::builder::RangedU64ValueParser;

/// The numbers of operations of all three replicas together.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Sizes {
    /// Number of increments of the counter
    #[arg(long, default_value = "100000")]
    pub(crate) increments: usize,
    /// Number of elements added to the set, half of which are removed
    #[arg(long, default_value = "10000")]
    pub(crate) elements: usize,
    /// Number of messages in the room
    #[arg(long, default_value = "10000")]
    pub(crate) messages: usize,
    /// Number of increments, added elements or messages between two rounds
    #[arg(
        long,
        default_value = "1000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..)
    )]
    pub(crate) every: usize,
}
