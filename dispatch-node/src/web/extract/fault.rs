//! Parsing of fault requests from the API, a form or a scenario.
//!
//! Invariant: the result contains nodes of this cluster only, and its amounts are in range.

use std::time::Duration;

use api_types::{ALL, FAULT_KINDS, FaultRequest};
use gossip::fault::{BYTES_PER_S, DELAY, FaultKind, HEAL_AFTER, Permille, SKEW_MS};
use shared::options::is_dispatch;

use crate::request::Inject;
use crate::web::error::{Problem, out_of_range, shortened};
use crate::web::extract::domain::Domain;

/// The duration of a fault if the request does not give one.
const HEAL_AFTER_DEFAULT: Duration = Duration::from_secs(30);

/// Returns the problem of a field that the kind of fault requires.
fn missing(kind: &str, field: &str) -> Problem {
    Problem::not_allowed("missing_field", format!("a {kind} requires {field}; nothing was changed"))
}

/// Returns a duration of this many seconds, if it is representable.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns the operation that injects the fault, if every field is valid.
pub(crate) fn parse(request: &FaultRequest, domain: &Domain) -> Result<Inject, Problem> {
    let kind = kind(request)?;
    let from = domain.node("from", &request.from)?;
    if kind == FaultKind::Freeze && is_dispatch(from) {
        let detail = "dispatch cannot be frozen, since it could not receive the control to thaw; \
                      send its process SIGSTOP instead";
        return Err(Problem::not_allowed("not_allowed", detail));
    }
    let to = match request.to.as_deref() {
        _ if !kind.is_between_nodes() => None,
        None | Some("") => {
            return Err(missing(
                &request.kind,
                "\"to\": a node's name, or \"*\" for every other node",
            ));
        }
        Some(ALL) => None,
        Some(to) => Some(domain.node("to", to)?),
    };
    if to == Some(from) {
        return Err(Problem::not_allowed(
            "same_node",
            format!("from and to are both {from}; nothing was changed"),
        ));
    }
    let heal_after = match request.heal_after_s {
        None => HEAL_AFTER_DEFAULT,
        Some(s) => span(s)
            .filter(|span| HEAL_AFTER.contains(span))
            .ok_or_else(|| out_of_range("heal_after_s", "0.1 to 3600", s))?,
    };
    Ok(Inject { kind, from, to, both: request.both.unwrap_or(true), heal_after })
}

fn kind(request: &FaultRequest) -> Result<FaultKind, Problem> {
    let kind = request.kind.as_str();
    let chance = || {
        let percent = request.percent.ok_or_else(|| missing(kind, "percent"))?;
        // Checked before rounding, because rounding could bring a value into range.
        let within =
            (0.1..=100.0).contains(&percent).then(|| Permille::from_percent(percent)).flatten();
        within.ok_or_else(|| out_of_range("percent", "0.1 to 100", percent))
    };
    Ok(match kind {
        "cut" => FaultKind::Cut,
        "delay" => {
            let by = request.delay_ms.ok_or_else(|| missing(kind, "delay_ms"))?;
            let delay = span(by / 1_000.0)
                .filter(|delay| DELAY.contains(delay))
                .ok_or_else(|| out_of_range("delay_ms", "1 to 10000", by))?;
            let jitter = request.jitter_ms.unwrap_or(0.0);
            let jitter = span(jitter / 1_000.0)
                .filter(|span| *span <= delay)
                .ok_or_else(|| out_of_range("jitter_ms", "0 to delay_ms", jitter))?;
            FaultKind::Delay { by: delay, jitter }
        }
        "loss" => FaultKind::Loss(chance()?),
        "duplicate" => FaultKind::Duplicate(chance()?),
        "reorder" => FaultKind::Reorder(chance()?),
        "throttle" => {
            let given = request.bytes_per_s.ok_or_else(|| missing(kind, "bytes_per_s"))?;
            let allowed = f64::from(*BYTES_PER_S.start())..=f64::from(*BYTES_PER_S.end());
            if !allowed.contains(&given) || given.fract() != 0.0 {
                let rule = "a whole number from 256 to 1000000000";
                return Err(out_of_range("bytes_per_s", rule, given));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is within the bounds just checked"
            )]
            FaultKind::Throttle(given as u32)
        }
        "freeze" => FaultKind::Freeze,
        "skew" => {
            let given = request.skew_ms.ok_or_else(|| missing(kind, "skew_ms"))?;
            #[expect(clippy::cast_precision_loss, reason = "the bounds are a few million")]
            let allowed = *SKEW_MS.start() as f64..=*SKEW_MS.end() as f64;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "values that do not fit saturate, and are refused below"
            )]
            let ms = given as i64;
            if !allowed.contains(&given) || given.fract() != 0.0 || ms == 0 {
                let rule = "a whole number from -3600000 to 3600000 and not 0";
                return Err(out_of_range("skew_ms", rule, given));
            }
            FaultKind::Skew(ms)
        }
        unknown => {
            // Shortened, because the text is arbitrary input of any length.
            let shown = shortened(unknown, 40);
            let detail = format!(
                "there is no fault kind {shown:?}: expected one of {}; nothing was changed",
                FAULT_KINDS.join(", ")
            );
            return Err(Problem::not_allowed("unknown_kind", detail));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_ranges_equal_those_of_the_nodes() {
        let ms = |span: &Duration| u64::try_from(span.as_millis()).expect("at most an hour");
        let (least, most) = (DELAY.start(), DELAY.end());
        assert_eq!(api_types::DELAY_MS, ms(least)..=ms(most));
        let (least, most) = (HEAL_AFTER.start(), HEAL_AFTER.end());
        assert_eq!(api_types::HEAL_AFTER_MS, ms(least)..=ms(most));
        let (least, most) = (*BYTES_PER_S.start(), *BYTES_PER_S.end());
        assert_eq!(api_types::BYTES_PER_S, least.into()..=most.into());
        let furthest = SKEW_MS.end().unsigned_abs();
        assert_eq!(api_types::SKEW_MS_MAX, furthest);
        assert_eq!(SKEW_MS.start().unsigned_abs(), furthest);
    }
}
