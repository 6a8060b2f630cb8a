//! The access policy: the host names, origins and roles that requests may have. Pages of other
//! sites cannot change anything in any browser, and neither can viewers. An unknown host name that
//! resolves to dispatch (DNS rebinding) is refused, since its pages would count as the same site.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, StatusCode, header};

use crate::web::auth::tokens::{Role, Tokens};
use crate::web::error::Problem;

/// The paths of signing in and out.
pub(crate) const SIGN_IN: &str = "/sign-in";
pub(crate) const SIGN_OUT: &str = "/sign-out";

/// The access policy.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// True if dispatch is reachable from this machine only.
    pub on_loopback: bool,
    /// Accepted host names, in addition to localhost and IP addresses.
    pub hosts: Vec<String>,
    /// Other origins whose pages may request changes.
    pub origins: Vec<String>,
    /// The tokens that grant a role.
    pub tokens: Tokens,
    /// True if browsers connect over TLS.
    pub encrypted: bool,
}

/// The reason why a request is refused.
pub(crate) enum Refused {
    /// The client is a browser whose user can sign in.
    SignIn,
    Problem(Problem),
}

impl AccessPolicy {
    /// Returns the role of a request, unless it is refused.
    pub(crate) fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Role, Refused> {
        let refused =
            |status, code, detail: &str| Refused::Problem(Problem::new(status, code, detail));
        if !self.is_named(headers) {
            let detail =
                "unknown host name; nothing was changed (--allow-host adds a name for dispatch)";
            return Err(refused(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail));
        }
        let is_change = !method.is_safe();
        if is_change && !self.is_same_site(headers) {
            let detail = "the request comes from a page of another site; nothing was changed";
            return Err(refused(StatusCode::FORBIDDEN, "foreign_origin", detail));
        }
        // The sign-in page and its files must work without a role.
        if path == SIGN_IN || path == SIGN_OUT || path.starts_with("/static/") {
            return Ok(self.tokens.role(headers).unwrap_or(Role::Viewer));
        }
        match self.tokens.role(headers) {
            Some(Role::Viewer) if is_change => Err(refused(
                StatusCode::FORBIDDEN,
                "viewer",
                "viewers are read-only; nothing was changed. \
                 Sign in with the admin token to make changes",
            )),
            Some(role) => Ok(role),
            None if path == "/" => Err(Refused::SignIn),
            None => Err(refused(
                StatusCode::UNAUTHORIZED,
                "sign_in",
                "a token is required: send it, or sign in; nothing was changed",
            )),
        }
    }

    /// Returns whether the requested host is dispatch. Addresses are safe, since no other site can
    /// make a browser treat an address as its name; but on loopback only loopback addresses are
    /// accepted.
    fn is_named(&self, headers: &HeaderMap) -> bool {
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = if host.ends_with(']') {
            host
        } else {
            host.rsplit_once(':').map_or(host, |(name, _)| name)
        };
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| !self.on_loopback || address.is_loopback())
            || self
                .hosts
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(host))
    }

    /// Returns whether the request comes from a page of this site, of an allowed origin, or from no
    /// page.
    pub(crate) fn is_same_site(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // Without TLS here, a proxy in front may provide it, so both schemes are accepted.
        let is_ours = |scheme| scheme == "https" || !self.encrypted;
        let own = origin
            .split_once("://")
            .is_some_and(|(scheme, theirs)| Some(theirs) == host && is_ours(scheme));
        own || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const TOKEN: &str = "the admin token";

    fn access(on_loopback: bool) -> AccessPolicy {
        let tokens = Tokens::new(None, None).unwrap();
        AccessPolicy {
            on_loopback,
            hosts: Vec::new(),
            origins: Vec::new(),
            tokens,
            encrypted: false,
        }
    }

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        headers
    }

    /// Returns the decision as text: a role, the redirect to sign in, or the code of a problem.
    fn verdict(
        access: &AccessPolicy,
        method: Method,
        path: &str,
        headers: &HeaderMap,
    ) -> &'static str {
        match access.admit(&method, path, headers) {
            Ok(Role::Admin) => "admin",
            Ok(Role::Viewer) => "viewer ",
            Err(Refused::SignIn) => "to the sign-in page",
            Err(Refused::Problem(problem)) => problem.code,
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
        access.hosts = vec!["heroes.example".into()];
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
        access.origins = vec!["https://class.example".into()];
        assert!(access.is_same_site(&headers("localhost:4900", Some("https://class.example"))));
        assert!(!access.is_same_site(&headers("localhost:4900", Some("http://class.example"))));
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
        assert_eq!(verdict(&access, Method::GET, "/", &anonymous), "to the sign-in page");
        for (method, path) in [
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
