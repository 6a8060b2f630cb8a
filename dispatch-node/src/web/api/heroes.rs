//! Heroes: all of them, one of them, and the operations on one.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use api_types::{AssignRequest, CreateRequest, Created, Hero, HeroEverywhere, Heroes, Ids};
use node_api::body::JsonBody;
use node_api::idempotency::IdempotencyKey;

use crate::request::{
    Assign as AssignHero, CREATE_MAX, Create as CreateHero, CreateMany, Find, RequestError,
    Terminate, Written,
};
use crate::web::api::refusals::{Assigning, Creating, OfHero, ReadingList, Terminating};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::domain::Domain;
use crate::web::extract::list::HeroList;
use crate::web::extract::parameters::HeroPath;
use crate::web::hero_lists::{self, Holder};
use crate::web::representation;

/// All heroes
///
/// The heroes as dispatch holds them: all at once, or with any of the parameters one page.
/// `/cities/{city}/heroes` returns a city's own copies.
#[utoipa::path(
    get, path = "/heroes", tag = "heroes", params(HeroList),
    responses(
        (status = 200, description = "the heroes", body = Heroes),
        ReadingList,
    )
)]
pub(crate) async fn heroes(
    State(dispatch): State<DispatchHandle>,
    list: HeroList,
) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    let tombstones = view.dispatch.tombstones;
    let page = match list {
        HeroList::Whole => {
            let empty = Heroes { heroes: Vec::new(), tombstones, next: None };
            return Ok(hero_lists::whole(view, Holder::Dispatch, &empty));
        }
        HeroList::Page(page) => page,
    };
    let (heroes, next) = hero_lists::page(&view, Holder::Dispatch, &page);
    Ok(Json(Heroes { heroes, tombstones, next }).into_response())
}

/// Create heroes
///
/// `{}` creates one hero with a generated name. New heroes start at home, and gossip carries them
/// to the cities.
#[utoipa::path(
    post, path = "/heroes", tag = "heroes", params(IdempotencyKey), request_body = CreateRequest,
    responses(
        (
            status = 201,
            description = "created",
            body = Created,
            headers(
                (
                    "Location" = Option<String>,
                    description = "the hero's resource, if a single one was created"
                ),
            ),
        ),
        Creating,
    )
)]
pub(crate) async fn create(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(create): JsonBody<CreateRequest>,
) -> Result<Response, Problem> {
    let many = create.count.is_some();
    let created = match (create.name, create.count) {
        (Some(_), Some(_)) => {
            return Err(Problem::not_allowed(
                "name_and_count",
                "give a name or a count, not both; nothing was created",
            ));
        }
        (None, Some(count @ 1..=CREATE_MAX)) => dispatch.ask(CreateMany { count }, key).await?,
        (None, Some(count)) => {
            return Err(Problem::not_allowed(
                "count_out_of_range",
                format!("count is 1 to {CREATE_MAX}, not {count}; nothing was created"),
            ));
        }
        (Some(name), None) => {
            dispatch.ask(CreateHero { name: Some(domain.hero_name(&name)?) }, key).await?
        }
        (None, None) => dispatch.ask(CreateHero { name: None }, key).await?,
    };
    match created.as_slice() {
        [Written { hero: id, entry }] if !many => {
            let location = [(header::LOCATION, format!("/api/v1/heroes/{id}"))];
            let hero = representation::hero(*id, entry).ok_or(RequestError::Deleted(*id))?;
            Ok((StatusCode::CREATED, location, Json(Created::One(hero))).into_response())
        }
        created => {
            let ids = created.iter().map(|written| written.hero.to_string()).collect();
            Ok((StatusCode::CREATED, Json(Created::Many(Ids { ids }))).into_response())
        }
    }
}

/// One hero
///
/// As dispatch holds it, and as each city holds it.
#[utoipa::path(get, path = "/heroes/{id}", tag = "heroes", params(HeroPath), responses(
    (status = 200, description = "the hero", body = HeroEverywhere),
    OfHero,
))]
pub(crate) async fn hero(
    State(dispatch): State<DispatchHandle>,
    HeroPath(id): HeroPath,
) -> Result<Json<HeroEverywhere>, Problem> {
    let Written { entry, .. } = dispatch.ask(Find { hero: id }, None).await?;
    let view = dispatch.now().await?;
    let hero =
        representation::hero_everywhere(&view, id, &entry).ok_or(RequestError::Deleted(id))?;
    Ok(Json(hero))
}

/// Assign a hero
///
/// The city makes the write and returns it; dispatch receives it by gossip like every other node.
/// An assignment restores 20 points of health and ends a patrol.
#[utoipa::path(
    put, path = "/heroes/{id}/location", tag = "heroes", params(HeroPath, IdempotencyKey),
    request_body = AssignRequest,
    responses(
        (status = 200, description = "the hero, as the city wrote it", body = Hero),
        Assigning,
    )
)]
pub(crate) async fn assign(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    HeroPath(hero): HeroPath,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(assign): JsonBody<AssignRequest>,
) -> Result<Json<Option<Hero>>, Problem> {
    let to = domain.location(&assign.location)?;
    let Written { hero: id, entry } = dispatch.ask(AssignHero { hero, to }, key).await?;
    Ok(Json(representation::hero(id, &entry)))
}

/// Terminate a hero
///
/// Permanent: a tombstone beats every other write.
#[utoipa::path(delete, path = "/heroes/{id}", tag = "heroes", params(HeroPath, IdempotencyKey), responses(
    (status = 204, description = "the hero is terminated"),
    Terminating,
))]
pub(crate) async fn terminate(
    State(dispatch): State<DispatchHandle>,
    HeroPath(hero): HeroPath,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<StatusCode, Problem> {
    dispatch.ask(Terminate { hero }, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
