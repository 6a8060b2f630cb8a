//! The reasons why a call has no answer.

/// The reason why a call has no answer, or a refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is not that of a dispatch. Nothing was sent.
    #[error("{url:?} is not the address of a dispatch: {why}; write http://127.0.0.1:4900")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A token or a certificate cannot be read. Nothing was sent.
    #[error("{path}: {why}")]
    Access {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// There was no answer in time. It is unknown whether anything was changed.
    #[error("dispatch does not answer at {url}: {why}")]
    NoAnswer {
        /// The address of the request.
        url: String,
        /// What happened instead.
        why: String,
    },
    /// The answer is not one of dispatch.
    #[error("what answers at {url} is not dispatch as this program knows it: {why}")]
    NotDispatch {
        /// The address of the request.
        url: String,
        /// What was unexpected.
        why: String,
    },
    /// Dispatch refused, with a problem document (RFC 9457).
    #[error("{detail} ({kind})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `type` of the document: a stable word.
        kind: String,
        /// What was wrong and what was not done, for people.
        detail: String,
    },
}

impl Error {
    /// Returns the type of the problem, if the request was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            Self::Address { .. }
            | Self::Access { .. }
            | Self::NoAnswer { .. }
            | Self::NotDispatch { .. } => None,
        }
    }

    /// Returns whether dispatch itself was not reached, whatever the request was.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::NotDispatch { .. } => true,
            Self::Address { .. } | Self::Access { .. } | Self::Refused { .. } => false,
        }
    }
}
