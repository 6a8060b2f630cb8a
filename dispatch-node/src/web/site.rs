//! What the handlers share: the desk where things are asked, and the board where they are shown.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::web::board::Board;
use crate::web::desk::Desk;

/// How many pages and programs may be on the live socket at once.
pub(crate) const PLACES: usize = 2_000;

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    /// The places on the live socket.
    pub(crate) places: Arc<Semaphore>,
    /// Cancelled when dispatch stops.
    pub(crate) stop: CancellationToken,
}

impl Site {
    pub(crate) fn new(desk: Desk, stop: CancellationToken) -> Self {
        Self { board: Board::new(desk.clone()), desk, places: Arc::new(Semaphore::new(PLACES)), stop }
    }
}

impl FromRef<Site> for Desk {
    fn from_ref(site: &Site) -> Self {
        site.desk.clone()
    }
}
