//! Sets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use api_types::{Element, Set, SetSize, Sets};
use gossip::types::request::{Done, Request};

use crate::error::{Problem, unanswered};
use crate::idempotency::IdempotencyKey;
use crate::types::refusals::{Inserting, Listing, Reading, Removing};
use crate::types::{Reply, Types, path_of_names};

path_of_names! {
    SetPath: "name" "set";
    ElementPath: "name" "set" "element" "element";
}

/// All sets
///
/// Those that have elements, sorted by name.
#[utoipa::path(get, path = "/sets", tag = "sets", responses(
    (status = 200, description = "the sets", body = Sets),
    Listing,
))]
pub(crate) async fn sets(State(types): State<Types>) -> Result<Json<Sets>, Problem> {
    let sets = types.snapshot()?.sets().into_iter();
    let sets = sets.map(|(name, elements)| SetSize { name, elements: elements.len() });
    Ok(Json(Sets { sets: sets.collect() }))
}

/// One set
///
/// A set without elements is the same as one that never had any.
#[utoipa::path(
    get, path = "/sets/{name}", tag = "sets", params(SetPath),
    responses((status = 200, description = "the set", body = Set), Reading)
)]
pub(crate) async fn set(State(types): State<Types>, path: SetPath) -> Result<Json<Set>, Problem> {
    let [name] = path.into_names();
    let elements = types.snapshot()?.set(&name).into_iter().collect();
    Ok(Json(Set { name, elements }))
}

/// Add an element
#[utoipa::path(
    put, path = "/sets/{name}/{element}", tag = "sets", params(ElementPath, IdempotencyKey),
    responses(
        (status = 200, description = "the element was present", body = Element),
        (status = 201, description = "the element was absent", body = Element),
        Inserting,
    )
)]
pub(crate) async fn insert(
    State(types): State<Types>,
    path: ElementPath,
    key: IdempotencyKey,
) -> Result<Reply, Problem> {
    let [set, element] = path.into_names();
    let asked = types.clone();
    let request = Request::Insert { set: set.clone(), element: element.clone() };
    let change = request.clone();
    let execute = async move {
        asked.joined()?;
        let Done::Inserted(was_absent) = asked.ask(request).await? else {
            return Err(unanswered());
        };
        let status = if was_absent { StatusCode::CREATED } else { StatusCode::OK };
        Ok(Reply::new(status, &Element { name: set, element }))
    };
    types.once(key, &change, execute).await
}

/// Remove an element
///
/// An addition that another node made meanwhile wins.
#[utoipa::path(
    delete, path = "/sets/{name}/{element}", tag = "sets", params(ElementPath, IdempotencyKey),
    responses((status = 204, description = "the element is removed"), Removing)
)]
pub(crate) async fn remove(
    State(types): State<Types>,
    path: ElementPath,
    key: IdempotencyKey,
) -> Result<Reply, Problem> {
    let [set, element] = path.into_names();
    let asked = types.clone();
    let request = Request::Remove { set: set.clone(), element: element.clone() };
    let change = request.clone();
    let execute = async move {
        asked.joined()?;
        if asked.ask(request).await? == Done::Removed(true) {
            return Ok(Reply::empty());
        }
        let detail = format!("the set {set:?} has no element {element:?}; nothing was changed");
        Err(Problem::not_found("unknown_element", detail))
    };
    types.once(key, &change, execute).await
}
