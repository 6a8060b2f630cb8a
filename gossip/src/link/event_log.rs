//! The log messages of a replica's events, with their levels.

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::id::NodeName;
use crate::link::log_limit::{Due, LogLimit};
use crate::replica::Event;

/// The log of a replica's events. A peer whose rounds are refused is pulled from again and again,
/// so each refusal is logged once, and then at most once a minute.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    repeated: LogLimit<Cause>,
}

/// A cause of repeated events: the kind, the peer, and the writer if it is another node.
type Cause = (&'static str, NodeName, Option<NodeName>);

impl EventLog {
    /// Logs an event, with its data as fields.
    pub(super) fn log(&self, event: &Event) {
        match cause(event) {
            None => log(event, None),
            Some(cause) => {
                if let Some(Due { unlogged }) = self.repeated.due(cause, Instant::now()) {
                    log(event, unlogged);
                }
            }
        }
    }
}

/// Returns the cause of an event that may repeat with every round.
fn cause(event: &Event) -> Option<Cause> {
    match event {
        Event::TooFarAhead { source, writer, .. } => {
            Some(("too_far_ahead", source.node, Some(writer.node)))
        }
        Event::NotMember { source, .. } => Some(("not_a_member", source.node, None)),
        Event::TooManyIncarnations { source, node } => {
            Some(("too_many_incarnations", source.node, Some(*node)))
        }
        Event::Fenced { source } => Some(("fenced", source.node, None)),
        Event::OriginStolen { source } => Some(("origin_stolen", source.node, None)),
        Event::Diverged { peer } => Some(("diverged", peer.node, None)),
        Event::Repaired { peer, .. } => Some(("repaired", peer.node, None)),
        Event::Collected { .. }
        | Event::LateWritesDeleted { .. }
        | Event::Adopted { .. }
        | Event::OrphansDropped { .. }
        | Event::Closed { .. }
        | Event::Forgotten { .. }
        | Event::Committed { .. }
        | Event::GivenUp { .. }
        | Event::Announced
        | Event::Listed { .. }
        | Event::Joined { .. }
        | Event::Superseded { .. } => None,
    }
}

/// Logs an event. `unlogged` equal ones before it were not logged.
fn log(event: &Event, unlogged: Option<u64>) {
    match event {
        Event::Adopted { source, writes } => {
            warn!(
                %source,
                writes,
                "adopted: rewrote entries that other members may lack"
            );
        }
        Event::OrphansDropped { source, writes } => {
            warn!(
                %source,
                writes,
                "dropped entries of closed incarnations that the other members have not received"
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
            warn!(%source, unlogged, "round refused: its source has a later incarnation");
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
                unlogged,
                "round refused: a stamp is too far ahead of this node's clock"
            );
        }
        Event::OriginStolen { source } => {
            error!(
                %source,
                unlogged,
                "a round contains writes that this incarnation never made: another process has its \
                 origin, or the source is faulty"
            );
        }
        Event::Diverged { peer } => {
            error!(
                %peer,
                unlogged,
                "DIVERGED: the peer covers the same writes and holds different entries"
            );
        }
        Event::Repaired { peer, entries } => {
            warn!(%peer, entries, unlogged, "repaired: took entries from the peer that were missing here");
        }
        Event::NotMember { source, writer } => {
            let source = source.node;
            error!(%source, %writer, unlogged, "round refused: it contains writes of a node that is not a member");
        }
        Event::TooManyIncarnations { source, node } => {
            let source = source.node;
            error!(%source, %node, unlogged, "round refused: it contains too many incarnations of one node");
        }
        Event::GivenUp { source } => debug!(%source, "pull given up"),
        Event::Announced => {
            info!("announced: this node joins once every member has it on its roster");
        }
        Event::Listed { member } => info!(%member, "new member"),
        Event::Joined { through: Some(source) } => info!(through = %source, "joined"),
        Event::Joined { through: None } => info!("joined as the first member: no other had joined"),
        Event::Superseded { by, .. } => warn!(%by, "a later incarnation of this name exists"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::id::{Incarnation, Origin};

    fn node(name: &str, incarnation: u64) -> Origin {
        let node = name.parse().expect("a name");
        Origin { node, incarnation: Incarnation::at(incarnation) }
    }

    #[test]
    fn refusals_of_a_peer_are_one_cause_whatever_their_details() {
        let ahead = |source, writer, ahead_ms| Event::TooFarAhead { source, writer, ahead_ms };
        let (gotham, capitol) = (node("gotham", 1), node("capitol", 1));
        let first = cause(&ahead(gotham, capitol, 2_001));
        assert!(first.is_some());
        assert_eq!(cause(&ahead(node("gotham", 2), node("capitol", 9), 3_000)), first);
        for other in [
            ahead(capitol, capitol, 2_001),
            ahead(gotham, gotham, 2_001),
            Event::Fenced { source: gotham },
            Event::OriginStolen { source: gotham },
            Event::NotMember { source: gotham, writer: capitol.node },
            Event::TooManyIncarnations { source: gotham, node: capitol.node },
            Event::Diverged { peer: gotham },
            Event::Repaired { peer: gotham, entries: 1 },
        ] {
            assert!(cause(&other).is_some_and(|other| Some(other) != first), "{other:?}");
        }
        assert_eq!(cause(&Event::GivenUp { source: gotham }), None);
    }
}
