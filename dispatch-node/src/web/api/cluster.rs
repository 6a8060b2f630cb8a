//! The whole cluster: its nodes, the verdict on their agreement, and the event log.

use axum::Json;
use axum::extract::State;

use api_types::{Cluster, Events, Verdict};
use gossip::link;

use crate::web::api::refusals::{Reading, ReadingEvents};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::list::Limit;
use crate::web::extract::parameters::Since;
use crate::web::representation;

/// All nodes
#[utoipa::path(
    get, path = "/cluster", tag = "cluster",
    responses(
        (status = 200, description = "the nodes", body = Cluster),
        Reading,
    )
)]
pub(crate) async fn cluster(
    State(dispatch): State<DispatchHandle>,
    State(members): State<link::Cluster>,
) -> Result<Json<Cluster>, Problem> {
    let members = members.members().into_iter();
    let addresses = members.filter_map(|member| Some((member.name, member.address?))).collect();
    Ok(Json(representation::cluster(&*dispatch.now().await?, &addresses)))
}

/// Agreement of all nodes
#[utoipa::path(get, path = "/verdict", tag = "cluster", responses(
    (status = 200, description = "the verdict", body = Verdict),
    Reading,
))]
pub(crate) async fn verdict(
    State(dispatch): State<DispatchHandle>,
) -> Result<Json<Verdict>, Problem> {
    Ok(Json(representation::verdict(&dispatch.now().await?.status)))
}

/// Event log
///
/// The last 4000 events are kept, unless dispatch was started with another --max-events.
#[utoipa::path(get, path = "/events", tag = "cluster", params(Since, Limit), responses(
    (status = 200, description = "the events after `since`, newest last", body = Events),
    ReadingEvents,
))]
pub(crate) async fn events(
    State(dispatch): State<DispatchHandle>,
    Since(since): Since,
    Limit(limit): Limit,
) -> Result<Json<Events>, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(Events { events: representation::events(&view, since, limit.unwrap_or(usize::MAX)) }))
}
