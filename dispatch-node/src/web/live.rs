//! The live sockets, and the frames that they send: rendered once for all pages. Each page is sent
//! the parts that it is missing.

pub(crate) mod broadcaster;
pub(crate) mod data_socket;
pub(crate) mod page_socket;
pub(crate) mod snapshot;
pub(crate) mod visitor;
