//! Cities: the heroes of each, and the operations on one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use api_types::{City, CityHeroes, FoundRequest};
use gossip::NodeName;
use node_api::body::JsonBody;
use node_api::idempotency::IdempotencyKey;

use crate::request::{Bomb, Forget, Kill, Operation, Stop};
use crate::web::api::refusals::{
    Bombing, BombingAny, Ending, Forgetting, Founding, ListOfCity, Rebuilding, Removing,
};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_unresponsive};
use crate::web::extract::list::HeroList;
use crate::web::extract::parameters::{CityPath, MemberPath};
use crate::web::founding;
use crate::web::hero_lists::{self, Holder};
use crate::web::launcher::{self, LauncherClient};
use crate::web::representation;

/// A city's heroes
///
/// The city's own copies, as last observed: all at once, or with any of the parameters one page.
#[utoipa::path(
    get, path = "/cities/{city}/heroes", tag = "cities", params(CityPath, HeroList),
    responses(
        (status = 200, description = "the heroes that the city holds", body = CityHeroes),
        ListOfCity,
    )
)]
pub(crate) async fn city_heroes(
    State(dispatch): State<DispatchHandle>,
    CityPath(name): CityPath,
    list: HeroList,
) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    let (column, mut held) =
        representation::city_without_heroes(&view, name).ok_or_else(dispatch_unresponsive)?;
    let page = match list {
        HeroList::Whole => return Ok(hero_lists::whole(view, Holder::City(column), &held)),
        HeroList::Page(page) => page,
    };
    (held.heroes, held.next) = hero_lists::page(&view, Holder::City(column), &page);
    Ok(Json(held).into_response())
}

/// Found a city
///
/// Starts the process of a further city, if dispatch has a launcher (`make run`). The city becomes a
/// member soon afterwards, and takes heroes like the others.
#[utoipa::path(
    post, path = "/cities", operation_id = "found_city", tag = "cities", params(IdempotencyKey), request_body = FoundRequest,
    responses(
        (status = 201, description = "the city was started", body = City),
        Founding,
    )
)]
pub(crate) async fn found(
    State(dispatch): State<DispatchHandle>,
    State(launcher): State<LauncherClient>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(FoundRequest { name }): JsonBody<FoundRequest>,
) -> Result<Response, Problem> {
    let city = founding::name(&name)?;
    founding::found(&dispatch, &launcher, city, key).await?;
    Ok((StatusCode::CREATED, Json(representation::city(city))).into_response())
}

/// Remove a city
///
/// Its process is stopped, or killed if it does not answer, and the city is forgotten: it is no member
/// any more.
#[utoipa::path(
    delete, path = "/cities/{city}", operation_id = "remove_city", tag = "cities", params(CityPath, IdempotencyKey),
    responses(
        (status = 204, description = "the city was removed"),
        Removing,
    )
)]
pub(crate) async fn remove(
    State(dispatch): State<DispatchHandle>,
    CityPath(city): CityPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    founding::remove(&dispatch, city, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bomb a city
///
/// Its replica crashes. A new, empty incarnation starts at once and recovers by gossip.
#[utoipa::path(
    post, path = "/cities/{city}/bomb", tag = "cities", params(CityPath, IdempotencyKey),
    responses(
        (status = 202, description = "the city is about to crash", body = City),
        Bombing,
    )
)]
pub(crate) async fn bomb(
    State(dispatch): State<DispatchHandle>,
    CityPath(city): CityPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    command(&dispatch, Bomb { city: Some(city) }, key).await
}

/// Bomb any city
///
/// Dispatch picks a random city that answers.
#[utoipa::path(post, path = "/bomb", tag = "cities", params(IdempotencyKey), responses(
    (status = 202, description = "the city that is about to crash", body = City),
    BombingAny,
))]
pub(crate) async fn bomb_random(
    State(dispatch): State<DispatchHandle>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    command(&dispatch, Bomb { city: None }, key).await
}

/// Forget a city
///
/// Tombstone collection no longer waits for the city. If it was only cut off, it halts when it
/// receives this; restarted, it is a member again. A further dispatch is forgotten in the same way.
#[utoipa::path(
    post, path = "/cities/{city}/forget", tag = "cities", params(MemberPath, IdempotencyKey),
    responses(
        (status = 202, description = "the city is forgotten", body = City),
        Forgetting,
    )
)]
pub(crate) async fn forget(
    State(dispatch): State<DispatchHandle>,
    MemberPath(city): MemberPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    command(&dispatch, Forget { city }, key).await
}

/// Stop a city
///
/// Its process shuts down gracefully, with exit code 0.
#[utoipa::path(
    post, path = "/cities/{city}/stop", tag = "cities", params(CityPath, IdempotencyKey),
    responses(
        (status = 202, description = "the city was asked to stop", body = City),
        Ending,
    )
)]
pub(crate) async fn stop(
    State(dispatch): State<DispatchHandle>,
    CityPath(city): CityPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    command(&dispatch, Stop { city }, key).await
}

/// Kill a city
///
/// Its process ends at once, as with `kill -9`.
#[utoipa::path(
    post, path = "/cities/{city}/kill", tag = "cities", params(CityPath, IdempotencyKey),
    responses(
        (status = 202, description = "the city was killed", body = City),
        Ending,
    )
)]
pub(crate) async fn kill(
    State(dispatch): State<DispatchHandle>,
    CityPath(city): CityPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    command(&dispatch, Kill { city }, key).await
}

async fn command(
    dispatch: &DispatchHandle,
    operation: impl Operation<Reply = NodeName>,
    key: Option<String>,
) -> Result<Response, Problem> {
    Ok(accepted(dispatch.ask(operation, key).await?))
}

/// Rebuild a city
///
/// Restarts the process of a stopped city, if dispatch has a launcher (`make run`).
#[utoipa::path(
    post, path = "/cities/{city}/rebuild", tag = "cities", params(CityPath, IdempotencyKey),
    responses(
        (status = 202, description = "the city was started", body = City),
        Rebuilding,
    )
)]
pub(crate) async fn rebuild(
    State(dispatch): State<DispatchHandle>,
    State(launcher): State<LauncherClient>,
    CityPath(city): CityPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    launcher::rebuild(&dispatch, &launcher, city, key).await?;
    Ok(accepted(city))
}

fn accepted(city: NodeName) -> Response {
    (StatusCode::ACCEPTED, Json(representation::city(city))).into_response()
}
