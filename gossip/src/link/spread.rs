//! Calls of one node or of any, and lists of work over nodes.
//!
//! Invariant: a call is repeated at another node only if it was not executed, or if its caller has
//! allowed that it is executed more than once ([`Work`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::{Instant, sleep};

use crate::call::{CALL_TIME_MAX, CallError, Outcome};
use crate::id::NodeName;
use crate::link::cluster::Cluster;
use crate::link::handlers::{Context, Handled};
use crate::link::loads::{Reported, Target};

/// The time limit of a call unless its caller sets another.
const WITHIN: Duration = Duration::from_secs(5);
/// The pause before a work item is tried again, for each attempt that it has had.
const PAUSE: Duration = Duration::from_millis(50);
/// The number of calls of a work list that are executed at the same time, for each node.
const CONCURRENCY_PER_NODE: usize = 4;
/// The number of attempts at a work item.
const ATTEMPTS: u32 = 3;

/// A result, and the node that has computed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The node.
    pub from: NodeName,
    /// The result of the handler.
    pub result: Vec<u8>,
}

impl Cluster {
    /// Registers an asynchronous handler of calls under a name, in place of an earlier one. At most 64
    /// of its calls are executed at the same time, and 192 wait. It must not block: see
    /// [`handle_blocking`](Self::handle_blocking).
    pub fn handle<F, R>(&self, name: &str, handler: F)
    where
        F: Fn(Context, Vec<u8>) -> R + Send + Sync + 'static,
        R: Future<Output = Handled> + Send + 'static,
    {
        self.calls.handlers.register(name, handler);
    }

    /// Registers a handler that computes or blocks, in place of an earlier one. It is executed on
    /// threads for such work, as often at the same time as there are processors; further calls wait,
    /// 256 in all. A handler that never ends keeps its place.
    pub fn handle_blocking<F>(&self, name: &str, handler: F)
    where
        F: Fn(&Context, &[u8]) -> Handled + Send + Sync + 'static,
    {
        self.calls.handlers.register_blocking(name, handler);
    }

    /// Calls a handler, with a time limit of 5 s.
    ///
    /// # Errors
    /// [`CallError`]; its [`outcome`](CallError::outcome) tells whether the handler was executed.
    pub async fn call(
        &self,
        target: &Target,
        handler: &str,
        args: &[u8],
    ) -> Result<Returned, CallError> {
        self.call_within(WITHIN, target, handler, args).await
    }

    /// Calls a handler, with a time limit of at most one hour. If the target leaves a choice and a node
    /// has not executed the call, the next one is tried.
    ///
    /// # Errors
    /// [`CallError`]; its [`outcome`](CallError::outcome) tells whether the handler was executed.
    pub async fn call_within(
        &self,
        within: Duration,
        target: &Target,
        handler: &str,
        args: &[u8],
    ) -> Result<Returned, CallError> {
        let Some(snapshot) = self.snapshot() else { return Err(CallError::Stopped) };
        let order = self.loads.order(target, handler, &snapshot);
        self.call_first(within, &order, handler, args).await
    }

    /// Calls the first of these nodes that executes the call, within this time for all of them.
    async fn call_first(
        &self,
        within: Duration,
        order: &[NodeName],
        handler: &str,
        args: &[u8],
    ) -> Result<Returned, CallError> {
        let until = Instant::now() + within.min(CALL_TIME_MAX);
        let mut last = None;
        for node in order {
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.call_node(left, *node, handler, args).await {
                Ok(result) => return Ok(Returned { from: *node, result }),
                Err(error) => error,
            };
            let is_next_tried =
                error.outcome() == Outcome::NotExecuted && error.may_succeed_elsewhere();
            if !is_next_tried || order.len() == 1 {
                return Err(error);
            }
            // That a node has no such handler says least.
            if !matches!(error, CallError::NoHandler { .. }) {
                last = Some(error);
            }
        }
        Err(last.unwrap_or(CallError::NoHandlers))
    }

    async fn call_node(
        &self,
        within: Duration,
        node: NodeName,
        handler: &str,
        args: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let mut waiting = self.loads.begin(node);
        let (result, running) = self.calls.call(node, handler, args, within).await;
        waiting.reported = match (&result, running) {
            (_, Some(running)) => Reported::Running(running),
            (Err(CallError::Unknown(_)), None) => Reported::Silence,
            (_, None) => Reported::Nothing,
        };
        if let Err(CallError::NoHandler { node }) = result {
            self.loads.note_lacking(handler, node);
        }
        result
    }

    /// Returns a list of work for a handler, one call for each item.
    #[must_use]
    pub fn work(&self, handler: &str, items: Vec<Vec<u8>>) -> Work {
        Work {
            cluster: self.clone(),
            handler: handler.to_owned(),
            items,
            target: Target::RoundRobin,
            within: WITHIN,
            attempts: ATTEMPTS,
            concurrency: None,
        }
    }
}

/// A list of work items, one call for each. An item whose node dies is given to another, so it may be
/// executed more than once; its result is returned once. Dropping its results cancels what is left.
pub struct Work {
    cluster: Cluster,
    handler: String,
    items: Vec<Vec<u8>>,
    target: Target,
    within: Duration,
    attempts: u32,
    concurrency: Option<usize>,
}

impl Work {
    /// Sets the nodes that execute the items. Default: round robin.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets the time limit of an attempt. Default: 5 s.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Sets the number of attempts at an item, at different nodes if there are some. Default: 3.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the number of items that are executed at the same time. Default: 4 for each node that is
    /// reachable at the start.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency.max(1));
        self
    }

    /// Executes the items. The stream has the results as they arrive, each with the index of its item.
    pub fn results(mut self) -> impl Stream<Item = (usize, Result<Returned, CallError>)> + Send {
        let nodes = self.cluster.snapshot().map_or(1, |snapshot| snapshot.nodes().len());
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY_PER_NODE * nodes);
        let items = std::mem::take(&mut self.items);
        let work = Arc::new(self);
        let call = move |(index, item): (usize, Vec<u8>)| {
            let work = Arc::clone(&work);
            async move { (index, work.call(&item).await) }
        };
        stream::iter(items.into_iter().enumerate()).map(call).buffer_unordered(concurrency)
    }

    /// Executes the items, and returns their results in the order of the items.
    pub async fn collect(self) -> Vec<Result<Returned, CallError>> {
        let mut results: Vec<_> = self.results().collect().await;
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn call(&self, item: &[u8]) -> Result<Returned, CallError> {
        let (mut silent, mut unknown) = (BTreeSet::new(), None);
        let mut attempt = 0;
        loop {
            let Some(snapshot) = self.cluster.snapshot() else { return Err(CallError::Stopped) };
            let mut order = self.cluster.loads.order(&self.target, &self.handler, &snapshot);
            order.sort_by_key(|node| silent.contains(node));
            let called = self.cluster.call_first(self.within, &order, &self.handler, item).await;
            attempt += 1;
            let Err(error) = called else { return called };
            if let CallError::Unknown(node) = error {
                silent.insert(node);
                unknown.get_or_insert(error.clone());
            }
            if attempt >= self.attempts || !error.may_succeed_elsewhere() {
                // An earlier attempt may have been executed, whatever became of the last one.
                let is_executed = error.outcome() != Outcome::NotExecuted;
                return Err(unknown.filter(|_| !is_executed).unwrap_or(error));
            }
            sleep(PAUSE * attempt).await;
        }
    }
}
