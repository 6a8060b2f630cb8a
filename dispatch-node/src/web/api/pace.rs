//! Gossip: its pace, and single exchanges.

use axum::Json;
use axum::extract::State;

use api_types::{Exchange, ExchangeRequest, Gossip, SpeedRequest};
use gossip::fault::Pace;
use node_api::body::{JsonBody, OptionalJsonBody};
use node_api::idempotency::IdempotencyKey;

use crate::request::SetPace;
use crate::web::api::refusals::{Changing, Pacing, Reading, Stepping};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, out_of_range};
use crate::web::extract::domain::Domain;
use crate::web::representation;

/// The pace
#[utoipa::path(get, path = "/gossip", tag = "gossip", responses(
    (status = 200, description = "the current pace", body = Gossip),
    Reading,
))]
pub(crate) async fn gossip(
    State(dispatch): State<DispatchHandle>,
) -> Result<Json<Gossip>, Problem> {
    Ok(Json(representation::gossip(dispatch.now().await?.pace)))
}

/// Pause gossip
///
/// No node starts a round on its own, not even a city that was bombed.
#[utoipa::path(post, path = "/gossip/pause", tag = "gossip", params(IdempotencyKey), responses(
    (status = 200, description = "the current pace", body = Gossip),
    Changing,
))]
pub(crate) async fn pause(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<Gossip>, Problem> {
    set_pace(&dispatch, Pace::PAUSED, key).await
}

/// Resume gossip
///
/// Nodes return to the pace that they were started with.
#[utoipa::path(post, path = "/gossip/resume", tag = "gossip", params(IdempotencyKey), responses(
    (status = 200, description = "the current pace", body = Gossip),
    Changing,
))]
pub(crate) async fn resume(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<Gossip>, Problem> {
    set_pace(&dispatch, Pace::FREE, key).await
}

/// Set the pace
#[utoipa::path(
    post, path = "/gossip/speed", tag = "gossip", params(IdempotencyKey),
    request_body = SpeedRequest,
    responses(
        (status = 200, description = "the current pace", body = Gossip),
        Pacing,
    )
)]
pub(crate) async fn speed(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(speed): JsonBody<SpeedRequest>,
) -> Result<Json<Gossip>, Problem> {
    let allowed = f64::from(*Pace::RANGE.start())..=f64::from(*Pace::RANGE.end());
    if !allowed.contains(&speed.percent) || speed.percent.fract() != 0.0 {
        return Err(out_of_range("percent", "a whole number from 10 to 1000", speed.percent));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within the bounds just checked"
    )]
    let percent = speed.percent as u16;
    set_pace(&dispatch, Pace { percent }, key).await
}

async fn set_pace(
    dispatch: &DispatchHandle,
    pace: Pace,
    key: Option<String>,
) -> Result<Json<Gossip>, Problem> {
    let pace = dispatch.ask(SetPace { pace }, key).await?;
    Ok(Json(representation::gossip(pace)))
}

/// One exchange
///
/// `to` pulls from `from` once, even while gossip is paused.
#[utoipa::path(
    post, path = "/gossip/step", tag = "gossip", params(IdempotencyKey),
    request_body = Option<ExchangeRequest>,
    responses(
        (status = 200, description = "the entries and bytes transferred", body = Exchange),
        Stepping,
    )
)]
pub(crate) async fn step(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJsonBody(request): OptionalJsonBody<ExchangeRequest>,
) -> Result<Json<Exchange>, Problem> {
    let run = domain.exchange(request.from.as_deref(), request.to.as_deref())?;
    let exchange = dispatch.ask(run, key).await?;
    Ok(Json(representation::exchange(exchange)))
}
