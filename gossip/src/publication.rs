//! Publications: messages to the nodes that are linked at the moment. They are not stored and not
//! repeated. What must arrive belongs into the replicated map.
//!
//! - **Delivery:** at most once, in the order of their publisher.
//! - **Gaps:** publications of one node to another are numbered, so a receiver knows how many it has
//!   missed: lost or late by a fault, or published while the link was down.
//! - **Restart:** an incarnation numbers its publications from 1. What an earlier one published and
//!   did not send is not known to be missing.
//!
//! Invariant: nothing of a publication is kept after it was delivered.

use serde::{Deserialize, Serialize};

use crate::table::{CONTENT_BYTES_MAX, NAME_BYTES_MAX};

/// A message to the subscribers of a topic at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The number among the publications of its publisher to its receiver, from 1.
    pub number: u64,
    /// The topic.
    pub topic: String,
    /// The content, which only applications interpret.
    pub body: Vec<u8>,
}

/// The reason why nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The name of the topic is empty or too long.
    #[error("a topic must have 1 to {NAME_BYTES_MAX} bytes, not {bytes}")]
    Topic {
        /// The number of bytes.
        bytes: usize,
    },
    /// The body is too large.
    #[error("a body must have at most {CONTENT_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// The number of bytes.
        bytes: usize,
    },
    /// The queue of publications is full.
    #[error("the queue of publications is full")]
    Busy,
    /// The node has ended.
    #[error("the node has ended")]
    Stopped,
}

impl Publication {
    /// Checks the sizes of a topic and of a body.
    ///
    /// # Errors
    /// [`PublishError`]
    pub fn check(topic: &str, body: &[u8]) -> Result<(), PublishError> {
        if !(1..=NAME_BYTES_MAX).contains(&topic.len()) {
            return Err(PublishError::Topic { bytes: topic.len() });
        }
        if body.len() > CONTENT_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: body.len() });
        }
        Ok(())
    }

    /// Returns whether a node of this version could have sent it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.number > 0 && Self::check(&self.topic, &self.body).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_limited() {
        let of = |topic: usize, body: usize| {
            let publication =
                Publication { number: 1, topic: "x".repeat(topic), body: vec![0; body] };
            publication.is_valid()
        };
        assert!(of(1, 0) && of(NAME_BYTES_MAX, CONTENT_BYTES_MAX));
        assert!(!of(0, 0) && !of(NAME_BYTES_MAX + 1, 0) && !of(1, CONTENT_BYTES_MAX + 1));
        let zero = Publication { number: 0, topic: "x".to_owned(), body: Vec::new() };
        assert!(!zero.is_valid());
    }
}
