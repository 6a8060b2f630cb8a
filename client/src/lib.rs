//! A blocking client for the HTTP API of dispatch, and for the replicated types of every node.
//!
//! - [`Api`] has one method per call, each bounded in time and size. [`Error`] is the reason a call
//!   failed. Requests and responses use the types of [`api_types`].
//! - [`Access`] holds the token to send and the CA certificates to trust.
//! - [`Api`] implements [`Executor`](scenario::Executor), so scenarios can be played with it.
//!
//! The library prints nothing and defines no exit codes; the binary `superhero` does both.

mod access;
mod address;
mod api;
mod clock;
mod connection;
mod error;
mod executor;
mod http;
mod pages;

pub use access::{Access, read as read_file};
pub use api::types::WrittenEntry;
pub use api::{Answer, Api};
pub use clock::Stopwatch;
pub use connection::{Connection, Opened};
pub use error::Error;
pub use http::{OUTCOME_UNKNOWN, Problem, REQUEST_TIMEOUT};
pub use pages::{Page, Pages};
