//! The replicated data type: a last-writer-wins map whose tombstones beat every live entry, and the
//! version vectors that describe how much of it a replica has seen.

pub(crate) mod batch;
pub(crate) mod entry;
pub(crate) mod fingerprint;
pub(crate) mod interned;
pub(crate) mod map;
pub(crate) mod version_vector;
