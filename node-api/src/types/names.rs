//! Names with one owner.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use api_types::{Name, Names, ValueRequest};
use gossip::types::names::Registration;
use gossip::types::request::{Done, Request};

use crate::body::JsonBody;
use crate::error::{Problem, unanswered};
use crate::idempotency::IdempotencyKey;
use crate::types::refusals::{Listing, ReadingName, Registering, Releasing};
use crate::types::{Reply, Types, bytes_of, path_of_names, stamp_of, value_of};

path_of_names! { NamePath: "name" "registration"; }

/// All names
///
/// Those that are held, sorted.
#[utoipa::path(get, path = "/names", tag = "names", responses(
    (status = 200, description = "the names", body = Names),
    Listing,
))]
pub(crate) async fn names(State(types): State<Types>) -> Result<Json<Names>, Problem> {
    let names = types.snapshot()?.names().into_iter();
    let names = names.map(|(name, registration)| described(name, &registration));
    Ok(Json(Names { names: names.collect() }))
}

/// One name
///
/// `token` is a fencing token: a resource that remembers the highest one refuses an owner that has
/// lost the name.
#[utoipa::path(
    get, path = "/names/{name}", tag = "names", params(NamePath),
    responses((status = 200, description = "the name", body = Name), ReadingName)
)]
pub(crate) async fn name(
    State(types): State<Types>,
    path: NamePath,
) -> Result<Json<Name>, Problem> {
    let [name] = path.into_names();
    let held = types.snapshot()?.name(&name).ok_or_else(|| unknown(&name))?;
    Ok(Json(described(name, &held)))
}

/// Register a name
///
/// For this node, until it releases the name, or restarts. If two nodes register one name at the
/// same time, the later registration wins everywhere.
#[utoipa::path(
    put, path = "/names/{name}", tag = "names", params(NamePath, IdempotencyKey),
    request_body = ValueRequest,
    responses((status = 201, description = "this node holds the name", body = Name), Registering)
)]
pub(crate) async fn register(
    State(types): State<Types>,
    path: NamePath,
    key: IdempotencyKey,
    JsonBody(ValueRequest { value }): JsonBody<ValueRequest>,
) -> Result<Reply, Problem> {
    let [name] = path.into_names();
    let request = Request::Register { name: name.clone(), value: bytes_of(&value)? };
    let (change, asked) = (request.clone(), types.clone());
    let execute = async move {
        asked.joined()?;
        let Done::Registered(held) = asked.ask(request).await? else { return Err(unanswered()) };
        Ok(Reply::new(StatusCode::CREATED, &described(name, &held)))
    };
    types.once(key, &change, execute).await
}

/// Release a name
///
/// Only the node that holds it can.
#[utoipa::path(
    delete, path = "/names/{name}", tag = "names", params(NamePath, IdempotencyKey),
    responses((status = 204, description = "the name is free"), Releasing)
)]
pub(crate) async fn release(
    State(types): State<Types>,
    path: NamePath,
    key: IdempotencyKey,
) -> Result<Reply, Problem> {
    let [name] = path.into_names();
    let request = Request::Release { name: name.clone() };
    let (change, asked) = (request.clone(), types.clone());
    let execute = async move {
        asked.joined()?.name(&name).ok_or_else(|| unknown(&name))?;
        asked.ask(request).await?;
        Ok(Reply::empty())
    };
    types.once(key, &change, execute).await
}

fn unknown(name: &str) -> Problem {
    let detail = format!("no node holds the name {name:?}; nothing was changed");
    Problem::not_found("unknown_name", detail)
}

fn described(name: String, held: &Registration) -> Name {
    Name {
        name,
        owner: held.owner.node.to_string(),
        value: value_of(&held.value),
        token: stamp_of(held.token),
    }
}
