//! The application state: the services used by handlers, and the settings to build them from.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::HeaderValue;
use tokio_util::sync::CancellationToken;

use gossip::NodeName;
use gossip::link::{Cluster, ConnectionLimit};
use gossip::services::cache::Cache;
use gossip::services::limiter::Quota;
use node_api::access::guard::Guard;
use node_api::access::origin::Origin;
use node_api::types::{Services, Types};

use crate::web::auth::command_limit::CommandLimit;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::extract::domain::Domain;
use crate::web::launcher::LauncherClient;
use crate::web::live::broadcaster::{Broadcaster, Sources};
use crate::web::scenario_runner::ScenarioRunner;
use crate::web::spans::writes::WriteSpans;

/// The period of the limit on commands.
const MINUTE: Duration = Duration::from_secs(60);

/// The services of all handlers. Clones share them.
#[derive(Clone)]
pub(crate) struct AppState {
    /// The handle to the machine.
    pub(crate) dispatch: DispatchHandle,
    /// The names and limits of this cluster, for parsing input.
    pub(crate) domain: Domain,
    /// The handle to the library's node, which knows the members.
    pub(crate) members: Cluster,
    /// The client that restarts cities.
    pub(crate) launcher: LauncherClient,
    /// The runner of scenarios.
    pub(crate) scenarios: ScenarioRunner,
    /// The broadcaster that renders the frames of all pages.
    pub(crate) broadcaster: Broadcaster,
    /// The writes whose traces end when a page receives them.
    pub(crate) write_spans: WriteSpans,
    /// The connection permits of live sockets.
    pub(crate) connections: ConnectionLimit,
    /// The access control.
    pub(crate) guard: Guard,
    /// The library's types and services at this node.
    pub(crate) types: Types,
    /// The limit on the commands of an address, if there is one.
    pub(crate) commands: Option<CommandLimit>,
    /// The cache of the tiles of pictures.
    pub(crate) tiles: Cache,
    /// The reason why dispatch, as configured, is insecure; `None` if it is secure.
    pub(crate) unsafe_for: Option<Arc<str>>,
    /// The other dispatches.
    pub(crate) others: Arc<Others>,
    /// Cancelled when dispatch stops.
    pub(crate) stop: CancellationToken,
}

/// The settings of the web part.
pub struct Settings {
    /// The cities, in the order of the columns on the page.
    pub cities: Vec<NodeName>,
    /// The access control.
    pub guard: Guard,
    /// The handle to the library's types.
    pub cluster: Cluster,
    /// The services at the owners of keys.
    pub services: Services,
    /// The client that restarts cities.
    pub launcher: LauncherClient,
    /// The reason why dispatch, as configured, is insecure; `None` if it is secure.
    pub unsafe_for: Option<String>,
    /// The limits on requests and live sockets.
    pub limits: Limits,
    /// The other dispatches at which open pages go on.
    pub others: Vec<Origin>,
}

/// The limits on requests and live sockets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum length of a new hero's name, in characters.
    pub name_chars: usize,
    /// The maximum number of open live sockets.
    pub browsers: usize,
    /// The maximum number of open live sockets per address.
    pub browsers_per_address: usize,
    /// The number of commands of one address in a minute, counted in the whole cluster; 0 if it is not
    /// limited.
    pub commands: u32,
}

impl AppState {
    /// Starts the broadcaster, and returns all services.
    pub(crate) fn new(
        dispatch: DispatchHandle,
        settings: Settings,
        stop: CancellationToken,
    ) -> Self {
        let Settings { cities, guard, cluster, services, launcher, unsafe_for, limits, others } =
            settings;
        let domain = Domain::new(cities, dispatch.views(), limits.name_chars);
        let scenarios =
            ScenarioRunner::new(dispatch.clone(), domain.clone(), launcher.clone(), stop.clone());
        let write_spans = dispatch.write_spans().clone();
        let sources = Sources {
            views: dispatch.views(),
            playing: scenarios.playing(),
            launcher: launcher.clone(),
            write_spans: write_spans.clone(),
        };
        let broadcaster = Broadcaster::new(sources);
        dispatch.keys().set_run(broadcaster.epoch());
        dispatch.set_launcher(launcher.clone());
        let connections = ConnectionLimit::new(limits.browsers, limits.browsers_per_address);
        // Only zero is refused, since a minute is enough for each number of commands.
        let quota = Quota::new(limits.commands, MINUTE).ok();
        let commands = quota.map(|quota| CommandLimit::new(&cluster, limits.commands, quota));
        let tiles = Cache::named(&cluster, "tiles");
        let members = cluster.clone();
        let types = Types::new(cluster, services, guard.clone(), connections.clone(), stop.clone());
        types.set_run(broadcaster.epoch());
        Self {
            dispatch,
            domain,
            members,
            launcher,
            scenarios,
            broadcaster,
            write_spans,
            connections,
            guard,
            types,
            commands,
            tiles,
            unsafe_for: unsafe_for.map(Into::into),
            others: Arc::new(Others::new(&others)),
            stop,
        }
    }
}

/// The other dispatches, as the page names them.
#[derive(Debug)]
pub(crate) struct Others {
    /// Their origins, separated by blanks.
    pub(crate) list: String,
    /// The content security policy of the page: its own scripts and styles only, connections to the
    /// dispatches, and one Trusted Types policy.
    pub(crate) content_security_policy: HeaderValue,
}

impl Others {
    fn new(origins: &[Origin]) -> Self {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        let sockets = origins.iter().map(|origin| origin.replacen("http", "ws", 1));
        let reached: String = origins
            .iter()
            .cloned()
            .chain(sockets)
            .fold(String::new(), |reached, address| reached + " " + &address);
        let content_security_policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
             connect-src 'self'{reached}; img-src 'self' data:; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types superhero"
        );
        let content_security_policy = HeaderValue::try_from(content_security_policy);
        let content_security_policy = content_security_policy.expect("origins are ASCII");
        Self { list: origins.join(" "), content_security_policy }
    }
}

impl FromRef<AppState> for DispatchHandle {
    fn from_ref(state: &AppState) -> Self {
        state.dispatch.clone()
    }
}

impl FromRef<AppState> for Domain {
    fn from_ref(state: &AppState) -> Self {
        state.domain.clone()
    }
}

impl FromRef<AppState> for Cluster {
    fn from_ref(state: &AppState) -> Self {
        state.members.clone()
    }
}

impl FromRef<AppState> for LauncherClient {
    fn from_ref(state: &AppState) -> Self {
        state.launcher.clone()
    }
}

impl FromRef<AppState> for ScenarioRunner {
    fn from_ref(state: &AppState) -> Self {
        state.scenarios.clone()
    }
}

impl FromRef<AppState> for Types {
    fn from_ref(state: &AppState) -> Self {
        state.types.clone()
    }
}
