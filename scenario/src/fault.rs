//! Faults in human notation, and their translation to API requests.
//!
//! Invariant: parameters out of range are rejected here, before anything is sent.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use api_types::{ALL, BYTES_PER_S, DELAY_MS, FaultRequest, HEAL_AFTER_MS, SKEW_MS_MAX};

use crate::span;

/// The kind of a fault, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// Drop all frames.
    Cut,
    /// Delay all frames.
    Delay {
        /// The mean delay.
        by: Duration,
        /// The maximum deviation from the mean, in either direction.
        jitter: Duration,
    },
    /// Drop some frames.
    Loss {
        /// The percentage of the frames.
        percent: f64,
    },
    /// Duplicate some frames.
    Duplicate {
        /// The percentage of the frames.
        percent: f64,
    },
    /// Reorder some frames.
    Reorder {
        /// The percentage of the frames.
        percent: f64,
    },
    /// Limit the bandwidth.
    Throttle {
        /// The limit, in bytes per second.
        bytes_per_s: u64,
    },
    /// Freeze the process of a city.
    Freeze,
    /// Skew the wall clock of a node.
    Skew {
        /// The offset in milliseconds; negative if the clock is behind.
        by_ms: i64,
    },
}

impl FaultKind {
    /// Returns the name of the kind in the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Delay { .. } => "delay",
            Self::Loss { .. } => "loss",
            Self::Duplicate { .. } => "duplicate",
            Self::Reorder { .. } => "reorder",
            Self::Throttle { .. } => "throttle",
            Self::Freeze => "freeze",
            Self::Skew { .. } => "skew",
        }
    }

    /// Returns whether the fault affects a link, rather than one node.
    #[must_use]
    pub fn is_between_nodes(&self) -> bool {
        !matches!(self, Self::Freeze | Self::Skew { .. })
    }
}

/// A fault to inject.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The kind, with its parameters.
    pub kind: FaultKind,
    /// The affected node, or one end of the affected link.
    pub from: String,
    /// The other end of the link, or [`ALL`]; `None` for a fault at one node.
    pub to: Option<String>,
    /// Only frames from `from` to `to` are affected.
    pub one_way: bool,
    /// The time until the fault expires; `None` for the API's default.
    pub lasts: Option<Duration>,
}

impl Fault {
    /// Returns the request that injects the fault.
    ///
    /// # Errors
    /// A parameter is out of range, or both ends are the same node.
    #[expect(clippy::cast_precision_loss, reason = "no valid parameter exceeds 2^53")]
    pub fn request(&self) -> Result<FaultRequest, String> {
        let mut request = FaultRequest {
            kind: self.kind.as_str().to_owned(),
            from: self.from.clone(),
            ..FaultRequest::default()
        };
        if let Some(to) = &self.to {
            if *to == self.from {
                return Err(format!("a fault between {to} and itself is not possible"));
            }
            request.to = Some(to.clone());
            request.both = Some(!self.one_way);
        }
        match &self.kind {
            FaultKind::Cut | FaultKind::Freeze => {}
            FaultKind::Delay { by, jitter } => {
                let by_ms = in_range("the delay", *by, &DELAY_MS)?;
                let jitter_ms = span::whole_ms(*jitter)?;
                if jitter_ms > by_ms {
                    let (by, jitter) = (span::written(*by), span::written(*jitter));
                    return Err(format!(
                        "the jitter must be at most the delay ({by}), not {jitter}"
                    ));
                }
                request.delay_ms = Some(by_ms as f64);
                request.jitter_ms = Some(jitter_ms as f64);
            }
            FaultKind::Loss { percent }
            | FaultKind::Duplicate { percent }
            | FaultKind::Reorder { percent } => {
                // Negated, so that NaN is rejected.
                if !(*percent > 0.0 && *percent <= 100.0) {
                    return Err(format!("percent must be above 0 and at most 100, not {percent}"));
                }
                request.percent = Some(*percent);
            }
            FaultKind::Throttle { bytes_per_s } => {
                if !BYTES_PER_S.contains(bytes_per_s) {
                    let (least, most) = (BYTES_PER_S.start(), BYTES_PER_S.end());
                    return Err(format!(
                        "bytes per second must be {least} to {most}, not {bytes_per_s}"
                    ));
                }
                request.bytes_per_s = Some(*bytes_per_s as f64);
            }
            FaultKind::Skew { by_ms } => {
                if *by_ms == 0 || by_ms.unsigned_abs() > SKEW_MS_MAX {
                    let by = span::written_signed(*by_ms);
                    return Err(format!("clock skew must be nonzero and at most 1h, not {by}"));
                }
                request.skew_ms = Some(*by_ms as f64);
            }
        }
        if let Some(lasts) = self.lasts {
            in_range("the duration", lasts, &HEAL_AFTER_MS)?;
            request.heal_after_s = Some(lasts.as_secs_f64());
        }
        Ok(request)
    }
}

fn in_range(what: &str, span: Duration, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let ms = span::whole_ms(span)?;
    if range.contains(&ms) {
        return Ok(ms);
    }
    let limit = |ms: &u64| span::written(Duration::from_millis(*ms));
    let (least, most) = (limit(range.start()), limit(range.end()));
    Err(format!("{what} must be {least} to {most}, not {}", span::written(span)))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = &self.from;
        match &self.kind {
            FaultKind::Cut => f.write_str("cut"),
            FaultKind::Delay { by, jitter } => {
                write!(f, "delay by {}", span::written(*by))?;
                if jitter.is_zero() { Ok(()) } else { write!(f, " ± {}", span::written(*jitter)) }
            }
            FaultKind::Loss { percent } => write!(f, "drop {percent} %"),
            FaultKind::Duplicate { percent } => write!(f, "duplicate {percent} %"),
            FaultKind::Reorder { percent } => write!(f, "reorder {percent} %"),
            FaultKind::Throttle { bytes_per_s } => write!(f, "throttle to {bytes_per_s} bytes/s"),
            FaultKind::Freeze => return write!(f, "freeze {from}"),
            FaultKind::Skew { by_ms } => {
                let direction = if *by_ms < 0 { "back" } else { "ahead" };
                let by = span::written_signed(by_ms.saturating_abs());
                return write!(f, "set the clock of {from} {direction} by {by}");
            }
        }?;
        let to = match self.to.as_deref() {
            Some(ALL) | None => "all other nodes",
            Some(to) => to,
        };
        if self.one_way {
            write!(f, " from {from} to {to}")
        } else {
            write!(f, " between {from} and {to}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        let to = kind.is_between_nodes().then(|| ALL.to_owned());
        let lasts = Some(Duration::from_secs(20));
        Fault { kind, from: "gotham".into(), to, one_way: false, lasts }
    }

    fn body(fault: &Fault) -> Value {
        serde_json::to_value(fault.request().expect("a valid fault")).expect("JSON")
    }

    #[test]
    fn request_has_only_the_fields_of_its_kind() {
        let cut = Fault { one_way: true, ..fault(FaultKind::Cut) };
        let expected = json!({
            "kind": "cut", "from": "gotham", "to": "*", "both": false, "heal_after_s": 20,
        });
        assert_eq!(body(&cut), expected);
        let (by, jitter) = (Duration::from_millis(300), Duration::from_millis(50));
        assert_eq!(body(&fault(FaultKind::Delay { by, jitter }))["jitter_ms"], 50);
        let lasts = Some(Duration::from_millis(500));
        let skew = Fault { lasts, ..fault(FaultKind::Skew { by_ms: -3_000 }) };
        let expected = json!({
            "kind": "skew", "from": "gotham", "skew_ms": -3_000, "heal_after_s": 0.5,
        });
        assert_eq!(body(&skew), expected);
    }

    #[test]
    fn parameters_out_of_range_are_rejected_with_the_range() {
        let second = Duration::from_secs(1);
        for (kind, named) in [
            (FaultKind::Delay { by: Duration::ZERO, jitter: Duration::ZERO }, "1ms to 10s"),
            (FaultKind::Delay { by: second * 11, jitter: Duration::ZERO }, "1ms to 10s"),
            (FaultKind::Delay { by: second, jitter: second * 2 }, "at most the delay"),
            (FaultKind::Loss { percent: 0.0 }, "above 0"),
            (FaultKind::Duplicate { percent: 100.5 }, "at most 100"),
            (FaultKind::Reorder { percent: f64::NAN }, "at most 100"),
            (FaultKind::Throttle { bytes_per_s: 255 }, "256 to 1000000000"),
            (FaultKind::Skew { by_ms: 0 }, "nonzero"),
            (FaultKind::Skew { by_ms: i64::MIN }, "at most 1h"),
        ] {
            let refused = fault(kind.clone()).request().unwrap_err();
            assert!(refused.contains(named), "{kind:?}: {refused}");
        }
        for lasts in [Duration::from_millis(99), second * 3_601] {
            let fault = Fault { lasts: Some(lasts), ..fault(FaultKind::Cut) };
            assert!(fault.request().unwrap_err().contains("100ms to 1h"), "{lasts:?}");
        }
        let to_itself = Fault { to: Some("gotham".into()), ..fault(FaultKind::Cut) };
        assert!(to_itself.request().unwrap_err().contains("itself"));
    }
}
