//! Spans of HTTP requests. A task-local context makes each request to the machine a child of its
//! HTTP request.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use gossip::TraceContext;
use gossip::link::shortened;
use shared::spans;
use shared::spans::{Part, Span};

use crate::request::Action;

/// The response header with the id of the trace.
const TRACE_ID: &str = "x-trace-id";
/// The maximum length of a path in a span, in characters.
const PATH_MAX: usize = 200;

tokio::task_local! {
    /// The HTTP request that this task handles, if it is traced.
    static REQUEST: Option<TraceContext>;
}

/// Records a span for each HTTP request, named by its method and route.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    if !spans::are_recorded() {
        return next.run(request).await;
    }
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let name =
        route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let mut span = Span::of_request(name, request.headers());
    span.set("http.request.method", || method);
    span.set("url.path", || shortened(request.uri().path(), PATH_MAX));
    if let Some(route) = route {
        span.set("http.route", || route);
    }
    let context = span.context();
    let mut response = REQUEST.scope(context, next.run(request)).await;
    let status = response.status();
    span.set("http.response.status_code", || i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(|| status.canonical_reason().unwrap_or_default());
    }
    if let Some(id) =
        context.and_then(|context| HeaderValue::try_from(context.trace_id().to_string()).ok())
    {
        response.headers_mut().insert(TRACE_ID, id);
    }
    response
}

/// Returns a future that belongs to the HTTP request of this task, also if another task runs it.
pub(crate) fn in_current<F: Future>(future: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(REQUEST.try_get().ok().flatten(), future)
}

/// Returns a span for a request to the machine, which lasts until the reply.
pub(crate) fn ask(action: &Action) -> Span {
    Span::child(action.span_name(), Part::Internal, REQUEST.try_get().ok().flatten())
}

/// Returns the method if it is a standard one, so that clients cannot create new span names.
fn known(method: &Method) -> &'static str {
    let usual = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let names = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    usual.iter().zip(names).find(|(usual, _)| *usual == method).map_or("_OTHER", |(_, name)| name)
}
