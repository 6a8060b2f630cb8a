//! The changes at dispatch that an idempotency key can repeat.

use std::sync::Arc;

use api_types::{PlayRequest, ResetDone};
use gossip::NodeName;
use node_api::error::Problem;
use node_api::idempotency;

use crate::request::{Action, Reply};
use crate::web::spans::requests;

/// A change that a client can request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An operation of the machine.
    Action(Action),
    /// The start of a city's process.
    Rebuild(NodeName),
    /// The start of the process of a further city.
    Found(NodeName),
    /// The end of a city's process and of its membership.
    Remove(NodeName),
    /// The start of a scenario.
    Play(String, PlayRequest),
    /// The start of the step that waits.
    Continue,
    /// The reset of the cluster.
    Reset,
}

/// The answer to a change that was made.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The reply of the machine.
    Machine(Reply),
    /// The result of a reset.
    Reset(Arc<ResetDone>),
}

/// The outcome of a change; without an answer if there is nothing to tell.
pub(crate) type Outcome = Result<Option<Answer>, Problem>;

/// The keys that were used last, with their changes and outcomes. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct IdempotencyKeys(idempotency::IdempotencyKeys<Change, Made>);

impl IdempotencyKeys {
    /// Sets the run of dispatch. Keys of pages that show another run are not executed.
    pub(crate) fn set_run(&self, run: &str) {
        self.0.set_run(run);
    }

    /// Executes a change once per key. The execution belongs to the HTTP request of this task.
    pub(crate) async fn once<F>(
        &self,
        key: Option<String>,
        change: Change,
        execute: impl FnOnce() -> F,
    ) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let execute = || {
            let execution = requests::in_current(execute());
            async move { execution.await.map(Made) }
        };
        self.0.once(key, change, execute).await.map(|Made(answer)| answer)
    }
}

/// The reply to a change that was made.
#[derive(Clone)]
struct Made(Option<Answer>);

impl idempotency::Reply for Made {
    fn writes(&self) -> usize {
        match &self.0 {
            // One creation may have made ten thousand.
            Some(Answer::Machine(Reply::Created(created))) => created.len(),
            Some(_) | None => 0,
        }
    }
}
