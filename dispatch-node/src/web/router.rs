//! The site's table of contents.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{delete, get, post, put};
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::web::desk::Desk;
use crate::web::error::Problem;
use crate::web::sign_in::{SIGN_IN, SIGN_OUT};
use crate::web::site::{Settings, Site};
use crate::web::{api, assets, faults, forms, guard, input, live, lost, page, sign_in, stage, trouble};

/// Everything that dispatch answers to browsers and scripts. Live sockets close when `stop` is cancelled.
pub fn router(desk: Desk, settings: Settings, stop: CancellationToken) -> Router {
    let site = Site::new(desk, settings, stop);
    let entrance = Arc::clone(&site.entrance);
    let api = Router::new()
        .route("/heroes", get(api::heroes).post(api::create))
        .route("/heroes/{id}", get(api::hero).delete(api::terminate))
        .route("/heroes/{id}/location", put(api::assign))
        .route("/cities/{city}/heroes", get(api::city_heroes))
        .route("/cities/{city}/bomb", post(api::bomb))
        .route("/cities/{city}/forget", post(api::forget))
        .route("/cities/{city}/stop", post(api::stop))
        .route("/cities/{city}/kill", post(api::kill))
        .route("/cities/{city}/rebuild", post(api::rebuild))
        .route("/bomb", post(api::bomb_random))
        .route("/faults", get(faults::list).post(faults::inject).delete(faults::heal_all))
        .route("/faults/{id}", delete(faults::heal))
        .route("/gossip", get(faults::gossip))
        .route("/gossip/pause", post(faults::pause))
        .route("/gossip/resume", post(faults::resume))
        .route("/gossip/speed", post(faults::speed))
        .route("/gossip/step", post(faults::step))
        .route("/scenarios", get(stage::list))
        .route("/scenarios/{name}/play", post(stage::begin))
        .route("/cluster", get(api::cluster))
        .route("/verdict", get(api::verdict))
        .route("/events", get(api::events))
        .route("/lost", get(lost::json))
        .route("/lost.csv", get(lost::csv));
    Router::new()
        .route("/", get(page::page))
        .route("/help", get(page::help))
        .route(SIGN_IN, get(sign_in::form).post(sign_in::sign_in))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .route("/live", get(live::live))
        .route("/static/{*path}", get(assets::asset))
        .route("/heroes", post(forms::create))
        .route("/heroes/{id}", post(forms::command))
        .route("/bomb", post(forms::bomb_random))
        .route("/cities/{city}/bomb", post(forms::bomb))
        .route("/faults", post(trouble::cause))
        .route("/faults/heal", post(trouble::heal_all))
        .route("/faults/{id}/heal", post(trouble::heal))
        .route("/gossip/pause", post(trouble::pause))
        .route("/gossip/resume", post(trouble::resume))
        .route("/gossip/step", post(trouble::step))
        .route("/gossip/speed", post(trouble::speed))
        .route("/scenarios", post(trouble::play))
        .route("/cities/{city}/rebuild", post(forms::rebuild))
        .nest("/api/v1", api)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(DefaultBodyLimit::max(input::BODY_BYTES_MAX))
        .with_state(site)
        .layer(middleware::from_fn_with_state(entrance, guard::guard))
}

async fn unknown(uri: Uri) -> Problem {
    let path = input::shortened(uri.path(), 100);
    Problem::not_found("unknown_path", format!("there is nothing at {path}"))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path = input::shortened(uri.path(), 100);
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", format!("{path} does not answer to {method}"))
}
