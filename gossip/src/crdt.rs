//! The replicated data type: a last-writer-wins map in which tombstones beat live entries, and the
//! version vectors that describe the writes a replica has seen.

pub(crate) mod batch;
pub(crate) mod entry;
pub(crate) mod fingerprint;
pub(crate) mod horizon;
pub(crate) mod interned;
pub(crate) mod map;
pub(crate) mod records;
pub(crate) mod version_vector;
