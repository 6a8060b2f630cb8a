//! The access policy: the host names, origins and roles that a request may have. A page of another
//! site changes nothing, whatever browser it runs in; neither does a viewer. A foreign name that
//! points here (DNS rebinding) is refused, since it would pass for the name of this site.

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
    /// Dispatch is reachable from this machine only.
    pub on_loopback: bool,
    /// Accepted host names, besides localhost and addresses.
    pub hosts: Vec<String>,
    /// Other sites whose pages may request changes.
    pub origins: Vec<String>,
    /// The tokens that give a role.
    pub tokens: Tokens,
    /// Browsers connect by TLS.
    pub encrypted: bool,
}

/// The reason why a request is not admitted.
pub(crate) enum Refused {
    /// A browser whose user can sign in.
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
            let detail = "this is not the host that was asked for; nothing was changed (--allow-host gives dispatch another name)";
            return Err(refused(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail));
        }
        let asks_for_change = !method.is_safe();
        if asks_for_change && !self.is_same_site(headers) {
            let detail = "this comes from a page of another site; nothing was changed";
            return Err(refused(StatusCode::FORBIDDEN, "foreign_origin", detail));
        }
        // Signing in, and the files of that page, need no role yet.
        if path == SIGN_IN || path == SIGN_OUT || path.starts_with("/static/") {
            return Ok(self.tokens.role(headers).unwrap_or(Role::Viewer));
        }
        match self.tokens.role(headers) {
            Some(Role::Viewer) if asks_for_change => Err(refused(
                StatusCode::FORBIDDEN,
                "viewer",
                "viewers look on; nothing was changed. Sign in as host to press buttons",
            )),
            Some(role) => Ok(role),
            None if path == "/" => Err(Refused::SignIn),
            None => Err(refused(
                StatusCode::UNAUTHORIZED,
                "sign_in",
                "this cluster asks who you are: send a token, or sign in; nothing was changed",
            )),
        }
    }

    /// Returns true if the requested host is this one. No other site can take an address for its
    /// name, so addresses are safe, except that on loopback only loopback addresses are accepted.
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

    /// Returns true if the request comes from a page of this site, of an allowed site, or from no
    /// page.
    pub(crate) fn is_same_site(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // Without TLS of our own, a proxy in front may have it.
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

    const TOKEN: &str = "the token of the host";

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

    /// The decision as text: a role, the redirect to the sign-in page, or the code of a problem.
    fn verdict(
        access: &AccessPolicy,
        method: Method,
        path: &str,
        headers: &HeaderMap,
    ) -> &'static str {
        match access.admit(&method, path, headers) {
            Ok(Role::Host) => "host",
            Ok(Role::Viewer) => "viewer ",
            Err(Refused::SignIn) => "to the sign-in page",
            Err(Refused::Problem(problem)) => problem.code,
        }
    }

    #[test]
    fn a_host_is_known_by_its_own_names_and_no_others() {
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
    fn a_page_of_this_site_or_no_page_may_ask_for_changes() {
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
                "host",
                "looking changes nothing"
            );
        }
        access.encrypted = true;
        assert!(
            !access.is_same_site(&headers("localhost:4900", Some("http://localhost:4900"))),
            "what is not encrypted is another site"
        );
        assert!(access.is_same_site(&headers("localhost:4900", Some("https://localhost:4900"))));
        access.origins = vec!["https://class.example".into()];
        assert!(access.is_same_site(&headers("localhost:4900", Some("https://class.example"))));
        assert!(!access.is_same_site(&headers("localhost:4900", Some("http://class.example"))));
    }

    #[test]
    fn a_viewer_sees_all_and_causes_nothing_and_a_stranger_is_asked_who_it_is() {
        let mut access = access(true);
        let nobody = headers("localhost", None);
        let mut host = nobody.clone();
        host.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap(),
        );
        access.tokens = Tokens::new(Some(TOKEN.into()), None).unwrap();
        for path in ["/", "/live", "/api/v1/heroes", "/lost"] {
            assert_eq!(verdict(&access, Method::GET, path, &nobody), "viewer ", "{path}");
            assert_eq!(verdict(&access, Method::GET, path, &host), "host", "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(verdict(&access, method.clone(), "/api/v1/heroes", &nobody), "viewer");
            assert_eq!(verdict(&access, method, "/api/v1/heroes", &host), "host");
        }
        access.tokens =
            Tokens::new(Some(TOKEN.into()), Some("the token of viewers".into())).unwrap();
        assert_eq!(verdict(&access, Method::GET, "/", &nobody), "to the sign-in page");
        for (method, path) in [
            (Method::GET, "/live"),
            (Method::GET, "/api/v1/heroes"),
            (Method::POST, "/bomb"),
            (Method::GET, "/help"),
        ] {
            assert_eq!(verdict(&access, method, path, &nobody), "sign_in", "{path}");
        }
        for (method, path) in [
            (Method::GET, "/sign-in"),
            (Method::POST, "/sign-in"),
            (Method::GET, "/static/style.css"),
        ] {
            assert_eq!(verdict(&access, method, path, &nobody), "viewer ", "{path}");
        }
    }
}
