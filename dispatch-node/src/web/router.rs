//! The site's table of contents.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use shared::link::problem::{unknown_path, wrong_method};

use crate::web::api::{cities, cluster, description, faults, gossip, heroes};
use crate::web::assets;
use crate::web::auth::middleware as access;
use crate::web::dispatch_handle::Desk;
use crate::web::extract::body;
use crate::web::live::page_socket;
use crate::web::pages::sign_in::{SIGN_IN, SIGN_OUT};
use crate::web::pages::{forms, index, sign_in};
use crate::web::render::{faults as fault_forms, lost_writes};
use crate::web::scenario_runner;
use crate::web::spans::requests;
use crate::web::state::{Settings, Site};

/// Everything that dispatch answers to browsers and scripts. Live sockets close when `stop` is cancelled.
pub fn router(desk: Desk, settings: Settings, stop: CancellationToken) -> Router {
    let site = Site::new(desk, settings, stop);
    let entrance = Arc::clone(&site.entrance);
    let (api, described) = api().split_for_parts();
    let described = description::written(&described);
    Router::new()
        .route("/", get(index::page))
        .route("/help", get(index::help))
        .route(SIGN_IN, get(sign_in::form).post(sign_in::sign_in))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .route("/live", get(page_socket::live))
        .route("/static/{*path}", get(assets::asset))
        .route("/heroes", post(forms::create))
        .route("/heroes/{id}", post(forms::command))
        .route("/bomb", post(forms::bomb_random))
        .route("/cities/{city}/bomb", post(forms::bomb))
        .route("/faults", post(fault_forms::cause))
        .route("/faults/heal", post(fault_forms::heal_all))
        .route("/faults/{id}/heal", post(fault_forms::heal))
        .route("/gossip/pause", post(fault_forms::pause))
        .route("/gossip/resume", post(fault_forms::resume))
        .route("/gossip/step", post(fault_forms::step))
        .route("/gossip/speed", post(fault_forms::speed))
        .route("/scenarios", post(fault_forms::play))
        .route("/cities/{city}/rebuild", post(forms::rebuild))
        .route("/api", get(description::page))
        .route("/api/openapi.json", get(move || description::openapi(described)))
        .merge(api)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .with_state(site)
        .layer(middleware::from_fn_with_state(entrance, access::guard))
        .layer(middleware::from_fn(requests::request))
}

/// The API for programs: each call's path and method stand at its handler, with its description.
fn api() -> OpenApiRouter<Site> {
    let calls = OpenApiRouter::new()
        .routes(routes!(heroes::heroes, heroes::create))
        .routes(routes!(heroes::hero, heroes::terminate))
        .routes(routes!(heroes::assign))
        .routes(routes!(cities::city_heroes))
        .routes(routes!(cities::bomb))
        .routes(routes!(cities::bomb_random))
        .routes(routes!(cities::forget))
        .routes(routes!(cities::stop))
        .routes(routes!(cities::kill))
        .routes(routes!(cities::rebuild))
        .routes(routes!(faults::faults, faults::inject, faults::heal_all))
        .routes(routes!(faults::heal))
        .routes(routes!(gossip::gossip))
        .routes(routes!(gossip::pause))
        .routes(routes!(gossip::resume))
        .routes(routes!(gossip::speed))
        .routes(routes!(gossip::step))
        .routes(routes!(scenario_runner::scenarios))
        .routes(routes!(scenario_runner::play_scenario))
        .routes(routes!(cluster::cluster))
        .routes(routes!(cluster::verdict))
        .routes(routes!(cluster::events))
        .routes(routes!(lost_writes::lost_writes))
        .routes(routes!(lost_writes::lost_writes_csv));
    OpenApiRouter::with_openapi(description::beginning()).nest("/api/v1", calls)
}
