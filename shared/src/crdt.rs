//! The replicated data type: a last-writer-wins map with remove-wins tombstones, and the vectors that say what of it is known.

mod batch;
mod entry;
mod fingerprint;
mod map;
mod version_vector;

pub use batch::{Batch, BatchError, Rows};
pub use entry::{Entry, EntryRef, Rank, SEEN_MAX, Seen, Value};
pub use fingerprint::Fingerprint;
pub use map::Map;
pub use version_vector::VersionVector;
