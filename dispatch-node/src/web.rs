//! The web around dispatch: the page, its live socket, and the API. Nothing here holds a replica: it asks the machine through
//! the [`Desk`] and shows [views](crate::view::View).

mod api;
mod assets;
mod data;
mod desk;
mod error;
mod faults;
mod forms;
mod guard;
mod input;
mod live;
mod page;
pub mod panels;
mod rebuild;
mod router;
mod stage;
mod trouble;

pub use desk::{Counter, Desk};
pub use rebuild::Rebuilder;
pub use router::router;
pub use stage::Stage;
