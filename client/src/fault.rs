//! Faults in force, as rows and as sentences.

use std::time::Duration;

use api_types::{ALL, Fault};
use scenario::span;

use crate::output::yes;

pub(crate) const HEADINGS: [&str; 9] =
    ["ID", "KIND", "FROM", "TO", "BOTH WAYS", "PARAMETERS", "HEALS IN", "IN FORCE AT", "FRAMES"];

/// Returns a fault as a row.
pub(crate) fn row(fault: &Fault) -> Vec<String> {
    // Serialized, so that the names are those of the API.
    let amounts = serde_json::to_value(fault.amount).expect("amounts are numbers");
    let amounts = amounts.as_object().into_iter().flatten();
    let amounts: Vec<String> = amounts.map(|(name, value)| format!("{name}={value}")).collect();
    let frames = &fault.frames;
    vec![
        fault.id.clone(),
        fault.kind.clone(),
        fault.from.clone(),
        fault.to.clone().unwrap_or_default(),
        fault.to.as_ref().map_or_else(String::new, |_| yes(fault.both.unwrap_or_default())),
        amounts.join(" "),
        span::written(Duration::from_millis(fault.heals_in_ms)),
        fault.in_force_at.join(" "),
        format!(
            "{} seen, {} dropped, {} delayed, {} duplicated",
            frames.seen, frames.dropped, frames.delayed, frames.duplicated
        ),
    ]
}

/// Describes a fault: `Fault 5f0c93ab: cut gotham <-> all, heals in 19s`.
pub(crate) fn described(fault: &Fault) -> String {
    let arrow = if fault.both == Some(true) { "<->" } else { "->" };
    let to = fault
        .to
        .as_deref()
        .map_or_else(String::new, |to| format!(" {arrow} {}", if to == ALL { "all" } else { to }));
    let heals = span::written(Duration::from_millis(fault.heals_in_ms));
    format!("Fault {}: {} {}{to}, heals in {heals}", fault.id, fault.kind, fault.from)
}
