//! Faults: those in force, injection, and healing.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use api_types::{Fault, FaultRequest, Faults};
use node_api::body::JsonBody;
use node_api::idempotency::IdempotencyKey;

use crate::request::Heal;
use crate::web::api::refusals::{Changing, Healing, Injecting, Reading};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::domain::Domain;
use crate::web::extract::fault;
use crate::web::extract::parameters::FaultPath;
use crate::web::representation;

/// Faults in force
///
/// The faults that nodes report, which may differ from those requested.
#[utoipa::path(
    get, path = "/faults", tag = "faults",
    responses(
        (status = 200, description = "the faults", body = Faults),
        Reading,
    )
)]
pub(crate) async fn faults(
    State(dispatch): State<DispatchHandle>,
) -> Result<Json<Faults>, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(Faults { faults: view.faults.iter().map(representation::fault).collect() }))
}

/// Inject a fault
///
/// A `cut` drops all frames, a `delay` delays them, `loss`, `duplicate` and `reorder` drop, repeat
/// and reorder a percentage of them, a `throttle` limits bandwidth, a `freeze` stops the process of
/// a city, and a `skew` shifts its wall clock. They affect replication, never commands. Each
/// expires. At most 64 are in force at once.
#[utoipa::path(
    post, path = "/faults", tag = "faults", params(IdempotencyKey), request_body = FaultRequest,
    responses(
        (
            status = 201,
            description = "the fault is in force at the affected nodes",
            body = Fault,
            headers(
                ("Location" = String, description = "the resource to delete to heal it"),
            ),
        ),
        Injecting,
    )
)]
pub(crate) async fn inject(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(request): JsonBody<FaultRequest>,
) -> Result<Response, Problem> {
    let fault = dispatch.ask(fault::parse(&request, &domain)?, key).await?;
    let location = [(header::LOCATION, format!("/api/v1/faults/{}", fault.fault.id))];
    Ok((StatusCode::CREATED, location, Json(representation::fault(&fault))).into_response())
}

/// Heal a fault
#[utoipa::path(delete, path = "/faults/{id}", tag = "faults", params(FaultPath, IdempotencyKey), responses(
    (status = 204, description = "the fault is healed"),
    Healing,
))]
pub(crate) async fn heal(
    State(dispatch): State<DispatchHandle>,
    FaultPath(fault): FaultPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    dispatch.ask(Heal { fault: Some(fault) }, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Heal all
#[utoipa::path(
    delete, path = "/faults", tag = "faults", params(IdempotencyKey),
    responses(
        (status = 204, description = "no fault is in force"),
        Changing,
    )
)]
pub(crate) async fn heal_all(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    dispatch.ask(Heal { fault: None }, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
