//! Shared secrets, and proofs of knowing them.
//!
//! Invariant: a proof is bound to one purpose and one context, and the secret itself is never sent.

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::wire::Proof;

/// The purpose of a proof. A proof for one purpose is not valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// Authentication of the dialer of a link.
    pub const DIALLING: Self = Self("dialling");
    /// Authentication of the listener of a link.
    pub const LISTENING: Self = Self("listening");
    /// Authorization to end a freeze.
    pub const THAWING: Self = Self("thawing");

    /// Returns a purpose of the application. `name` must differ from those of the constants.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// A shared secret. Its `Debug` form does not contain it, so it never appears in logs.
#[derive(Clone)]
pub struct Secret {
    key: Key,
    domain: &'static str,
}

impl Secret {
    /// Returns the secret for a cookie or token. `domain` names the application, so that equal
    /// secrets of two applications have different proofs.
    #[must_use]
    pub fn new(domain: &'static str, secret: &str) -> Self {
        Self { key: Key::new(HMAC_SHA256, secret.as_bytes()), domain }
    }

    /// Returns a proof of knowing the secret, for one purpose and one context (HMAC-SHA256, RFC
    /// 2104).
    #[must_use]
    pub fn prove(&self, purpose: Purpose, context: &[&[u8]]) -> Proof {
        let tag = sign(&self.key, &self.message(purpose, context));
        tag.as_ref().try_into().expect("an HMAC-SHA256 tag has 32 bytes")
    }

    /// Verifies a proof in constant time.
    #[must_use]
    pub fn is_proved(&self, purpose: Purpose, context: &[&[u8]], proof: &[u8]) -> bool {
        verify(&self.key, &self.message(purpose, context), proof).is_ok()
    }

    /// Returns the bytes to authenticate: each part after its length, so that different contexts
    /// have different bytes.
    fn message(&self, purpose: Purpose, context: &[&[u8]]) -> Vec<u8> {
        let label = format!("{}: {}", self.domain, purpose.0);
        let mut message = Vec::new();
        for part in std::iter::once(label.as_bytes()).chain(context.iter().copied()) {
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
    fn proof_is_bound_to_secret_purpose_and_context() {
        let secret = Secret::new("tests", "a cookie");
        let proof = secret.prove(Purpose::DIALLING, &[b"one", b"two"]);
        let holds = |cookie, purpose, context: &[&[u8]], proof: &[u8]| {
            Secret::new("tests", cookie).is_proved(purpose, context, proof)
        };
        assert!(holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert!(!holds("another", Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::LISTENING, &[b"one", b"two"], &proof));
        assert!(!holds("a cookie", Purpose::THAWING, &[b"one", b"two"], &proof));
        assert!(
            !holds("a cookie", Purpose::DIALLING, &[b"onet", b"wo"], &proof),
            "the boundaries of parts matter"
        );
        assert!(!holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], &proof[..31]));
        assert!(!holds("a cookie", Purpose::DIALLING, &[b"one", b"two"], b""));
        let other_domain = Secret::new("another program", "a cookie");
        assert!(!other_domain.is_proved(Purpose::DIALLING, &[b"one", b"two"], &proof));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
