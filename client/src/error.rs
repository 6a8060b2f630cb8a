//! What came instead of an answer.

/// Why there is no answer, or not the one that was hoped for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none that can be asked.
    #[error("{url:?} is not the address of a dispatch: {why}; write http://127.0.0.1:4900")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// What it takes to be let in is not to be had. Nothing was asked.
    #[error("{path}: {why}")]
    Access {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answered in time. Whether something was changed is not known.
    #[error("dispatch does not answer at {url}: {why}")]
    NoAnswer {
        /// Who was asked.
        url: String,
        /// What happened instead.
        why: String,
    },
    /// Somebody answered, and not as dispatch does.
    #[error("what answers at {url} is not dispatch as this program knows it: {why}")]
    NotDispatch {
        /// Who was asked.
        url: String,
        /// What was odd.
        why: String,
    },
    /// Dispatch refused, with a problem document (RFC 9457).
    #[error("{detail} ({kind})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The document's `type`: a stable word.
        kind: String,
        /// For people: what was wrong and what was not done.
        detail: String,
    },
}

impl Error {
    /// The stable word of a refusal; `None` where nobody refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            Self::Address { .. } | Self::Access { .. } | Self::NoAnswer { .. } | Self::NotDispatch { .. } => None,
        }
    }

    /// Whether dispatch itself could not be spoken with, whatever was asked.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::NotDispatch { .. } => true,
            Self::Address { .. } | Self::Access { .. } | Self::Refused { .. } => false,
        }
    }
}
