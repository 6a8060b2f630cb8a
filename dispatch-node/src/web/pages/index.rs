//! The page itself: `GET /`, and the same page where a form was refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};

use crate::web::auth::tokens::Role;
use crate::web::error::{Problem, Refusal};
use crate::web::live::snapshot::Snapshot;
use crate::web::page_query::Wish;
use crate::web::render::events::destroyed;
use crate::web::render::fault_forms::CauseForms;
use crate::web::render::heroes::{self, RowCache};
use crate::web::render::html::html;
use crate::web::render::page::{self, Notice, Surroundings};
use crate::web::state::Site;

/// `GET /`
pub(crate) async fn page(
    State(site): State<Site>,
    Extension(role): Extension<Role>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let wish = Wish::parse(&query);
    let fields: BTreeMap<String, String> = serde_urlencoded::from_str(&query).unwrap_or_default();
    let city = fields.get("destroyed").and_then(|name| site.domain.cities().iter().find(|city| city.as_str() == name));
    let notice = city.map(|city| Notice { text: destroyed(*city), bad: false });
    // Whoever has just sent a form sees what came of it.
    let view = site.desk.now().await?;
    let snapshot = Arc::clone(&site.board.follow(wish.clone(), Some(view)).await?.borrow());
    Ok(document(&site, role, &snapshot, &wish, notice).into_response())
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help;

/// `GET /help`
pub(crate) async fn help() -> Html<String> {
    Html(html(&Help))
}

/// The page, with why a command was refused.
pub(crate) async fn refused(site: &Site, wish: Wish, refusal: Refusal) -> Response {
    let status = refusal.problem.status;
    match with_refusal(site, &wish, refusal).await {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn with_refusal(site: &Site, wish: &Wish, refusal: Refusal) -> Result<Html<String>, Problem> {
    let view = site.desk.now().await?;
    let snapshot = Arc::clone(&site.board.follow(wish.clone(), Some(Arc::clone(&view))).await?.borrow());
    let rows = heroes::rows(&view, wish, &wish.select(&view), Some(&refusal), &mut RowCache::default());
    let mut window = snapshot.window.clone();
    window.list(snapshot.number, "heroes-rows", rows);
    let snapshot = snapshot.with_window(window);
    // Only a host's commands get as far as to be refused here.
    Ok(document(site, Role::Host, &snapshot, wish, Some(Notice { text: refusal.problem.detail, bad: true })))
}

fn document(site: &Site, role: Role, snapshot: &Snapshot, wish: &Wish, notice: Option<Notice>) -> Html<String> {
    let Snapshot { number, view, shared, history, window, .. } = snapshot;
    let surroundings = Surroundings {
        epoch: site.board.epoch(),
        cause: html(&CauseForms::of(site.domain.cities())),
        notice,
        role: site.entrance.tokens.are_asked_for().then_some(role),
        unsafe_for: site.unsafe_for.as_deref(),
    };
    Html(page::document(view, *number, shared, history, window, wish, surroundings))
}
