//! The forms of the page. They work without JavaScript: on success the browser is redirected to the
//! page, and on refusal it receives the page with the reason next to the control. A script that
//! sends the same forms receives JSON.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use url::Url;

use gossip::NodeName;
use node_api::access::origin::{Origin, only};
use node_api::body::FormBody;
use node_api::idempotency::IdempotencyKey;
use shared::hero::HeroId;

use crate::model::bomb_report;
use crate::model::exchange::Exchange;
use crate::request::{Action, Assign, Bomb, CREATE_MAX, Create, CreateMany, Reply, Terminate};
use crate::text::title;
use crate::web::error::{Problem, Refusal};
use crate::web::extract::accept;
use crate::web::extract::parameters::{CityPath, HeroPath};
use crate::web::founding;
use crate::web::launcher;
use crate::web::page_query::PageQuery;
use crate::web::pages::{index, me};
use crate::web::reset;
use crate::web::state::AppState;

/// The response to a script whose command was executed.
#[derive(Serialize)]
pub(crate) struct Done {
    /// Always true. It distinguishes this response from those of other programs, such as the
    /// sign-in page of a proxy.
    done: bool,
    notice: String,
}

impl Default for Done {
    fn default() -> Self {
        Self { done: true, notice: String::new() }
    }
}

/// The request of a form.
pub(crate) struct FormRequest {
    headers: HeaderMap,
    body: Result<FormBody, Problem>,
}

impl<S: Send + Sync> FromRequest<S> for FormRequest {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let headers = request.headers().clone();
        Ok(Self { headers, body: FormBody::from_request(request, state).await })
    }
}

impl FormRequest {
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the fields, if they could be read.
    pub(crate) fn fields(&self) -> Result<&FormBody, Problem> {
        self.body.as_ref().map_err(Problem::clone)
    }

    /// Returns the idempotency key: of the header, or else of the field `key`, which a browser
    /// repeats when it sends the form again.
    pub(crate) fn key(&self) -> Result<Option<String>, Problem> {
        let IdempotencyKey(key) = IdempotencyKey::of(&self.headers)?;
        if key.is_some() {
            return Ok(key);
        }
        let field = self.fields()?.get("key").map(|key| IdempotencyKey::parse(key.as_bytes()));
        field.transpose()
    }
}

/// `POST /heroes`
pub(crate) async fn create(State(state): State<AppState>, form: FormRequest) -> Response {
    let action = form.fields().and_then(|form| match (form.get("name"), form.get("count")) {
        (_, Some(count)) => match whole(count) {
            Some(count @ 1..=CREATE_MAX) => Ok(CreateMany { count }.into()),
            Some(_) | None => Err(Problem::not_allowed(
                "count_out_of_range",
                format!("count must be 1 to {CREATE_MAX}; nothing was created"),
            )),
        },
        (Some(name), None) => {
            state.domain.hero_name(name).map(|name| Create { name: Some(name) }.into())
        }
        (None, None) => Ok(Create { name: None }.into()),
    });
    act(&state, &form, None, action).await
}

/// `POST /heroes/{id}`: the form of a row, with a list that assigns and a button that terminates.
pub(crate) async fn command(
    State(state): State<AppState>,
    hero: Result<HeroPath, Problem>,
    form: FormRequest,
) -> Response {
    let id = hero.as_ref().ok().map(|HeroPath(id)| *id);
    let action = hero.and_then(|HeroPath(hero)| {
        let form = form.fields()?;
        if form.get("terminate").is_some() {
            return Ok(Terminate { hero }.into());
        }
        let place = form.get("location").ok_or_else(|| {
            Problem::not_allowed("no_location", "location is missing; nothing was changed")
        })?;
        Ok(Assign { hero, to: state.domain.location(place)? }.into())
    });
    act(&state, &form, id, action).await
}

/// `POST /cities/{city}/bomb`
pub(crate) async fn bomb(
    State(state): State<AppState>,
    city: Result<CityPath, Problem>,
    form: FormRequest,
) -> Response {
    act(&state, &form, None, city.map(|CityPath(city)| Bomb { city: Some(city) }.into())).await
}

/// `POST /bomb`
pub(crate) async fn bomb_random(State(state): State<AppState>, form: FormRequest) -> Response {
    act(&state, &form, None, Ok(Bomb { city: None }.into())).await
}

/// `POST /cities/{city}/rebuild`
pub(crate) async fn rebuild(
    State(state): State<AppState>,
    city: Result<CityPath, Problem>,
    form: FormRequest,
) -> Response {
    let outcome = match city.and_then(|CityPath(city)| Ok((city, form.key()?))) {
        Ok((city, key)) => launcher::rebuild(&state.dispatch, &state.launcher, city, key).await,
        Err(problem) => Err(problem),
    };
    // The card of the city shows the result.
    answer(&state, &form.headers, None, outcome.map(|()| CommandResult::default())).await
}

/// `POST /cities`
pub(crate) async fn found(State(state): State<AppState>, form: FormRequest) -> Response {
    let request = form.fields().and_then(|fields| {
        let name = fields.get("name").unwrap_or_default().trim();
        Ok((founding::name(name)?, form.key()?))
    });
    let outcome = match request {
        Ok((city, key)) => founding::found(&state.dispatch, &state.launcher, city, key).await,
        Err(problem) => Err(problem),
    };
    // Its card appears once it is a member.
    answer(&state, &form.headers, None, outcome.map(|()| CommandResult::default())).await
}

/// `POST /cities/{city}/remove`
pub(crate) async fn remove(
    State(state): State<AppState>,
    city: Result<CityPath, Problem>,
    form: FormRequest,
) -> Response {
    let outcome = match city.and_then(|CityPath(city)| Ok((city, form.key()?))) {
        Ok((city, key)) => founding::remove(&state.dispatch, city, key).await,
        Err(problem) => Err(problem),
    };
    answer(&state, &form.headers, None, outcome.map(|()| CommandResult::default())).await
}

/// `POST /reset`
pub(crate) async fn reset(State(state): State<AppState>, form: FormRequest) -> Response {
    let outcome = match form.key() {
        Ok(key) => reset::reset(&state.dispatch, &state.scenarios, &state.launcher, key).await,
        Err(problem) => Err(problem),
    };
    let result = outcome.map(|done| CommandResult {
        text: Some(reset::summary(&done)),
        ..CommandResult::default()
    });
    answer(&state, &form.headers, None, result).await
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
    form: &FormRequest,
    hero: Option<HeroId>,
    action: Result<Action, Problem>,
) -> Response {
    let outcome = match action.and_then(|action| Ok((action, form.key()?))) {
        Ok((action, key)) => state.dispatch.perform(action, key).await,
        Err(problem) => Err(problem),
    };
    let result = outcome.map(|reply| CommandResult {
        destroyed: if let Reply::Bombed(city) = reply { Some(city) } else { None },
        text: notice(&reply),
    });
    answer(state, &form.headers, hero, result).await
}

/// Returns the notice for a reply that the page does not show otherwise.
fn notice(reply: &Reply) -> Option<String> {
    let Reply::Exchanged(exchange) = reply else {
        return None;
    };
    let Exchange { source, puller, completed, bytes, .. } = exchange;
    let (source, puller) = (title(*source), title(*puller));
    Some(if *completed {
        format!("{puller} pulled {} from {source} ({bytes} bytes)", exchange.transferred())
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
    let scripted = accept::names(headers, "application/json");
    match outcome {
        Ok(CommandResult { destroyed, text }) if scripted => Json(Done {
            notice: destroyed.map(bomb_report::destroyed).or(text).unwrap_or_default(),
            ..Done::default()
        })
        .into_response(),
        Ok(CommandResult { destroyed, .. }) => {
            Redirect::to(&here(state, headers).href_with(destroyed)).into_response()
        }
        Err(problem) if scripted => problem.into_response(),
        Err(problem) => {
            let me = me::of(headers).unwrap_or_default();
            index::refused(state, here(state, headers), Refusal { hero, problem }, &me).await
        }
    }
}

/// Returns the query of the page that the form was on.
pub(crate) fn here(state: &AppState, headers: &HeaderMap) -> PageQuery {
    let referer = only(headers, &header::REFERER).and_then(|referer| Url::parse(referer).ok());
    let here = referer.filter(|url| {
        url.path() == "/"
            && Origin::of(url).is_some_and(|origin| state.guard.access.is_own(&origin, headers))
    });
    // Only the query is taken over, and it is parsed: a redirect to another address is impossible.
    PageQuery::parse(here.as_ref().and_then(Url::query).unwrap_or_default())
}

/// Parses a whole number. A number field of a browser may also contain `2.0` or `1e3`.
pub(crate) fn whole(text: &str) -> Option<u32> {
    let number: f64 = text.trim().parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and within the bounds just checked"
    )]
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number))
        .then_some(number as u32)
}
