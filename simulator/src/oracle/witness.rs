//! The earlier observations of one incarnation of a replica, with which the next observation is
//! compared.

use crate::checker::deletions::Deletions;
use crate::checker::monotonic::Reads;
use crate::checker::writers::Writers;

/// The observations of one incarnation.
#[derive(Debug, Default)]
pub(super) struct Witness {
    pub(super) deletions: Deletions,
    pub(super) reads: Reads,
    pub(super) writers: Writers,
    pub(super) changes_seen: u64,
}

impl Witness {
    /// Returns the witness of the next incarnation, whose stamps must exceed every stamp that this
    /// one held.
    pub(super) fn successor(&self) -> Self {
        Self { writers: Writers::after(self.writers.floor()), ..Self::default() }
    }
}
