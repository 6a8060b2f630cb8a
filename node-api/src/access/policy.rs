//! The access policy: the host names, origins and roles that requests may have. Pages of other
//! sites cannot change anything in any browser, and neither can viewers. An unknown host name that
//! resolves to this node (DNS rebinding) is refused, since its pages would count as the same site.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::access::origin::{Authority, Origin, Scheme, only};
use crate::access::tokens::{Role, Tokens};
use crate::error::{Problem, shortened};

/// The path of signing in.
pub const SIGN_IN: &str = "/sign-in";
/// The path of signing out.
pub const SIGN_OUT: &str = "/sign-out";
/// The path of choosing a name, which changes nothing but a cookie of the browser.
pub const ME: &str = "/me";
/// The header with the relation of a page to the requested site (Fetch Metadata), and its values
/// for this site's own pages and for requests of the user, such as a typed address.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OWN_SITES: [&[u8]; 2] = [b"same-origin", b"none"];
/// The maximum number of characters of a header that an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// The access policy.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// True if the node is reachable from this machine only.
    pub on_loopback: bool,
    /// Accepted hosts, in addition to localhost and IP addresses.
    pub hosts: Vec<Authority>,
    /// Other origins whose pages may request changes.
    pub origins: Vec<Origin>,
    /// The tokens that grant a role.
    pub tokens: Tokens,
    /// True if browsers connect over TLS.
    pub encrypted: bool,
    /// The time for which browsers insist on TLS; `None` to leave it to them.
    pub hsts: Option<Duration>,
}

impl AccessPolicy {
    /// Returns the role of a request.
    ///
    /// # Errors
    /// `foreign_host`, `foreign_origin`, `sign_in` or `viewer`. Nothing was changed.
    pub fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Role, Problem> {
        if !self.is_named(headers) {
            return Err(foreign_host(headers));
        }
        let is_change = !method.is_safe();
        if is_change && !self.is_same_site(headers) {
            return Err(foreign_origin(headers));
        }
        // The sign-in page and its files must work without a role.
        if path == SIGN_IN || path == SIGN_OUT || path.starts_with("/static/") {
            return Ok(self.tokens.role(headers).unwrap_or(Role::Viewer));
        }
        match self.tokens.role(headers) {
            // Viewers may have names too.
            Some(Role::Viewer) if is_change && path != ME => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "viewer",
                if self.tokens.is_invalid(headers) { INVALID } else { VIEWER },
            )),
            Some(role) => Ok(role),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "sign_in",
                if self.tokens.is_invalid(headers) { INVALID } else { ANONYMOUS },
            )),
        }
    }

    /// Returns whether the requested host is this node. Addresses are safe, since no other site can
    /// make a browser treat an address as its name; but on loopback only loopback addresses are
    /// accepted.
    fn is_named(&self, headers: &HeaderMap) -> bool {
        let Some(requested) = Authority::requested(headers) else { return false };
        let is_own_address =
            requested.address().is_some_and(|address| !self.on_loopback || address.is_loopback());
        requested.is_localhost()
            || is_own_address
            || self.hosts.iter().any(|host| host.includes(&requested))
    }

    /// Returns whether the request comes from a page of this site, of an allowed origin, or from no
    /// page.
    #[must_use]
    pub fn is_same_site(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return !is_of_another_page(headers);
        }
        sender(headers).is_some_and(|origin| self.is_own(&origin, headers))
            || self.is_allowed_origin(headers)
    }

    /// Returns whether a page of this origin was served by the host that the request is for.
    #[must_use]
    pub fn is_own(&self, origin: &Origin, headers: &HeaderMap) -> bool {
        // Without TLS here, a proxy in front may provide it, so both schemes are accepted.
        (origin.scheme == Scheme::Https || !self.encrypted)
            && Authority::requested(headers).is_some_and(|requested| origin.is_of(&requested))
    }

    /// Returns whether the request comes from a page of an allowed origin.
    #[must_use]
    pub fn is_allowed_origin(&self, headers: &HeaderMap) -> bool {
        sender(headers).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Returns whether responses depend on the origin of the request.
    #[must_use]
    pub fn allows_origins(&self) -> bool {
        !self.origins.is_empty()
    }
}

const VIEWER: &str = "viewers are read-only; nothing was changed. \
     Sign in with the admin token to make changes";
const ANONYMOUS: &str = "a token is required: send it, or sign in; nothing was changed";
const INVALID: &str = "the token or session of the request is not valid, or not any more: it must \
     match --host-token-file or --viewer-token-file; sign in again, or send the present token; \
     nothing was changed";

/// Returns whether a browser states that the request comes from a page of another origin. It states
/// that also where it sends no origin. Programs send no such header.
fn is_of_another_page(headers: &HeaderMap) -> bool {
    let is_own = |value: &HeaderValue| OWN_SITES.iter().any(|own| value.as_bytes() == *own);
    !headers.get_all(SEC_FETCH_SITE).iter().all(is_own)
}

/// Returns the origin of the page that sent the request.
fn sender(headers: &HeaderMap) -> Option<Origin> {
    only(headers, &header::ORIGIN)?.parse().ok()
}

/// Returns the problem of a request for an unknown host.
fn foreign_host(headers: &HeaderMap) -> Problem {
    let shown = shown(headers, &header::HOST);
    let detail = match Authority::requested(headers) {
        Some(requested) => format!(
            "this node has no host name {shown}; nothing was changed. If browsers reach it by that \
             name, start it with --allow-host {}",
            shortened(&requested.host().to_string(), SHOWN_CHARS_MAX)
        ),
        None => format!("the header Host must be one host, not {shown}; nothing was changed"),
    };
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail)
}

/// Returns the problem of a request from a page of another site.
#[must_use]
pub fn foreign_origin(headers: &HeaderMap) -> Problem {
    let (origin, host) = (shown(headers, &header::ORIGIN), shown(headers, &header::HOST));
    let mut detail = if headers.contains_key(header::ORIGIN) {
        format!(
            "the request comes from a page of another site: of {origin}, while the requested Host \
             is {host}; nothing was changed"
        )
    } else {
        let site = shown(headers, &SEC_FETCH_SITE);
        format!(
            "the request comes from a page of another site: its header Sec-Fetch-Site is {site}, \
             and it has no Origin; nothing was changed"
        )
    };
    if let Some(sender) = sender(headers) {
        let sender = shortened(&sender.to_string(), SHOWN_CHARS_MAX);
        detail += &format!(
            ". A proxy must pass on the header Host of the browser; if it is another site that may \
             send changes, start this node with --allow-origin {sender}"
        );
    }
    Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
}

/// Returns the value of a header, escaped and shortened.
fn shown(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get(name).map_or_else(
        || "missing".to_owned(),
        |value| {
            format!("{:?}", shortened(&String::from_utf8_lossy(value.as_bytes()), SHOWN_CHARS_MAX))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "the admin token";

    fn access(on_loopback: bool) -> AccessPolicy {
        let tokens = Tokens::new(None, None).unwrap();
        AccessPolicy {
            on_loopback,
            hosts: Vec::new(),
            origins: Vec::new(),
            tokens,
            encrypted: false,
            hsts: None,
        }
    }

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        headers
    }

    /// Returns the decision as text: a role, or the code of a problem.
    fn verdict(
        access: &AccessPolicy,
        method: Method,
        path: &str,
        headers: &HeaderMap,
    ) -> &'static str {
        match access.admit(&method, path, headers) {
            Ok(Role::Admin) => "admin",
            Ok(Role::Viewer) => "viewer ",
            Err(problem) => problem.code,
        }
    }

    #[test]
    fn only_own_host_names_are_accepted() {
        let named = |access: &AccessPolicy, host| access.is_named(&headers(host, None));
        let mut access = access(true);
        for own in [
            "localhost",
            "localhost:4900",
            "LOCALHOST:1",
            "127.0.0.1:4900",
            "127.9.8.7",
            "[::1]:4900",
            "[::1]",
        ] {
            assert!(named(&access, own), "{own}");
        }
        for foreign in [
            "evil.example:4900",
            "evil.example",
            "10.0.0.1:4900",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example:4900",
        ] {
            assert!(!named(&access, foreign), "{foreign}");
        }
        access.hosts = vec!["heroes.example".parse().unwrap()];
        assert!(
            named(&access, "Heroes.Example:4900")
                && named(&access, "heroes.example")
                && !named(&access, "xheroes.example")
        );
        access.on_loopback = false;
        for (host, is_own) in [
            ("10.0.0.1:4900", true),
            ("[fe80::1]", true),
            ("localhost", true),
            ("evil.example:4900", false),
            ("", false),
        ] {
            assert_eq!(named(&access, host), is_own, "{host}");
        }
    }

    #[test]
    fn changes_come_from_own_pages_or_no_page() {
        let mut access = access(true);
        assert!(access.is_same_site(&headers("localhost:4900", None)));
        assert!(access.is_same_site(&headers("localhost:4900", Some("http://localhost:4900"))));
        for foreign in
            ["http://evil.example", "http://localhost:4901", "null", "https://evil.example"]
        {
            assert!(!access.is_same_site(&headers("localhost:4900", Some(foreign))), "{foreign}");
            assert_eq!(
                verdict(&access, Method::POST, "/bomb", &headers("localhost:4900", Some(foreign))),
                "foreign_origin"
            );
            assert_eq!(
                verdict(&access, Method::GET, "/", &headers("localhost:4900", Some(foreign))),
                "admin",
                "reading is allowed from other sites"
            );
        }
        access.encrypted = true;
        assert!(
            !access.is_same_site(&headers("localhost:4900", Some("http://localhost:4900"))),
            "an unencrypted origin is another site"
        );
        assert!(access.is_same_site(&headers("localhost:4900", Some("https://localhost:4900"))));
        access.origins = vec!["https://class.example".parse().unwrap()];
        assert!(access.is_same_site(&headers("localhost:4900", Some("https://class.example"))));
        assert!(!access.is_same_site(&headers("localhost:4900", Some("http://class.example"))));
    }

    #[test]
    fn change_from_another_page_without_an_origin_is_refused() {
        let mut access = access(true);
        access.origins = vec!["https://class.example".parse().unwrap()];
        let with = |origin: Option<&'static str>, sites: &[&'static str]| {
            let mut headers = headers("localhost:4900", origin);
            for site in sites {
                headers.append(SEC_FETCH_SITE, HeaderValue::from_static(site));
            }
            headers
        };
        for sites in [
            &["cross-site"][..],
            &["same-site"],
            &["Cross-Site"],
            &["other"],
            &[""],
            &["same-origin", "cross-site"],
        ] {
            let headers = with(None, sites);
            assert_eq!(verdict(&access, Method::POST, "/bomb", &headers), "foreign_origin");
            assert_eq!(verdict(&access, Method::GET, "/", &headers), "admin", "reading is allowed");
            let problem = access.admit(&Method::POST, "/bomb", &headers).unwrap_err();
            assert!(problem.detail.contains("Sec-Fetch-Site"), "{problem:?}");
        }
        for sites in [&[][..], &["same-origin"], &["none"]] {
            let headers = with(None, sites);
            assert_eq!(verdict(&access, Method::POST, "/bomb", &headers), "admin", "{sites:?}");
        }
        // With an origin, it decides.
        for origin in ["http://localhost:4900", "https://class.example"] {
            let headers = with(Some(origin), &["cross-site"]);
            assert_eq!(verdict(&access, Method::POST, "/bomb", &headers), "admin", "{origin}");
        }
        let foreign = with(Some("https://evil.example"), &["same-origin"]);
        assert_eq!(verdict(&access, Method::POST, "/bomb", &foreign), "foreign_origin");
    }

    #[test]
    fn viewers_are_read_only_and_unknown_clients_must_sign_in() {
        let mut access = access(true);
        let anonymous = headers("localhost", None);
        let mut admin = anonymous.clone();
        admin.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap(),
        );
        access.tokens = Tokens::new(Some(TOKEN.into()), None).unwrap();
        for path in ["/", "/live", "/api/v1/heroes", "/lost"] {
            assert_eq!(verdict(&access, Method::GET, path, &anonymous), "viewer ", "{path}");
            assert_eq!(verdict(&access, Method::GET, path, &admin), "admin", "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(verdict(&access, method.clone(), "/api/v1/heroes", &anonymous), "viewer");
            assert_eq!(verdict(&access, method, "/api/v1/heroes", &admin), "admin");
        }
        access.tokens =
            Tokens::new(Some(TOKEN.into()), Some("the token of viewers".into())).unwrap();
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/live"),
            (Method::GET, "/api/v1/heroes"),
            (Method::POST, "/bomb"),
            (Method::GET, "/help"),
        ] {
            assert_eq!(verdict(&access, method, path, &anonymous), "sign_in", "{path}");
        }
        for (method, path) in [
            (Method::GET, "/sign-in"),
            (Method::POST, "/sign-in"),
            (Method::GET, "/static/style.css"),
        ] {
            assert_eq!(verdict(&access, method, path, &anonymous), "viewer ", "{path}");
        }
    }
}
