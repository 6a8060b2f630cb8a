//! Roles: an admin may change the cluster, a viewer may only read. A program sends a token with each
//! request; a browser exchanges it for a cookie by signing in.
//!
//! Invariant: secrets are compared in constant time, and a browser stores no token.

use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::HEXLOWER;

use gossip::link::{Purpose, Secret};
use gossip::wire::Proof;
use shared::well_known::SECRET_DOMAIN;

/// The purpose of the proof stored in a session cookie.
const SIGNING_IN: Purpose = Purpose::new("signing in");

/// The start of the name of a session cookie. The rest is the start of its value: browsers send a
/// cookie to every port of a host, so two clusters on one host need two names.
const COOKIE: &str = "superhero-session";
/// The number of characters of the value in the name.
const NAME_CHARS: usize = 8;
/// The lifetime of a session cookie, in seconds.
const SIGNED_IN_S: u32 = 30 * 24 * 3_600;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Reads and changes everything.
    Admin,
}

/// The tokens that grant a role.
#[derive(Clone)]
pub struct Tokens {
    admin: Option<Secret>,
    viewer: Option<Secret>,
    /// The names of the session cookies of these tokens.
    cookies: Vec<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secrets, so that they cannot reach a log.
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Returns the tokens. With an admin token, changes require it; with a viewer token as well,
    /// reading requires one of the two. Without any, every client is an admin.
    ///
    /// # Errors
    /// If both tokens are equal.
    pub fn new(admin: Option<String>, viewer: Option<String>) -> anyhow::Result<Self> {
        anyhow::ensure!(
            admin.is_none() || admin != viewer,
            "the viewer token equals the admin token: every viewer could make changes"
        );
        let tokens = [&admin, &viewer].into_iter().flatten();
        let cookies = tokens.map(|token| cookie_name(&HEXLOWER.encode(&session(token)))).collect();
        Ok(Self {
            admin: admin.as_deref().map(secret),
            viewer: viewer.as_deref().map(secret),
            cookies,
        })
    }

    /// Returns whether an admin token is configured.
    #[must_use]
    pub fn are_required(&self) -> bool {
        self.admin.is_some()
    }

    /// Returns the role that these headers grant; `None` without a valid token.
    #[must_use]
    pub fn role(&self, headers: &HeaderMap) -> Option<Role> {
        if let Some(token) = bearer(headers) {
            return self.role_of(&session(token));
        }
        let granted =
            self.sessions(headers).filter_map(|(_, session)| self.granted(&session)).max();
        granted.or_else(|| self.role_of(&[]))
    }

    /// Returns whether these headers contain a token or a session of this node, and none is
    /// valid.
    #[must_use]
    pub fn is_invalid(&self, headers: &HeaderMap) -> bool {
        match bearer(headers) {
            Some(token) => self.granted(&session(token)).is_none(),
            None => {
                let mut sessions = self.sessions(headers).peekable();
                sessions.peek().is_some()
                    && sessions.all(|(_, session)| self.granted(&session).is_none())
            }
        }
    }

    /// Returns the `Set-Cookie` headers for a browser that sent this token: its new session, and
    /// the end of those that it has; `None` if the token is unknown.
    #[must_use]
    pub fn sign_in(
        &self,
        token: &str,
        headers: &HeaderMap,
        encrypted: bool,
    ) -> Option<Vec<HeaderValue>> {
        let session = session(token);
        self.granted(&session)?;
        let value = HEXLOWER.encode(&session);
        let name = cookie_name(&value);
        let mut cookies = self.ended(headers, Some(&name), encrypted);
        cookies.push(set_cookie(&name, &value, SIGNED_IN_S, encrypted));
        Some(cookies)
    }

    /// Returns the `Set-Cookie` headers that end the sessions of this browser. Those of other
    /// clusters on this host stay.
    #[must_use]
    pub fn sign_out(&self, headers: &HeaderMap, encrypted: bool) -> Vec<HeaderValue> {
        self.ended(headers, None, encrypted)
    }

    /// Returns the headers that end the valid sessions, except for the cookie `kept`.
    fn ended(&self, headers: &HeaderMap, kept: Option<&str>, encrypted: bool) -> Vec<HeaderValue> {
        self.sessions(headers)
            .filter(|(name, session)| Some(*name) != kept && self.granted(session).is_some())
            .map(|(name, _)| set_cookie(name, "", 0, encrypted))
            .collect()
    }

    /// Returns the names and values of the cookies that may be sessions of these tokens. A browser
    /// also sends the cookies of other clusters on the same host.
    fn sessions<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, Vec<u8>)> {
        let all = headers.get_all(header::COOKIE).into_iter();
        all.filter_map(|value| value.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE || self.cookies.iter().any(|own| own == name))
            .map(|(name, value)| (name, HEXLOWER.decode(value.as_bytes()).unwrap_or_default()))
    }

    /// Returns the role that a session was derived for.
    fn granted(&self, session: &[u8]) -> Option<Role> {
        let is_of = |token: &Option<Secret>| {
            token.as_ref().is_some_and(|token| is_session_of(token, session))
        };
        if is_of(&self.admin) {
            return Some(Role::Admin);
        }
        is_of(&self.viewer).then_some(Role::Viewer)
    }

    /// Returns the role of a session; `None` for an unknown one if a viewer token is configured.
    fn role_of(&self, session: &[u8]) -> Option<Role> {
        if self.admin.is_none() {
            return Some(Role::Admin);
        }
        self.granted(session).or_else(|| self.viewer.is_none().then_some(Role::Viewer))
    }
}

/// Returns the secret for this token.
fn secret(token: &str) -> Secret {
    Secret::new(SECRET_DOMAIN, token)
}

/// Derives the session value stored by a browser: a proof of the token, not the token itself.
fn session(token: &str) -> Proof {
    secret(token).prove(SIGNING_IN, &[])
}

/// Returns whether the session was derived from this token. Compares in constant time.
fn is_session_of(token: &Secret, session: &[u8]) -> bool {
    token.is_proved(SIGNING_IN, &[], session)
}

/// Returns the token that a program sent (RFC 6750). The scheme is case-insensitive.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Returns the name of the cookie with this session.
fn cookie_name(session: &str) -> String {
    format!("{COOKIE}-{}", &session[..NAME_CHARS])
}

/// Builds a cookie that scripts cannot read, that forms of other sites do not send, and that is
/// sent over TLS only, if the node uses TLS.
fn set_cookie(name: &str, value: &str, lasts_s: u32, encrypted: bool) -> HeaderValue {
    let secure = if encrypted { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).expect("the cookie is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str = "the token of the admin";
    const VIEWER: &str = "the token of viewers";

    fn tokens(admin: bool, viewer: bool) -> Tokens {
        Tokens::new(admin.then(|| ADMIN.into()), viewer.then(|| VIEWER.into()))
            .expect("they differ")
    }

    fn with(name: header::HeaderName, value: String) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(&value).unwrap())])
    }

    fn bearer(token: &str) -> HeaderMap {
        with(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    #[test]
    fn token_grants_its_role() {
        let anonymous = HeaderMap::new();
        let (open, read_only, closed) =
            (tokens(false, false), tokens(true, false), tokens(true, true));
        assert_eq!(open.role(&anonymous), Some(Role::Admin));
        assert_eq!(
            (read_only.role(&anonymous), read_only.role(&bearer(ADMIN))),
            (Some(Role::Viewer), Some(Role::Admin))
        );
        assert_eq!(
            (closed.role(&anonymous), closed.role(&bearer(VIEWER))),
            (None, Some(Role::Viewer))
        );
        assert_eq!(
            (closed.role(&bearer(ADMIN)), closed.role(&bearer("another one"))),
            (Some(Role::Admin), None)
        );
    }

    #[test]
    fn cookie_grants_the_role_and_contains_no_token() {
        let tokens = tokens(true, true);
        for (token, role) in [(ADMIN, Role::Admin), (VIEWER, Role::Viewer)] {
            let set = tokens.sign_in(token, &HeaderMap::new(), true).unwrap();
            let set = set[0].to_str().unwrap();
            assert!(
                set.contains("HttpOnly")
                    && set.contains("SameSite=Lax")
                    && set.contains("Secure")
                    && !set.contains(token),
                "{set}"
            );
            let pair = set.split(';').next().unwrap();
            assert_eq!(
                tokens.role(&with(header::COOKIE, format!("theme=dark; {pair}"))),
                Some(role)
            );
            assert_eq!(
                tokens.role(&with(header::COOKIE, pair[..pair.len() - 2].to_owned())),
                None,
                "a truncated cookie"
            );
        }
        let anonymous = HeaderMap::new();
        assert_eq!(tokens.sign_in("a guess", &anonymous, true), None);
        let plain = tokens.sign_in(ADMIN, &anonymous, false).unwrap();
        assert!(!plain[0].to_str().unwrap().contains("Secure"));
        assert_eq!(tokens.role(&with(header::COOKIE, "superhero-session=zz".into())), None);
    }

    #[test]
    fn equal_tokens_are_refused() {
        assert!(Tokens::new(Some(ADMIN.into()), Some(ADMIN.into())).is_err());
    }
}
