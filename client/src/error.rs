//! The errors of a call.

/// The statuses of refusals that may pass: too many requests, and an unavailable node.
const TEMPORARY: [u16; 2] = [429, 503];

/// The reason a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is invalid. Nothing was sent.
    #[error("invalid URL {url:?}: {why}; expected a URL such as http://127.0.0.1:4900")]
    Address {
        /// The URL as given.
        url: String,
        /// The reason it is invalid.
        why: String,
    },
    /// A token or certificate file cannot be used. Nothing was sent.
    #[error("{path}: {why}")]
    Access {
        /// The path of the file.
        path: String,
        /// The reason the file cannot be used.
        why: String,
    },
    /// There was no response in time, and nothing was changed: nothing was sent, or it was a read.
    #[error("no response from {url}: {why}")]
    NoAnswer {
        /// The URL of the node.
        url: String,
        /// The cause.
        why: String,
    },
    /// There was no response to a request that changes something, not even to its repetitions. It
    /// is unknown whether it has taken effect.
    #[error("the outcome is unknown: no response from {url}: {why}; it may have taken effect")]
    OutcomeUnknown {
        /// The URL of the node.
        url: String,
        /// The cause.
        why: String,
    },
    /// The TLS handshake failed: the certificate is not trusted, or the server does not use TLS.
    /// Nothing was sent.
    #[error("no trusted connection to {url}: {why}; nothing was sent")]
    Untrusted {
        /// The URL of the node.
        url: String,
        /// The cause.
        why: String,
    },
    /// The response does not follow the API.
    #[error("unexpected response from {url} (not a node, or another version): {why}")]
    NotDispatch {
        /// The URL of the node.
        url: String,
        /// The unexpected part of the response.
        why: String,
    },
    /// The node refused the request with a problem document (RFC 9457).
    #[error("{detail} ({kind})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem's `type`, which is stable.
        kind: String,
        /// A human-readable explanation.
        detail: String,
    },
}

impl Error {
    /// Returns the problem type, if the request was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            Self::Address { .. }
            | Self::Access { .. }
            | Self::NoAnswer { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Untrusted { .. }
            | Self::NotDispatch { .. } => None,
        }
    }

    /// Returns whether there was no usable response, rather than a refusal or a local error.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::NoAnswer { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Untrusted { .. }
            | Self::NotDispatch { .. } => true,
            Self::Address { .. } | Self::Access { .. } | Self::Refused { .. } => false,
        }
    }

    /// Returns whether the cause may pass, so that a wait goes on.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::OutcomeUnknown { .. } => true,
            Self::Refused { status, .. } => TEMPORARY.contains(status),
            Self::Address { .. }
            | Self::Access { .. }
            | Self::Untrusted { .. }
            | Self::NotDispatch { .. } => false,
        }
    }
}
