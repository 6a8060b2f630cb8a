//! Calls: requests to a named handler at one node, with an answer and a time limit.
//!
//! - **Execution:** at most once. A repeated frame is not executed again, and nothing is sent again.
//! - **Outcomes:** the handler returned a result; it was not executed, or it failed
//!   ([`CallError::Outcome`](Outcome)); or this is unknown, since no answer arrived.
//! - **Code does not travel:** a node executes only the handlers that its own program has registered.
//!
//! Invariant: every call has a time limit, at its caller and at its handler.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, NodeName};
use crate::table::NAME_BYTES_MAX;

/// The maximum size of arguments and of a result, in bytes.
pub const CALL_BYTES_MAX: usize = 64 * 1024;
/// The maximum time limit of a call.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// The maximum size of a handler's error text, in bytes.
pub const FAILURE_BYTES_MAX: usize = 1_024;

/// A request to a handler at the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The number among the calls of the caller's incarnation, from 1.
    pub number: u64,
    /// The name of the handler.
    pub handler: String,
    /// The arguments, which only applications interpret.
    pub args: Vec<u8>,
    /// The time limit, from the receipt.
    pub within: Duration,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// The caller's incarnation. A later one ignores the answer.
    pub caller: Incarnation,
    /// The number of the call.
    pub number: u64,
    /// The number of calls that the answering node executes at the moment.
    pub running: u32,
    /// The outcome.
    pub result: Result<Vec<u8>, Refusal>,
}

/// The reason why a node has no result for a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The node has no handler of this name.
    NoHandler,
    /// Too many calls wait for the handler.
    Busy,
    /// The handler failed, with this text.
    Failed(String),
    /// The handler did not finish within the time limit. It was stopped.
    TooLate,
}

/// The reason why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The name of the handler is empty or too long.
    #[error("a handler's name must have 1 to {NAME_BYTES_MAX} bytes, not {bytes}")]
    Handler {
        /// The number of bytes.
        bytes: usize,
    },
    /// The arguments are too large.
    #[error("arguments must have at most {CALL_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// The number of bytes.
        bytes: usize,
    },
    /// The node is no member of the cluster.
    #[error("{0} is no member of the cluster")]
    NoMember(NodeName),
    /// There is no link to the node.
    #[error("there is no link to {0}")]
    Unreachable(NodeName),
    /// The node has no handler of this name.
    #[error("{node} has no handler of this name")]
    NoHandler {
        /// The node.
        node: NodeName,
    },
    /// No node that is reachable has a handler of this name.
    #[error("no reachable node has a handler of this name")]
    NoHandlers,
    /// Too many calls wait, at this node or at the handler.
    #[error("too many calls wait at {0}")]
    Busy(NodeName),
    /// The node has ended, or has not started.
    #[error("the node is not running")]
    Stopped,
    /// The handler failed.
    #[error("the handler at {node} failed: {text}")]
    Failed {
        /// The node.
        node: NodeName,
        /// The text of the handler.
        text: String,
    },
    /// No answer arrived in time, or the link was lost: the handler may have been executed, or still
    /// be.
    #[error("{0} did not answer; whether the handler was executed is unknown")]
    Unknown(NodeName),
}

/// What is known of a call without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler was not executed.
    NotExecuted,
    /// The handler was executed, and failed.
    Failed,
    /// The handler may have been executed, or still be.
    Unknown,
}

impl CallError {
    /// Returns what is known of the call.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Handler { .. }
            | Self::TooLarge { .. }
            | Self::NoMember(_)
            | Self::Unreachable(_)
            | Self::NoHandler { .. }
            | Self::NoHandlers
            | Self::Busy(_)
            | Self::Stopped => Outcome::NotExecuted,
            Self::Failed { .. } => Outcome::Failed,
            Self::Unknown(_) => Outcome::Unknown,
        }
    }

    /// Returns whether the same call may have a result at another node.
    #[must_use]
    pub fn may_succeed_elsewhere(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoHandler { .. } | Self::Busy(_) | Self::Unknown(_) => {
                true
            }
            Self::Handler { .. }
            | Self::TooLarge { .. }
            | Self::NoMember(_)
            | Self::NoHandlers
            | Self::Stopped
            | Self::Failed { .. } => false,
        }
    }
}

impl Call {
    /// Checks the sizes of a handler's name and of arguments.
    ///
    /// # Errors
    /// [`CallError::Handler`], [`CallError::TooLarge`]
    pub fn check(handler: &str, args: &[u8]) -> Result<(), CallError> {
        if handler.is_empty() || handler.len() > NAME_BYTES_MAX {
            return Err(CallError::Handler { bytes: handler.len() });
        }
        if args.len() > CALL_BYTES_MAX {
            return Err(CallError::TooLarge { bytes: args.len() });
        }
        Ok(())
    }

    /// Returns whether a node of this version could have sent it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.number > 0
            && self.within <= CALL_TIME_MAX
            && Self::check(&self.handler, &self.args).is_ok()
    }
}

impl Return {
    /// Returns whether a node of this version could have sent it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match &self.result {
            Ok(result) => result.len() <= CALL_BYTES_MAX,
            Err(Refusal::Failed(text)) => text.len() <= FAILURE_BYTES_MAX,
            Err(Refusal::NoHandler | Refusal::Busy | Refusal::TooLate) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_limited() {
        let of = |handler: usize, args: usize, within| {
            let (handler, args) = ("x".repeat(handler), vec![0; args]);
            Call { number: 1, handler, args, within }.is_valid()
        };
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        assert!(of(1, 0, zero) && of(NAME_BYTES_MAX, CALL_BYTES_MAX, CALL_TIME_MAX));
        assert!(!of(0, 0, second) && !of(NAME_BYTES_MAX + 1, 0, second));
        assert!(!of(1, CALL_BYTES_MAX + 1, second) && !of(1, 0, CALL_TIME_MAX + second));
        let returned = |result| {
            let caller = Incarnation::at(1);
            Return { caller, number: 1, running: 0, result }.is_valid()
        };
        let failed = |bytes| Err(Refusal::Failed("x".repeat(bytes)));
        assert!(returned(Ok(vec![0; CALL_BYTES_MAX])) && returned(failed(FAILURE_BYTES_MAX)));
        assert!(!returned(Ok(vec![0; CALL_BYTES_MAX + 1])));
        assert!(!returned(failed(FAILURE_BYTES_MAX + 1)));
    }
}
