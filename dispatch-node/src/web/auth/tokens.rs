//! Who may do what: a host presses buttons, a viewer looks on. Each is known by a token that programs send, and browsers trade for a
//! cookie by signing in.
//!
//! Invariant: what is compared is compared in constant time, and no token is kept in a browser.

use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::HEXLOWER;

use shared::link::secret::{Purpose, Secret};
use shared::wire::Proof;

/// The cookie of who has signed in.
const COOKIE: &str = "superhero-session";
/// How long a browser stays signed in, in seconds.
const SIGNED_IN_S: u32 = 30 * 24 * 3_600;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// See all.
    Viewer,
    /// And cause it.
    Host,
}

/// The tokens by which roles are known.
#[derive(Clone)]
pub struct Tokens {
    host: Option<Secret>,
    viewer: Option<Secret>,
    /// Of this process, for the player of its own scenarios: who asked for one was a host.
    player: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With a host's token, only who knows it presses buttons; with a viewer's too, only who knows one of the two looks on. Without any,
    /// everybody does everything.
    ///
    /// # Errors
    /// When both are the same.
    pub fn new(host: Option<String>, viewer: Option<String>) -> anyhow::Result<Self> {
        anyhow::ensure!(host.is_none() || host != viewer, "the viewers' token is the host's: every viewer would be a host");
        let player = HEXLOWER.encode(&rand::random::<[u8; 32]>());
        Ok(Self { host: host.as_deref().map(Secret::new), viewer: viewer.as_deref().map(Secret::new), player })
    }

    /// By what the player of scenarios is let in, where not everybody is.
    pub(crate) fn player(&self) -> Option<String> {
        self.are_asked_for().then(|| self.player.clone())
    }

    /// Whether there are roles at all.
    pub(crate) fn are_asked_for(&self) -> bool {
        self.host.is_some()
    }

    /// What may be done by who sends these headers; nothing, where none is returned.
    pub(crate) fn role(&self, headers: &HeaderMap) -> Option<Role> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let shown = bearer.map(|token| session(token).to_vec()).or_else(|| cookie(headers));
        self.role_of(&shown.unwrap_or_default())
    }

    /// The `Set-Cookie` of a browser that has shown this token; none where it is nobody's.
    pub(crate) fn sign_in(&self, token: &str, encrypted: bool) -> Option<HeaderValue> {
        let session = session(token);
        let is_somebodys = [&self.host, &self.viewer].into_iter().flatten().any(|secret| is_session_of(secret, &session));
        is_somebodys.then(|| set_cookie(&HEXLOWER.encode(&session), SIGNED_IN_S, encrypted))
    }

    fn role_of(&self, session: &[u8]) -> Option<Role> {
        let Some(host) = &self.host else { return Some(Role::Host) };
        if is_session_of(host, session) || is_session_of(&Secret::new(&self.player), session) {
            return Some(Role::Host);
        }
        let may_look_on = self.viewer.as_ref().is_none_or(|viewer| is_session_of(viewer, session));
        may_look_on.then_some(Role::Viewer)
    }
}

/// The `Set-Cookie` of a browser that signs out.
pub(crate) fn sign_out(encrypted: bool) -> HeaderValue {
    set_cookie("", 0, encrypted)
}

/// What a browser keeps of a token: a proof that it once knew it.
fn session(token: &str) -> Proof {
    Secret::new(token).prove(Purpose::SigningIn, &[])
}

fn is_session_of(token: &Secret, session: &[u8]) -> bool {
    token.is_proved(Purpose::SigningIn, &[], session)
}

/// The session in the cookie that a browser sends.
fn cookie(headers: &HeaderMap) -> Option<Vec<u8>> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    HEXLOWER.decode(value.as_bytes()).ok()
}

/// Scripts cannot read it, other sites' forms do not send it, and where there is encryption it goes no other way.
fn set_cookie(value: &str, lasts_s: u32, encrypted: bool) -> HeaderValue {
    let secure = if encrypted { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).expect("hexadecimal digits and words")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "the token of the host";
    const VIEWER: &str = "the token of viewers";

    fn tokens(host: bool, viewer: bool) -> Tokens {
        Tokens::new(host.then(|| HOST.into()), viewer.then(|| VIEWER.into())).expect("they differ")
    }

    fn with(name: header::HeaderName, value: String) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(&value).unwrap())])
    }

    fn bearer(token: &str) -> HeaderMap {
        with(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    #[test]
    fn a_token_gives_its_role_and_none_gives_what_is_left() {
        let nobody = HeaderMap::new();
        let (open, watched, closed) = (tokens(false, false), tokens(true, false), tokens(true, true));
        assert_eq!(open.role(&nobody), Some(Role::Host));
        assert_eq!((watched.role(&nobody), watched.role(&bearer(HOST))), (Some(Role::Viewer), Some(Role::Host)));
        assert_eq!((closed.role(&nobody), closed.role(&bearer(VIEWER))), (None, Some(Role::Viewer)));
        assert_eq!((closed.role(&bearer(HOST)), closed.role(&bearer("another one"))), (Some(Role::Host), None));
    }

    #[test]
    fn a_browser_that_has_shown_a_token_is_known_by_its_cookie_and_keeps_no_token() {
        let tokens = tokens(true, true);
        for (token, role) in [(HOST, Role::Host), (VIEWER, Role::Viewer)] {
            let set = tokens.sign_in(token, true).unwrap();
            let set = set.to_str().unwrap();
            assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Secure") && !set.contains(token), "{set}");
            let pair = set.split(';').next().unwrap();
            assert_eq!(tokens.role(&with(header::COOKIE, format!("theme=dark; {pair}"))), Some(role));
            assert_eq!(tokens.role(&with(header::COOKIE, pair[..pair.len() - 2].to_owned())), None, "a cookie cut short");
        }
        assert_eq!(tokens.sign_in("a guess", true), None);
        assert!(!tokens.sign_in(HOST, false).unwrap().to_str().unwrap().contains("Secure"));
        assert_eq!(tokens.role(&with(header::COOKIE, "superhero-session=zz".into())), None);
    }

    #[test]
    fn one_token_for_both_roles_is_none() {
        assert!(Tokens::new(Some(HOST.into()), Some(HOST.into())).is_err());
    }
}
