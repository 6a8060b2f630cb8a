//! Where requests meet the machine: a queue of asks in, answers back by ticket, and the newest view for all to see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use shared::trace::TraceContext;

use crate::model::view::View;
use crate::request::{Action, Reply, Request, RequestError};
use crate::web::error::{Problem, dispatch_silent};
use crate::web::spans::requests;
use crate::web::spans::writes::WriteSpans;

/// How long an answer is waited for. The machine itself gives up sooner, unless it crashed.
const REPLY_TIMEOUT: Duration = Duration::from_millis(1_900);

type OpenTickets = Arc<Mutex<(u64, BTreeMap<u64, Waiting>)>>;

/// Whoever waits for an answer.
struct Waiting {
    answer: oneshot::Sender<Reply>,
    trace: Option<TraceContext>,
}

/// The web's side of the desk.
#[derive(Clone)]
pub struct DispatchHandle {
    asks: mpsc::Sender<Request>,
    open: OpenTickets,
    view: watch::Receiver<Option<Arc<View>>>,
    write_spans: WriteSpans,
}

/// The machine's side of the desk.
pub struct Responder {
    open: OpenTickets,
    view: watch::Sender<Option<Arc<View>>>,
    write_spans: WriteSpans,
}

impl DispatchHandle {
    /// The two sides, and the queue between them, in which at most `requests_max` wait; further ones are refused.
    #[must_use]
    pub fn new(requests_max: usize) -> (Self, Responder, mpsc::Receiver<Request>) {
        let (asks, queue) = mpsc::channel(requests_max);
        let (shown, view) = watch::channel(None);
        let open = OpenTickets::default();
        let write_spans = WriteSpans::default();
        let responder = Responder { open: Arc::clone(&open), view: shown, write_spans: write_spans.clone() };
        (Self { asks, open, view, write_spans }, responder, queue)
    }

    /// The writes whose traces end where a page shows them.
    pub(crate) fn write_spans(&self) -> &WriteSpans {
        &self.write_spans
    }

    /// The views as they come, `None` before the first.
    pub(crate) fn views(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.view.clone()
    }

    /// Asks the machine, and waits for its answer.
    pub(crate) async fn ask(&self, action: Action, key: Option<String>) -> Result<Reply, Problem> {
        let (answer, answered) = oneshot::channel();
        let mut span = requests::ask(&action);
        let trace = span.context();
        let ticket = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.0 += 1;
            let ticket = open.0;
            open.1.insert(ticket, Waiting { answer, trace });
            ticket
        };
        let outcome = match self.asks.try_send(Request { ticket, key, action, trace }) {
            Err(_) => Err(Problem::overloaded()),
            Ok(()) => match timeout(REPLY_TIMEOUT, answered).await {
                Ok(Ok(Reply::Refused(refusal))) => Err(refusal.into()),
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => Err(dispatch_silent()),
            },
        };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&ticket);
        if let Err(problem) = &outcome {
            span.fail(|| problem.detail.clone());
        }
        outcome
    }

    /// What is known at this moment, everything answered so far included.
    pub(crate) async fn now(&self) -> Result<Arc<View>, Problem> {
        let Reply::View(view) = self.ask(Action::View, None).await? else { return Err(dispatch_silent()) };
        Ok(view)
    }
}

impl Responder {
    /// Hands an answer to whoever holds its ticket, if they still wait.
    pub fn answer(&self, ticket: u64, answer: Reply) {
        let waiting = self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&ticket);
        if let Some(waiting) = waiting {
            // Before anybody can be shown what is answered here.
            self.write_spans.follow(&answer, waiting.trace);
            // Whoever no longer waits needs no answer.
            let _ = waiting.answer.send(answer);
        }
    }

    /// Shows a view to everybody.
    pub fn show(&self, view: Arc<View>) {
        self.view.send_replace(Some(view));
    }
}

impl From<RequestError> for Problem {
    fn from(refusal: RequestError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            RequestError::NeverHeardOf(_) => Self::not_found("unknown_hero", detail),
            RequestError::Deleted(_) => Self::gone("terminated", detail),
            RequestError::UnknownFault(_) => Self::not_found("unknown_fault", detail),
            RequestError::HealedAlready(_) => Self::gone("healed", detail),
            RequestError::TooManyFaults(_) => Self::conflict("too_many_faults", detail),
            RequestError::TooManyHeroes => Self::conflict("too_many_heroes", detail),
            RequestError::TooManyTombstones => Self::unavailable("too_many_tombstones", detail),
            RequestError::ExchangeUnderWay => Self::conflict("under_way", detail),
            RequestError::NobodyToExchange => Self::unavailable("no_answer", detail),
            RequestError::Alive { .. } => Self::conflict("alive", detail),
            RequestError::CityHasNotHeard { .. } => Self::conflict("not_heard_of", detail),
            RequestError::NoAnswer { .. } | RequestError::NoCity | RequestError::TooLate { .. } => Self::unavailable("no_answer", detail),
            RequestError::Unknown { .. } => Self::unavailable("outcome_unknown", detail),
            RequestError::TooFarAhead { .. } => Self::conflict("too_far_ahead", detail),
            RequestError::Joining { .. } => Self::unavailable("joining", detail),
            RequestError::KeyReused => Self::not_allowed("idempotency_key_reused", detail),
            RequestError::UnderWay => Self::conflict("under_way", detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_at_once_that_nothing_was_changed() {
        let (dispatch, _counter, _nobody_takes_them) = DispatchHandle::new(1);
        let first = tokio::spawn({
            let dispatch = dispatch.clone();
            async move { dispatch.now().await }
        });
        tokio::task::yield_now().await;
        let problem = dispatch.now().await.expect_err("one waits already");
        assert_eq!((problem.code, problem.status), ("overloaded", StatusCode::TOO_MANY_REQUESTS));
        first.abort();
    }
}
