//! The services that handlers use, each by name, and the settings that they are made from.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::sync::CancellationToken;

use shared::id::NodeName;
use shared::link::places::Places;

use crate::web::auth::policy::Entrance;
use crate::web::dispatch_handle::Desk;
use crate::web::extract::domain::Domain;
use crate::web::launcher::Rebuilder;
use crate::web::live::broadcaster::{Board, Sources};
use crate::web::scenario_runner::Stage;
use crate::web::spans::writes::Followed;

/// The services of all handlers. A clone shares them.
#[derive(Clone)]
pub(crate) struct Site {
    /// The machine, by a queue of requests.
    pub(crate) desk: Desk,
    /// Values that depend on this cluster.
    pub(crate) domain: Domain,
    /// Starts a city again.
    pub(crate) launcher: Rebuilder,
    /// Plays scenarios.
    pub(crate) scenarios: Stage,
    /// The frames of all pages.
    pub(crate) board: Board,
    /// The writes whose traces end with the first page that is sent them.
    pub(crate) write_spans: Followed,
    /// The live sockets that may be open.
    pub(crate) places: Places,
    /// The access policy.
    pub(crate) entrance: Arc<Entrance>,
    /// The reason why dispatch, as it was started, is insecure; none where it is not.
    pub(crate) unsafe_for: Option<Arc<str>>,
    /// Cancelled when dispatch stops.
    pub(crate) stop: CancellationToken,
}

/// The settings of the web part.
pub struct Settings {
    /// The cities, in the order of the columns of the page.
    pub cities: Vec<NodeName>,
    /// The access policy.
    pub entrance: Entrance,
    /// Starts a city again.
    pub launcher: Rebuilder,
    /// Plays scenarios.
    pub scenarios: Stage,
    /// The reason why dispatch, as it was started, is insecure; none where it is not.
    pub unsafe_for: Option<String>,
    /// The limits on requests and live sockets.
    pub limits: Limits,
}

/// The limits on requests and live sockets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest name of a new hero, in characters.
    pub name_chars: usize,
    /// Live sockets of pages and programs that are open at once.
    pub browsers: usize,
    /// Live sockets that are open at once from one address.
    pub browsers_per_address: usize,
}

impl Site {
    pub(crate) fn new(desk: Desk, settings: Settings, stop: CancellationToken) -> Self {
        let Settings { cities, entrance, launcher, scenarios, unsafe_for, limits } = settings;
        let write_spans = desk.followed().clone();
        let sources =
            Sources { views: desk.views(), playing: scenarios.playing(), launcher: launcher.clone(), write_spans: write_spans.clone() };
        Self {
            desk,
            domain: Domain::new(cities, limits.name_chars),
            launcher,
            scenarios,
            board: Board::new(sources),
            write_spans,
            places: Places::new(limits.browsers, limits.browsers_per_address),
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

impl FromRef<Site> for Domain {
    fn from_ref(site: &Site) -> Self {
        site.domain.clone()
    }
}

impl FromRef<Site> for Rebuilder {
    fn from_ref(site: &Site) -> Self {
        site.launcher.clone()
    }
}

impl FromRef<Site> for Stage {
    fn from_ref(site: &Site) -> Self {
        site.scenarios.clone()
    }
}
