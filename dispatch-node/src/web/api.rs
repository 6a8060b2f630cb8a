//! The JSON API, version 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use shared::crdt::Entry;
use shared::id::{HeroId, NodeName};

use crate::ask::{Answer, CREATE_MAX, NotDone, Verb};
use crate::verdict::Verdict;
use crate::view::{NodeView, View};
use crate::web::desk::Desk;
use crate::web::error::Problem;
use crate::web::input::{self, CityPath, HeroPath, JsonBody};
use crate::web::rebuild;

/// A living hero.
#[derive(Serialize)]
pub(crate) struct Hero<'a> {
    id: String,
    name: &'a str,
    location: &'a str,
    is_patrolling: bool,
    health: u8,
    stamp: Stamp,
}

/// When and by whom something was written.
#[derive(Serialize)]
pub(crate) struct Stamp {
    wall_ms: u64,
    logical: u32,
    origin: String,
}

impl Stamp {
    pub(crate) fn of(stamp: shared::clock::Stamp) -> Self {
        Self { wall_ms: stamp.hlc.wall.0, logical: stamp.hlc.logical, origin: stamp.origin.to_string() }
    }
}

impl<'a> Hero<'a> {
    /// The hero of this entry, unless it is a tombstone.
    fn of(id: HeroId, entry: &'a Entry) -> Option<Self> {
        let hero = entry.hero()?;
        Some(Self {
            id: id.to_string(),
            name: &hero.name,
            location: hero.location.as_str(),
            is_patrolling: hero.is_patrolling,
            health: hero.health,
            stamp: Stamp::of(entry.stamp),
        })
    }
}

/// What one city holds of a hero.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Held<'a> {
    Live(Hero<'a>),
    Tombstone(&'static str),
    NotHeardOf,
}

impl<'a> Held<'a> {
    pub(crate) fn of(id: HeroId, entry: Option<&'a Entry>) -> Self {
        match entry {
            None => Self::NotHeardOf,
            Some(entry) => Hero::of(id, entry).map_or(Self::Tombstone("tombstone"), Self::Live),
        }
    }
}

#[derive(Serialize)]
struct Heroes<'a> {
    heroes: Vec<Hero<'a>>,
    tombstones: u64,
}

/// `GET /heroes`
pub(crate) async fn heroes(State(desk): State<Desk>) -> Result<Response, Problem> {
    let view = desk.now().await?;
    let heroes = view.rows.iter().filter_map(|row| Hero::of(row.id, row.own.as_deref()?)).collect();
    Ok(Json(Heroes { heroes, tombstones: view.dispatch.tombstones }).into_response())
}

/// What `POST /heroes` may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    name: Option<String>,
    count: Option<u32>,
}

/// `POST /heroes`
pub(crate) async fn create(State(desk): State<Desk>, headers: HeaderMap, JsonBody(create): JsonBody<Create>) -> Result<Response, Problem> {
    let key = input::idempotency_key(&headers)?;
    let many = create.count.is_some();
    let verb = match (create.name, create.count) {
        (Some(_), Some(_)) => return Err(Problem::not_allowed("name_and_count", "give a name or a count, not both; nothing was created")),
        (None, Some(count @ 1..=CREATE_MAX)) => Verb::CreateMany { count },
        (None, Some(count)) => {
            return Err(Problem::not_allowed(
                "count_out_of_range",
                format!("count is 1 to {CREATE_MAX}, not {count}; nothing was created"),
            ));
        }
        (Some(name), None) => Verb::Create { name: Some(input::hero_name(&desk, &name)?) },
        (None, None) => Verb::Create { name: None },
    };
    let Answer::Created(created) = desk.ask(verb, key).await? else { return Err(Problem::dispatch_silent()) };
    match created.as_slice() {
        [(id, entry)] if !many => {
            let location = [(header::LOCATION, format!("/api/v1/heroes/{id}"))];
            Ok((StatusCode::CREATED, location, Json(Hero::of(*id, entry))).into_response())
        }
        created => {
            let ids: Vec<String> = created.iter().map(|(id, _)| id.to_string()).collect();
            Ok((StatusCode::CREATED, Json(BTreeMap::from([("ids", ids)]))).into_response())
        }
    }
}

#[derive(Serialize)]
struct HeroEverywhere<'a> {
    hero: Option<Hero<'a>>,
    cities: BTreeMap<&'a str, Held<'a>>,
}

/// `GET /heroes/{id}`
pub(crate) async fn hero(State(desk): State<Desk>, HeroPath(id): HeroPath) -> Result<Response, Problem> {
    let Answer::Found(_, entry) = desk.ask(Verb::Find { hero: id }, None).await? else { return Err(Problem::dispatch_silent()) };
    let hero = Hero::of(id, &entry).ok_or(NotDone::Deleted(id))?;
    let view = desk.now().await?;
    let row = view.rows.get(id).ok_or(NotDone::NeverHeardOf(id))?;
    let cities = view.cities.iter().zip(&row.cells).map(|(city, cell)| (city.name.as_str(), Held::of(id, cell.as_deref()))).collect();
    Ok(Json(HeroEverywhere { hero: Some(hero), cities }).into_response())
}

/// What `PUT /heroes/{id}/location` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assign {
    location: String,
}

/// `PUT /heroes/{id}/location`
pub(crate) async fn assign(
    State(desk): State<Desk>,
    HeroPath(hero): HeroPath,
    JsonBody(assign): JsonBody<Assign>,
) -> Result<Response, Problem> {
    let to = input::location(&desk, &assign.location)?;
    let Answer::Assigned(id, entry) = desk.ask(Verb::Assign { hero, to }, None).await? else { return Err(Problem::dispatch_silent()) };
    Ok(Json(Hero::of(id, &entry)).into_response())
}

/// `DELETE /heroes/{id}`
pub(crate) async fn terminate(State(desk): State<Desk>, HeroPath(hero): HeroPath) -> Result<StatusCode, Problem> {
    desk.ask(Verb::Terminate { hero }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct CityHeroes<'a> {
    city: &'a str,
    status: &'static str,
    age_ms: Option<u64>,
    heroes: Vec<Hero<'a>>,
    tombstones: u64,
}

/// `GET /cities/{city}/heroes`
pub(crate) async fn city_heroes(State(desk): State<Desk>, CityPath(name): CityPath) -> Result<Response, Problem> {
    let view = desk.now().await?;
    let (index, city) = view.city(name).ok_or_else(Problem::dispatch_silent)?;
    let heroes = view.rows.iter().filter_map(|row| Hero::of(row.id, row.cells[index].as_deref()?)).collect();
    let heroes =
        CityHeroes { city: city.name.as_str(), status: city.status.as_str(), age_ms: age_ms(city), heroes, tombstones: city.tombstones };
    Ok(Json(heroes).into_response())
}

fn age_ms(node: &NodeView) -> Option<u64> {
    node.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

/// `POST /cities/{city}/bomb`
pub(crate) async fn bomb(State(desk): State<Desk>, CityPath(city): CityPath, headers: HeaderMap) -> Result<Response, Problem> {
    drop_bomb(&desk, Some(city), &headers).await
}

/// `POST /bomb`
pub(crate) async fn bomb_random(State(desk): State<Desk>, headers: HeaderMap) -> Result<Response, Problem> {
    drop_bomb(&desk, None, &headers).await
}

/// `POST /cities/{city}/forget`
pub(crate) async fn forget(State(desk): State<Desk>, CityPath(city): CityPath, headers: HeaderMap) -> Result<Response, Problem> {
    let key = input::idempotency_key(&headers)?;
    desk.ask(Verb::Forget { city }, key).await?;
    Ok((StatusCode::ACCEPTED, Json(BTreeMap::from([("city", city.as_str())]))).into_response())
}

/// `POST /cities/{city}/stop`
pub(crate) async fn stop(State(desk): State<Desk>, CityPath(city): CityPath, headers: HeaderMap) -> Result<Response, Problem> {
    end(&desk, Verb::Stop { city }, &headers).await
}

/// `POST /cities/{city}/kill`
pub(crate) async fn kill(State(desk): State<Desk>, CityPath(city): CityPath, headers: HeaderMap) -> Result<Response, Problem> {
    end(&desk, Verb::Kill { city }, &headers).await
}

async fn end(desk: &Desk, verb: Verb, headers: &HeaderMap) -> Result<Response, Problem> {
    let key = input::idempotency_key(headers)?;
    let Answer::Ended(city) = desk.ask(verb, key).await? else { return Err(Problem::dispatch_silent()) };
    Ok((StatusCode::ACCEPTED, Json(BTreeMap::from([("city", city.as_str())]))).into_response())
}

/// `POST /cities/{city}/rebuild`
pub(crate) async fn rebuild(State(desk): State<Desk>, CityPath(city): CityPath) -> Result<Response, Problem> {
    rebuild::rebuild(&desk, city).await?;
    Ok((StatusCode::ACCEPTED, Json(BTreeMap::from([("city", city.as_str())]))).into_response())
}

async fn drop_bomb(desk: &Desk, city: Option<NodeName>, headers: &HeaderMap) -> Result<Response, Problem> {
    let key = input::idempotency_key(headers)?;
    let Answer::Bombed(city) = desk.ask(Verb::Bomb { city }, key).await? else { return Err(Problem::dispatch_silent()) };
    Ok((StatusCode::ACCEPTED, Json(BTreeMap::from([("city", city.as_str())]))).into_response())
}

#[derive(Serialize)]
struct Cluster<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    role: &'static str,
    status: &'static str,
    incarnation: Option<u64>,
    crashes: u32,
    heroes: u64,
    tombstones: u64,
    fingerprint: String,
    version_vector: BTreeMap<String, String>,
    closed_before: BTreeMap<String, u64>,
    age_ms: Option<u64>,
    clock_ahead_ms: Option<i64>,
    frozen: bool,
}

impl<'a> Node<'a> {
    fn of(node: &'a NodeView, role: &'static str) -> Self {
        Self {
            name: node.name.as_str(),
            role,
            status: node.status.as_str(),
            incarnation: node.incarnation.map(|incarnation| incarnation.0),
            crashes: node.crashes,
            heroes: node.heroes,
            tombstones: node.tombstones,
            fingerprint: node.fingerprint.to_string(),
            version_vector: node.vector.iter().map(|stamp| (stamp.origin.to_string(), stamp.hlc.to_string())).collect(),
            closed_before: node.vector.marks().map(|mark| (mark.node.to_string(), mark.incarnation.0)).collect(),
            age_ms: age_ms(node),
            clock_ahead_ms: node.clock_ahead_ms,
            frozen: node.frozen,
        }
    }
}

/// `GET /cluster`
pub(crate) async fn cluster(State(desk): State<Desk>) -> Result<Response, Problem> {
    let view = desk.now().await?;
    let cities = view.cities.iter().map(|city| Node::of(city, "city"));
    Ok(Json(Cluster { nodes: cities.chain([Node::of(&view.dispatch, "dispatch")]).collect() }).into_response())
}

/// The verdict, for programs.
#[derive(Serialize)]
pub(crate) struct VerdictAnswer<'a> {
    converged: bool,
    sentence: &'a str,
    differences: usize,
    only_copies: usize,
    lost_writes: u64,
    oldest_difference_ms: Option<u128>,
}

impl<'a> VerdictAnswer<'a> {
    pub(crate) fn of(verdict: &'a Verdict) -> Self {
        Self {
            converged: verdict.converged,
            sentence: &verdict.sentence,
            differences: verdict.differences,
            only_copies: verdict.only_copies,
            lost_writes: verdict.lost_writes,
            oldest_difference_ms: verdict.oldest_difference.map(|age| age.as_millis()),
        }
    }
}

/// `GET /verdict`
pub(crate) async fn verdict(State(desk): State<Desk>) -> Result<Response, Problem> {
    let view = desk.now().await?;
    Ok(Json(VerdictAnswer::of(&view.verdict)).into_response())
}

#[derive(Serialize)]
struct Events<'a> {
    events: Vec<Event<'a>>,
}

/// A line of the event log, for programs.
#[derive(Serialize)]
pub(crate) struct Event<'a> {
    number: u64,
    at_ms: u64,
    node: &'a str,
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hero: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<Stamp>,
}

impl<'a> Event<'a> {
    /// What happened after the event with this number.
    pub(crate) fn since(view: &'a View, since: u64) -> Vec<Self> {
        let later = view.happenings.iter().filter(|happening| happening.number > since);
        let event = |happening: &'a Arc<crate::happening::Happening>| Event {
            number: happening.number,
            at_ms: happening.at.0,
            node: happening.node.as_str(),
            kind: happening.kind.as_str(),
            text: &happening.text,
            hero: happening.write.map(|write| write.hero.to_string()),
            stamp: happening.write.map(|write| Stamp::of(write.stamp)),
            over: happening.write.and_then(|write| write.over).map(Stamp::of),
        };
        later.map(event).collect()
    }
}

/// `GET /events?since=n`
pub(crate) async fn events(State(desk): State<Desk>, Query(query): Query<BTreeMap<String, String>>) -> Result<Response, Problem> {
    let since = input::since(&query, "an event")?;
    let view = desk.now().await?;
    Ok(Json(Events { events: Event::since(&view, since) }).into_response())
}
