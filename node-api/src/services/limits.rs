//! Rate limits.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use api_types::{LimitRequest, LimitVerdict};
use gossip::services::limiter::{Quota, Verdict};

use crate::body::JsonBody;
use crate::error::Problem;
use crate::services::refusals::Hitting;
use crate::types::{Types, path_of_names};

/// The largest limit.
const LIMIT_MAX: u32 = 1_000_000;
/// The longest period, in seconds: 30 days.
const PER_S_MAX: u64 = 2_592_000;

path_of_names! { KeyPath: "limit" "limit" "key" "key"; }

/// Hit a key of a limit
///
/// The owner of the key counts for the whole cluster: `limit` hits are allowed at once, and then one
/// every `per_s / limit` seconds. If the owner does not answer, the node decides with its own count, and
/// `local` is true. Another `limit` or `per_s` counts by itself. A repeated request hits again.
#[utoipa::path(
    post, path = "/limits/{limit}/{key}", tag = "limits", params(KeyPath),
    request_body = LimitRequest,
    responses((status = 200, description = "the hit is allowed", body = LimitVerdict), Hitting)
)]
pub(crate) async fn hit(
    State(types): State<Types>,
    path: KeyPath,
    JsonBody(LimitRequest { limit, per_s }): JsonBody<LimitRequest>,
) -> Result<Response, Problem> {
    let [name, key] = path.into_names();
    let out_of_range = |detail: String| {
        Problem::not_allowed("out_of_range", format!("{detail}; nothing was counted"))
    };
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(out_of_range(format!("limit must be 1 to {LIMIT_MAX}, not {limit}")));
    }
    if !(1..=PER_S_MAX).contains(&per_s) {
        return Err(out_of_range(format!("per_s must be 1 to {PER_S_MAX}, not {per_s}")));
    }
    let quota = Quota::new(limit, Duration::from_secs(per_s));
    let quota = quota.map_err(|error| out_of_range(error.to_string()))?;
    let verdict = types.services().limiter.hit(&name, &key, quota).await;
    Ok(if verdict.allowed { Json(described(&verdict)).into_response() } else { refused(&verdict) })
}

fn described(verdict: &Verdict) -> LimitVerdict {
    LimitVerdict {
        allowed: verdict.allowed,
        remaining: verdict.remaining,
        decided_by: verdict.decided_by.to_string(),
        local: verdict.is_local,
    }
}

/// Returns the response to a hit that is not allowed: a problem that also has the fields of the decision.
///
/// # Panics
/// Never: the types of the API are JSON.
#[must_use]
pub fn refused(verdict: &Verdict) -> Response {
    let seconds = verdict.retry_after.as_secs_f64().ceil().max(1.0);
    let detail = format!("the limit is reached; one more hit is allowed in {seconds} s");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "limited", detail);
    let fields = [serde_json::to_value(&problem), serde_json::to_value(described(verdict))];
    let fields = fields.map(|fields| fields.expect("the types of the API are JSON"));
    let objects = fields.iter().filter_map(Value::as_object).flatten();
    let merged: Map<_, _> = objects.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut response = (problem.status, Json(merged)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let seconds = HeaderValue::try_from(seconds.to_string()).expect("a number is visible ASCII");
    headers.insert(header::RETRY_AFTER, seconds);
    response
}
