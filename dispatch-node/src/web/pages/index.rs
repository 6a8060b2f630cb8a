//! The page itself: `GET /`, the same page after a refused form, and the help.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};

use node_api::access::tokens::Role;

use crate::model::bomb_report;
use crate::web::error::{Problem, Refusal};
use crate::web::live::snapshot::Snapshot;
use crate::web::page_query::PageQuery;
use crate::web::pages::me;
use crate::web::render::heroes::{self, RowCache};
use crate::web::render::html::html;
use crate::web::render::page::{self, Notice, Surroundings};
use crate::web::state::AppState;

/// `GET /`
pub(crate) async fn page(
    State(state): State<AppState>,
    Extension(role): Extension<Role>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let raw = raw.unwrap_or_default();
    let query = PageQuery::parse(&raw);
    let fields: BTreeMap<String, String> = serde_urlencoded::from_str(&raw).unwrap_or_default();
    let city = fields.get("destroyed").and_then(|name| state.domain.city(name));
    let notice = city.map(|city| Notice { text: bomb_report::destroyed(city), bad: false });
    // The current view, so that a browser that has just sent a form receives the result.
    let view = state.dispatch.now().await?;
    let snapshot =
        Arc::clone(&state.broadcaster.subscribe(query.clone(), Some(view)).await?.borrow());
    let me = me::of(&headers).unwrap_or_default();
    Ok(document(&state, role, &snapshot, &query, notice, &me).into_response())
}

/// The help page: an introduction, the keyboard shortcuts, and the glossary.
#[derive(Template)]
#[template(path = "help.html")]
struct Help;

/// `GET /help`
pub(crate) async fn help() -> Html<String> {
    Html(html(&Help))
}

/// Returns the page with the reason for which a command was refused.
pub(crate) async fn refused(
    state: &AppState,
    query: PageQuery,
    refusal: Refusal,
    me: &str,
) -> Response {
    let status = refusal.problem.status;
    match with_refusal(state, &query, refusal, me).await {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn with_refusal(
    state: &AppState,
    query: &PageQuery,
    refusal: Refusal,
    me: &str,
) -> Result<Html<String>, Problem> {
    let view = state.dispatch.now().await?;
    let snapshot = Arc::clone(
        &state.broadcaster.subscribe(query.clone(), Some(Arc::clone(&view))).await?.borrow(),
    );
    let mut window = snapshot.window.clone();
    if query.table.is_none() {
        let selection = query.select(&view);
        let rows = heroes::rows(&view, query, &selection, Some(&refusal), &mut RowCache::default());
        window.list(snapshot.number, "table-rows", rows);
    }
    let snapshot = snapshot.with_window(window);
    // The role is that of the host: a viewer's command is refused before it reaches a handler.
    Ok(document(
        state,
        Role::Admin,
        &snapshot,
        query,
        Some(Notice { text: refusal.problem.detail, bad: true }),
        me,
    ))
}

/// The document of a snapshot, for a client with this role.
fn document(
    state: &AppState,
    role: Role,
    snapshot: &Snapshot,
    query: &PageQuery,
    notice: Option<Notice>,
    me: &str,
) -> Html<String> {
    let Snapshot { number, view, shared, history, window, .. } = snapshot;
    let surroundings = Surroundings {
        epoch: state.broadcaster.epoch(),
        others: &state.others.list,
        notice,
        role: state.guard.access.tokens.are_required().then_some(role),
        unsafe_for: state.unsafe_for.as_deref(),
        me,
    };
    Html(page::document(view, *number, shared, history, window, query, surroundings))
}
