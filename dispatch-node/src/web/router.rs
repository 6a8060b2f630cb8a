//! The router: every path with its handler.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use gossip::link::{unknown_path, wrong_method};
use node_api::access::cors;
use node_api::access::policy::{ME, SIGN_IN, SIGN_OUT};
use node_api::body::BODY_BYTES_MAX;

use crate::web::api::{
    cities, cluster, description, explanation, faults, heroes, lost_writes, pace, quiet, recording,
    reset, scenarios, stamps,
};
use crate::web::assets;
use crate::web::auth::middleware as access;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::pages;
use crate::web::pages::{forms, index, sign_in};
use crate::web::spans::requests;
use crate::web::state::{AppState, Settings};

/// The routes without their state. They are built once per process: generating the description of
/// the API takes thousands of times as long as the rest of a router, and tests build many routers.
static ROUTES: LazyLock<Router<AppState>> = LazyLock::new(routes);

/// Returns the service for browsers and programs. Live sockets close when `stop` is cancelled.
pub fn router(dispatch: DispatchHandle, settings: Settings, stop: CancellationToken) -> Router {
    let state = AppState::new(dispatch, settings, stop);
    ROUTES
        .clone()
        .with_state(state.clone())
        .layer(middleware::from_fn_with_state(state.clone(), access::apply))
        // Outside of the access policy: preflights carry no token, and refusals must be readable.
        .layer(middleware::from_fn_with_state(Arc::clone(&state.guard.access), cors::apply))
        // Added last and therefore outermost, so that refused requests have spans as well.
        .layer(middleware::from_fn(requests::request))
}

/// Returns every path with its handler.
fn routes() -> Router<AppState> {
    let (api, described) = api().split_for_parts();
    let described = description::written(&described);
    Router::new()
        .route("/", get(index::page))
        .route("/help", get(index::help))
        .route("/replay", get(pages::replay::page))
        .route("/charts", get(pages::charts::page))
        .route("/work", get(pages::work::page))
        .route("/tiles/{view}/{drawing}/{x}/{y}", get(pages::work::tile))
        .route(SIGN_IN, get(sign_in::form).post(sign_in::sign_in))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .route("/live", get(pages::live::live))
        .route("/frames", get(pages::live::frames).post(pages::live::check))
        .route("/static/{*path}", get(assets::asset))
        .route("/heroes", post(forms::create))
        .route("/heroes/{id}", post(forms::command))
        .route(ME, post(pages::me::choose))
        .route("/types/counters", post(pages::types::counters))
        .route("/types/sets", post(pages::types::sets))
        .route("/types/tables", post(pages::types::tables))
        .route("/types/radio", post(pages::types::radio))
        .route("/types/names", post(pages::types::names))
        .route("/bomb", post(forms::bomb_random))
        .route("/cities", post(forms::found))
        .route("/cities/{city}/remove", post(forms::remove))
        .route("/cities/{city}/bomb", post(forms::bomb))
        .route("/faults", post(pages::faults::inject))
        .route("/faults/heal", post(pages::faults::heal_all))
        .route("/faults/{id}/heal", post(pages::faults::heal))
        .route("/gossip/pause", post(pages::gossip::pause))
        .route("/gossip/resume", post(pages::gossip::resume))
        .route("/gossip/step", post(pages::gossip::step))
        .route("/gossip/speed", post(pages::gossip::speed))
        .route("/quiet", post(pages::gossip::quiet))
        .route("/quiet/end", post(pages::gossip::end_quiet))
        .route("/reset", post(forms::reset))
        .route("/stamps/accept", post(pages::stamps::accept))
        .route("/scenarios", post(pages::scenarios::play))
        .route("/scenarios/continue", post(pages::scenarios::go_on))
        .route("/cities/{city}/rebuild", post(forms::rebuild))
        .route("/api", get(description::page))
        .route("/api/openapi.json", get(move || description::openapi(described)))
        .merge(api)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Returns the API. The path and method of each call are declared at its handler.
fn api() -> OpenApiRouter<AppState> {
    let calls = OpenApiRouter::new()
        .routes(routes!(heroes::heroes, heroes::create))
        .routes(routes!(heroes::hero, heroes::terminate))
        .routes(routes!(heroes::assign))
        .routes(routes!(cities::city_heroes))
        .routes(routes!(cities::found))
        .routes(routes!(cities::remove))
        .routes(routes!(cities::bomb))
        .routes(routes!(cities::bomb_random))
        .routes(routes!(cities::forget))
        .routes(routes!(cities::stop))
        .routes(routes!(cities::kill))
        .routes(routes!(cities::rebuild))
        .routes(routes!(faults::faults, faults::inject, faults::heal_all))
        .routes(routes!(faults::heal))
        .routes(routes!(pace::gossip))
        .routes(routes!(pace::pause))
        .routes(routes!(pace::resume))
        .routes(routes!(pace::speed))
        .routes(routes!(pace::step))
        .routes(routes!(quiet::quiet))
        .routes(routes!(quiet::end_quiet))
        .routes(routes!(reset::reset))
        .routes(routes!(stamps::accept))
        .routes(routes!(scenarios::scenarios))
        .routes(routes!(scenarios::play_scenario))
        .routes(routes!(scenarios::continue_scenario))
        .routes(routes!(cluster::cluster))
        .routes(routes!(cluster::verdict))
        .routes(routes!(cluster::events))
        .routes(routes!(lost_writes::lost_writes))
        .routes(routes!(lost_writes::lost_writes_csv))
        .routes(routes!(recording::recording))
        .routes(routes!(explanation::explanation))
        .routes(routes!(explanation::other_rules))
        .merge(node_api::routes());
    OpenApiRouter::with_openapi(description::beginning()).nest("/api/v1", calls)
}

#[cfg(test)]
mod tests;
