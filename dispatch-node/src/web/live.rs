//! The live sockets, and the frames that they send.

pub(crate) mod broadcaster;
pub(crate) mod data_socket;
pub(crate) mod page_socket;
