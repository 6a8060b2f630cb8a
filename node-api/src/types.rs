//! The library's types as resources: counters, sets, tables, rooms, presence and names. Answers are
//! the node's own.
//!
//! Invariants: reads look at one snapshot, so a response never mixes two states. A response to a
//! change follows the snapshot that shows it. A refused change changed nothing.

mod counters;
mod names;
mod owners;
mod presence;
mod problem;
mod refusals;
mod rooms;
mod sets;
mod tables;
mod topics;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use xxhash_rust::xxh3::xxh3_128;

use gossip::link::{Cluster, ConnectionLimit, LimitReached, Permit};
use gossip::services::cache::Cache;
use gossip::services::limiter::RateLimiter;
use gossip::services::tracker::Tracker;
use gossip::types::request::{Done, Request};
use gossip::types::snapshot::Snapshot;

pub use problem::refused;

use crate::access::guard::Guard;
use crate::error::Problem;
use crate::idempotency::{self, IdempotencyKey, IdempotencyKeys};

/// The size limit of a JSON value, in bytes.
const VALUE_BYTES_MAX: usize = gossip::CONTENT_BYTES_MAX;

/// The handlers' way to the types and the services of the node. Clones share it.
#[derive(Clone)]
pub struct Types {
    cluster: Cluster,
    services: Services,
    guard: Guard,
    /// The connection permits of sockets.
    connections: ConnectionLimit,
    /// Cancelled when the node stops.
    stop: CancellationToken,
    keys: IdempotencyKeys<u128, Reply>,
    /// Held while a message is sent to a new room, so that the rooms are counted exactly.
    new_rooms: Arc<Mutex<()>>,
}

/// The services of a node, for handlers. Clones share them.
#[derive(Clone)]
pub struct Services {
    /// The rate limiter.
    pub limiter: RateLimiter,
    /// The cache.
    pub cache: Cache,
    /// The tracker of events.
    pub tracker: Tracker,
}

impl Services {
    /// Returns the services of a node, which from now on serves the keys that it owns.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let (limiter, cache) = (RateLimiter::new(cluster), Cache::new(cluster));
        Self { limiter, cache, tracker: Tracker::new(cluster) }
    }
}

impl Types {
    /// Returns the types and services behind this handle. Sockets take permits from `connections`, and
    /// close when `stop` is cancelled.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        services: Services,
        guard: Guard,
        connections: ConnectionLimit,
        stop: CancellationToken,
    ) -> Self {
        let (keys, new_rooms) = (IdempotencyKeys::default(), Arc::default());
        Self { cluster, services, guard, connections, stop, keys, new_rooms }
    }

    /// Returns what the node holds.
    fn snapshot(&self) -> Result<Snapshot, Problem> {
        self.cluster.snapshot().ok_or_else(problem::joining)
    }

    /// Returns what the node holds, if it may write.
    fn joined(&self) -> Result<Snapshot, Problem> {
        self.snapshot().and_then(|snapshot| {
            if snapshot.is_joined() { Ok(snapshot) } else { Err(problem::joining()) }
        })
    }

    /// Requests a write. Afterwards [`snapshot`](Self::snapshot) shows it.
    async fn ask(&self, request: Request) -> Result<Done, Problem> {
        self.cluster.ask(request).await.map_err(problem::of)
    }

    /// Sets the id of this run of the node, at the start of the keys of its own pages. A key of
    /// another run is refused.
    pub fn set_run(&self, run: &str) {
        self.keys.set_run(run);
    }

    /// Returns the services of the node.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Returns the handle to the types.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Executes a request once per idempotency key.
    ///
    /// # Errors
    /// A problem of the types. Unless it is `outcome_unknown`, nothing was changed.
    pub async fn perform(&self, key: IdempotencyKey, request: Request) -> Result<(), Problem> {
        let (asked, change) = (self.clone(), request.clone());
        let execute = async move {
            asked.joined()?;
            asked.ask(request).await?;
            Ok(Reply::empty())
        };
        self.once(key, &change, execute).await.map(drop)
    }

    /// Executes a change once per idempotency key. `change` identifies it.
    pub(crate) async fn once<F>(
        &self,
        IdempotencyKey(key): IdempotencyKey,
        change: &impl fmt::Debug,
        execute: F,
    ) -> Result<Reply, Problem>
    where
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        // A hash, since a change may have 64 KiB.
        let change = xxh3_128(format!("{change:?}").as_bytes());
        self.keys.once(key, change, || execute).await
    }
}

/// The response to a change that was made.
#[derive(Clone)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Option<Arc<str>>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("the types of the API are JSON");
        Self { status, body: Some(body.into()) }
    }

    fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None }
    }
}

/// The size of a write in a reply, in bytes, as the limit on stored replies counts.
const WRITE_BYTES: usize = 100;

impl idempotency::Reply for Reply {
    fn writes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.len() / WRITE_BYTES)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        match self.body {
            Some(body) => {
                (self.status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
            }
            None => self.status.into_response(),
        }
    }
}

/// Takes a permit for the stream or socket of a client.
fn permit(types: &Types, address: SocketAddr) -> Result<Permit, Problem> {
    types.connections.acquire(address.ip()).map_err(|reached| match reached {
        LimitReached::Full(max) => {
            Problem::unavailable("full", format!("socket limit reached ({max})"))
        }
        LimitReached::FullForAddress(max) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_from_address",
            format!("socket limit for this address reached ({max})"),
        ),
    })
}

/// Returns the bytes of a JSON value, within the size limit.
pub(crate) fn bytes_of(value: &Value) -> Result<Vec<u8>, Problem> {
    let bytes = serde_json::to_vec(value).expect("a value is JSON");
    if bytes.len() > VALUE_BYTES_MAX { Err(problem::too_large(bytes.len())) } else { Ok(bytes) }
}

/// Returns the JSON value of these bytes. Bytes that the API did not write are shown as a text.
pub(crate) fn value_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// Returns the API's form of a stamp.
#[must_use]
pub fn stamp_of(stamp: gossip::Stamp) -> api_types::Stamp {
    api_types::Stamp {
        wall_ms: stamp.hlc.wall.0,
        logical: stamp.hlc.logical,
        origin: stamp.origin.to_string(),
    }
}

/// Returns the routes of all types. The path and method of each call are declared at its handler.
#[must_use]
pub fn routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S>
where
    Types: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(counters::counters))
        .routes(routes!(counters::counter, counters::add))
        .routes(routes!(sets::sets))
        .routes(routes!(sets::set))
        .routes(routes!(sets::insert, sets::remove))
        .routes(routes!(tables::tables))
        .routes(routes!(tables::table, tables::batch))
        .routes(routes!(tables::entry, tables::put, tables::delete))
        .routes(routes!(rooms::rooms))
        .routes(routes!(rooms::room, rooms::send))
        .routes(routes!(presence::topics))
        .routes(routes!(presence::topic))
        .route("/presence/{topic}/track", get(presence::track))
        .routes(routes!(topics::publish))
        .route("/topics/{topic}/listen", get(topics::listen))
        .routes(routes!(owners::owner))
        .routes(routes!(names::names))
        .routes(routes!(names::name, names::register, names::release))
}

/// Implements extractors of one or two names in the path.
macro_rules! path_of_names {
    ($($path:ident: $($parameter:literal $what:literal)+;)*) => {$(
        /// The names in the path.
        #[derive(Debug)]
        pub(crate) struct $path(Vec<String>);

        impl<S: Send + Sync> axum::extract::FromRequestParts<S> for $path {
            type Rejection = $crate::error::Problem;

            async fn from_request_parts(
                parts: &mut axum::http::request::Parts,
                state: &S,
            ) -> Result<Self, Self::Rejection> {
                let axum::extract::Path(texts) =
                    axum::extract::Path::<Vec<String>>::from_request_parts(parts, state)
                        .await
                        .map_err($crate::parameters::invalid)?;
                let names = [$($what),+].iter().zip(&texts);
                let names = names.map(|(what, text)| $crate::name::parse(what, text));
                names.collect::<Result<_, _>>().map(Self)
            }
        }

        impl utoipa::IntoParams for $path {
            fn into_params(
                _place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let place = utoipa::openapi::path::ParameterIn::Path;
                let described = [$(($parameter, concat!("the name of the ", $what))),+];
                let described = described.map(|(name, meaning)| {
                    let schema =
                        serde_json::json!({ "type": "string", "minLength": 1, "maxLength": 100 });
                    $crate::parameters::described(name, place.clone(), meaning, schema)
                });
                described.into_iter().flatten().collect()
            }
        }

        impl $path {
            fn into_names<const N: usize>(self) -> [String; N] {
                self.0.try_into().expect("the path has as many parameters as the route")
            }
        }
    )*};
}
pub(crate) use path_of_names;
