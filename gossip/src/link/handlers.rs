//! The handlers of one process, and their execution.
//!
//! Invariants: a handler that panics, never ends or returns too much affects only its own callers. Of
//! each handler, a limited number of calls is executed at the same time, and a limited number waits.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::call::{CALL_BYTES_MAX, FAILURE_BYTES_MAX, Refusal};
use crate::id::Origin;

/// The number of calls of one handler that are executed or wait.
const CALLS_MAX: usize = 256;
/// The number of calls of one asynchronous handler that are executed at the same time.
const RUNNING_MAX: usize = 64;

/// What a handler returns: a result, or a text that describes its failure.
pub type Handled = Result<Vec<u8>, String>;

/// The circumstances of one call, for its handler.
#[derive(Clone, Debug)]
pub struct Context {
    caller: Origin,
    cancelled: CancellationToken,
}

/// The handlers of one process. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Handlers(Arc<Mutex<BTreeMap<String, Handler>>>);

#[derive(Clone)]
struct Handler {
    function: Function,
    /// The places for calls that are executed or wait.
    places: Arc<Semaphore>,
    /// The places for calls that are executed.
    running: Arc<Semaphore>,
}

#[derive(Clone)]
enum Function {
    Async(Arc<AsyncFunction>),
    Blocking(Arc<BlockingFunction>),
}

type AsyncFunction = dyn Fn(Context, Vec<u8>) -> BoxFuture<'static, Handled> + Send + Sync;
type BlockingFunction = dyn Fn(&Context, &[u8]) -> Handled + Send + Sync;

impl Context {
    pub(super) fn new(caller: Origin, cancelled: CancellationToken) -> Self {
        Self { caller, cancelled }
    }

    /// Returns the node that calls.
    #[must_use]
    pub fn caller(&self) -> Origin {
        self.caller
    }

    /// Returns whether the result is not needed any more. A blocking handler should look from time to
    /// time, and end; an asynchronous one is dropped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Handlers {
    /// Registers an asynchronous handler. Replaces the one of the same name.
    pub(super) fn register<F, R>(&self, name: &str, function: F)
    where
        F: Fn(Context, Vec<u8>) -> R + Send + Sync + 'static,
        R: Future<Output = Handled> + Send + 'static,
    {
        let function = Arc::new(move |context, args| function(context, args).boxed());
        self.insert(name, Function::Async(function), RUNNING_MAX);
    }

    /// Registers a handler that computes or blocks, executed on threads for blocking work, as many at
    /// the same time as there are processors. Replaces the one of the same name.
    pub(super) fn register_blocking<F>(&self, name: &str, function: F)
    where
        F: Fn(&Context, &[u8]) -> Handled + Send + Sync + 'static,
    {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.insert(name, Function::Blocking(Arc::new(function)), processors);
    }

    /// Removes all handlers.
    pub(super) fn clear(&self) {
        // Dropped without the lock: a handler may own the last handle to its node.
        let handlers = std::mem::take(&mut *self.locked());
        drop(handlers);
    }

    fn insert(&self, name: &str, function: Function, running: usize) {
        let (places, running) = (Semaphore::new(CALLS_MAX), Semaphore::new(running));
        let handler = Handler { function, places: places.into(), running: running.into() };
        self.locked().insert(name.to_owned(), handler);
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Handler>> {
        // The value is consistent whenever the lock is released.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a call. The future executes it.
    ///
    /// # Errors
    /// [`Refusal::NoHandler`], [`Refusal::Busy`]
    pub(super) fn begin(
        &self,
        name: &str,
        context: Context,
        args: Vec<u8>,
    ) -> Result<impl Future<Output = Result<Vec<u8>, Refusal>> + use<>, Refusal> {
        let handler = self.locked().get(name).cloned().ok_or(Refusal::NoHandler)?;
        let place = Arc::clone(&handler.places).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        Ok(async move {
            let running = handler.running.acquire_owned().await;
            let running = running.expect("the semaphore of a handler is never closed");
            let handled = handler.function.execute(context, args, (place, running)).await;
            let too_large = |result: &Vec<u8>| result.len() > CALL_BYTES_MAX;
            match handled {
                Ok(result) if too_large(&result) => {
                    let bytes = result.len();
                    let text = format!("a result of {bytes} bytes exceeds {CALL_BYTES_MAX}");
                    Err(Refusal::Failed(text))
                }
                Ok(result) => Ok(result),
                Err(mut text) => {
                    text.truncate(text.floor_char_boundary(FAILURE_BYTES_MAX));
                    Err(Refusal::Failed(text))
                }
            }
        })
    }
}

impl Function {
    /// Executes the function. The places are released when it has really ended: a blocking function
    /// goes on when its future is dropped.
    async fn execute(
        self,
        context: Context,
        args: Vec<u8>,
        places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    ) -> Handled {
        match self {
            Self::Async(function) => {
                let _places = places;
                // Unwind safety: nothing of the call is used after a panic. The function itself may
                // panic, not only its future.
                let call = async move { function(context, args).await };
                AssertUnwindSafe(call)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| Err(text(&*panic)))
            }
            Self::Blocking(function) => {
                let call = move || {
                    let _places = places;
                    function(&context, &args)
                };
                let handled = tokio::task::spawn_blocking(call).await;
                handled.unwrap_or_else(|error| match error.try_into_panic() {
                    Ok(panic) => Err(text(&*panic)),
                    Err(_) => Err("the process is ending".to_owned()),
                })
            }
        }
    }
}

/// Describes a panic.
fn text(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", message.unwrap_or("without a text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    fn context() -> Context {
        let origin = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(2) };
        Context::new(origin, CancellationToken::new())
    }

    async fn call(handlers: &Handlers, name: &str) -> Result<Vec<u8>, Refusal> {
        handlers.begin(name, context(), b"args".to_vec())?.await
    }

    fn failed(text: &str) -> Result<Vec<u8>, Refusal> {
        Err(Refusal::Failed(text.to_owned()))
    }

    #[tokio::test]
    async fn results_and_failures_are_returned() {
        let handlers = Handlers::default();
        handlers.register("echo", |_, args| async { Ok(args) });
        handlers.register_blocking("echo2", |_, args| Ok(args.to_vec()));
        handlers.register("fail", |_, _| async { Err("no luck".to_owned()) });
        handlers.register("long", |_, _| async { Err("é".repeat(FAILURE_BYTES_MAX)) });
        handlers.register("panic", |_, args| async move { panic!("{} bytes", args.len()) });
        handlers.register_blocking("panic2", |_, _| panic!("at once"));
        handlers.register("large", |_, _| async { Ok(vec![0; 10_000_000]) });
        assert_eq!(call(&handlers, "echo").await, Ok(b"args".to_vec()));
        assert_eq!(call(&handlers, "echo2").await, Ok(b"args".to_vec()));
        assert_eq!(call(&handlers, "fail").await, failed("no luck"));
        assert_eq!(call(&handlers, "long").await, failed(&"é".repeat(FAILURE_BYTES_MAX / 2)));
        assert_eq!(call(&handlers, "panic").await, failed("panic: 4 bytes"));
        assert_eq!(call(&handlers, "panic2").await, failed("panic: at once"));
        let large = failed("a result of 10000000 bytes exceeds 65536");
        assert_eq!(call(&handlers, "large").await, large);
        assert_eq!(call(&handlers, "none").await, Err(Refusal::NoHandler));
    }

    #[tokio::test]
    async fn calls_of_one_handler_are_limited_and_leave_others_undisturbed() {
        let handlers = Handlers::default();
        handlers.register("endless", |_, _| std::future::pending());
        handlers.register("echo", |_, args| async { Ok(args) });
        let begin = || handlers.begin("endless", context(), Vec::new());
        let mut waiting: Vec<_> = (0..CALLS_MAX).map(|_| begin().unwrap()).collect();
        assert!(matches!(begin(), Err(Refusal::Busy)));
        assert_eq!(call(&handlers, "echo").await, Ok(b"args".to_vec()));
        waiting.pop();
        assert!(begin().is_ok());
    }
}
