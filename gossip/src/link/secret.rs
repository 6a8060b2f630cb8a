//! Shared secrets and proofs of them.
//!
//! Invariant: a proof is bound to one purpose and one occasion, and the secret itself is never
//! sent.

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::wire::Proof;

/// The purpose of a proof. A proof made for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// The dialer of a link belongs to the cluster.
    pub const DIALLING: Self = Self("dialling");
    /// The listener of a link belongs to the cluster.
    pub const LISTENING: Self = Self("listening");
    /// A frozen node is to be woken.
    pub const THAWING: Self = Self("thawing");

    /// Returns a purpose of the application's own.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// A secret that its holders prove to each other. It is never printed, not even in a log.
#[derive(Clone)]
pub struct Secret {
    key: Key,
    domain: &'static str,
}

impl Secret {
    /// Returns the secret of this cookie or token. `domain` names the application: proofs of equal
    /// secrets of two applications differ.
    #[must_use]
    pub fn new(domain: &'static str, secret: &str) -> Self {
        Self { key: Key::new(HMAC_SHA256, secret.as_bytes()), domain }
    }

    /// Proves knowledge of the secret for one purpose and one occasion (HMAC-SHA256, RFC 2104).
    #[must_use]
    pub fn prove(&self, purpose: Purpose, occasion: &[&[u8]]) -> Proof {
        let tag = sign(&self.key, &self.message(purpose, occasion));
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Returns whether the proof is right, in a time that does not depend on it.
    #[must_use]
    pub fn is_proved(&self, purpose: Purpose, occasion: &[&[u8]], proof: &[u8]) -> bool {
        verify(&self.key, &self.message(purpose, occasion), proof).is_ok()
    }

    /// Returns the bytes to authenticate: each part behind its length, so that no two occasions
    /// have the same bytes.
    fn message(&self, purpose: Purpose, occasion: &[&[u8]]) -> Vec<u8> {
        let label = format!("{}: {}", self.domain, purpose.0);
        let mut message = Vec::new();
        for part in std::iter::once(label.as_bytes()).chain(occasion.iter().copied()) {
            message.extend((part.len() as u64).to_le_bytes());
            message.extend(part);
        }
        message
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_secret_its_purpose_and_its_occasion_alone() {
        let secret = Secret::new("tests", "a cookie");
        let proof = secret.prove(Purpose::DIALLING, &[b"one", b"two"]);
        let holds = |cookie, purpose, occasion: &[&[u8]], proof: &[u8]| {
            Secret::new("tests", cookie).is_proved(purpose, occasion, proof)
        };
        assert!(holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert!(!holds("another", Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::LISTENING, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::THAWING, &[b"one", b"two"], &proof));
        assert!(
            !holds("a cookie", Purpose::DIALLING, &[b"onet", b"wo"], &proof),
            "the parts are told apart"
        );
        assert!(!holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], &proof[..31]));
        assert!(!holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], b""));
        let elsewhere = Secret::new("another program", "a cookie");
        assert!(!elsewhere.is_proved(Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
