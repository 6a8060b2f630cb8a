//! The forms of the tables of the library's types. Dispatch or the chosen city makes the writes;
//! gossip carries them.
//!
//! Invariant: each form makes one request to a type, and is answered like the forms of heroes.

use axum::extract::State;
use axum::response::Response;

use gossip::NodeName;
use gossip::types::registers::Batch;
use gossip::types::request::Request;
use node_api::body::FormBody;
use node_api::idempotency::IdempotencyKey;
use node_api::name;

use crate::request::Ask;
use crate::web::error::Problem;
use crate::web::pages::forms::{CommandResult, FormRequest, answer};
use crate::web::pages::me;
use crate::web::state::AppState;

/// The chat room of the page.
const RADIO: &str = "radio";

/// `POST /types/counters`
pub(crate) async fn counters(State(state): State<AppState>, form: FormRequest) -> Response {
    change(&state, &form, |form| {
        let text = field(form, "amount")?;
        let amount = text.trim().parse().map_err(|_| {
            let rule = "the amount must be a whole number of 64 bits; nothing was changed";
            Problem::not_allowed("out_of_range", rule)
        })?;
        Ok(Request::Add { counter: named(form, "name", "counter")?, amount })
    })
    .await
}

/// `POST /types/sets`: adds an element, or removes it.
pub(crate) async fn sets(State(state): State<AppState>, form: FormRequest) -> Response {
    change(&state, &form, |form| {
        let (set, element) = (named(form, "name", "set")?, named(form, "element", "element")?);
        Ok(match form.get("remove") {
            Some(_) => Request::Remove { set, element },
            None => Request::Insert { set, element },
        })
    })
    .await
}

/// `POST /types/tables`: sets a key, or deletes it.
pub(crate) async fn tables(State(state): State<AppState>, form: FormRequest) -> Response {
    change(&state, &form, |form| {
        let (table, key) = (named(form, "name", "table")?, named(form, "entry", "key")?);
        let batch = match form.get("delete") {
            Some(_) => Batch { put: [].into(), delete: [key].into() },
            None => Batch { put: [(key, json(value(form)))].into(), delete: [].into() },
        };
        Ok(Request::Write { table, batch })
    })
    .await
}

/// `POST /types/radio`: sends a message under the name of the browser's user.
pub(crate) async fn radio(State(state): State<AppState>, form: FormRequest) -> Response {
    change(&state, &form, |fields| {
        let sender = me::of(form.headers()).unwrap_or_else(|| "guest".to_owned());
        let text = field(fields, "text")?.to_owned();
        Ok(Request::Send { room: RADIO.to_owned(), sender, text, reply_to: None })
    })
    .await
}

/// `POST /types/names`: registers a name for the node that makes the change, or releases it.
pub(crate) async fn names(State(state): State<AppState>, form: FormRequest) -> Response {
    change(&state, &form, |form| {
        let name = named(form, "name", "registration")?;
        Ok(match form.get("release") {
            Some(_) => Request::Release { name },
            None => Request::Register { name, value: json(value(form)) },
        })
    })
    .await
}

/// Makes the request of a form, and returns the response to it.
async fn change(
    state: &AppState,
    form: &FormRequest,
    request: impl FnOnce(&FormBody) -> Result<Request, Problem>,
) -> Response {
    let asked = || {
        let fields = form.fields()?;
        Ok((city(state, fields)?, request(fields)?, form.key()?))
    };
    let outcome = match asked() {
        Ok((None, request, key)) => state.types.perform(IdempotencyKey(key), request).await,
        Ok((Some(city), request, key)) => {
            state.dispatch.perform(Ask { city, request }.into(), key).await.map(drop)
        }
        Err(problem) => Err(problem),
    };
    answer(state, form.headers(), None, outcome.map(|()| CommandResult::default())).await
}

/// Returns the city that shall make the change; `None` for dispatch.
fn city(state: &AppState, form: &FormBody) -> Result<Option<NodeName>, Problem> {
    let Some(text) = form.get("at") else { return Ok(None) };
    let city = state.domain.city(text).ok_or_else(|| {
        let known = state.domain.known_cities();
        let detail = format!("at names no city: {known}; nothing was changed");
        Problem::not_allowed("unknown_city", detail)
    });
    city.map(Some)
}

fn field<'a>(form: &'a FormBody, field: &str) -> Result<&'a str, Problem> {
    form.get(field).ok_or_else(|| {
        Problem::not_allowed("no_field", format!("{field} is missing; nothing was changed"))
    })
}

/// Returns the value, which may be empty.
fn value(form: &FormBody) -> &str {
    form.get("value").unwrap_or_default()
}

fn named(form: &FormBody, from: &str, what: &str) -> Result<String, Problem> {
    name::parse(what, field(form, from)?)
}

/// Returns the bytes of a JSON value; a text that is no JSON is taken as one of its strings.
fn json(text: &str) -> Vec<u8> {
    // As it is: parsing and printing would change numbers.
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => text.trim().as_bytes().to_vec(),
        Err(_) => serde_json::Value::from(text).to_string().into_bytes(),
    }
}
