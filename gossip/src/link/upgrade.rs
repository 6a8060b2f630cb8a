//! The upgrade of an HTTP request to a WebSocket.
//!
//! axum's own upgrade is not used, because [closing](crate::link::close()) needs access to the
//! connection beneath the socket, and because invalid requests must get a problem document.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::debug;

use crate::link::connection_limit::Permit;
use crate::link::problem::Problem;

/// The server side of a WebSocket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Responds to a WebSocket request, and passes the socket to `then`. The limits in `config` apply
/// to received messages.
pub fn upgrade<F: Future<Output = ()> + Send>(
    mut request: Request,
    config: WebSocketConfig,
    then: impl FnOnce(Socket) -> F + Send + 'static,
) -> Response {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(problem) => return not_upgraded(problem),
    };
    // The socket keeps the permit of its HTTP connection, so that it still counts against the
    // limit.
    let permit = request.extensions().get::<Arc<Permit>>().cloned();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _permit = permit;
        match upgraded.await {
            Ok(upgraded) => {
                then(
                    WebSocketStream::from_raw_socket(
                        TokioIo::new(upgraded),
                        Role::Server,
                        Some(config),
                    )
                    .await,
                )
                .await
            }
            Err(error) => debug!("upgrade failed: {error}"),
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Returns a refusal of a WebSocket request. It names the supported protocol and version (RFC 9110,
/// section 15.5.22; RFC 6455, section 4.4).
#[must_use]
pub fn not_upgraded(problem: Problem) -> Response {
    ([(header::UPGRADE, "websocket"), (header::SEC_WEBSOCKET_VERSION, "13")], problem)
        .into_response()
}

/// Returns the reason why [`upgrade`] would refuse a request with these headers.
#[must_use]
pub fn upgrade_problem(headers: &HeaderMap) -> Option<Problem> {
    accept_key(headers).err()
}

/// Returns the value of `Sec-WebSocket-Accept` for a WebSocket request (RFC 6455, section 4.2.1).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: header::HeaderName, token: &str| {
        let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "not_a_websocket",
            "this is a WebSocket endpoint: the request must have the headers Upgrade: websocket and \
             Connection: Upgrade; a proxy in between must pass on both",
        ));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "websocket_version",
            "Sec-WebSocket-Version must be 13",
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    accept.ok_or_else(|| {
        Problem::malformed("websocket_key", "Sec-WebSocket-Key is missing or malformed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrade_is_found_in_any_line_of_a_header() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::CONNECTION, "keep-alive"),
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "h2c"),
            (header::UPGRADE, "WebSocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(upgrade_problem(&headers), None);
        headers.remove(header::UPGRADE);
        let problem = upgrade_problem(&headers).expect("a proxy removed the header");
        assert!(
            problem.code == "not_a_websocket" && problem.detail.contains("proxy"),
            "{problem:?}"
        );
    }
}
