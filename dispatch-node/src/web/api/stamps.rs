//! The acceptance of stamps that are ahead of the clocks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;

use api_types::{AcceptRequest, Accepted};
use node_api::body::JsonBody;
use node_api::idempotency::IdempotencyKey;

use crate::request::{ACCEPT_AHEAD_MAX, AcceptStamps};
use crate::web::api::refusals::AcceptingStamps;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, out_of_range};
use crate::web::representation;

/// Accept stamps ahead of the clocks
///
/// Every node accepts stamps up to this time ahead of dispatch's clock, so that writes made while
/// clocks were ahead are exchanged at once. Nothing is lost or changed. Such a write wins over
/// writes made until its stamp has passed.
#[utoipa::path(
    post, path = "/stamps/accept", tag = "cluster", params(IdempotencyKey),
    request_body = AcceptRequest,
    responses(
        (status = 200, description = "the time, and the nodes that were asked", body = Accepted),
        AcceptingStamps,
    )
)]
pub(crate) async fn accept(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(request): JsonBody<AcceptRequest>,
) -> Result<Json<Accepted>, Problem> {
    let acceptance = dispatch.ask(stamps(request.ahead_ms)?, key).await?;
    Ok(Json(representation::acceptance(acceptance)))
}

/// Returns the request for this time ahead, in milliseconds.
pub(crate) fn stamps(ahead_ms: f64) -> Result<AcceptStamps, Problem> {
    if !(1.0..=ACCEPT_AHEAD_MAX.as_secs_f64() * 1_000.0).contains(&ahead_ms) {
        return Err(out_of_range("ahead_ms", "1 to 3155760000000", ahead_ms));
    }
    Ok(AcceptStamps { ahead: Duration::from_secs_f64((ahead_ms / 1_000.0).ceil()) })
}
