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

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tokio::sync::watch;

use crate::described;
use crate::error::{HANDLER_FAILED, OUTCOME_UNKNOWN, Problem, unanswered};

/// The maximum length of an idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// The number of keys that are stored.
const KEYS_MAX: usize = 1_000;
/// The number of writes in the stored outcomes. One creation may have made ten thousand.
const WRITES_MAX: usize = 100_000;

/// The reply to a change that succeeded.
pub trait Reply: Clone + Send + Sync + 'static {
    /// Returns the number of writes that the reply lists.
    fn writes(&self) -> usize {
        0
    }
}

/// The outcome of a change.
pub type Outcome<R> = Result<R, Problem>;

/// The keys that were used last, with their changes `C` and the outcomes with replies `R`. Clones
/// share them.
pub struct IdempotencyKeys<C, R>(Arc<Mutex<Known<C, R>>>);

struct Known<C, R> {
    /// The run of the node, as pages know it.
    run: String,
    changes: BTreeMap<String, (C, Pending<R>)>,
    by_age: VecDeque<String>,
}

/// The outcome of a change, once there is one.
type Pending<R> = watch::Receiver<Option<Outcome<R>>>;

impl<C, R> Clone for IdempotencyKeys<C, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C, R> Default for IdempotencyKeys<C, R> {
    fn default() -> Self {
        let known = Known { run: String::new(), changes: BTreeMap::new(), by_age: VecDeque::new() };
        Self(Arc::new(Mutex::new(known)))
    }
}

impl<C: Clone + PartialEq + Send + 'static, R: Reply> IdempotencyKeys<C, R> {
    /// Sets the run of the node. Keys of pages that show another run are not executed.
    pub fn set_run(&self, run: &str) {
        run.clone_into(&mut self.lock().run);
    }

    /// Executes a change, unless its key was used before: then returns that outcome, and waits for
    /// it if necessary. `execute` must end within a time limit.
    ///
    /// # Errors
    /// Those of `execute`; `idempotency_key_reused`; `outcome_unknown` for a key of another run.
    pub async fn once<F>(
        &self,
        key: Option<String>,
        change: C,
        execute: impl FnOnce() -> F,
    ) -> Outcome<R>
    where
        F: Future<Output = Outcome<R>> + Send + 'static,
    {
        let Some(key) = key else { return execute().await };
        let (finished, mut pending) = match self.begin(&key, &change)? {
            Begun::Before(pending) => (None, pending),
            Begun::Now(finished, pending) => (Some(finished), pending),
        };
        if let Some(finished) = finished {
            let (keys, execution) = (self.clone(), execute());
            tokio::spawn(async move {
                let outcome = execution.await;
                keys.end(&key, &outcome);
                finished.send_replace(Some(outcome));
            });
        }
        match pending.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            // The task has panicked.
            Ok(None) | Err(_) => Err(unanswered()),
        }
    }

    /// Stores the key, unless it is known.
    fn begin(&self, key: &str, change: &C) -> Result<Begun<R>, Problem> {
        let mut known = self.lock();
        if run_of(key).is_some_and(|run| run != known.run) {
            return Err(Problem::unavailable(
                OUTCOME_UNKNOWN,
                "the request belongs to an earlier run of this node; whether that executed it is \
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

    /// Forgets the key of a change that was refused, and so did nothing.
    fn end(&self, key: &str, outcome: &Outcome<R>) {
        let is_refusal =
            |problem: &Problem| !matches!(problem.code, OUTCOME_UNKNOWN | HANDLER_FAILED);
        if outcome.as_ref().is_err_and(is_refusal) {
            let mut known = self.lock();
            known.changes.remove(key);
            known.by_age.retain(|other| other != key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known<C, R>> {
        // The maps are consistent whenever the lock is released, so poisoning is ignored.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, R: Reply> Known<C, R> {
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
fn writes<R: Reply>(pending: &Pending<R>) -> Option<usize> {
    let outcome = pending.borrow();
    outcome.as_ref().map(|outcome| outcome.as_ref().map_or(0, Reply::writes))
}

/// Returns the run in the key of a page: `RUN~RANDOM`, 8 and 32 hexadecimal digits. An earlier run
/// may have executed the request, and its keys are lost.
fn run_of(key: &str) -> Option<&str> {
    let (run, random) = key.split_once('~')?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (run.len() == 8 && random.len() == 32 && is_hex(run) && is_hex(random)).then_some(run)
}

/// The state of a key.
enum Begun<R> {
    /// Used by an earlier request.
    Before(Pending<R>),
    /// New.
    Now(watch::Sender<Option<Outcome<R>>>, Pending<R>),
}

/// The request's idempotency key, if it has one.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl IdempotencyKey {
    /// Returns the key in the headers.
    ///
    /// # Errors
    /// `invalid_idempotency_key`
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let key = headers.get("idempotency-key");
        key.map(|key| Self::parse(key.as_bytes())).transpose().map(Self)
    }

    /// Parses a key.
    ///
    /// # Errors
    /// `invalid_idempotency_key`
    pub fn parse(key: &[u8]) -> Result<String, Problem> {
        let key = std::str::from_utf8(key).ok().filter(|key| {
            (1..=KEY_BYTES_MAX).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic())
        });
        key.map(str::to_owned).ok_or_else(|| {
            let detail = format!(
                "an Idempotency-Key must have 1 to {KEY_BYTES_MAX} visible ASCII characters; \
                 nothing was changed"
            );
            Problem::malformed("invalid_idempotency_key", detail)
        })
    }
}

described! {
    IdempotencyKey: Header "Idempotency-Key",
        "Chosen by the client, and unique per request. \
         A request with a known key is answered again, but not executed again.",
        { "type": "string", "pattern": "^[!-~]{1,200}$" };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply with this number of writes.
    #[derive(Clone)]
    struct Created(usize);

    impl Reply for Created {
        fn writes(&self) -> usize {
            self.0
        }
    }

    type Keys = IdempotencyKeys<String, Created>;

    #[tokio::test]
    async fn oldest_keys_are_dropped_but_not_those_in_progress() {
        let keys = Keys::default();
        let begun = keys.begin("in progress", &0.to_string()).ok();
        for key in 0..KEYS_MAX {
            let execute = async || Ok(Created(0));
            let outcome = keys.once(Some(key.to_string()), key.to_string(), execute).await;
            assert_eq!(outcome.map(drop), Ok(()));
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
        let keys = Keys::default();
        for key in 0..30 {
            let reply = Created(if key == 0 { 1 } else { WRITES_MAX / 10 });
            let execute = async || Ok(reply);
            assert!(keys.once(Some(key.to_string()), "a".into(), execute).await.is_ok());
        }
        let known = keys.lock();
        let stored: usize = known.changes.values().filter_map(|(_, pending)| writes(pending)).sum();
        // The newest outcome counts from the next key on.
        assert!(stored <= WRITES_MAX + WRITES_MAX / 10, "{stored}");
        assert!(known.changes.contains_key("29") && !known.changes.contains_key("1"));
    }

    #[tokio::test]
    async fn key_of_another_run_is_not_executed() {
        let keys = Keys::default();
        keys.set_run("00c0ffee");
        let outcome = async |key: &str| {
            let execute = async || Ok(Created(0));
            keys.once(Some(key.to_owned()), "a".into(), execute).await.map(drop)
        };
        let random = "0123456789abcdef0123456789abcdef";
        assert_eq!(outcome(&format!("00c0ffee~{random}")).await, Ok(()));
        let refused = outcome(&format!("deadbeef~{random}")).await.expect_err("another run");
        assert_eq!(refused.code, OUTCOME_UNKNOWN);
        assert_eq!(outcome("deadbeef~a key of a program").await, Ok(()));
    }

    #[tokio::test]
    async fn failure_of_what_was_executed_is_kept_and_a_refusal_is_not() {
        for (code, kept) in [(HANDLER_FAILED, true), (OUTCOME_UNKNOWN, true), ("refused", false)] {
            let keys = Keys::default();
            let execute = async || Err(Problem::unavailable(code, "it failed"));
            let failed = keys.once(Some("a".into()), "b".into(), execute).await;
            assert_eq!(failed.map(drop).expect_err("it failed").code, code);
            let again = keys.once(Some("a".into()), "b".into(), async || Ok(Created(1))).await;
            assert_eq!(again.is_err(), kept, "{code}");
        }
    }

    #[tokio::test]
    async fn panic_leaves_an_unknown_outcome() {
        let keys = Keys::default();
        for _ in 0..2 {
            let outcome =
                keys.once(Some("a".into()), "b".into(), async || panic!("on purpose")).await;
            assert_eq!(outcome.map(drop).expect_err("unknown").code, OUTCOME_UNKNOWN);
        }
    }
}
