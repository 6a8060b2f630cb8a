//! The calls of one process: its handlers, and the way of its callers to the task that owns the links.
//!
//! Invariant: a call whose caller has stopped waiting is cancelled at the node that executes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::call::{CALL_TIME_MAX, Call, CallError};
use crate::id::NodeName;
use crate::link::handlers::Handlers;

/// The number of calls that wait for the node.
const REQUESTS_MAX: usize = 1_024;

/// The answer to a call, and the load of the node that has answered.
pub(super) type Answer = (Result<Vec<u8>, CallError>, Option<u32>);

/// A request of a caller.
pub(super) enum Request {
    /// Sends a call.
    Call { to: NodeName, call: Call, reply: oneshot::Sender<Answer> },
    /// Cancels the call of this number.
    Cancel { number: u64 },
}

/// The calls of one process, for its callers. Clones share them.
#[derive(Clone)]
pub(super) struct Calls {
    requests: mpsc::Sender<Request>,
    numbers: Arc<AtomicU64>,
    pub(super) handlers: Handlers,
}

/// The calls of one process, for the task that owns the links.
pub(super) struct CallsServer {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) handlers: Handlers,
}

/// Returns both ends.
pub(super) fn new() -> (Calls, CallsServer) {
    let (requests, server) = mpsc::channel(REQUESTS_MAX);
    let handlers = Handlers::default();
    let server = CallsServer { requests: server, handlers: handlers.clone() };
    (Calls { requests, numbers: Arc::default(), handlers }, server)
}

impl Drop for CallsServer {
    fn drop(&mut self) {
        // Handlers may hold a handle to the node, which would keep both for ever.
        self.handlers.clear();
    }
}

/// Cancels a call when its caller stops waiting, also if that is cancelled.
struct Cancelling<'a> {
    number: u64,
    requests: &'a mpsc::Sender<Request>,
    is_answered: bool,
}

impl Drop for Cancelling<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            // If the queue is full, the handler is stopped by its time limit.
            let _ = self.requests.try_send(Request::Cancel { number: self.number });
        }
    }
}

impl Calls {
    /// Calls a handler at one node.
    pub(super) async fn call(
        &self,
        to: NodeName,
        handler: &str,
        args: &[u8],
        within: Duration,
    ) -> Answer {
        if let Err(error) = Call::check(handler, args) {
            return (Err(error), None);
        }
        let within = within.min(CALL_TIME_MAX);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (reply, answer) = oneshot::channel();
        let (handler, args) = (handler.to_owned(), args.to_vec());
        let call = Call { number, handler, args, within };
        if let Err(error) = self.requests.try_send(Request::Call { to, call, reply }) {
            let error = match error {
                TrySendError::Full(_) => CallError::Busy(to),
                TrySendError::Closed(_) => CallError::Stopped,
            };
            return (Err(error), None);
        }
        let mut cancelling = Cancelling { number, requests: &self.requests, is_answered: false };
        match timeout(within, answer).await {
            Ok(Ok(answer)) => {
                cancelling.is_answered = true;
                answer
            }
            // The incarnation that has sent it has ended, or the time is over.
            Ok(Err(_)) | Err(_) => (Err(CallError::Unknown(to)), None),
        }
    }
}
