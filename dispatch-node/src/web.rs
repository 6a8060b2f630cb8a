//! The web around dispatch: the page, its live socket, and the API. Nothing here holds a replica: it asks the machine through
//! the [`Desk`] and shows [views](crate::model::view::View).

mod api;
mod assets;
mod board;
mod cluster;
mod data;
mod desk;
#[cfg(feature = "echo")]
pub mod echo;
mod error;
mod faults;
mod followed;
mod forms;
mod fragments;
mod guard;
mod heroes;
mod input;
mod inspector;
mod live;
mod lost;
mod map;
mod only_copies;
mod page;
mod panels;
mod parameters;
mod picture;
mod predicted;
mod rebuild;
mod router;
#[cfg(test)]
pub(crate) mod scene;
mod sign_in;
mod site;
mod stage;
mod timeline;
mod tokens;
mod traced;
mod trouble;
mod wish;
mod wording;

pub use desk::{Counter, Desk, Limits};
pub use guard::Entrance;
pub use rebuild::Rebuilder;
pub use router::router;
pub use site::Settings;
pub use stage::Stage;
pub use tokens::Tokens;
