//! What the handlers share: the desk where things are asked, the board where they are shown, and who is let in.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::sync::CancellationToken;

use shared::link::places::Places;

use crate::web::auth::middleware::Entrance;
use crate::web::dispatch_handle::Desk;
use crate::web::live::broadcaster::Board;

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    /// The places on the live socket.
    pub(crate) places: Places,
    /// Who is let in.
    pub(crate) entrance: Arc<Entrance>,
    /// What is unsafe about how it was started, in words.
    pub(crate) unsafe_for: Option<Arc<str>>,
    /// Cancelled when dispatch stops.
    pub(crate) stop: CancellationToken,
}

/// What the web may be asked for, and by whom.
pub struct Settings {
    /// Who is let in.
    pub entrance: Entrance,
    /// What is unsafe about how dispatch was started, in words.
    pub unsafe_for: Option<String>,
    /// How many pages and programs may be on the live socket at once.
    pub browsers_max: usize,
    /// How many of them from one address.
    pub browsers_per_address_max: usize,
}

impl Site {
    pub(crate) fn new(desk: Desk, settings: Settings, stop: CancellationToken) -> Self {
        let Settings { entrance, unsafe_for, browsers_max, browsers_per_address_max } = settings;
        Self {
            board: Board::new(desk.clone()),
            desk,
            places: Places::new(browsers_max, browsers_per_address_max),
            entrance: Arc::new(entrance),
            unsafe_for: unsafe_for.map(Into::into),
            stop,
        }
    }
}

impl FromRef<Site> for Desk {
    fn from_ref(site: &Site) -> Self {
        site.desk.clone()
    }
}
