//! The replicated data type: a last-writer-wins map with remove-wins tombstones, and the vectors that say what of it is known.

mod entry;
mod map;
mod version_vector;

pub use entry::{Entry, SEEN_MAX, Value};
pub use map::{Fingerprint, Map};
pub use version_vector::VersionVector;
