//! The superhero cluster, from outside: a blocking client of dispatch's HTTP API.
//!
//! - [`Api`] has the calls, each bounded in time and size; [`Error`] is the reason why a call has
//!   no answer. The types of requests and answers are those of [`api_types`].
//! - [`Access`] is a token, and the certificates to trust.
//! - [`Api`] is an [`Executor`](scenario::Executor) too, so that scenarios are played with it.
//!
//! The library prints nothing and knows no exit codes. That is the binary `superhero`.

mod access;
mod address;
mod api;
mod clock;
mod connection;
mod error;
mod executor;
mod http;

pub use access::Access;
pub use api::{Answer, Api};
pub use clock::Stopwatch;
pub use connection::{Connection, Opened};
pub use error::Error;
pub use http::REQUEST_TIMEOUT;
