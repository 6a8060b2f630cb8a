//! The sign-in form: a browser sends a token once, and receives a session cookie.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::web::auth::tokens;
use crate::web::error::Problem;
use crate::web::extract::body::FormBody;
use crate::web::render::html::html;
use crate::web::state::AppState;

/// The page of the sign-in form.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    /// The token is unknown.
    failed: bool,
}

/// `GET /sign-in`
pub(crate) async fn form() -> Html<String> {
    Html(html(&SignIn { failed: false }))
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    form: FormBody,
) -> Result<Response, Problem> {
    let access = &state.access;
    let token = form
        .get("token")
        .ok_or_else(|| Problem::not_allowed("no_token", "token is missing from the form"))?;
    // A pasted token may end with a line break.
    Ok(match access.tokens.sign_in(token.trim(), access.encrypted) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => (StatusCode::FORBIDDEN, Html(html(&SignIn { failed: true }))).into_response(),
    })
}

/// `POST /sign-out`
pub(crate) async fn sign_out(State(state): State<AppState>) -> Response {
    ([(header::SET_COOKIE, tokens::sign_out(state.access.encrypted))], Redirect::to("/"))
        .into_response()
}
