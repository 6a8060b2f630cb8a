//! The log messages of a replica's events, with their levels.

use tracing::{debug, error, info, warn};

use crate::replica::Event;

/// Logs an event, with its data as fields.
pub(super) fn log(event: &Event) {
    match event {
        Event::Adopted { source, writes } => {
            warn!(
                %source,
                writes,
                "adopted: rewrote entries of closed incarnations, missing at other members"
            );
        }
        Event::Closed { before, incarnations } => {
            debug!(
                %before,
                incarnations,
                "closed: all members have the same writes of these incarnations"
            );
        }
        Event::Forgotten { member } => warn!(%member, "member forgotten"),
        Event::Fenced { source } => {
            warn!(%source, "round refused: its source has a later incarnation");
        }
        // Rounds without changes are frequent, so they are logged only at debug level.
        Event::Committed { source, entries, changed: 0, full } => {
            debug!(%source, entries, full, "pulled");
        }
        Event::Committed { source, entries, changed, full } => {
            info!(source = %source.node, entries, changed, full, "pulled");
        }
        Event::Collected { tombstones } => {
            info!(tombstones = tombstones.len(), "collected: all members have these tombstones");
        }
        Event::LateWritesDeleted { source, writes } => {
            warn!(%source, writes, "deleted again: late writes to deleted keys");
        }
        Event::TooFarAhead { source, writer, ahead_ms } => {
            let source = source.node;
            warn!(
                %source,
                %writer,
                ahead_ms,
                "round refused: a stamp is too far ahead of this node's clock"
            );
        }
        Event::OriginStolen { source } => {
            error!(%source, "a round contains writes that this incarnation never made: another process has its \
                 origin, or the source is faulty");
        }
        Event::Diverged { peer } => {
            error!(%peer, "DIVERGED: the peer covers the same writes and holds different entries");
        }
        Event::Repaired { peer, entries } => {
            warn!(%peer, entries, "repaired: took entries from the peer that were missing here");
        }
        Event::NotMember { source, writer } => {
            let source = source.node;
            error!(%source, %writer, "round refused: it contains writes of a node that is not a member");
        }
        Event::TooManyIncarnations { source, node } => {
            let source = source.node;
            error!(%source, %node, "round refused: it contains too many incarnations of one node");
        }
        Event::GivenUp { source } => debug!(%source, "pull given up"),
        Event::Joined { through: Some(source) } => info!(through = %source, "joined"),
        Event::Joined { through: None } => info!("joined as the first member: no other had joined"),
        Event::Superseded { by, .. } => warn!(%by, "a later incarnation of this name exists"),
    }
}
