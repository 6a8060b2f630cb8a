//! The sign-in form: a browser sends a token once, and receives a session cookie.

use askama::Template;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use percent_encoding::percent_decode_str;
use url::Url;

use node_api::access::policy::{SIGN_IN, SIGN_OUT};
use node_api::body::FormBody;

use crate::web::error::Problem;
use crate::web::extract::accept;
use crate::web::pages::forms::Done;
use crate::web::render::html::html;
use crate::web::state::AppState;

/// The maximum length of the address to return to, in bytes.
const NEXT_BYTES_MAX: usize = 2_000;
/// The number of times that the address to return to may be percent-encoded.
const ENCODINGS_MAX: usize = 8;
/// The page to which a browser returns by default.
const HOME: &str = "/";

/// The page of the sign-in form.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    /// The local path to return to.
    next: &'a str,
    /// The reason why a request was refused before.
    reason: Option<&'a str>,
    /// The token is unknown.
    failed: bool,
}

/// `GET /sign-in`
pub(crate) async fn form(RawQuery(query): RawQuery) -> Response {
    let fields: Vec<(String, String)> =
        serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap_or_default();
    let next = fields.iter().find(|(name, _)| name == "next").map(|(_, next)| next.as_str());
    page(StatusCode::OK, local(next), None)
}

/// Returns the sign-in page, from which a browser goes to the local path `next`.
pub(crate) fn page(status: StatusCode, next: &str, reason: Option<&str>) -> Response {
    (status, Html(html(&SignIn { next, reason, failed: false }))).into_response()
}

/// Returns the address of the sign-in page for a browser that requested this path and query.
pub(crate) fn address(requested: &str) -> String {
    match local(Some(requested)) {
        HOME => SIGN_IN.to_owned(),
        next => {
            let query = serde_urlencoded::to_string([("next", next)]);
            format!("{SIGN_IN}?{}", query.expect("a pair of texts is serializable"))
        }
    }
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: FormBody,
) -> Result<Response, Problem> {
    let access = &state.guard.access;
    let token = form
        .get("token")
        .ok_or_else(|| Problem::not_allowed("no_token", "token is missing from the form"))?;
    let next = local(form.get("next"));
    // A pasted token may end with a line break.
    let cookies = access.tokens.sign_in(token.trim(), &headers, access.encrypted);
    let is_scripted = accept::names(&headers, "application/json");
    Ok(match cookies {
        Some(cookies) => signed(cookies, next, is_scripted),
        None if is_scripted => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "unknown_token",
                "the token is unknown",
            ));
        }
        None => {
            let page = SignIn { next, reason: None, failed: true };
            (StatusCode::FORBIDDEN, Html(html(&page))).into_response()
        }
    })
}

/// `POST /sign-out`
pub(crate) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let cookies = state.guard.access.tokens.sign_out(&headers, state.guard.access.encrypted);
    signed(cookies, HOME, accept::names(&headers, "application/json"))
}

/// Returns the response that sets these cookies.
fn signed(cookies: Vec<HeaderValue>, next: &str, is_scripted: bool) -> Response {
    let cookies = AppendHeaders(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    if is_scripted {
        (cookies, Json(Done::default())).into_response()
    } else {
        (cookies, Redirect::to(next)).into_response()
    }
}

/// Returns `next` if it is a path of this site, with or without a query, and the main page
/// otherwise. Browsers would take a second slash or backslash for the start of another host.
fn local(next: Option<&str>) -> &str {
    next.filter(|next| is_local(next)).unwrap_or(HOME)
}

fn is_local(next: &str) -> bool {
    // First of all, so that the rest costs little.
    if next.len() > NEXT_BYTES_MAX {
        return false;
    }
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let base = Url::parse("http://local.invalid/").expect("a URL");
    let Ok(url) = base.join(next) else { return false };
    let (Some(path), Some(text)) = (decoded(url.path()), decoded(next)) else { return false };
    is_plain
        && next.starts_with('/')
        && url.origin() == base.origin()
        && !path.get(1..).is_some_and(|rest| rest.starts_with(['/', '\\']))
        && !text.contains(char::is_control)
        && ![SIGN_IN, SIGN_OUT].contains(&path.as_str())
}

/// Returns the text without percent-encoding, also if it was encoded repeatedly; `None` if it was
/// encoded more often than [`ENCODINGS_MAX`].
fn decoded(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..=ENCODINGS_MAX {
        let once = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if once == text {
            return Some(text);
        }
        text = once;
    }
    None
}
