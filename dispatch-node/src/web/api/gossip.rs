//! Gossip: at which pace it goes, and single exchanges.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use shared::fault::Pace;

use crate::model::exchange::Exchange;
use crate::request::{Action, Reply};
use crate::web::api::refusals::{Changing, Pacing, Reading, Stepping};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_silent, out_of_range};
use crate::web::extract::body::{JsonBody, OptionalJsonBody};
use crate::web::extract::domain::Domain;
use crate::web::extract::schema::NodeWord;

/// How fast gossip goes.
#[derive(Serialize, ToSchema)]
#[schema(as = Gossip)]
pub(crate) struct GossipJson {
    paused: bool,
    /// Of the pace that the nodes were started with; 0 where it is paused.
    #[schema(maximum = 1_000)]
    percent: u16,
}

impl GossipJson {
    pub(crate) fn of(pace: Pace) -> Self {
        Self { paused: pace == Pace::PAUSED, percent: pace.percent }
    }
}

/// The pace
#[utoipa::path(get, path = "/gossip", tag = "gossip", responses(
    (status = 200, description = "the pace as it is now", body = GossipJson),
    Reading,
))]
pub(crate) async fn gossip(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(GossipJson::of(view.pace)).into_response())
}

/// Pause gossip
///
/// No node begins a round of its own accord, not even a city that was bombed.
#[utoipa::path(post, path = "/gossip/pause", tag = "gossip", responses(
    (status = 200, description = "the pace as it is now", body = GossipJson),
    Changing,
))]
pub(crate) async fn pause(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    set_pace(&dispatch, Pace::PAUSED).await
}

/// Resume gossip
///
/// At the pace that the nodes were started with.
#[utoipa::path(post, path = "/gossip/resume", tag = "gossip", responses(
    (status = 200, description = "the pace as it is now", body = GossipJson),
    Changing,
))]
pub(crate) async fn resume(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    set_pace(&dispatch, Pace::FREE).await
}

/// How fast gossip is to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speed {
    /// Of the pace that the nodes were started with.
    #[schema(minimum = 10, maximum = 1_000, example = 50)]
    percent: f64,
}

/// Set the pace
#[utoipa::path(post, path = "/gossip/speed", tag = "gossip", request_body = Speed, responses(
    (status = 200, description = "the pace as it is now", body = GossipJson),
    Pacing,
))]
pub(crate) async fn speed(State(dispatch): State<DispatchHandle>, JsonBody(speed): JsonBody<Speed>) -> Result<Response, Problem> {
    let allowed = f64::from(*Pace::RANGE.start())..=f64::from(*Pace::RANGE.end());
    if !allowed.contains(&speed.percent) {
        return Err(out_of_range("percent", "10 to 1000", speed.percent));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the bounds just checked")]
    let percent = speed.percent as u16;
    set_pace(&dispatch, Pace { percent }).await
}

async fn set_pace(dispatch: &DispatchHandle, pace: Pace) -> Result<Response, Problem> {
    let Reply::Gossip(pace) = dispatch.ask(Action::Gossip { pace }, None).await? else { return Err(dispatch_silent()) };
    Ok(Json(GossipJson::of(pace)).into_response())
}

/// Who is to exchange with whom; at random where they are not named.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepWish {
    #[schema(value_type = Option<NodeWord>)]
    from: Option<String>,
    /// Not the same node.
    #[schema(value_type = Option<NodeWord>)]
    to: Option<String>,
}

/// An exchange, as far as it came.
#[derive(Serialize, ToSchema)]
#[schema(as = Exchange)]
pub(crate) struct ExchangeJson {
    #[schema(value_type = NodeWord)]
    from: String,
    #[schema(value_type = NodeWord)]
    to: String,
    /// Whether its end passed dispatch within 1.5 s.
    completed: bool,
    /// How many entries passed.
    entries: u64,
    /// How many bytes passed, both ways.
    bytes: u64,
}

/// One exchange
///
/// `to` pulls from `from`, once, whether or not gossip is paused.
#[utoipa::path(post, path = "/gossip/step", tag = "gossip", request_body = Option<StepWish>, responses(
    (status = 200, description = "what passed", body = ExchangeJson),
    Stepping,
))]
pub(crate) async fn step(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    OptionalJsonBody(request): OptionalJsonBody<StepWish>,
) -> Result<Response, Problem> {
    let source = request.from.map(|name| domain.node("from", &name)).transpose()?;
    let puller = request.to.map(|name| domain.node("to", &name)).transpose()?;
    if let (Some(source), Some(puller)) = (source, puller)
        && source == puller
    {
        return Err(Problem::not_allowed("same_node", format!("from and to are both {source}; nothing was exchanged")));
    }
    let Reply::Exchanged(exchange) = dispatch.ask(Action::Exchange { source, puller }, None).await? else {
        return Err(dispatch_silent());
    };
    let Exchange { source, puller, completed, entries, bytes } = exchange;
    Ok(Json(ExchangeJson { from: source.to_string(), to: puller.to_string(), completed, entries: entries as u64, bytes: bytes as u64 })
        .into_response())
}
