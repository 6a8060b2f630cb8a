//! Faults: the request to inject one, the faults in force, and the allowed amounts.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::shortest_or_null;
#[cfg(feature = "schema")]
use crate::words::{FaultKind, FaultTarget, NodeWord};

/// The allowed delay, in milliseconds. The jitter must not exceed the delay.
pub const DELAY_MS: RangeInclusive<u64> = 1..=10_000;
/// The allowed rate of a throttle, in bytes per second.
pub const BYTES_PER_S: RangeInclusive<u64> = 256..=1_000_000_000;
/// The largest skew of a clock in either direction, in milliseconds.
pub const SKEW_MS_MAX: u64 = 3_600_000;
/// The allowed time until a fault expires, in milliseconds.
pub const HEAL_AFTER_MS: RangeInclusive<u64> = 100..=3_600_000;

/// A request to inject a fault. Amounts that do not apply to its kind are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(ToSchema),
    schema(
        as = FaultRequest,
        example = json!({ "kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 30 })
    )
)]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct FaultRequest {
    #[cfg_attr(feature = "schema", schema(value_type = FaultKind))]
    pub kind: String,
    /// The sending node of the affected frames; for `freeze` and `skew` the affected node.
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub from: String,
    /// The receiving node, or `*` for all others, dispatch included. Not for `freeze` and `skew`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<FaultTarget>))]
    pub to: Option<String>,
    /// True if the fault affects the opposite direction too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(default = true))]
    pub both: Option<bool>,
    /// For `delay`: the mean delay, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest_or_null")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10_000))]
    pub delay_ms: Option<f64>,
    /// For `delay`: the largest deviation from the mean, in milliseconds; at most `delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest_or_null")]
    #[cfg_attr(feature = "schema", schema(minimum = 0, maximum = 10_000))]
    pub jitter_ms: Option<f64>,
    /// For `loss`, `duplicate` and `reorder`: the percentage of affected frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 0.1, maximum = 100))]
    pub percent: Option<f64>,
    /// For `throttle`: the rate in bytes per second.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest_or_null")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 256, maximum = 1_000_000_000))]
    pub bytes_per_s: Option<f64>,
    /// For `skew`: the offset of the clock in milliseconds, negative if it is behind; not 0.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest_or_null")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<i64>, minimum = -3_600_000, maximum = 3_600_000))]
    pub skew_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shortest_or_null")]
    #[cfg_attr(feature = "schema", schema(minimum = 0.1, maximum = 3_600, default = 30))]
    pub heal_after_s: Option<f64>,
}

/// A fault in force.
// The fields that dispatch adds have defaults, so a fault can be deserialized without them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Fault {
    #[cfg_attr(feature = "schema", schema(example = "5f0c93ab"))]
    pub id: String,
    #[cfg_attr(feature = "schema", schema(value_type = FaultKind))]
    pub kind: String,
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<FaultTarget>))]
    pub to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub both: Option<bool>,
    #[serde(flatten)]
    pub amount: Amount,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub heal_after_s: f64,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub heals_in_ms: u64,
    /// The nodes that report it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<NodeWord>, required = true))]
    pub in_force_at: Vec<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub frames: Frames,
}

/// The amounts of a fault; which ones are present depends on its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Amount {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
}

/// The number of frames that the fault affected so far, summed over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Frames {
    pub seen: u64,
    pub dropped: u64,
    pub delayed: u64,
    pub duplicated: u64,
}

/// The faults in force, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Faults {
    pub faults: Vec<Fault>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn request_writes_whole_amounts_without_decimal_point() {
        let request = FaultRequest {
            kind: "delay".into(),
            from: "gotham".into(),
            delay_ms: Some(300.0),
            heal_after_s: Some(0.5),
            ..FaultRequest::default()
        };
        let text = serde_json::to_string(&request).expect("JSON");
        assert_eq!(text, r#"{"kind":"delay","from":"gotham","delay_ms":300,"heal_after_s":0.5}"#);
    }

    #[test]
    fn fault_amount_is_flattened_into_its_other_fields() {
        let fault: Fault = serde_json::from_value(json!({
            "id": "1", "kind": "loss", "from": "gotham", "to": "*", "percent": 5,
        }))
        .expect("a fault without the fields that dispatch adds");
        assert_eq!(fault.amount, Amount { percent: Some(5.0), ..Amount::default() });
        let written = serde_json::to_value(&fault).expect("JSON");
        assert_eq!((&written["percent"], written.get("delay_ms")), (&json!(5.0), None));
    }
}
