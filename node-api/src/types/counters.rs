//! Counters.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use api_types::{AddRequest, Counter, CounterTotal, Counters};
use gossip::types::counter;
use gossip::types::request::{Done, Request};
use gossip::types::snapshot::Snapshot;

use crate::body::JsonBody;
use crate::error::{Problem, unanswered};
use crate::idempotency::IdempotencyKey;
use crate::types::refusals::{Adding, Listing, ReadingCounter};
use crate::types::{Reply, Types, path_of_names};

/// The largest amount: JSON numbers are exact up to it.
const AMOUNT_MAX: i64 = 1 << 53;

path_of_names! { CounterPath: "name" "counter"; }

/// All counters
///
/// Sorted by name.
#[utoipa::path(get, path = "/counters", tag = "counters", responses(
    (status = 200, description = "the counters", body = Counters),
    Listing,
))]
pub(crate) async fn counters(State(types): State<Types>) -> Result<Json<Counters>, Problem> {
    let snapshot = types.snapshot()?;
    let me = snapshot.me().node;
    let counters = snapshot.counters().into_iter().map(|(name, counter)| CounterTotal {
        name,
        local: counter.share(me),
        total: counter.total,
    });
    Ok(Json(Counters { counters: counters.collect() }))
}

/// One counter
///
/// `local` is what this node has added, in all its incarnations, and `shares` what each node has.
#[utoipa::path(
    get, path = "/counters/{name}", tag = "counters", params(CounterPath),
    responses((status = 200, description = "the counter", body = Counter), ReadingCounter)
)]
pub(crate) async fn counter(
    State(types): State<Types>,
    path: CounterPath,
) -> Result<Json<Counter>, Problem> {
    let [name] = path.into_names();
    let snapshot = types.snapshot()?;
    let counter = snapshot.counter(&name).ok_or_else(|| {
        Problem::not_found("unknown_counter", format!("this node knows no counter {name:?}"))
    })?;
    Ok(Json(described(&snapshot, name, &counter)))
}

/// Add to a counter
///
/// The amounts that all nodes add are summed up. A repetition counts once if it has the same
/// `Idempotency-Key`.
#[utoipa::path(
    post, path = "/counters/{name}", tag = "counters", params(CounterPath, IdempotencyKey),
    request_body = AddRequest,
    responses((status = 200, description = "the counter", body = Counter), Adding)
)]
pub(crate) async fn add(
    State(types): State<Types>,
    path: CounterPath,
    key: IdempotencyKey,
    JsonBody(AddRequest { add: amount }): JsonBody<AddRequest>,
) -> Result<Reply, Problem> {
    let [counter] = path.into_names();
    if amount == 0 || !(-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) {
        return Err(Problem::not_allowed(
            "out_of_range",
            format!(
                "add must be -{AMOUNT_MAX} to {AMOUNT_MAX}, and not 0, but is {amount}; nothing \
                 was changed"
            ),
        ));
    }
    let asked = types.clone();
    let request = Request::Add { counter: counter.clone(), amount };
    let change = request.clone();
    let execute = async move {
        asked.joined()?;
        let Done::Counted(value) = asked.ask(request).await? else { return Err(unanswered()) };
        Ok(Reply::new(StatusCode::OK, &described(&asked.snapshot()?, counter, &value)))
    };
    types.once(key, &change, execute).await
}

fn described(snapshot: &Snapshot, name: String, counter: &counter::Counter) -> Counter {
    Counter {
        local: counter.share(snapshot.me().node),
        total: counter.total,
        shares: counter.shares.iter().map(|(node, share)| (node.to_string(), *share)).collect(),
        unheard: snapshot.unheard(&name),
        name,
    }
}
