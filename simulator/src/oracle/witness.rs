//! The memory of one life of one replica, against which its next observation is compared.

use crate::checker::deaths::Deaths;
use crate::checker::monotonic::Reads;
use crate::checker::writers::Writers;

/// The observations of one life.
#[derive(Debug, Default)]
pub(super) struct Witness {
    pub(super) deaths: Deaths,
    pub(super) reads: Reads,
    pub(super) writers: Writers,
    pub(super) changes_seen: u64,
}

impl Witness {
    /// Returns the witness of the next life, which must stamp above all that this one held.
    pub(super) fn successor(&self) -> Self {
        Self { writers: Writers::after(self.writers.above()), ..Self::default() }
    }
}
