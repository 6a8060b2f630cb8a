//! Quiet: the patrols and fights of the cities, switched off and on.

use axum::Json;
use axum::extract::State;

use api_types::Quiet;
use node_api::idempotency::IdempotencyKey;

use crate::request::SetQuiet;
use crate::web::api::refusals::Changing;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;

/// Make the cities quiet
///
/// A quiet city neither patrols nor fights, and no villain arrives. Commands are executed as always.
/// `GET /cluster` has the current state.
#[utoipa::path(post, path = "/quiet", tag = "cities", params(IdempotencyKey), responses(
    (status = 200, description = "the cities are quiet", body = Quiet),
    Changing,
))]
pub(crate) async fn quiet(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<Quiet>, Problem> {
    set(&dispatch, true, key).await
}

/// End the quiet
///
/// Patrols and fights go on.
#[utoipa::path(post, path = "/quiet/end", tag = "cities", params(IdempotencyKey), responses(
    (status = 200, description = "the cities are no longer quiet", body = Quiet),
    Changing,
))]
pub(crate) async fn end_quiet(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<Quiet>, Problem> {
    set(&dispatch, false, key).await
}

async fn set(
    dispatch: &DispatchHandle,
    quiet: bool,
    key: Option<String>,
) -> Result<Json<Quiet>, Problem> {
    let quiet = dispatch.ask(SetQuiet { quiet }, key).await?;
    Ok(Json(Quiet { quiet }))
}
