//! Trouble and the pace of gossip, over HTTP: what comes in is parsed here, and what is in force is shown.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use shared::fault::{BYTES_PER_S, DELAY, Fault, FaultId, HEAL_AFTER, Pace, Permille, SKEW_MS, Trouble};
use shared::id::NodeName;
use shared::membership::DISPATCH;
use shared::options::well_known_name;

use crate::ask::{Answer, Verb};
use crate::exchange::Exchange;
use crate::trouble::FaultView;
use crate::web::desk::Desk;
use crate::web::error::Problem;
use crate::web::input::{self, JsonBody, OptionalJsonBody};

/// How long a fault lasts when nobody says.
const HEAL_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The kinds of trouble, as the API names them.
const KINDS: [&str; 8] = ["cut", "delay", "loss", "duplicate", "reorder", "throttle", "freeze", "skew"];

/// What asks for a fault. Amounts that its kind does not have are ignored.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultWish {
    pub(crate) kind: String,
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) both: Option<bool>,
    pub(crate) delay_ms: Option<f64>,
    pub(crate) jitter_ms: Option<f64>,
    pub(crate) percent: Option<f64>,
    pub(crate) bytes_per_s: Option<f64>,
    pub(crate) skew_ms: Option<f64>,
    pub(crate) heal_after_s: Option<f64>,
}

fn missing(kind: &str, field: &str) -> Problem {
    Problem::not_allowed("missing_field", format!("a {kind} needs {field}; nothing was changed"))
}

fn out_of_range(field: &str, allowed: &str, given: f64) -> Problem {
    Problem::not_allowed("out_of_range", format!("{field} is {allowed}, not {given}; nothing was changed"))
}

/// This many seconds, if that is a span of time at all.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

impl FaultWish {
    /// What is asked for, if it can be.
    pub(crate) fn parse(&self, desk: &Desk) -> Result<Verb, Problem> {
        let trouble = self.trouble()?;
        let from = node(desk, "from", &self.from)?;
        if trouble == Trouble::Freeze && from.as_str() == DISPATCH {
            let detail = "dispatch cannot be frozen from here, since it would not hear when to wake up: send its process SIGSTOP";
            return Err(Problem::not_allowed("not_allowed", detail));
        }
        let to = match self.to.as_deref() {
            _ if !trouble.is_between_nodes() => None,
            None | Some("") => return Err(missing(&self.kind, "\"to\": a node's name, or \"*\" for every other")),
            Some("*") => None,
            Some(to) => Some(node(desk, "to", to)?),
        };
        if to == Some(from) {
            return Err(Problem::not_allowed("same_node", format!("from and to are both {from}; nothing was changed")));
        }
        let heal_after = match self.heal_after_s {
            None => HEAL_AFTER_DEFAULT,
            Some(s) => span(s).filter(|span| HEAL_AFTER.contains(span)).ok_or_else(|| out_of_range("heal_after_s", "0.1 to 3600", s))?,
        };
        Ok(Verb::Inject { trouble, from, to, both: self.both.unwrap_or(true), heal_after })
    }

    fn trouble(&self) -> Result<Trouble, Problem> {
        let kind = self.kind.as_str();
        let chance = || {
            let percent = self.percent.ok_or_else(|| missing(kind, "percent"))?;
            Permille::from_percent(percent).ok_or_else(|| out_of_range("percent", "0.1 to 100", percent))
        };
        Ok(match kind {
            "cut" => Trouble::Cut,
            "delay" => {
                let by = self.delay_ms.ok_or_else(|| missing(kind, "delay_ms"))?;
                let delay =
                    span(by / 1_000.0).filter(|delay| DELAY.contains(delay)).ok_or_else(|| out_of_range("delay_ms", "1 to 10000", by))?;
                let jitter = self.jitter_ms.unwrap_or(0.0);
                let jitter = span(jitter / 1_000.0)
                    .filter(|span| *span <= delay)
                    .ok_or_else(|| out_of_range("jitter_ms", "0 to delay_ms", jitter))?;
                Trouble::Delay { by: delay, jitter }
            }
            "loss" => Trouble::Loss(chance()?),
            "duplicate" => Trouble::Duplicate(chance()?),
            "reorder" => Trouble::Reorder(chance()?),
            "throttle" => {
                let given = self.bytes_per_s.ok_or_else(|| missing(kind, "bytes_per_s"))?;
                let allowed = f64::from(*BYTES_PER_S.start())..=f64::from(*BYTES_PER_S.end());
                if !allowed.contains(&given) {
                    return Err(out_of_range("bytes_per_s", "256 to 1000000000", given));
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the bounds just checked")]
                Trouble::Throttle(given as u32)
            }
            "freeze" => Trouble::Freeze,
            "skew" => {
                let given = self.skew_ms.ok_or_else(|| missing(kind, "skew_ms"))?;
                #[expect(clippy::cast_possible_truncation, reason = "what does not fit saturates, and is refused just below")]
                let ms = given as i64;
                if !SKEW_MS.contains(&ms) || ms == 0 {
                    return Err(out_of_range("skew_ms", "-3600000 to 3600000, and not 0", given));
                }
                Trouble::Skew(ms)
            }
            unknown => {
                let shown = input::shortened(unknown, 40);
                let detail = format!("there is no fault of the kind {shown:?}: it is one of {}; nothing was changed", KINDS.join(", "));
                return Err(Problem::not_allowed("unknown_kind", detail));
            }
        })
    }
}

/// A node of this cluster, dispatch included.
fn node(desk: &Desk, field: &str, text: &str) -> Result<NodeName, Problem> {
    let dispatch = (text == DISPATCH).then(|| well_known_name(DISPATCH));
    input::city(desk, text).or(dispatch).ok_or_else(|| {
        let all: Vec<&str> = desk.cities().iter().map(NodeName::as_str).chain([DISPATCH]).collect();
        let shown = input::shortened(text, 40);
        Problem::not_allowed("unknown_node", format!("{field} is one of {}, not {shown:?}; nothing was changed", all.join(", ")))
    })
}

/// A fault in force.
#[derive(Serialize)]
pub(crate) struct FaultJson {
    id: String,
    kind: &'static str,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    both: Option<bool>,
    #[serde(flatten)]
    amount: Amount,
    heal_after_s: f64,
    heals_in_ms: u64,
    in_force_at: Vec<String>,
    frames: FramesJson,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Amount {
    None {},
    Delay { delay_ms: u64, jitter_ms: u64 },
    Percent { percent: f64 },
    Throttle { bytes_per_s: u32 },
    Skew { skew_ms: i64 },
}

#[derive(Serialize)]
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
            Trouble::Cut | Trouble::Freeze => Amount::None {},
            Trouble::Delay { by, jitter } => Amount::Delay { delay_ms: millis(by), jitter_ms: millis(jitter) },
            Trouble::Loss(chance) | Trouble::Duplicate(chance) | Trouble::Reorder(chance) => Amount::Percent { percent: chance.percent() },
            Trouble::Throttle(bytes_per_s) => Amount::Throttle { bytes_per_s },
            Trouble::Skew(skew_ms) => Amount::Skew { skew_ms },
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

#[derive(Serialize)]
struct Faults {
    faults: Vec<FaultJson>,
}

/// `GET /faults`
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Response, Problem> {
    let view = desk.now().await?;
    Ok(Json(Faults { faults: view.faults.iter().map(FaultJson::of).collect() }).into_response())
}

/// `POST /faults`
pub(crate) async fn inject(State(desk): State<Desk>, headers: HeaderMap, JsonBody(wish): JsonBody<FaultWish>) -> Result<Response, Problem> {
    let key = input::idempotency_key(&headers)?;
    let verb = wish.parse(&desk)?;
    let Answer::Injected(fault) = desk.ask(verb, key).await? else { return Err(Problem::dispatch_silent()) };
    let location = [(header::LOCATION, format!("/api/v1/faults/{}", fault.fault.id))];
    Ok((StatusCode::CREATED, location, Json(FaultJson::of(&fault))).into_response())
}

/// `DELETE /faults/{id}`
pub(crate) async fn heal(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let fault = fault_id(&id)?;
    desk.ask(Verb::Heal { fault: Some(fault) }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A fault named in a path.
pub(crate) fn fault_id(text: &str) -> Result<FaultId, Problem> {
    text.parse().map_err(|_| {
        let shown = input::shortened(text, 40);
        Problem::not_found("unknown_fault", format!("there is no fault {shown:?}; nothing was changed"))
    })
}

/// `DELETE /faults`
pub(crate) async fn heal_all(State(desk): State<Desk>) -> Result<StatusCode, Problem> {
    desk.ask(Verb::Heal { fault: None }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How fast gossip goes.
#[derive(Serialize)]
pub(crate) struct GossipJson {
    paused: bool,
    percent: u16,
}

impl GossipJson {
    pub(crate) fn of(pace: Pace) -> Self {
        Self { paused: pace == Pace::PAUSED, percent: pace.percent }
    }
}

/// `GET /gossip`
pub(crate) async fn gossip(State(desk): State<Desk>) -> Result<Response, Problem> {
    let view = desk.now().await?;
    Ok(Json(GossipJson::of(view.pace)).into_response())
}

/// `POST /gossip/pause`
pub(crate) async fn pause(State(desk): State<Desk>) -> Result<Response, Problem> {
    set_pace(&desk, Pace::PAUSED).await
}

/// `POST /gossip/resume`
pub(crate) async fn resume(State(desk): State<Desk>) -> Result<Response, Problem> {
    set_pace(&desk, Pace::FREE).await
}

/// What `POST /gossip/speed` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speed {
    percent: f64,
}

/// `POST /gossip/speed`
pub(crate) async fn speed(State(desk): State<Desk>, JsonBody(speed): JsonBody<Speed>) -> Result<Response, Problem> {
    let allowed = f64::from(*Pace::RANGE.start())..=f64::from(*Pace::RANGE.end());
    if !allowed.contains(&speed.percent) {
        return Err(out_of_range("percent", "10 to 1000", speed.percent));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the bounds just checked")]
    let percent = speed.percent as u16;
    set_pace(&desk, Pace { percent }).await
}

async fn set_pace(desk: &Desk, pace: Pace) -> Result<Response, Problem> {
    let Answer::Gossip(pace) = desk.ask(Verb::Gossip { pace }, None).await? else { return Err(Problem::dispatch_silent()) };
    Ok(Json(GossipJson::of(pace)).into_response())
}

/// What `POST /gossip/step` may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepWish {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Serialize)]
struct ExchangeJson {
    from: String,
    to: String,
    completed: bool,
    entries: usize,
    bytes: usize,
}

/// `POST /gossip/step`
pub(crate) async fn step(State(desk): State<Desk>, OptionalJsonBody(wish): OptionalJsonBody<StepWish>) -> Result<Response, Problem> {
    let source = wish.from.map(|name| node(&desk, "from", &name)).transpose()?;
    let puller = wish.to.map(|name| node(&desk, "to", &name)).transpose()?;
    if let (Some(source), Some(puller)) = (source, puller)
        && source == puller
    {
        return Err(Problem::not_allowed("same_node", format!("from and to are both {source}; nothing was exchanged")));
    }
    let Answer::Exchanged(exchange) = desk.ask(Verb::Exchange { source, puller }, None).await? else {
        return Err(Problem::dispatch_silent());
    };
    let Exchange { source, puller, completed, entries, bytes } = exchange;
    Ok(Json(ExchangeJson { from: source.to_string(), to: puller.to_string(), completed, entries, bytes }).into_response())
}
