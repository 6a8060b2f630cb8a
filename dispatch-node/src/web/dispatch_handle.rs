//! The boundary between web handlers and the machine: a bounded queue of requests, replies matched
//! by ticket, and the latest view.
//!
//! Invariant: every caller gets a reply or a problem within [`REPLY_TIMEOUT`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use gossip::{NodeName, TraceContext};

use crate::event_log::EventKind;
use crate::model::view::View;
use crate::request::{
    Action, Command, Kill, Log, Operation, Outcome, ReadView, Reply, Request, RequestError,
};
use crate::web::error::{OUTCOME_UNKNOWN, Problem, dispatch_unresponsive};
use crate::web::idempotency::{Answer, Change, IdempotencyKeys};
use crate::web::launcher::{self, LauncherClient};
use crate::web::spans::requests;
use crate::web::spans::writes::WriteSpans;

/// The time limit for a reply. It exceeds the machine's own `ANSWER_TIMEOUT`, so it is reached only
/// if the machine has crashed or is overloaded.
const REPLY_TIMEOUT: Duration = Duration::from_millis(1_900);

type OpenTickets = Arc<Mutex<(u64, BTreeMap<u64, Waiting>)>>;

/// A caller that waits for its reply.
struct Waiting {
    reply: oneshot::Sender<Outcome>,
    trace: Option<TraceContext>,
}

/// The end used by web handlers. Clones share the queue.
#[derive(Clone)]
pub struct DispatchHandle {
    asks: mpsc::Sender<Command>,
    open: OpenTickets,
    view: watch::Receiver<Option<Arc<View>>>,
    write_spans: WriteSpans,
    keys: IdempotencyKeys,
    launcher: Arc<OnceLock<LauncherClient>>,
}

/// The end used by the process that drives the machine.
pub struct Responder {
    open: OpenTickets,
    view: watch::Sender<Option<Arc<View>>>,
    write_spans: WriteSpans,
}

impl DispatchHandle {
    /// Returns both ends, and the queue between them. At most `requests_max` requests wait in it;
    /// further ones are refused.
    #[must_use]
    pub fn new(requests_max: usize) -> (Self, Responder, mpsc::Receiver<Command>) {
        let (asks, queue) = mpsc::channel(requests_max);
        let (shown, view) = watch::channel(None);
        let open = OpenTickets::default();
        let write_spans = WriteSpans::default();
        let responder =
            Responder { open: Arc::clone(&open), view: shown, write_spans: write_spans.clone() };
        let keys = IdempotencyKeys::default();
        let launcher = Arc::default();
        (Self { asks, open, view, write_spans, keys, launcher }, responder, queue)
    }

    /// Returns the command queue of the machine.
    #[must_use]
    pub fn commands(&self) -> mpsc::Sender<Command> {
        self.asks.clone()
    }

    /// Returns the writes whose traces end when a page receives them.
    pub(crate) fn write_spans(&self) -> &WriteSpans {
        &self.write_spans
    }

    /// Returns the idempotency keys of all changes.
    pub(crate) fn keys(&self) -> &IdempotencyKeys {
        &self.keys
    }

    /// Sets the launcher that kills processes.
    pub(crate) fn set_launcher(&self, launcher: LauncherClient) {
        // Set once: there is one router per process.
        let _ = self.launcher.set(launcher);
    }

    /// Returns the published views; `None` before the first.
    pub(crate) fn views(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.view.clone()
    }

    /// Requests an operation from the machine, and returns its reply.
    pub(crate) async fn ask<O: Operation>(
        &self,
        operation: O,
        key: Option<String>,
    ) -> Result<O::Reply, Problem> {
        let reply = self.perform(operation.into(), key).await?;
        // The machine answers with a ticket of the operation's type, so this cannot fail.
        O::from_reply(reply).ok_or_else(dispatch_unresponsive)
    }

    /// Requests an operation of any type from the machine, and returns its reply.
    pub(crate) async fn perform(
        &self,
        action: Action,
        key: Option<String>,
    ) -> Result<Reply, Problem> {
        let dispatch = self.clone();
        let execute = {
            let action = action.clone();
            async move || {
                let reply = if let Action::Kill(Kill { city }) = action {
                    dispatch.kill(city).await?
                } else {
                    dispatch.execute(action).await?
                };
                Ok(Some(Answer::Machine(reply)))
            }
        };
        match self.keys.once(key, Change::Action(action), execute).await? {
            Some(Answer::Machine(reply)) => Ok(reply),
            // The same key and change have the same answer, so this cannot happen.
            Some(Answer::Reset(_)) | None => Err(dispatch_unresponsive()),
        }
    }

    /// Kills the process of a city: by the launcher if that started it, or else by a command.
    async fn kill(&self, city: NodeName) -> Result<Reply, Problem> {
        let is_killed = match self.launcher.get() {
            Some(launcher) => launcher::kill(launcher, city).await?,
            None => false,
        };
        if !is_killed {
            return self.execute(Kill { city }.into()).await;
        }
        let text = format!("{city} was killed");
        self.log(Log { node: city, kind: EventKind::Killed, text, heard_from: None }).await;
        Ok(Reply::Ended(city))
    }

    /// Appends an event to the log. If dispatch is overloaded, the event is missing there: what it is
    /// about has happened all the same.
    pub(crate) async fn log(&self, event: Log) {
        drop(self.execute(event.into()).await);
    }

    /// Sends an operation to the machine, and waits for its reply.
    async fn execute(&self, action: Action) -> Result<Reply, Problem> {
        let (reply, replied) = oneshot::channel();
        let mut span = requests::ask(&action);
        let trace = span.context();
        // Registered before the request is sent, because the reply may arrive at once.
        let ticket = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.0 += 1;
            let ticket = open.0;
            open.1.insert(ticket, Waiting { reply, trace });
            ticket
        };
        let outcome = match self.asks.try_send(Request { ticket, action, trace }.into()) {
            Err(_) => Err(Problem::overloaded()),
            Ok(()) => match timeout(REPLY_TIMEOUT, replied).await {
                Ok(Ok(reply)) => reply.map_err(Problem::from),
                Ok(Err(_)) | Err(_) => Err(dispatch_unresponsive()),
            },
        };
        // After a refusal or a timeout the ticket is still registered.
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&ticket);
        if let Err(problem) = &outcome {
            span.fail(|| problem.detail.clone());
        }
        outcome
    }

    /// Returns the state of the cluster, including everything answered so far.
    pub(crate) async fn now(&self) -> Result<Arc<View>, Problem> {
        self.ask(ReadView, None).await
    }
}

impl Responder {
    /// Passes a reply to the request with this ticket, if it is still waiting.
    pub fn reply(&self, ticket: u64, reply: Outcome) {
        let waiting = self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&ticket);
        if let Some(waiting) = waiting {
            if let Ok(reply) = &reply {
                // Before the reply is sent, so that no page can show the write first.
                self.write_spans.follow(reply, waiting.trace);
            }
            // Sending fails only if the caller has given up, so the reply is not needed.
            let _ = waiting.reply.send(reply);
        }
    }

    /// Publishes a view.
    pub fn show(&self, view: Arc<View>) {
        self.view.send_replace(Some(view));
    }
}

impl From<RequestError> for Problem {
    fn from(refusal: RequestError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            RequestError::UnknownHero(_) => Self::not_found("unknown_hero", detail),
            RequestError::Deleted(_) => Self::gone("terminated", detail),
            RequestError::UnknownFault(_) => Self::not_found("unknown_fault", detail),
            RequestError::HealedAlready(_) => Self::gone("healed", detail),
            RequestError::TooManyFaults(_) => Self::conflict("too_many_faults", detail),
            RequestError::TooManyHeroes => Self::conflict("too_many_heroes", detail),
            RequestError::TooManyTombstones => Self::unavailable("too_many_tombstones", detail),
            RequestError::ExchangeUnderWay => Self::conflict("under_way", detail),
            RequestError::TooFewNodes => Self::unavailable("no_answer", detail),
            RequestError::StillUp { .. } => Self::conflict("alive", detail),
            RequestError::UnknownAtCity { .. } => Self::conflict("not_heard_of", detail),
            RequestError::NoAnswer { .. } | RequestError::NoCity | RequestError::TooLate { .. } => {
                Self::unavailable("no_answer", detail)
            }
            RequestError::NotInForce { .. } | RequestError::StillInForce { .. } => {
                Self::unavailable("unconfirmed", detail)
            }
            RequestError::Unknown { .. } => Self::unavailable(OUTCOME_UNKNOWN, detail),
            RequestError::TooFarAhead { .. } => Self::conflict("too_far_ahead", detail),
            RequestError::Type(error) => node_api::types::refused(&error),
            RequestError::Joining { .. } => Self::unavailable("joining", detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[tokio::test]
    async fn full_queue_refuses_requests_at_once() {
        let (dispatch, _responder, _queue) = DispatchHandle::new(1);
        let first = tokio::spawn({
            let dispatch = dispatch.clone();
            async move { dispatch.now().await }
        });
        tokio::task::yield_now().await;
        let problem = dispatch.now().await.expect_err("the queue is full");
        assert_eq!((problem.code, problem.status), ("overloaded", StatusCode::TOO_MANY_REQUESTS));
        first.abort();
    }
}
