//! The state of gossip, as a sentence.

use api_types::Gossip;

/// Describes whether gossip runs, and its rate.
pub(crate) fn sentence(gossip: &Gossip) -> String {
    if gossip.paused {
        "Gossip is paused.".to_owned()
    } else {
        format!("Gossip runs at {} % of its configured rate.", gossip.percent)
    }
}
