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

/// The name of the session cookie.
const COOKIE: &str = "superhero-session";
/// The lifetime of a session cookie, in seconds.
const SIGNED_IN_S: u32 = 30 * 24 * 3_600;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
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
        Ok(Self { admin: admin.as_deref().map(secret), viewer: viewer.as_deref().map(secret) })
    }

    /// Returns whether an admin token is configured.
    pub(crate) fn are_required(&self) -> bool {
        self.admin.is_some()
    }

    /// Returns the role that these headers grant; `None` without a valid token.
    pub(crate) fn role(&self, headers: &HeaderMap) -> Option<Role> {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let shown = bearer.map(|token| session(token).to_vec()).or_else(|| cookie(headers));
        self.role_of(&shown.unwrap_or_default())
    }

    /// Returns the `Set-Cookie` header for a browser that sent this token; `None` if the token is
    /// unknown.
    pub(crate) fn sign_in(&self, token: &str, encrypted: bool) -> Option<HeaderValue> {
        let session = session(token);
        let is_valid = [&self.admin, &self.viewer]
            .into_iter()
            .flatten()
            .any(|secret| is_session_of(secret, &session));
        is_valid.then(|| set_cookie(&HEXLOWER.encode(&session), SIGNED_IN_S, encrypted))
    }

    /// Returns the role of a session; `None` for an unknown one if a viewer token is configured.
    fn role_of(&self, session: &[u8]) -> Option<Role> {
        let Some(admin) = &self.admin else { return Some(Role::Admin) };
        if is_session_of(admin, session) {
            return Some(Role::Admin);
        }
        let may_read = self.viewer.as_ref().is_none_or(|viewer| is_session_of(viewer, session));
        may_read.then_some(Role::Viewer)
    }
}

/// Returns the `Set-Cookie` header that ends a session.
pub(crate) fn sign_out(encrypted: bool) -> HeaderValue {
    set_cookie("", 0, encrypted)
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

/// Returns the session in the browser's cookie.
fn cookie(headers: &HeaderMap) -> Option<Vec<u8>> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    HEXLOWER.decode(value.as_bytes()).ok()
}

/// Builds a cookie that scripts cannot read, that forms of other sites do not send, and that is
/// sent over TLS only, if dispatch uses TLS.
fn set_cookie(value: &str, lasts_s: u32, encrypted: bool) -> HeaderValue {
    let secure = if encrypted { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}");
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
            let set = tokens.sign_in(token, true).unwrap();
            let set = set.to_str().unwrap();
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
        assert_eq!(tokens.sign_in("a guess", true), None);
        assert!(!tokens.sign_in(ADMIN, false).unwrap().to_str().unwrap().contains("Secure"));
        assert_eq!(tokens.role(&with(header::COOKIE, "superhero-session=zz".into())), None);
    }

    #[test]
    fn equal_tokens_are_refused() {
        assert!(Tokens::new(Some(ADMIN.into()), Some(ADMIN.into())).is_err());
    }
}
