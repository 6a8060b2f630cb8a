//! The reset of the cluster.

use axum::Json;
use axum::extract::State;

use api_types::ResetDone;
use node_api::idempotency::IdempotencyKey;

use crate::web::api::refusals::Changing;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::launcher::LauncherClient;
use crate::web::scenario_runner::ScenarioRunner;

/// Reset the cluster
///
/// Ends a running scenario, heals all faults, resumes gossip, ends a quiet, starts the processes of
/// stopped cities if a launcher manages them, and terminates all heroes. The records of the types,
/// further cities, events and lost writes stay. It takes at most about 20 s, and reports what it could
/// not do.
#[utoipa::path(post, path = "/reset", tag = "cluster", params(IdempotencyKey), responses(
    (status = 200, description = "what was done", body = ResetDone),
    Changing,
))]
pub(crate) async fn reset(
    State(dispatch): State<DispatchHandle>,
    State(scenarios): State<ScenarioRunner>,
    State(launcher): State<LauncherClient>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Json<ResetDone>, Problem> {
    let done = crate::web::reset::reset(&dispatch, &scenarios, &launcher, key).await?;
    Ok(Json(ResetDone::clone(&done)))
}
