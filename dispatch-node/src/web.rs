//! The web around dispatch: the page, its live socket, and the API. Nothing here holds a replica: it asks the machine through
//! the [`Desk`] and shows [views](crate::view::View).

mod api;
mod assets;
mod board;
mod cluster;
mod data;
mod desk;
mod error;
mod faults;
mod forms;
mod fragments;
mod guard;
mod heroes;
mod input;
pub mod inspector;
mod live;
pub mod lost;
pub mod only_copies;
mod page;
mod panels;
mod rebuild;
mod router;
mod site;
pub mod map;
pub mod panels;
mod picture;
#[cfg(test)]
mod scene;
mod stage;
mod trouble;
mod wish;
#[cfg(test)]
mod scene;
mod wording;

pub use desk::{Counter, Desk};
pub use rebuild::Rebuilder;
pub use router::router;
pub use stage::Stage;
