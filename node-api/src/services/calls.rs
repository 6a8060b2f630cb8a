//! Calls of handlers, and lists of work.

use std::pin::pin;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use api_types::{CallDone, CallRequest, MapDone, MapRequest, MapResult};
use gossip::CallError;
use gossip::link::{Returned, Target, Work};

use crate::body::JsonBody;
use crate::error::Problem;
use crate::idempotency::IdempotencyKey;
use crate::services::refusals::{Calling, Mapping};
use crate::services::{millis, problem};
use crate::types::{Reply, Types, path_of_names, value_of};

/// The default time limit of a call.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest time limit of a call, in milliseconds.
const WITHIN_MS_MAX: u64 = 60_000;
/// The number of items in a list of work.
const ITEMS_MAX: usize = 1_000;
/// The default number of attempts at an item.
const ATTEMPTS: u32 = 3;
/// The largest number of attempts at an item.
const ATTEMPTS_MAX: u32 = 10;

/// The time limit of a list of work.
const LIST_WITHIN: Duration = Duration::from_secs(300);
/// The size of all results of a list, in bytes.
const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The start of the names of the library's own handlers, whose arguments are not JSON.
const OWN_HANDLERS: &str = "gossip/";

/// The places for lists of work at this node.
static LISTS: Semaphore = Semaphore::const_new(64);

path_of_names! { HandlerPath: "handler" "handler"; }

impl HandlerPath {
    fn into_handler(self) -> Result<String, Problem> {
        let [handler] = self.into_names();
        if handler.starts_with(OWN_HANDLERS) {
            Err(problem(&CallError::NoHandlers))
        } else {
            Ok(handler)
        }
    }
}

/// Call a handler
///
/// A node executes the handlers that its program has registered. The handler is executed at most once;
/// if the node has a choice and one has not executed it, the next one is asked.
#[utoipa::path(
    post, path = "/calls/{handler}", tag = "calls", params(HandlerPath, IdempotencyKey),
    request_body = CallRequest,
    responses((status = 200, description = "the result", body = CallDone), Calling)
)]
pub(crate) async fn call(
    State(types): State<Types>,
    path: HandlerPath,
    key: IdempotencyKey,
    JsonBody(request): JsonBody<CallRequest>,
) -> Result<Reply, Problem> {
    let handler = path.into_handler()?;
    let change = (handler.clone(), request.clone());
    let CallRequest { to, args, timeout_ms } = request;
    let target = target(&to)?;
    let within = millis("timeout_ms", timeout_ms, WITHIN, WITHIN_MS_MAX)?;
    let cluster = types.cluster().clone();
    let execute = async move {
        let args = serde_json::to_vec(&args).expect("a value is JSON");
        let called = cluster.call_within(within, &target, &handler, &args).await;
        let Returned { from, result } = called.map_err(|error| problem(&error))?;
        let done = CallDone { from: from.to_string(), result: value_of(&result) };
        Ok(Reply::new(StatusCode::OK, &done))
    };
    types.once(key, &change, execute).await
}

/// Call a handler for each item
///
/// The calls are spread over the nodes that have the handler, four at the same time for each node. An
/// item whose node dies is given to another, so it may be executed more than once.
#[utoipa::path(
    post, path = "/maps/{handler}", tag = "calls", params(HandlerPath, IdempotencyKey),
    request_body = MapRequest,
    responses((status = 200, description = "the results", body = MapDone), Mapping)
)]
pub(crate) async fn map(
    State(types): State<Types>,
    path: HandlerPath,
    key: IdempotencyKey,
    JsonBody(request): JsonBody<MapRequest>,
) -> Result<Reply, Problem> {
    let handler = path.into_handler()?;
    let change = (handler.clone(), request.clone());
    let MapRequest { items, spread, timeout_ms, attempts } = request;
    if items.len() > ITEMS_MAX {
        let given = items.len();
        let detail =
            format!("items must be at most {ITEMS_MAX}, not {given}; nothing was executed");
        return Err(Problem::not_allowed("out_of_range", detail));
    }
    let attempts = attempts.unwrap_or(ATTEMPTS);
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        let detail =
            format!("attempts must be 1 to {ATTEMPTS_MAX}, not {attempts}; nothing was executed");
        return Err(Problem::not_allowed("out_of_range", detail));
    }
    let target = match spread.as_deref() {
        None | Some("round_robin") => Target::RoundRobin,
        Some("least_loaded") => Target::LeastLoaded,
        Some(other) => {
            let detail = format!(
                "spread must be round_robin or least_loaded, not {other:?}; nothing was executed"
            );
            return Err(Problem::not_allowed("invalid_field", detail));
        }
    };
    let within = millis("timeout_ms", timeout_ms, WITHIN, WITHIN_MS_MAX)?;
    let items = items.iter().map(|item| serde_json::to_vec(item).expect("a value is JSON"));
    let items: Vec<Vec<u8>> = items.collect();
    let count = items.len();
    let work = types.cluster().work(&handler, items);
    let work = work.target(target).within(within).attempts(attempts);
    let execute = async move {
        let _place = LISTS.try_acquire().map_err(|_| Problem::overloaded())?;
        let done = MapDone { results: executed(work, count).await };
        Ok(Reply::new(StatusCode::OK, &done))
    };
    types.once(key, &change, execute).await
}

/// Executes a list of `count` items, within the limits of time and size.
async fn executed(work: Work, count: usize) -> Vec<MapResult> {
    let (until, mut bytes) = (Instant::now() + LIST_WITHIN, 0);
    let mut done: Vec<Option<MapResult>> = vec![None; count];
    let mut results = pin!(work.results());
    let why_stopped = loop {
        match timeout_at(until, results.next()).await {
            Ok(None) => break "it was not executed".to_owned(),
            Ok(Some((index, result))) => {
                bytes += result.as_ref().map_or(0, |returned| returned.result.len());
                done[index] = Some(described(result));
                if bytes > LIST_BYTES_MAX {
                    break format!(
                        "the results exceed {LIST_BYTES_MAX} bytes; whether it was executed is unknown"
                    );
                }
            }
            Err(_) => {
                let seconds = LIST_WITHIN.as_secs();
                break format!(
                    "the list was not done in {seconds} s; whether it was executed is unknown"
                );
            }
        }
    };
    let missing = || MapResult { problem: Some(why_stopped.clone()), ..MapResult::default() };
    done.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
}

fn described(result: Result<Returned, CallError>) -> MapResult {
    match result {
        Ok(Returned { from, result }) => MapResult {
            from: Some(from.to_string()),
            result: Some(value_of(&result)),
            problem: None,
        },
        Err(error) => MapResult { problem: Some(error.to_string()), ..MapResult::default() },
    }
}

/// Parses the node that executes a call.
fn target(to: &str) -> Result<Target, Problem> {
    let refused = |rule: &dyn std::fmt::Display| {
        let detail = format!("to is {rule}; nothing was executed");
        Problem::not_allowed("invalid_field", detail)
    };
    match to {
        "any" => Ok(Target::RoundRobin),
        "least_loaded" => Ok(Target::LeastLoaded),
        _ => match to.strip_prefix("owner:") {
            Some("") => Err(refused(&"an owner without a key")),
            Some(key) => Ok(Target::Owner(key.to_owned())),
            None => match to.parse() {
                Ok(node) => Ok(Target::Node(node)),
                Err(error) => Err(refused(&format_args!(
                    "not any, least_loaded or owner:KEY, and no node name: {error}"
                ))),
            },
        },
    }
}
