//! A request to inject a fault, parsed: from the API as from the form of the page.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use shared::fault::{BYTES_PER_S, DELAY, HEAL_AFTER, Permille, SKEW_MS, Trouble};
use shared::membership::DISPATCH;

use crate::request::Action;
use crate::web::error::{Problem, out_of_range, shortened};
use crate::web::extract::domain::Domain;
use crate::web::extract::schema::{FaultKind, FaultTarget, NodeWord};

/// The duration of a fault that states none.
const HEAL_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The kinds of faults, as the API names them.
const KINDS: [&str; 8] = ["cut", "delay", "loss", "duplicate", "reorder", "throttle", "freeze", "skew"];

/// What asks for a fault. Amounts that its kind does not have are ignored.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 30 }))]
pub(crate) struct FaultWish {
    #[schema(value_type = FaultKind)]
    pub(crate) kind: String,
    /// The node that sends what is held up; of `freeze` and `skew`, the node that has it.
    #[schema(value_type = NodeWord)]
    pub(crate) from: String,
    /// Another node, or `*` for every other, dispatch included. Not for `freeze` and `skew`.
    #[schema(value_type = Option<FaultTarget>)]
    pub(crate) to: Option<String>,
    /// In the other direction too.
    #[schema(default = true)]
    pub(crate) both: Option<bool>,
    /// Of a `delay`: by how much, in the middle.
    #[schema(minimum = 1, maximum = 10_000)]
    pub(crate) delay_ms: Option<f64>,
    /// Of a `delay`: how far from that, either way; not more than `delay_ms`.
    #[schema(minimum = 0, maximum = 10_000)]
    pub(crate) jitter_ms: Option<f64>,
    /// Of `loss`, `duplicate` and `reorder`: how many frames in a hundred.
    #[schema(minimum = 0.1, maximum = 100)]
    pub(crate) percent: Option<f64>,
    /// Of a `throttle`: how much still passes.
    #[schema(minimum = 256, maximum = 1_000_000_000)]
    pub(crate) bytes_per_s: Option<f64>,
    /// Of a `skew`: how far the clock is ahead; below 0, behind. Not 0.
    #[schema(minimum = -3_600_000, maximum = 3_600_000)]
    pub(crate) skew_ms: Option<f64>,
    #[schema(minimum = 0.1, maximum = 3_600, default = 30)]
    pub(crate) heal_after_s: Option<f64>,
}

fn missing(kind: &str, field: &str) -> Problem {
    Problem::not_allowed("missing_field", format!("a {kind} needs {field}; nothing was changed"))
}

/// Returns a duration of this many seconds, if there is one.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

impl FaultWish {
    /// Returns the action that injects the fault, if every field is valid.
    pub(crate) fn parse(&self, domain: &Domain) -> Result<Action, Problem> {
        let trouble = self.trouble()?;
        let from = domain.node("from", &self.from)?;
        if trouble == Trouble::Freeze && from.as_str() == DISPATCH {
            let detail = "dispatch cannot be frozen from here, since it would not hear when to wake up: send its process SIGSTOP";
            return Err(Problem::not_allowed("not_allowed", detail));
        }
        let to = match self.to.as_deref() {
            _ if !trouble.is_between_nodes() => None,
            None | Some("") => return Err(missing(&self.kind, "\"to\": a node's name, or \"*\" for every other")),
            Some("*") => None,
            Some(to) => Some(domain.node("to", to)?),
        };
        if to == Some(from) {
            return Err(Problem::not_allowed("same_node", format!("from and to are both {from}; nothing was changed")));
        }
        let heal_after = match self.heal_after_s {
            None => HEAL_AFTER_DEFAULT,
            Some(s) => span(s).filter(|span| HEAL_AFTER.contains(span)).ok_or_else(|| out_of_range("heal_after_s", "0.1 to 3600", s))?,
        };
        Ok(Action::Inject { trouble, from, to, both: self.both.unwrap_or(true), heal_after })
    }

    fn trouble(&self) -> Result<Trouble, Problem> {
        let kind = self.kind.as_str();
        let chance = || {
            let percent = self.percent.ok_or_else(|| missing(kind, "percent"))?;
            // Checked before rounding, so that rounding does not bring a value into bounds.
            let within = (0.1..=100.0).contains(&percent).then(|| Permille::from_percent(percent)).flatten();
            within.ok_or_else(|| out_of_range("percent", "0.1 to 100", percent))
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
                #[expect(clippy::cast_precision_loss, reason = "its bounds are a few million")]
                let allowed = *SKEW_MS.start() as f64..=*SKEW_MS.end() as f64;
                #[expect(clippy::cast_possible_truncation, reason = "what does not fit saturates, and is refused just below")]
                let ms = given as i64;
                if !allowed.contains(&given) || ms == 0 {
                    return Err(out_of_range("skew_ms", "-3600000 to 3600000, and not 0", given));
                }
                Trouble::Skew(ms)
            }
            unknown => {
                let shown = shortened(unknown, 40);
                let detail = format!("there is no fault of the kind {shown:?}: it is one of {}; nothing was changed", KINDS.join(", "));
                return Err(Problem::not_allowed("unknown_kind", detail));
            }
        })
    }
}
