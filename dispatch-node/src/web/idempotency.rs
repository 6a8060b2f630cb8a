//! Idempotency keys: a change that is sent again with the same key is not executed again, but
//! answered with the outcome of the first request.
//!
//! Invariants:
//! - A change with a key continues when its client disconnects, so that a repetition receives its
//!   outcome.
//! - A change that was refused did nothing and may be repeated. One with an unknown outcome is never
//!   executed again, also not after a crash of the machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use gossip::NodeName;

use crate::request::{Action, Reply};
use crate::web::error::{OUTCOME_UNKNOWN, Problem, dispatch_unresponsive};
use crate::web::spans::requests;

/// The number of keys that are stored.
const KEYS_MAX: usize = 1_000;
/// The number of writes in the stored outcomes. One creation may have made ten thousand.
const WRITES_MAX: usize = 100_000;

/// A change that a client can request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An operation of the machine.
    Action(Action),
    /// The start of a city's process.
    Rebuild(NodeName),
    /// The start of a scenario.
    Play(String),
}

/// The outcome of a change; without a reply if the machine has no part in it.
pub(crate) type Outcome = Result<Option<Reply>, Problem>;

/// The keys that were used last, with their changes and outcomes. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct IdempotencyKeys(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// The run of dispatch, as pages know it.
    run: String,
    changes: BTreeMap<String, (Change, Pending)>,
    by_age: VecDeque<String>,
}

/// The outcome of a change, once there is one.
type Pending = watch::Receiver<Option<Outcome>>;

impl IdempotencyKeys {
    /// Sets the run of dispatch. Keys of pages that show another run are not executed.
    pub(crate) fn set_run(&self, run: &str) {
        run.clone_into(&mut self.lock().run);
    }

    /// Executes a change, unless its key was used before: then returns that outcome, and waits for
    /// it if necessary. `execute` must end within a time limit.
    pub(crate) async fn once<F>(
        &self,
        key: Option<String>,
        change: Change,
        execute: impl FnOnce() -> F,
    ) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let Some(key) = key else { return execute().await };
        let (finished, mut pending) = match self.begin(&key, &change)? {
            Begun::Before(pending) => (None, pending),
            Begun::Now(finished, pending) => (Some(finished), pending),
        };
        if let Some(finished) = finished {
            let (keys, execution) = (self.clone(), requests::in_current(execute()));
            tokio::spawn(async move {
                let outcome = execution.await;
                keys.end(&key, &outcome);
                finished.send_replace(Some(outcome));
            });
        }
        match pending.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            // The task has panicked.
            Ok(None) | Err(_) => Err(dispatch_unresponsive()),
        }
    }

    /// Stores the key, unless it is known.
    fn begin(&self, key: &str, change: &Change) -> Result<Begun, Problem> {
        let mut known = self.lock();
        if run_of(key).is_some_and(|run| run != known.run) {
            return Err(Problem::unavailable(
                OUTCOME_UNKNOWN,
                "the request belongs to an earlier run of dispatch; whether that executed it is \
                 not known, and it is not executed now",
            ));
        }
        if let Some((before, pending)) = known.changes.get(key) {
            return if before == change {
                Ok(Begun::Before(pending.clone()))
            } else {
                Err(Problem::not_allowed(
                    "idempotency_key_reused",
                    "this Idempotency-Key was used for a different request",
                ))
            };
        }
        let (finished, pending) = watch::channel(None);
        known.by_age.push_back(key.to_owned());
        known.changes.insert(key.to_owned(), (change.clone(), pending.clone()));
        known.drop_oldest();
        Ok(Begun::Now(finished, pending))
    }

    /// Forgets the key of a change that was refused.
    fn end(&self, key: &str, outcome: &Outcome) {
        if outcome.as_ref().is_err_and(|problem| problem.code != OUTCOME_UNKNOWN) {
            let mut known = self.lock();
            known.changes.remove(key);
            known.by_age.retain(|other| other != key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // The maps are consistent whenever the lock is released, so poisoning is ignored.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Drops the oldest keys beyond the limit. Those of changes in progress stay; their number is
    /// limited by the connections.
    fn drop_oldest(&mut self) {
        let Self { changes, by_age, .. } = self;
        let mut excess = by_age.len().saturating_sub(KEYS_MAX);
        let stored: usize = changes.values().filter_map(|(_, pending)| writes(pending)).sum();
        let mut excess_writes = stored.saturating_sub(WRITES_MAX);
        by_age.retain(|key| {
            // In progress.
            let Some(made) = changes.get(key).and_then(|(_, pending)| writes(pending)) else {
                return true;
            };
            let is_kept = excess == 0 && (excess_writes == 0 || made == 0);
            if !is_kept {
                excess = excess.saturating_sub(1);
                excess_writes = excess_writes.saturating_sub(made);
                changes.remove(key);
            }
            is_kept
        });
    }
}

/// Returns the number of writes in the outcome; `None` if there is no outcome yet.
fn writes(pending: &Pending) -> Option<usize> {
    let outcome = pending.borrow();
    outcome.as_ref().map(|outcome| match outcome {
        Ok(Some(Reply::Created(created))) => created.len(),
        Ok(_) | Err(_) => 0,
    })
}

/// Returns the run in the key of a page: `RUN~RANDOM`, 8 and 32 hexadecimal digits. An earlier run
/// may have executed the request, and its keys are lost.
fn run_of(key: &str) -> Option<&str> {
    let (run, random) = key.split_once('~')?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (run.len() == 8 && random.len() == 32 && is_hex(run) && is_hex(random)).then_some(run)
}

/// The state of a key.
enum Begun {
    /// Used by an earlier request.
    Before(Pending),
    /// New.
    Now(watch::Sender<Option<Outcome>>, Pending),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn oldest_keys_are_dropped_but_not_those_in_progress() {
        let keys = IdempotencyKeys::default();
        let change = |key: usize| Change::Play(key.to_string());
        let begun = keys.begin("in progress", &change(0)).ok();
        for key in 0..KEYS_MAX {
            let outcome = keys.once(Some(key.to_string()), change(key), async || Ok(None)).await;
            assert_eq!(outcome.map(|_| ()), Ok(()));
        }
        let known: Vec<String> = keys.lock().by_age.iter().cloned().collect();
        assert_eq!(
            (known.len(), known[0].as_str(), known[1].as_str()),
            (KEYS_MAX, "in progress", "1")
        );
        assert_eq!(keys.lock().changes.len(), KEYS_MAX);
        drop(begun);
    }

    #[tokio::test]
    async fn writes_of_stored_outcomes_are_bounded() {
        use crate::fixtures::{live, stamp};
        use crate::request::Written;
        use shared::hero::HeroId;

        let keys = IdempotencyKeys::default();
        let entry = live(stamp("dispatch", 0), 84, None);
        for key in 0..30 {
            let written = Written { hero: HeroId::from_u128(7), entry: Arc::clone(&entry) };
            let reply = Reply::Created(vec![written; if key == 0 { 1 } else { WRITES_MAX / 10 }]);
            let execute = async || Ok(Some(reply));
            let outcome = keys.once(Some(key.to_string()), Change::Play("a".into()), execute).await;
            assert!(outcome.is_ok());
        }
        let known = keys.lock();
        let stored: usize = known.changes.values().filter_map(|(_, pending)| writes(pending)).sum();
        // The newest outcome counts from the next key on.
        assert!(stored <= WRITES_MAX + WRITES_MAX / 10, "{stored}");
        assert!(known.changes.contains_key("29") && !known.changes.contains_key("1"));
    }

    #[tokio::test]
    async fn key_of_another_run_is_not_executed() {
        let keys = IdempotencyKeys::default();
        keys.set_run("00c0ffee");
        let outcome = async |key: &str| {
            let execute = async || Ok(None);
            keys.once(Some(key.to_owned()), Change::Play("a".into()), execute).await.map(drop)
        };
        let random = "0123456789abcdef0123456789abcdef";
        assert_eq!(outcome(&format!("00c0ffee~{random}")).await, Ok(()));
        let refused = outcome(&format!("deadbeef~{random}")).await.expect_err("another run");
        assert_eq!(refused.code, OUTCOME_UNKNOWN);
        assert_eq!(outcome("deadbeef~a key of a program").await, Ok(()));
    }

    #[tokio::test]
    async fn panic_leaves_an_unknown_outcome() {
        let keys = IdempotencyKeys::default();
        for _ in 0..2 {
            let outcome = keys
                .once(Some("a".into()), Change::Play("b".into()), async || panic!("on purpose"))
                .await;
            assert_eq!(outcome.map(|_| ()).expect_err("unknown").code, OUTCOME_UNKNOWN);
        }
    }
}
