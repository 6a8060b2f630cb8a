//! What every answer carries, and who may ask for changes: a page of another site may not, whatever browser it runs in.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::error::Problem;

/// The page runs its own scripts and styles only, and its scripts make HTML only through one policy.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types superhero";

/// Refuses changes that another site's page asks for, and puts the security headers on every answer.
///
/// On loopback it also refuses requests that were meant for another host: a foreign name that was made to point here (DNS
/// rebinding) would otherwise pass for this site's own.
pub(crate) async fn guard(State(on_loopback): State<bool>, request: Request, next: Next) -> Response {
    let asks_for_change = !request.method().is_safe();
    let mut response = if on_loopback && !names_loopback(request.headers()) {
        let detail = "this is not the host that was asked for; nothing was changed";
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail).into_response()
    } else if asks_for_change && !is_same_site(request.headers()) {
        let detail = "this comes from a page of another site; nothing was changed";
        Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether the host that was asked for is a name of this machine's loopback.
fn names_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = if host.ends_with(']') { host } else { host.rsplit_once(':').map_or(host, |(name, _)| name) };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether the request comes from this site's own page, or from no page at all.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        headers
    }

    #[test]
    fn loopback_has_its_own_names_and_no_others() {
        for own in ["localhost", "localhost:4900", "LOCALHOST:1", "127.0.0.1:4900", "127.9.8.7", "[::1]:4900", "[::1]"] {
            assert!(names_loopback(&headers(own, None)), "{own}");
        }
        for foreign in ["evil.example:4900", "evil.example", "10.0.0.1:4900", "localhost.evil.example", "", "127.0.0.1.evil.example:4900"] {
            assert!(!names_loopback(&headers(foreign, None)), "{foreign}");
        }
    }

    #[test]
    fn a_page_of_this_site_or_no_page_may_ask_for_changes() {
        assert!(is_same_site(&headers("localhost:4900", None)));
        assert!(is_same_site(&headers("localhost:4900", Some("http://localhost:4900"))));
        for foreign in ["http://evil.example", "http://localhost:4901", "null"] {
            assert!(!is_same_site(&headers("localhost:4900", Some(foreign))), "{foreign}");
        }
    }
}
