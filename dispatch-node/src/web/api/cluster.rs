//! The whole cluster: its nodes, whether they agree, and what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::event_log::LoggedEvent;
use crate::model::node_state::NodeState;
use crate::model::status::ClusterStatus;
use crate::model::view::View;
use crate::web::api::Stamp;
use crate::web::api::cities::age_ms;
use crate::web::api::refusals::{Reading, ReadingSince};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::parameters::Since;
use crate::web::extract::schema::{Reached, Role};

/// The nodes: the cities first, dispatch last.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cluster<'a> {
    /// Which dispatch answers.
    #[schema(example = "0.1.0")]
    version: &'static str,
    nodes: Vec<Node<'a>>,
}

/// A node, as dispatch last saw it.
#[derive(Serialize, ToSchema)]
struct Node<'a> {
    #[schema(example = "gotham")]
    name: &'a str,
    #[schema(value_type = Role)]
    role: &'static str,
    #[schema(value_type = Reached)]
    status: &'static str,
    /// Which life of the node this is; null where it was never heard.
    incarnation: Option<u64>,
    /// How many lives of its process have crashed.
    crashes: u32,
    heroes: u64,
    tombstones: u64,
    /// Of all that it holds: nodes with the same one hold the same.
    #[schema(example = "8b9d2f60c1a4e7d3")]
    fingerprint: String,
    /// What it covers of each life that is open: the highest stamp, as milliseconds and counter.
    #[schema(example = json!({ "gotham/1790000000000": "1790000012345+0" }))]
    version_vector: BTreeMap<String, String>,
    /// The first life of each node that is not closed: of all earlier ones it covers everything.
    #[schema(example = json!({ "gotham": 1_790_000_000_000_u64 }))]
    closed_before: BTreeMap<String, u64>,
    /// How old this is, in milliseconds.
    age_ms: Option<u64>,
    /// How far its wall clock is ahead of dispatch's, where that is known and more than a little.
    clock_ahead_ms: Option<i64>,
    frozen: bool,
}

impl<'a> Node<'a> {
    fn of(node: &'a NodeState, role: &'static str) -> Self {
        Self {
            name: node.name.as_str(),
            role,
            status: node.status.as_str(),
            incarnation: node.incarnation.map(|incarnation| incarnation.0),
            crashes: node.crashes,
            heroes: node.heroes,
            tombstones: node.tombstones,
            fingerprint: node.fingerprint.to_string(),
            version_vector: node.vector.iter().map(|stamp| (stamp.origin.to_string(), stamp.hlc.to_string())).collect(),
            closed_before: node.vector.marks().map(|mark| (mark.node.to_string(), mark.incarnation.0)).collect(),
            age_ms: age_ms(node),
            clock_ahead_ms: node.clock_ahead_ms,
            frozen: node.frozen,
        }
    }
}

/// All nodes
#[utoipa::path(get, path = "/cluster", tag = "cluster", responses((status = 200, description = "the nodes", body = Cluster), Reading))]
pub(crate) async fn cluster(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    let cities = view.cities.iter().map(|city| Node::of(city, "city"));
    let nodes = cities.chain([Node::of(&view.dispatch, "dispatch")]).collect();
    Ok(Json(Cluster { version: env!("CARGO_PKG_VERSION"), nodes }).into_response())
}

/// Whether the nodes agree.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerdictAnswer<'a> {
    /// Every city answers, and all of them and dispatch hold the same.
    converged: bool,
    /// For people.
    sentence: &'a str,
    /// Heroes of which the answering cities do not say the same.
    differences: u64,
    /// Heroes that one node alone holds; dispatch counts.
    only_copies: u64,
    /// Writes answered as saved, and later overwritten everywhere by a write that had not seen them, or gone with a bombed city.
    lost_writes: u64,
    /// For how long the oldest difference has been there, in milliseconds; null where there is none.
    oldest_difference_ms: Option<u64>,
}

impl<'a> VerdictAnswer<'a> {
    pub(crate) fn of(verdict: &'a ClusterStatus) -> Self {
        Self {
            converged: verdict.converged,
            sentence: &verdict.sentence,
            differences: verdict.differences as u64,
            only_copies: verdict.only_copies as u64,
            lost_writes: verdict.lost_writes,
            oldest_difference_ms: verdict.oldest_difference.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// Do they agree?
#[utoipa::path(get, path = "/verdict", tag = "cluster", responses(
    (status = 200, description = "the verdict", body = VerdictAnswer),
    Reading,
))]
pub(crate) async fn verdict(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(VerdictAnswer::of(&view.status)).into_response())
}

/// What happened, newest last.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events<'a> {
    events: Vec<Event<'a>>,
}

/// A line of the event log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Event<'a> {
    /// Counts from 1.
    number: u64,
    /// When, by dispatch's wall clock, in milliseconds since 1970.
    at_ms: u64,
    /// Which node it is about.
    #[schema(example = "gotham")]
    node: &'a str,
    #[schema(example = "assigned")]
    kind: &'static str,
    /// For people.
    text: &'a str,
    /// The hero written to, where this was a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Uuid)]
    hero: Option<String>,
    /// The stamp of that write.
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    /// The stamp of the write that it was made over, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<Stamp>,
}

impl<'a> Event<'a> {
    /// What happened after the event with this number.
    pub(crate) fn since(view: &'a View, since: u64) -> Vec<Self> {
        let later = view.events.iter().filter(|event| event.number > since);
        let event = |event: &'a Arc<LoggedEvent>| Event {
            number: event.number,
            at_ms: event.at.0,
            node: event.node.as_str(),
            kind: event.kind.as_str(),
            text: &event.text,
            hero: event.write.map(|write| write.hero.to_string()),
            stamp: event.write.map(|write| Stamp::of(write.stamp)),
            over: event.write.and_then(|write| write.over).map(Stamp::of),
        };
        later.map(event).collect()
    }
}

/// What happened
///
/// The last 4000 events are remembered.
#[utoipa::path(get, path = "/events", tag = "cluster", params(Since), responses(
    (status = 200, description = "what happened after that, newest last", body = Events),
    ReadingSince,
))]
pub(crate) async fn events(State(dispatch): State<DispatchHandle>, Since(since): Since) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(Events { events: Event::since(&view, since) }).into_response())
}
