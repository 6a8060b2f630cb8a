//! The forms of the page. They work without JavaScript: on success the browser is redirected to the
//! page, and on refusal it receives the page with the reason next to the control. A script that
//! sends the same forms receives JSON.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use gossip::NodeName;
use shared::hero::HeroId;

use crate::model::bomb_report;
use crate::model::exchange::Exchange;
use crate::request::{Action, Assign, Bomb, CREATE_MAX, Create, CreateMany, Reply, Terminate};
use crate::text::{counted, title};
use crate::web::error::{Problem, Refusal};
use crate::web::extract::body::FormBody;
use crate::web::extract::parameters::{CityPath, HeroPath};
use crate::web::launcher;
use crate::web::page_query::PageQuery;
use crate::web::pages::index;
use crate::web::state::AppState;

/// The response to a script.
#[derive(Serialize)]
struct Done {
    notice: String,
}

/// `POST /heroes`
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: Result<FormBody, Problem>,
) -> Response {
    let action = form.and_then(|form| match (form.get("name"), form.get("count")) {
        (_, Some(count)) => match count.parse() {
            Ok(count @ 1..=CREATE_MAX) => Ok(CreateMany { count }.into()),
            Ok(_) | Err(_) => Err(Problem::not_allowed(
                "count_out_of_range",
                format!("count must be 1 to {CREATE_MAX}; nothing was created"),
            )),
        },
        (Some(name), None) => {
            state.domain.hero_name(name).map(|name| Create { name: Some(name) }.into())
        }
        (None, None) => Ok(Create { name: None }.into()),
    });
    act(&state, &headers, None, action).await
}

/// `POST /heroes/{id}`: the form of a row, with a list that assigns and a button that terminates.
pub(crate) async fn command(
    State(state): State<AppState>,
    hero: Result<HeroPath, Problem>,
    headers: HeaderMap,
    form: Result<FormBody, Problem>,
) -> Response {
    let id = hero.as_ref().ok().map(|HeroPath(id)| *id);
    let action = hero.and_then(|HeroPath(hero)| {
        let form = form?;
        if form.get("terminate").is_some() {
            return Ok(Terminate { hero }.into());
        }
        let place = form.get("location").ok_or_else(|| {
            Problem::not_allowed("no_location", "location is missing; nothing was changed")
        })?;
        Ok(Assign { hero, to: state.domain.location(place)? }.into())
    });
    act(&state, &headers, id, action).await
}

/// `POST /cities/{city}/bomb`
pub(crate) async fn bomb(
    State(state): State<AppState>,
    city: Result<CityPath, Problem>,
    headers: HeaderMap,
) -> Response {
    act(&state, &headers, None, city.map(|CityPath(city)| Bomb { city: Some(city) }.into())).await
}

/// `POST /bomb`
pub(crate) async fn bomb_random(State(state): State<AppState>, headers: HeaderMap) -> Response {
    act(&state, &headers, None, Ok(Bomb { city: None }.into())).await
}

/// `POST /cities/{city}/rebuild`
pub(crate) async fn rebuild(
    State(state): State<AppState>,
    city: Result<CityPath, Problem>,
    headers: HeaderMap,
) -> Response {
    let outcome = match city {
        Ok(CityPath(city)) => launcher::rebuild(&state.dispatch, &state.launcher, city).await,
        Err(problem) => Err(problem),
    };
    // The card of the city shows the result.
    answer(&state, &headers, None, outcome.map(|()| CommandResult::default())).await
}

/// The part of a command's result that the page does not show by its next frames.
#[derive(Default)]
pub(crate) struct CommandResult {
    /// The city that was destroyed.
    destroyed: Option<NodeName>,
    /// Another notice.
    text: Option<String>,
}

/// Sends the action of a form to the machine, and returns the response to the form.
pub(crate) async fn act(
    state: &AppState,
    headers: &HeaderMap,
    hero: Option<HeroId>,
    action: Result<Action, Problem>,
) -> Response {
    let outcome = match action {
        Ok(action) => state.dispatch.perform(action, None).await,
        Err(problem) => Err(problem),
    };
    let result = outcome.map(|reply| CommandResult {
        destroyed: if let Reply::Bombed(city) = reply { Some(city) } else { None },
        text: notice(&reply),
    });
    answer(state, headers, hero, result).await
}

/// Returns the notice for a reply that the page does not show otherwise.
fn notice(reply: &Reply) -> Option<String> {
    let Reply::Exchanged(Exchange { source, puller, completed, entries, bytes }) = reply else {
        return None;
    };
    let (source, puller) = (title(*source), title(*puller));
    Some(if *completed {
        format!(
            "{puller} pulled {} from {source} ({bytes} bytes)",
            counted(*entries, "entry", "entries")
        )
    } else {
        format!("{puller} was asked to pull from {source}; no result was observed in time")
    })
}

/// Returns the response to a form: JSON for a script, a redirect or the page for a browser.
pub(crate) async fn answer(
    state: &AppState,
    headers: &HeaderMap,
    hero: Option<HeroId>,
    outcome: Result<CommandResult, Problem>,
) -> Response {
    let scripted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    match outcome {
        Ok(CommandResult { destroyed, text }) if scripted => Json(Done {
            notice: destroyed.map(bomb_report::destroyed).or(text).unwrap_or_default(),
        })
        .into_response(),
        Ok(CommandResult { destroyed, .. }) => {
            Redirect::to(&here(headers).href_with(destroyed)).into_response()
        }
        Err(problem) if scripted => problem.into_response(),
        Err(problem) => index::refused(state, here(headers), Refusal { hero, problem }).await,
    }
}

/// Returns the query of the page that the form was on.
fn here(headers: &HeaderMap) -> PageQuery {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let referer =
        headers.get(header::REFERER).and_then(|referer| referer.to_str().ok()).unwrap_or_default();
    let here = referer
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .filter(|(theirs, _)| *theirs == host);
    // Only the query is taken over, and it is parsed: a redirect to another address is impossible.
    PageQuery::parse(here.and_then(|(_, path)| path.strip_prefix('?')).unwrap_or_default())
}
