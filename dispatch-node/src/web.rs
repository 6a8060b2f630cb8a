//! The web part of dispatch: the page, its live socket, and the API. It holds no replica: it sends
//! requests to the machine through the [`DispatchHandle`] and shows
//! [views](crate::model::view::View).

mod api;
mod assets;
mod auth;
mod dispatch_handle;
#[cfg(feature = "echo")]
pub mod echo;
mod error;
mod extract;
mod founding;
mod fragments;
mod hero_lists;
mod idempotency;
mod launcher;
mod live;
mod page_query;
mod pages;
mod render;
pub(crate) mod representation;
mod reset;
mod router;
mod scenario_executor;
mod scenario_runner;
mod spans;
mod state;

pub use dispatch_handle::{DispatchHandle, Responder};
pub use launcher::LauncherClient;
pub use router::router;
pub use state::{Limits, Settings};
