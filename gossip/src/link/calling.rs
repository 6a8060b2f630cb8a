//! The calls of one incarnation: those that wait for an answer, and those that it executes.
//!
//! Invariants: a call is executed at most once, even if its frame is repeated. When the incarnation
//! ends, or the link to a caller, its handlers are stopped.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::call::{Call, CallError, Refusal, Return};
use crate::id::{Incarnation, NodeName, Origin};
use crate::link::calls::Answer;
use crate::link::freeze::freezable;
use crate::link::handlers::{Context, Handlers};

/// The number of calls that may wait for an answer.
const PENDING_MAX: usize = 4_096;
/// The number of calls of one peer that are remembered to recognize repetitions.
const REMEMBERED_MAX: usize = 1_024;
/// The number of ended handlers whose results wait for the driver.
const FINISHED_MAX: usize = 64;

/// A call that a handler has ended.
pub(super) struct Finished {
    pub(super) caller: Origin,
    number: u64,
    result: Result<Vec<u8>, Refusal>,
}

/// The calls of one incarnation.
pub(super) struct Calling {
    me: Origin,
    handlers: Handlers,
    frozen: watch::Receiver<bool>,
    tasks: TaskTracker,
    /// The calls that wait for an answer.
    pending: BTreeMap<u64, Pending>,
    /// The calls that are executed here, with the signals to stop them.
    running: BTreeMap<(Origin, u64), DropGuard>,
    received: BTreeMap<NodeName, (Incarnation, Numbers)>,
    finished: mpsc::Sender<Finished>,
}

struct Pending {
    to: NodeName,
    reply: oneshot::Sender<Answer>,
}

/// The numbers of received calls.
#[derive(Default)]
struct Numbers {
    remembered: BTreeSet<u64>,
    /// Numbers up to this one count as received.
    forgotten: u64,
}

impl Numbers {
    /// Notes a number. Returns whether it is new.
    fn insert(&mut self, number: u64) -> bool {
        let is_new = number > self.forgotten && self.remembered.insert(number);
        if self.remembered.len() > REMEMBERED_MAX {
            self.forgotten = self.remembered.pop_first().expect("there are more than the maximum");
        }
        is_new
    }
}

impl Calling {
    /// Returns the calls of an incarnation that starts, and the receiver of the calls that its
    /// handlers have ended.
    pub(super) fn new(
        me: Origin,
        handlers: Handlers,
        frozen: watch::Receiver<bool>,
        tasks: TaskTracker,
    ) -> (Self, mpsc::Receiver<Finished>) {
        let (finished, results) = mpsc::channel(FINISHED_MAX);
        let (pending, running, received) = <(BTreeMap<_, _>, BTreeMap<_, _>, _)>::default();
        (Self { me, handlers, frozen, tasks, pending, running, received, finished }, results)
    }

    /// Notes a call that is sent. Returns it, unless too many wait for an answer or its caller has
    /// given up.
    pub(super) fn begin(
        &mut self,
        to: NodeName,
        call: Call,
        reply: oneshot::Sender<Answer>,
    ) -> Option<Call> {
        if reply.is_closed() {
            return None;
        }
        if self.pending.len() >= PENDING_MAX {
            // Those whose cancelling was lost.
            self.pending.retain(|_, pending| !pending.reply.is_closed());
        }
        if self.pending.len() >= PENDING_MAX {
            fail(reply, CallError::Busy(self.me.node));
            return None;
        }
        self.pending.insert(call.number, Pending { to, reply });
        Some(call)
    }

    /// Ends a call that was not sent.
    pub(super) fn not_sent(&mut self, number: u64, error: CallError) {
        if let Some(Pending { reply, .. }) = self.pending.remove(&number) {
            fail(reply, error);
        }
    }

    /// Forgets a call whose caller has given up. Returns the node that executes it.
    pub(super) fn cancel(&mut self, number: u64) -> Option<NodeName> {
        self.pending.remove(&number).map(|pending| pending.to)
    }

    /// Stops a call that is executed here. If it arrives later, it is not executed.
    pub(super) fn cancelled_by(&mut self, caller: Origin, number: u64) {
        if let Some(numbers) = self.numbers(caller) {
            numbers.insert(number);
        }
        self.running.remove(&(caller, number));
    }

    /// Ends the calls between this node and a peer whose link is lost.
    pub(super) fn link_down(&mut self, peer: NodeName) {
        let lost = self.pending.extract_if(.., |_, pending| pending.to == peer);
        for (_, Pending { reply, to }) in lost {
            fail(reply, CallError::Unknown(to));
        }
        self.running.retain(|(caller, _), _| caller.node != peer);
    }

    /// Executes a call, unless it is repeated. Returns the answer if it is refused.
    pub(super) fn execute(&mut self, caller: Origin, call: Call) -> Option<Return> {
        let Call { number, handler, args, within } = call;
        if !self.numbers(caller)?.insert(number) {
            return None;
        }
        let cancelled = CancellationToken::new();
        let context = Context::new(caller, cancelled.clone());
        let work = match self.handlers.begin(&handler, context, args) {
            Ok(work) => work,
            Err(refusal) => return Some(self.answer(caller, number, Err(refusal))),
        };
        self.running.insert((caller, number), cancelled.clone().drop_guard());
        let finished = self.finished.clone();
        let call = async move {
            let result = tokio::select! {
                () = cancelled.cancelled() => return,
                result = timeout(within, work) => result.unwrap_or(Err(Refusal::TooLate)),
            };
            // An error means that the incarnation has ended.
            let _ = finished.send(Finished { caller, number, result }).await;
        };
        self.tasks.spawn(freezable(self.frozen.clone(), call).in_current_span());
        None
    }

    /// Returns the numbers of the calls of an incarnation; `None` if a later one of its name has called.
    fn numbers(&mut self, caller: Origin) -> Option<&mut Numbers> {
        let new = || (caller.incarnation, Numbers::default());
        let received = self.received.entry(caller.node).or_insert_with(new);
        if received.0 < caller.incarnation {
            *received = new();
        }
        (received.0 == caller.incarnation).then_some(&mut received.1)
    }

    /// Returns the answer to a call that a handler has ended; `None` if it was cancelled.
    pub(super) fn finish(&mut self, finished: Finished) -> Option<Return> {
        let Finished { caller, number, result } = finished;
        self.running.remove(&(caller, number))?;
        Some(self.answer(caller, number, result))
    }

    fn answer(&self, caller: Origin, number: u64, result: Result<Vec<u8>, Refusal>) -> Return {
        let running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        Return { caller: caller.incarnation, number, running, result }
    }

    /// Passes an answer to its caller.
    pub(super) fn returned(&mut self, from: NodeName, answer: Return) {
        let Return { caller, number, running, result } = answer;
        let is_awaited = caller == self.me.incarnation
            && self.pending.get(&number).is_some_and(|pending| pending.to == from);
        let Some(Pending { to, reply }) =
            is_awaited.then(|| self.pending.remove(&number)).flatten()
        else {
            return;
        };
        let result = result.map_err(|refusal| match refusal {
            Refusal::NoHandler => CallError::NoHandler { node: to },
            Refusal::Busy => CallError::Busy(to),
            Refusal::Failed(text) => CallError::Failed { node: to, text },
            Refusal::TooLate => CallError::Unknown(to),
        });
        // Sending fails only if the caller has given up.
        let _ = reply.send((result, Some(running)));
    }
}

fn fail(reply: oneshot::Sender<Answer>, error: CallError) {
    // Sending fails only if the caller has given up.
    let _ = reply.send((Err(error), None));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn origin(name: &str, incarnation: u64) -> Origin {
        Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(incarnation) }
    }

    fn call(number: u64, handler: &str) -> Call {
        let within = Duration::from_secs(60);
        Call { number, handler: handler.to_owned(), args: vec![7], within }
    }

    fn calling() -> (Calling, mpsc::Receiver<Finished>) {
        let handlers = Handlers::default();
        handlers.register("echo", |_, args| async { Ok(args) });
        handlers.register("endless", |_, _| std::future::pending());
        let (_, frozen) = watch::channel(false);
        Calling::new(origin("gotham", 5), handlers, frozen, TaskTracker::new())
    }

    #[test]
    fn repeated_numbers_are_recognized_in_any_order() {
        let mut numbers = Numbers::default();
        for (number, is_new) in [(3, true), (1, true), (3, false), (2, true), (1, false)] {
            assert_eq!(numbers.insert(number), is_new, "{number}");
        }
        for number in 4..=REMEMBERED_MAX as u64 + 1 {
            assert!(numbers.insert(number));
        }
        assert_eq!(numbers.remembered.len(), REMEMBERED_MAX);
        assert!([1, 2, 500].into_iter().all(|number| !numbers.insert(number)));
    }

    #[tokio::test]
    async fn repeated_call_is_executed_once() {
        let (mut calling, mut results) = calling();
        let caller = origin("capitol", 3);
        assert_eq!(calling.execute(caller, call(1, "echo")), None);
        assert_eq!(calling.execute(caller, call(1, "echo")), None);
        let finished = results.recv().await.unwrap();
        let answer = calling.finish(finished).unwrap();
        let expected =
            Return { caller: caller.incarnation, number: 1, running: 0, result: Ok(vec![7]) };
        assert_eq!(answer, expected);
        // The next incarnation counts from the start, and ends the one before.
        let next = origin("capitol", 4);
        assert_eq!(calling.execute(next, call(1, "echo")), None);
        assert_eq!(results.recv().await.unwrap().caller, next);
        assert_eq!(calling.execute(caller, call(2, "none")), None);
        let refused = calling.execute(next, call(2, "none")).unwrap();
        assert_eq!(refused.result, Err(Refusal::NoHandler));
        // Cancelled before it has arrived.
        calling.cancelled_by(next, 3);
        assert_eq!(calling.execute(next, call(3, "none")), None);
        assert!(results.try_recv().is_err());
    }

    #[tokio::test]
    async fn cancelled_calls_and_those_of_lost_callers_are_stopped() {
        let (mut calling, _results) = calling();
        let [capitol, smallville] = [origin("capitol", 3), origin("smallville", 3)];
        for (caller, number) in [(capitol, 1), (capitol, 2), (smallville, 1)] {
            assert_eq!(calling.execute(caller, call(number, "endless")), None);
        }
        calling.cancelled_by(capitol, 1);
        assert_eq!(calling.running.len(), 2);
        calling.link_down(capitol.node);
        let running: Vec<_> = calling.running.keys().copied().collect();
        assert_eq!(running, [(smallville, 1)]);
        calling.running.clear();
        calling.tasks.close();
        calling.tasks.wait().await;
    }

    #[tokio::test]
    async fn only_the_called_node_can_answer_and_only_this_incarnation() {
        let (mut calling, _results) = calling();
        let [metropolis, capitol] = ["metropolis", "capitol"].map(|name| name.parse().unwrap());
        let (reply, mut answer) = oneshot::channel();
        calling.begin(metropolis, call(1, "echo"), reply).unwrap();
        let returned = |incarnation, result| Return {
            caller: Incarnation::at(incarnation),
            number: 1,
            running: 2,
            result,
        };
        calling.returned(capitol, returned(5, Ok(vec![1])));
        calling.returned(metropolis, returned(4, Ok(vec![2])));
        assert!(answer.try_recv().is_err());
        calling.returned(metropolis, returned(5, Err(Refusal::Busy)));
        calling.returned(metropolis, returned(5, Ok(vec![3])));
        assert_eq!(answer.await.unwrap(), (Err(CallError::Busy(metropolis)), Some(2)));
        let (reply, answer) = oneshot::channel();
        calling.begin(metropolis, call(2, "echo"), reply).unwrap();
        calling.link_down(capitol);
        calling.link_down(metropolis);
        assert_eq!(answer.await.unwrap(), (Err(CallError::Unknown(metropolis)), None));
    }
}
