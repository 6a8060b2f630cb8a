//! The cache.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use api_types::{CacheEntry, CacheRequest};

use crate::body::JsonBody;
use crate::error::Problem;
use crate::services::refusals::{Caching, Reading, Removing};
use crate::services::{millis, problem};
use crate::types::{Types, bytes_of, path_of_names, value_of};

/// The default time to live.
const TTL: Duration = Duration::from_secs(60);
/// The longest time to live, in milliseconds.
const TTL_MS_MAX: u64 = 86_400_000;

path_of_names! { KeyPath: "key" "key"; }

/// A value in the cache
///
/// The owner of the key holds it. It is gone when its time is over, when its owner ends, and when another
/// node becomes the owner.
#[utoipa::path(
    get, path = "/cache/{key}", tag = "cache", params(KeyPath),
    responses((status = 200, description = "the value", body = CacheEntry), Reading)
)]
pub(crate) async fn cached(
    State(types): State<Types>,
    path: KeyPath,
) -> Result<Json<CacheEntry>, Problem> {
    let [key] = path.into_names();
    let got = types.services().cache.get(&key).await;
    let (value, owner) = got.map_err(|error| problem(&error))?;
    match value {
        Some(value) => {
            Ok(Json(CacheEntry { key, value: value_of(&value), owner: owner.to_string() }))
        }
        None => Err(unknown(&key)),
    }
}

/// Put a value into the cache
#[utoipa::path(
    put, path = "/cache/{key}", tag = "cache", params(KeyPath), request_body = CacheRequest,
    responses((status = 200, description = "the owner holds it", body = CacheEntry), Caching)
)]
pub(crate) async fn cache(
    State(types): State<Types>,
    path: KeyPath,
    JsonBody(CacheRequest { value, ttl_ms }): JsonBody<CacheRequest>,
) -> Result<Json<CacheEntry>, Problem> {
    let [key] = path.into_names();
    let ttl = millis("ttl_ms", ttl_ms, TTL, TTL_MS_MAX)?;
    let put = types.services().cache.put(&key, &bytes_of(&value)?, ttl).await;
    let owner = put.map_err(|error| problem(&error))?.to_string();
    Ok(Json(CacheEntry { key, value, owner }))
}

/// Remove a value from the cache
#[utoipa::path(
    delete, path = "/cache/{key}", tag = "cache", params(KeyPath),
    responses((status = 204, description = "the value was removed"), Removing)
)]
pub(crate) async fn uncache(
    State(types): State<Types>,
    path: KeyPath,
) -> Result<StatusCode, Problem> {
    let [key] = path.into_names();
    match types.services().cache.delete(&key).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(unknown(&key)),
        Err(error) => Err(problem(&error)),
    }
}

fn unknown(key: &str) -> Problem {
    Problem::not_found("unknown_key", format!("the cache holds no key {key:?}"))
}
