//! A secret, and proofs of it: who knows the cluster's cookie, or a token of the page, proves that for one purpose and one occasion, and never
//! sends the cookie.

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::wire::Proof;

/// What a proof is good for; one made for another purpose is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The dialer of a link belongs to the cluster.
    Dialling,
    /// So does who answers.
    Listening,
    /// A node is to wake up.
    Thawing,
    /// A browser has shown this secret, a token.
    SigningIn,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Dialling => b"superhero cluster: dialling",
            Self::Listening => b"superhero cluster: listening",
            Self::Thawing => b"superhero cluster: thawing",
            Self::SigningIn => b"superhero cluster: signing in",
        }
    }
}

/// What only some are to know. It shows itself to nobody, not even to a log.
#[derive(Clone)]
pub struct Secret(Key);

impl Secret {
    /// The secret that this cookie or token is.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Key::new(HMAC_SHA256, secret.as_bytes()))
    }

    /// Proves that this secret is known, to who knows it too and the `occasion` (HMAC-SHA256, RFC 2104).
    #[must_use]
    pub fn prove(&self, purpose: Purpose, occasion: &[&[u8]]) -> Proof {
        let tag = sign(&self.0, &said(purpose, occasion));
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Whether this proof is one. How long that takes says nothing about the right one.
    #[must_use]
    pub fn is_proved(&self, purpose: Purpose, occasion: &[&[u8]], proof: &[u8]) -> bool {
        verify(&self.0, &said(purpose, occasion), proof).is_ok()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What is proved, in bytes: each part behind its length, so that no two occasions are said alike.
fn said(purpose: Purpose, occasion: &[&[u8]]) -> Vec<u8> {
    let mut said = Vec::new();
    for part in std::iter::once(purpose.label()).chain(occasion.iter().copied()) {
        said.extend((part.len() as u64).to_le_bytes());
        said.extend(part);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_secret_its_purpose_and_its_occasion_alone() {
        let secret = Secret::new("a cookie");
        let proof = secret.prove(Purpose::Dialling, &[b"one", b"two"]);
        let holds = |cookie, purpose, occasion: &[&[u8]], proof: &[u8]| Secret::new(cookie).is_proved(purpose, occasion, proof);
        assert!(holds("a cookie", Purpose::Dialling, &[b"one", b"two"], &proof));
        assert!(!holds("another", Purpose::Dialling, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::Listening, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::Thawing, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::Dialling, &[b"onet", b"wo"], &proof), "the parts are told apart");
        assert!(!holds("a cookie", Purpose::Dialling, &[b"one", b"two"], &proof[..31]));
        assert!(!holds("a cookie", Purpose::Dialling, &[b"one", b"two"], b""));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
