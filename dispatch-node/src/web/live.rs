//! The live sockets, and the frames that they send: rendered once for all pages, and sent to each
//! as far as it lacks them.

pub(crate) mod broadcaster;
pub(crate) mod data_socket;
pub(crate) mod page_socket;
pub(crate) mod snapshot;
pub(crate) mod socket;
