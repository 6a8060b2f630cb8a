//! The metrics of HTTP requests.
//!
//! Invariant: the series are bounded for any input from clients: one for each route pattern, known
//! method and status. The requested path is never a label.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::{counter, histogram, node};

/// Counts a request when its response is ready.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    histogram!(node::REQUEST_DURATION.name, "route" => route.clone()).record(started.elapsed());
    counter!(node::REQUESTS.name, "method" => method, "route" => route, "status" => status)
        .increment(1);
    response
}

/// Returns the label of a method: its name if HTTP defines it, otherwise `other`, since clients can
/// invent methods.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}
