//! A requested gossip exchange and its result.

use gossip::NodeName;

use crate::text::counted;

/// A requested exchange, completed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The node that was pulled from.
    pub source: NodeName,
    /// The node that pulled.
    pub puller: NodeName,
    /// True if its last frame has passed through dispatch. If not, a frame was lost or the exchange
    /// was too slow.
    pub completed: bool,
    /// The number of entries of heroes transferred.
    pub entries: usize,
    /// The number of entries of the library's types transferred.
    pub records: usize,
    /// The number of bytes transferred in both directions, as sent over the link.
    pub bytes: usize,
}

impl Exchange {
    /// Returns what was transferred, in words: `2 entries`, `1 entry and 1 record`.
    #[must_use]
    pub fn transferred(&self) -> String {
        let entries = counted(self.entries, "entry", "entries");
        match self.records {
            0 => entries,
            records => format!("{entries} and {}", counted(records, "record", "records")),
        }
    }
}
