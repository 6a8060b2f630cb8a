//! Counts HTTP requests.
//!
//! Invariant: whatever is asked for, there is one series for each route, known method and status,
//! and no more: the path that was asked for is never a label.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::{counter, histogram, node};

/// Counts a request when it is answered.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    histogram!(node::REQUEST_DURATION.name, "route" => route.clone()).record(begun.elapsed());
    counter!(node::REQUESTS.name, "method" => method, "route" => route, "status" => status)
        .increment(1);
    response
}

/// The name of a method that HTTP itself has; anybody may make up others.
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
