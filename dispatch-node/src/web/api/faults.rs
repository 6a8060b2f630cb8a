//! Faults: what is in force, and how it comes and goes.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use shared::fault::{Fault, Trouble};
use shared::id::NodeName;

use crate::model::faults::FaultView;
use crate::request::{Action, Reply};
use crate::web::api::refusals::{Changing, Healing, Injecting, Reading};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, dispatch_silent};
use crate::web::extract::body::JsonBody;
use crate::web::extract::domain::Domain;
use crate::web::extract::fault::FaultWish;
use crate::web::extract::parameters::{FaultPath, IdempotencyKey};
use crate::web::extract::schema::{FaultKind, FaultTarget, NodeWord};

/// A fault in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultJson {
    #[schema(example = "5f0c93ab")]
    id: String,
    #[schema(value_type = FaultKind)]
    kind: &'static str,
    #[schema(value_type = NodeWord)]
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FaultTarget>)]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    both: Option<bool>,
    #[serde(flatten)]
    amount: Amount,
    heal_after_s: f64,
    heals_in_ms: u64,
    /// The nodes that report it.
    #[schema(value_type = Vec<NodeWord>)]
    in_force_at: Vec<String>,
    frames: FramesJson,
}

/// How much of it: what its kind has.
#[derive(Default, Serialize, ToSchema)]
struct Amount {
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skew_ms: Option<i64>,
}

/// What it did to frames so far, at all nodes together.
#[derive(Serialize, ToSchema)]
#[schema(as = Frames)]
struct FramesJson {
    seen: u64,
    dropped: u64,
    delayed: u64,
    duplicated: u64,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl FaultJson {
    pub(crate) fn of(view: &FaultView) -> Self {
        let Fault { id, trouble, from, to, both } = view.fault;
        let amount = match trouble {
            Trouble::Cut | Trouble::Freeze => Amount::default(),
            Trouble::Delay { by, jitter } => Amount { delay_ms: Some(millis(by)), jitter_ms: Some(millis(jitter)), ..Amount::default() },
            Trouble::Loss(chance) | Trouble::Duplicate(chance) | Trouble::Reorder(chance) => {
                Amount { percent: Some(chance.percent()), ..Amount::default() }
            }
            Trouble::Throttle(bytes_per_s) => Amount { bytes_per_s: Some(bytes_per_s), ..Amount::default() },
            Trouble::Skew(skew_ms) => Amount { skew_ms: Some(skew_ms), ..Amount::default() },
        };
        let between = trouble.is_between_nodes();
        Self {
            id: id.to_string(),
            kind: trouble.as_str(),
            from: from.to_string(),
            to: between.then(|| to.map_or_else(|| "*".to_owned(), |to| to.to_string())),
            both: between.then_some(both),
            amount,
            heal_after_s: view.heal_after.as_secs_f64(),
            heals_in_ms: millis(view.remaining),
            in_force_at: view.at.iter().map(NodeName::to_string).collect(),
            frames: FramesJson {
                seen: view.frames.seen,
                dropped: view.frames.dropped,
                delayed: view.frames.delayed,
                duplicated: view.frames.duplicated,
            },
        }
    }
}

/// The faults in force, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Faults {
    faults: Vec<FaultJson>,
}

/// Faults in force
///
/// What nodes report, not what was wished for.
#[utoipa::path(get, path = "/faults", tag = "trouble", responses((status = 200, description = "the faults", body = Faults), Reading))]
pub(crate) async fn faults(State(dispatch): State<DispatchHandle>) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(Faults { faults: view.faults.iter().map(FaultJson::of).collect() }).into_response())
}

/// Cause trouble
///
/// A `cut` lets nothing pass, a `delay` lets all pass late, `loss`, `duplicate` and `reorder` lose, repeat and overtake so many frames in a
/// hundred, a `throttle` lets only so much pass, a `freeze` stops the process of a city, and a `skew` sets a wall clock wrong. They act on
/// replication, never on commands. Each heals by itself. At most 64 are in force at once.
#[utoipa::path(post, path = "/faults", tag = "trouble", params(IdempotencyKey), request_body = FaultWish, responses(
    (status = 201, description = "the nodes concerned have it in force", body = FaultJson, headers(
        ("Location" = String, description = "what to delete, to heal it"),
    )),
    Injecting,
))]
pub(crate) async fn inject(
    State(dispatch): State<DispatchHandle>,
    State(domain): State<Domain>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(request): JsonBody<FaultWish>,
) -> Result<Response, Problem> {
    let action = request.parse(&domain)?;
    let Reply::Injected(fault) = dispatch.ask(action, key).await? else { return Err(dispatch_silent()) };
    let location = [(header::LOCATION, format!("/api/v1/faults/{}", fault.fault.id))];
    Ok((StatusCode::CREATED, location, Json(FaultJson::of(&fault))).into_response())
}

/// Heal a fault
#[utoipa::path(delete, path = "/faults/{id}", tag = "trouble", params(FaultPath), responses(
    (status = 204, description = "it is healed"),
    Healing,
))]
pub(crate) async fn heal(State(dispatch): State<DispatchHandle>, FaultPath(fault): FaultPath) -> Result<StatusCode, Problem> {
    dispatch.ask(Action::Heal { fault: Some(fault) }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Heal all
#[utoipa::path(delete, path = "/faults", tag = "trouble", responses((status = 204, description = "nothing is in force"), Changing))]
pub(crate) async fn heal_all(State(dispatch): State<DispatchHandle>) -> Result<StatusCode, Problem> {
    dispatch.ask(Action::Heal { fault: None }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
