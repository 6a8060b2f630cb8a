//! Owners of keys by rendezvous hashing.

use axum::Json;
use axum::extract::State;

use api_types::Owner;

use crate::error::Problem;
use crate::types::refusals::Reading;
use crate::types::{Types, path_of_names};

path_of_names! { KeyPath: "key" "key"; }

/// The owner of a key
///
/// `order` has the nodes that are reachable from this one, and the node itself, in the order in which
/// they own the key: if the owner is lost, the next one owns it. Nodes that reach others may answer
/// differently.
#[utoipa::path(
    get, path = "/owners/{key}", tag = "owners", params(KeyPath),
    responses((status = 200, description = "the owner", body = Owner), Reading)
)]
pub(crate) async fn owner(
    State(types): State<Types>,
    path: KeyPath,
) -> Result<Json<Owner>, Problem> {
    let [key] = path.into_names();
    let order: Vec<String> =
        types.snapshot()?.owners(&key).into_iter().map(|node| node.to_string()).collect();
    let owner = order[0].clone();
    Ok(Json(Owner { key, owner, order }))
}
