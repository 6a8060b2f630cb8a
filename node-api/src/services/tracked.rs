//! The most frequent events.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use api_types::{Frequency, Top, TrackRequest};
use gossip::services::tracker::TOP_MAX;

use crate::body::JsonBody;
use crate::error::Problem;
use crate::name;
use crate::parameters::Query;
use crate::services::refusals::{Counting, Ranking};
use crate::types::{Types, path_of_names};

/// The default number of events in an answer.
const COUNT: usize = 10;

path_of_names! { StreamPath: "stream" "stream"; }

/// The number of events in the query.
pub(crate) enum Count {}

crate::described! {
    Count: Query "top", "the number of events; 10 by default",
        { "type": "integer", "minimum": 1, "maximum": 100 };
}

/// Count an event
///
/// The owner of the event counts it, if the message arrives. A repeated request counts again.
#[utoipa::path(
    post, path = "/tracked/{stream}", tag = "tracked", params(StreamPath),
    request_body = TrackRequest,
    responses((status = 202, description = "the event was sent to its owner"), Counting)
)]
pub(crate) async fn track(
    State(types): State<Types>,
    path: StreamPath,
    JsonBody(TrackRequest { event }): JsonBody<TrackRequest>,
) -> Result<StatusCode, Problem> {
    let [stream] = path.into_names();
    let event = name::parse("tracked event", &event)?;
    types.services().tracker.track(&stream, &event);
    Ok(StatusCode::ACCEPTED)
}

/// The most frequent events
///
/// Those of the last minute, counted by all nodes that answer. What a node has counted is lost with it.
#[utoipa::path(
    get, path = "/tracked/{stream}", tag = "tracked", params(StreamPath, Count),
    responses((status = 200, description = "the events", body = Top), Ranking)
)]
pub(crate) async fn top(
    State(types): State<Types>,
    path: StreamPath,
    query: Query,
) -> Result<Json<Top>, Problem> {
    let [stream] = path.into_names();
    let count = match query.get("top")? {
        None => COUNT,
        Some(text) => {
            let count = text.parse().ok().filter(|count| (1..=TOP_MAX).contains(count));
            count.ok_or_else(|| {
                Problem::malformed("invalid_query", format!("top must be a number, 1 to {TOP_MAX}"))
            })?
        }
    };
    let found = types.services().tracker.top(&stream, count).await;
    let top = found.events.into_iter().map(|(event, count)| Frequency { event, count });
    Ok(Json(Top { top: top.collect(), answered: found.answered, of: found.of }))
}
