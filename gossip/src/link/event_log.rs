//! The log lines of a replica's events: one place for their levels and words.

use tracing::{debug, error, info, warn};

use crate::replica::Event;

/// Logs an event, with its parts as fields.
pub(super) fn log(event: &Event) {
    match event {
        Event::Adopted { source, writes } => {
            warn!(%source, writes, "adopted: writes that the others had closed without");
        }
        Event::Closed { before, incarnations } => {
            debug!(%before, incarnations, "closed: every member has the same of these incarnations");
        }
        Event::Forgotten { member } => warn!(%member, "forgotten, as requested"),
        Event::Fenced { source } => {
            warn!(%source, "round refused: its source has a later incarnation");
        }
        Event::Committed { source, entries, changed: 0, full } => {
            debug!(%source, entries, full, "pulled");
        }
        Event::Committed { source, entries, changed, full } => {
            info!(source = %source.node, entries, changed, full, "pulled");
        }
        Event::Collected { tombstones } => {
            info!(tombstones = tombstones.len(), "collected: every member has these tombstones");
        }
        Event::Buried { source, writes } => {
            warn!(%source, writes, "buried: late writes to deleted keys");
        }
        Event::TooFarAhead { source, writer, ahead_ms } => {
            let source = source.node;
            warn!(%source, %writer, ahead_ms, "round refused: a stamp is too far ahead of this clock");
        }
        Event::OriginStolen { source } => {
            error!(%source, "round refused: it claims writes that this incarnation never made");
        }
        Event::Diverged { peer } => {
            error!(%peer, "DIVERGED: the peer covers the same writes and holds different ones");
        }
        Event::GivenUp { source } => debug!(%source, "pull given up"),
        Event::Joined { through: Some(source) } => info!(through = %source, "joined"),
        Event::Joined { through: None } => info!("joined: no linked member has joined before"),
        Event::Superseded { by, .. } => warn!(%by, "a later incarnation of this name exists"),
    }
}
