//! A disturbance of the cluster, as people word it and as the API takes it. What the API would refuse for its numbers is found
//! here, before anything is sent.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use crate::span;

/// Every other node, where a fault's other end is named.
pub const EVERYBODY: &str = "*";

const DELAY_MS: RangeInclusive<u64> = 1..=10_000;
const BYTES_PER_S: RangeInclusive<u64> = 256..=1_000_000_000;
const SKEW_MS_MAX: u64 = 3_600_000;
const LASTS_MS: RangeInclusive<u64> = 100..=3_600_000;

/// What is disturbed, and how much.
#[derive(Clone, Debug, PartialEq)]
pub enum Disturbance {
    /// Nothing passes.
    Cut,
    /// Everything is late.
    Delay {
        /// By how much.
        by: Duration,
        /// By how much more or less.
        jitter: Duration,
    },
    /// Some is lost.
    Loss {
        /// How much of it.
        percent: f64,
    },
    /// Some arrives twice.
    Duplicate {
        /// How much of it.
        percent: f64,
    },
    /// Some is overtaken.
    Reorder {
        /// How much of it.
        percent: f64,
    },
    /// No more than so much passes.
    Throttle {
        /// How much, in bytes a second.
        bytes_per_s: u64,
    },
    /// The city takes no part in replication.
    Freeze,
    /// The node's wall clock is wrong.
    Skew {
        /// How far it is ahead (behind, below zero), in milliseconds.
        by_ms: i64,
    },
}

impl Disturbance {
    /// The API's word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
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

    /// Whether it disturbs what passes between two nodes, rather than a node.
    #[must_use]
    pub fn is_of_links(&self) -> bool {
        !matches!(self, Self::Freeze | Self::Skew { .. })
    }
}

/// A disturbance of somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What, and how much.
    pub what: Disturbance,
    /// The node, or the one end.
    pub from: String,
    /// The other end, or [`EVERYBODY`]; `None` for what disturbs a node itself.
    pub to: Option<String>,
    /// Only what goes from the one end to the other.
    pub one_way: bool,
    /// When it heals by itself; the API's own choice where `None`.
    pub lasts: Option<Duration>,
}

impl Fault {
    /// The body of the request that makes it.
    ///
    /// # Errors
    /// Which amount is out of range, and the range; or that a node would be disturbed on its way to itself.
    pub fn body(&self) -> Result<Value, String> {
        let mut body = json!({ "kind": self.what.kind(), "from": self.from });
        if let Some(to) = &self.to {
            if *to == self.from {
                return Err(format!("nothing passes between {to} and itself"));
            }
            body["to"] = json!(to);
            body["both"] = json!(!self.one_way);
        }
        match &self.what {
            Disturbance::Cut | Disturbance::Freeze => {}
            Disturbance::Delay { by, jitter } => {
                let by_ms = in_range("a delay", *by, &DELAY_MS)?;
                body["delay_ms"] = json!(by_ms);
                let jitter_ms = span::whole_ms(*jitter)?;
                if jitter_ms > by_ms {
                    return Err(format!("a jitter is at most the delay, {}, not {}", span::written(*by), span::written(*jitter)));
                }
                body["jitter_ms"] = json!(jitter_ms);
            }
            Disturbance::Loss { percent } | Disturbance::Duplicate { percent } | Disturbance::Reorder { percent } => {
                if !(*percent > 0.0 && *percent <= 100.0) {
                    return Err(format!("percent is above 0 and at most 100, not {percent}"));
                }
                body["percent"] = json!(percent);
            }
            Disturbance::Throttle { bytes_per_s } => {
                if !BYTES_PER_S.contains(bytes_per_s) {
                    return Err(format!("bytes a second are {} to {}, not {bytes_per_s}", BYTES_PER_S.start(), BYTES_PER_S.end()));
                }
                body["bytes_per_s"] = json!(bytes_per_s);
            }
            Disturbance::Skew { by_ms } => {
                if *by_ms == 0 || by_ms.unsigned_abs() > SKEW_MS_MAX {
                    return Err(format!(
                        "a clock is wrong by at most 1h, and by more than nothing, not by {}",
                        span::written_signed(*by_ms)
                    ));
                }
                body["skew_ms"] = json!(by_ms);
            }
        }
        if let Some(lasts) = self.lasts {
            let ms = in_range("a fault", lasts, &LASTS_MS)?;
            body["heal_after_s"] = if ms.is_multiple_of(1_000) { json!(ms / 1_000) } else { json!(lasts.as_secs_f64()) };
        }
        Ok(body)
    }
}

fn in_range(what: &str, span: Duration, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let ms = span::whole_ms(span)?;
    if range.contains(&ms) {
        return Ok(ms);
    }
    let limit = |ms: &u64| span::written(Duration::from_millis(*ms));
    Err(format!("{what} takes {} to {}, not {}", limit(range.start()), limit(range.end()), span::written(span)))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = &self.from;
        match &self.what {
            Disturbance::Cut => f.write_str("cut"),
            Disturbance::Delay { by, jitter } if jitter.is_zero() => write!(f, "delay by {}", span::written(*by)),
            Disturbance::Delay { by, jitter } => write!(f, "delay by {} ± {}", span::written(*by), span::written(*jitter)),
            Disturbance::Loss { percent } => write!(f, "lose {percent} %"),
            Disturbance::Duplicate { percent } => write!(f, "duplicate {percent} %"),
            Disturbance::Reorder { percent } => write!(f, "reorder {percent} %"),
            Disturbance::Throttle { bytes_per_s } => write!(f, "throttle to {bytes_per_s} bytes/s"),
            Disturbance::Freeze => return write!(f, "freeze {from}"),
            Disturbance::Skew { by_ms } if *by_ms < 0 => {
                return write!(f, "set the clock of {from} back by {}", span::written_signed(-by_ms));
            }
            Disturbance::Skew { by_ms } => return write!(f, "set the clock of {from} ahead by {}", span::written_signed(*by_ms)),
        }?;
        let to = match self.to.as_deref() {
            Some(EVERYBODY) | None => "everybody",
            Some(to) => to,
        };
        write!(f, " {} {from} {} {to}", if self.one_way { "from" } else { "between" }, if self.one_way { "to" } else { "and" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(what: Disturbance) -> Fault {
        let to = what.is_of_links().then(|| EVERYBODY.to_owned());
        Fault { what, from: "gotham".into(), to, one_way: false, lasts: Some(Duration::from_secs(20)) }
    }

    #[test]
    fn a_body_says_what_the_api_wants_to_hear_and_no_more() {
        let cut = Fault { one_way: true, ..fault(Disturbance::Cut) };
        assert_eq!(cut.body(), Ok(json!({ "kind": "cut", "from": "gotham", "to": "*", "both": false, "heal_after_s": 20 })));
        let delay = fault(Disturbance::Delay { by: Duration::from_millis(300), jitter: Duration::from_millis(50) });
        assert_eq!(delay.body().unwrap()["jitter_ms"], 50);
        let skew = Fault { lasts: Some(Duration::from_millis(500)), ..fault(Disturbance::Skew { by_ms: -3_000 }) };
        assert_eq!(skew.body(), Ok(json!({ "kind": "skew", "from": "gotham", "skew_ms": -3_000, "heal_after_s": 0.5 })));
    }

    #[test]
    fn amounts_out_of_range_are_refused_with_their_range() {
        let second = Duration::from_secs(1);
        for (what, named) in [
            (Disturbance::Delay { by: Duration::ZERO, jitter: Duration::ZERO }, "1ms to 10s"),
            (Disturbance::Delay { by: second * 11, jitter: Duration::ZERO }, "1ms to 10s"),
            (Disturbance::Delay { by: second, jitter: second * 2 }, "at most the delay"),
            (Disturbance::Loss { percent: 0.0 }, "above 0"),
            (Disturbance::Duplicate { percent: 100.5 }, "at most 100"),
            (Disturbance::Reorder { percent: f64::NAN }, "at most 100"),
            (Disturbance::Throttle { bytes_per_s: 255 }, "256 to 1000000000"),
            (Disturbance::Skew { by_ms: 0 }, "more than nothing"),
            (Disturbance::Skew { by_ms: i64::MIN }, "at most 1h"),
        ] {
            let refused = fault(what.clone()).body().unwrap_err();
            assert!(refused.contains(named), "{what:?}: {refused}");
        }
        for lasts in [Duration::from_millis(99), second * 3_601] {
            let fault = Fault { lasts: Some(lasts), ..fault(Disturbance::Cut) };
            assert!(fault.body().unwrap_err().contains("100ms to 1h"), "{lasts:?}");
        }
        let to_itself = Fault { to: Some("gotham".into()), ..fault(Disturbance::Cut) };
        assert!(to_itself.body().unwrap_err().contains("itself"));
    }
}
