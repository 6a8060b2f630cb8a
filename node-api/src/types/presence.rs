//! Presence: who is tracked at which node, and the socket that tracks somebody while it is open.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use api_types::{Presence, Present, TopicSize, Topics};
use gossip::link::{AskError, Permit, Socket, close, not_upgraded, upgrade, upgrade_problem};
use gossip::types::presence::{self, Diff, Why};
use gossip::types::request::{Done, Request};
use gossip::types::snapshot::Snapshot;

use crate::access::guard::refused;
use crate::error::Problem;
use crate::name;
use crate::parameters::Query;
use crate::socket::{Allowance, Close, Heartbeat, incoming, limits, send};
use crate::types::refusals::{Listing, Reading};
use crate::types::{Types, bytes_of, path_of_names, permit, problem, value_of};

/// The largest message of a client, in bytes: a value, escaped.
const MESSAGE_BYTES_MAX: usize = 32 * 1024;
/// The shortest time between two looks at a topic, so that many changes cost one look.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

path_of_names! { TopicPath: "topic" "topic"; }

/// All topics
///
/// Those in which somebody is tracked, sorted by name.
#[utoipa::path(get, path = "/presence", tag = "presence", responses(
    (status = 200, description = "the topics", body = Topics),
    Listing,
))]
pub(crate) async fn topics(State(types): State<Types>) -> Result<Json<Topics>, Problem> {
    let topics = types.snapshot()?.topics().into_iter();
    Ok(Json(Topics { topics: topics.map(|(name, tracked)| TopicSize { name, tracked }).collect() }))
}

/// One topic
///
/// Who is present, sorted by key. Those whose node is unreachable from this one are not shown.
/// Somebody is tracked as long as the socket `/presence/{topic}/track?key=…&meta=…` is open.
#[utoipa::path(
    get, path = "/presence/{topic}", tag = "presence", params(TopicPath),
    responses((status = 200, description = "who is present", body = Presence), Reading)
)]
pub(crate) async fn topic(
    State(types): State<Types>,
    path: TopicPath,
) -> Result<Json<Presence>, Problem> {
    let [topic] = path.into_names();
    let present = types.snapshot()?.present(&topic);
    Ok(Json(Presence { present: present.iter().map(described).collect() }))
}

/// `GET /presence/{topic}/track`: a socket that tracks somebody while it is open.
pub(crate) async fn track(
    State(types): State<Types>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    path: TopicPath,
    query: Query,
    request: HttpRequest,
) -> Response {
    // Tracking is a change, and the same-origin policy does not apply to WebSockets.
    let headers = request.headers();
    if let Err(problem) = types.guard.admit(&Method::POST, request.uri().path(), headers) {
        return refused(problem);
    }
    if let Some(problem) = upgrade_problem(headers) {
        if problem.status == StatusCode::UPGRADE_REQUIRED {
            types.guard.refusals.warn(&problem);
        }
        return not_upgraded(problem);
    }
    let [topic] = path.into_names();
    let prepared = Tracked::parse(topic, &query)
        .and_then(|tracked| types.joined().map(|_| tracked))
        .and_then(|tracked| Ok((tracked, permit(&types, address)?)));
    match prepared {
        Ok((tracked, permit)) => upgrade(request, limits(MESSAGE_BYTES_MAX), move |socket| {
            run(socket, types, tracked, permit)
        }),
        Err(problem) => problem.into_response(),
    }
}

/// Somebody whom a socket tracks.
struct Tracked {
    topic: String,
    key: String,
    meta: Vec<u8>,
    /// The entry that was made last.
    tracked: Option<presence::Present>,
}

/// A message to the client.
#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Push {
    Present(Presence),
    Joined(Event),
    Updated(Event),
    Left(Event),
}

/// A change of a topic.
#[derive(Serialize)]
struct Event {
    key: String,
    node: String,
    meta: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// A message of the client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    meta: Value,
}

/// Serves a socket until it closes, and untracks whom it tracked.
async fn run(mut socket: Socket, types: Types, mut tracked: Tracked, _permit: Permit) {
    let stop = types.stop.clone();
    let reason = tokio::select! {
        reason = serve(&mut socket, &types, &mut tracked) => reason,
        () = stop.cancelled() => Some((1001, "the node is stopping")),
    };
    tracked.untrack(&types).await;
    close(&mut socket, reason).await;
}

/// Serves a socket until it must be closed. Returns the reason, if there is one.
async fn serve(socket: &mut Socket, types: &Types, tracked: &mut Tracked) -> Option<Close> {
    let mut snapshots = types.cluster.snapshots();
    if let Err(reason) = tracked.track(types).await {
        return Some(reason);
    }
    let mut looks = Looks::new(&mut snapshots, &tracked.topic)?;
    send(socket, &Push::Present(looks.presence())).await?;
    let (mut heartbeat, mut allowance) = (Heartbeat::new(), Allowance::new());
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            changed = async { sleep_until(next_look).await; snapshots.changed().await } => {
                if changed.is_err() {
                    return Some((1001, "the node is stopping"));
                }
                next_look = Instant::now() + LOOK_INTERVAL;
                for push in looks.changes(&mut snapshots) {
                    send(socket, &push).await?;
                }
                // A bombed node has lost whom it tracked.
                if let Err(reason) = tracked.track_again(types).await {
                    return Some(reason);
                }
            }
            () = heartbeat.due() => {
                if let Err(reason) = heartbeat.ping(socket).await {
                    return reason;
                }
            }
            message = socket.next() => {
                heartbeat.heard();
                match incoming(message, &mut allowance) {
                    Err(close) => return close,
                    Ok(None) => {}
                    Ok(Some(text)) => {
                        if let Err(reason) = tracked.update(types, &text).await {
                            return Some(reason);
                        }
                    }
                }
            }
        }
    }
}

/// A client's view of a topic.
struct Looks {
    topic: String,
    snapshot: Snapshot,
    present: Vec<presence::Present>,
}

impl Looks {
    fn new(snapshots: &mut watch::Receiver<Option<Snapshot>>, topic: &str) -> Option<Self> {
        let snapshot = snapshots.borrow_and_update().clone()?;
        let present = snapshot.present(topic);
        Some(Self { topic: topic.to_owned(), snapshot, present })
    }

    fn presence(&self) -> Presence {
        Presence { present: self.present.iter().map(described).collect() }
    }

    /// Returns the changes since the last look.
    fn changes(&mut self, snapshots: &mut watch::Receiver<Option<Snapshot>>) -> Vec<Push> {
        let newest = snapshots.borrow_and_update().clone();
        // A node that has just started holds nothing, although everybody is still present.
        let Some(snapshot) = newest.filter(Snapshot::is_joined) else { return Vec::new() };
        if snapshot.has_presence_of(&self.snapshot) {
            self.snapshot = snapshot;
            return Vec::new();
        }
        let present = snapshot.present(&self.topic);
        let diffs = presence::diff(
            &self.present,
            &present,
            |owner| snapshot.has_ended(owner),
            |owner| snapshot.is_up(owner),
        );
        (self.snapshot, self.present) = (snapshot, present);
        diffs.into_iter().map(Push::of).collect()
    }
}

impl Push {
    fn of(diff: Diff) -> Self {
        match diff {
            Diff::Joined(present) => Self::Joined(Event::of(&present, None)),
            Diff::Updated { to, .. } => Self::Updated(Event::of(&to, None)),
            Diff::Left { present, why } => Self::Left(Event::of(
                &present,
                Some(match why {
                    Why::Untracked => "untracked",
                    Why::Silent => "silent",
                    Why::Ended => "ended",
                }),
            )),
        }
    }
}

impl Event {
    fn of(present: &presence::Present, why: Option<&'static str>) -> Self {
        let Present { key, meta, node, .. } = described(present);
        Self { key, node, meta, why }
    }
}

impl Tracked {
    /// Parses the query of a socket.
    fn parse(topic: String, query: &Query) -> Result<Self, Problem> {
        let key = name::parse("key", query.get("key")?.unwrap_or_default())?;
        let meta = query.get("meta")?.map_or(Ok(Value::Null), serde_json::from_str);
        let meta = meta.map_err(|error| {
            let detail = format!("meta is not JSON: {error}; nothing was changed");
            Problem::malformed("invalid_query", detail)
        })?;
        Ok(Self { topic, key, meta: bytes_of(&meta)?, tracked: None })
    }

    async fn track(&mut self, types: &Types) -> Result<(), Close> {
        let Self { topic, key, meta, .. } = self;
        let request = Request::Track { topic: topic.clone(), key: key.clone(), meta: meta.clone() };
        match types.cluster.ask(request).await {
            Ok(Done::Tracked(present)) => {
                self.tracked = Some(present);
                Ok(())
            }
            Ok(_) => Err((1011, "unexpected answer")),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Tracks in a new incarnation of the node, once it has joined.
    async fn track_again(&mut self, types: &Types) -> Result<(), Close> {
        let snapshot = types.cluster.snapshot().filter(Snapshot::is_joined);
        match (snapshot, &self.tracked) {
            (Some(snapshot), Some(tracked)) if snapshot.me() != tracked.owner => {
                self.track(types).await
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    async fn update(&mut self, types: &Types, text: &str) -> Result<(), Close> {
        let invalid = (1007, "expected a message of the form {\"meta\":…}");
        let Update { meta } = serde_json::from_str(text).map_err(|_| invalid)?;
        self.meta = bytes_of(&meta).map_err(|_| (1009, "meta is too large"))?;
        let owner = types.cluster.snapshot().map(|snapshot| snapshot.me());
        let tracked = self.tracked.clone().filter(|tracked| Some(tracked.owner) == owner);
        let Some(tracked) = tracked else {
            // Sent with the next incarnation's entry.
            return Ok(());
        };
        let (topic, meta) = (self.topic.clone(), self.meta.clone());
        let request = Request::Update { topic, tracked, meta };
        types.cluster.ask(request).await.map(drop).map_err(refusal)
    }

    async fn untrack(self, types: &Types) {
        let owner = types.cluster.snapshot().map(|snapshot| snapshot.me());
        let tracked = self.tracked.clone().filter(|tracked| Some(tracked.owner) == owner);
        if let Some(tracked) = tracked {
            let request = Request::Untrack { topic: self.topic.clone(), tracked };
            // Until it is executed, the queue is full only for a moment.
            while let Err(AskError::Busy) = types.cluster.ask(request.clone()).await {
                if types.stop.is_cancelled() {
                    return;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }
}

/// Returns the reason to close the socket of a refused request.
fn refusal(error: AskError) -> Close {
    match problem::of(error).code {
        "too_large" => (1009, "meta is too large"),
        "joining" => (1013, "the node has not joined"),
        "overloaded" => (1013, "the request queue is full"),
        "too_many" => (1013, "a limit of the node's tables is reached"),
        _ => (1013, "the node did not answer in time"),
    }
}

fn described(present: &presence::Present) -> Present {
    Present {
        key: present.key.clone(),
        meta: value_of(&present.meta),
        node: present.owner.node.to_string(),
        since: present.since.0,
    }
}
