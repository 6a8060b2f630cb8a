//! The table of links of one incarnation.
//!
//! Invariant: a peer has at most one link here, and of two that were made at once both ends keep
//! the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::connection;
use crate::link::faults::Faults;
use crate::link::outcome::{Admitted, ConnectionEvent, End};
use crate::link::telemetry::Telemetry;
use crate::machine::{Input, LinkDown};
use crate::membership::{LinkRefusal, Roster};
use crate::message::{Application, Frame};
use crate::time::Now;

/// A link that is up.
struct Link<A: Application> {
    connection: u64,
    peer: Origin,
    dialled_by: NodeName,
    address: String,
    outgoing: mpsc::Sender<Frame<A>>,
}

/// The table of links.
pub(super) struct Links<A: Application> {
    me: Origin,
    roster: Roster,
    telemetry: Arc<dyn Telemetry>,
    links: BTreeMap<NodeName, Link<A>>,
    /// The connections that gave way to another one of the same two incarnations. Frames that still
    /// arrive on them count.
    giving_way: BTreeMap<u64, NodeName>,
    linked: watch::Sender<BTreeSet<NodeName>>,
    /// The links dropped here that the machine has not learned of yet.
    lost: Vec<NodeName>,
    next_connection: u64,
}

/// The admission of a peer, and the inputs of the machine that follow from it.
type Admission<A, C> = Result<(Admitted<A>, Vec<Input<A, C>>), LinkRefusal>;

impl<A: Application> Links<A> {
    pub(super) fn new(me: Origin, roster: Roster, telemetry: Arc<dyn Telemetry>) -> Self {
        Self {
            me,
            roster,
            telemetry,
            links: BTreeMap::new(),
            giving_way: BTreeMap::new(),
            linked: watch::Sender::default(),
            lost: Vec::new(),
            next_connection: 1,
        }
    }

    /// Returns a receiver of the names that are linked.
    pub(super) fn linked(&self) -> watch::Receiver<BTreeSet<NodeName>> {
        self.linked.subscribe()
    }

    /// Returns a link dropped here that the machine has not learned of yet.
    pub(super) fn take_lost(&mut self) -> Option<NodeName> {
        self.lost.pop()
    }

    /// Sends the frame, unless the faults in force drop or delay it.
    pub(super) fn pass(&mut self, faults: &mut Faults<A>, now: Now, to: NodeName, frame: Frame<A>) {
        if let Some(frame) = faults.pass(now.mono, to, frame) {
            self.send(to, frame);
        }
    }

    /// Sends the frame. Without a link it is dropped.
    pub(super) fn send(&mut self, to: NodeName, frame: Frame<A>) {
        let Some(link) = self.links.get(&to) else { return };
        match link.outgoing.try_send(frame) {
            Ok(()) => {}
            // The connection has ended. Its end waits among the events, behind the peer's last
            // frames.
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.telemetry.queue_overflowed();
                warn!(peer = %to, "too slow for the frames sent to it: link dropped");
                self.remove(to);
                self.lost.push(to);
            }
        }
    }

    /// Takes a report of a connection, and returns the inputs of the machine that follow from it.
    pub(super) fn on_event<C>(&mut self, event: ConnectionEvent<A>) -> Vec<Input<A, C>> {
        match event {
            ConnectionEvent::Introduced { peer, joined, end, address, decision } => {
                let (answer, inputs) = match self.admit(peer, joined, end, address) {
                    Ok((admitted, inputs)) => (Ok(admitted), inputs),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // A connection that is gone reports its end through its closed queue.
                let _ = decision.send(answer);
                inputs
            }
            ConnectionEvent::Frame { connection, frame } => {
                let giving_way = || self.giving_way.get(&connection).copied();
                let from = self.peer_of(connection).or_else(giving_way);
                from.map(|from| Input::Frame { from, frame }).into_iter().collect()
            }
            ConnectionEvent::Ended { connection, cause } => {
                self.giving_way.remove(&connection);
                let Some(peer) = self.peer_of(connection) else { return Vec::new() };
                self.remove(peer);
                info!(%peer, "link lost");
                vec![Input::LinkDown { peer, cause }]
            }
            ConnectionEvent::RunningElsewhere { peer, alive } => {
                vec![Input::Refused { peer, alive }]
            }
            ConnectionEvent::NotReached { peer, .. } if self.links.contains_key(&peer) => {
                Vec::new()
            }
            ConnectionEvent::NotReached { peer, cause } => vec![Input::LinkDown { peer, cause }],
        }
    }

    fn peer_of(&self, connection: u64) -> Option<NodeName> {
        let link = self.links.iter().find(|(_, link)| link.connection == connection);
        link.map(|(peer, _)| *peer)
    }

    fn admit<C>(
        &mut self,
        peer: Origin,
        joined: bool,
        end: End,
        address: String,
    ) -> Admission<A, C> {
        let incarnation = |(name, link): (&NodeName, &Link<A>)| (*name, link.peer.incarnation);
        let linked: BTreeMap<NodeName, Incarnation> = self.links.iter().map(incarnation).collect();
        self.roster.admit(peer, joined, &linked).inspect_err(|refusal| {
            let held_by = self.links.get(&peer.node).map(|link| &*link.address);
            match (refusal, held_by) {
                (LinkRefusal::RunningElsewhere { .. }, Some(held_by)) => {
                    warn!(%address, %peer, %held_by, "refused: {refusal}");
                }
                _ => warn!(%address, %peer, "refused: {refusal}"),
            }
        })?;
        let dialled_by = match end {
            End::Dialer(_) => self.me.node,
            End::Listener(_) => peer.node,
        };
        let connection = self.next_connection;
        self.next_connection += 1;
        let (outgoing, queue) = mpsc::channel(connection::OUTGOING_MAX);
        let admitted = Admitted { connection, outgoing: queue };
        let up = Input::LinkUp { peer: peer.node, incarnation: peer.incarnation };
        let down = Input::LinkDown { peer: peer.node, cause: LinkDown::Lost };
        let inputs = match self.links.get(&peer.node) {
            // A later incarnation that has joined takes the place of an earlier one.
            Some(link) if link.peer != peer => vec![down, up],
            // Both dialled at once. Both ends keep the connection that the lesser name dialled; for
            // the machines it is one link.
            Some(link) if link.dialled_by < dialled_by => {
                self.giving_way.insert(connection, peer.node);
                return Ok((admitted, Vec::new()));
            }
            Some(link) if link.dialled_by > dialled_by => {
                self.giving_way.insert(link.connection, peer.node);
                Vec::new()
            }
            // A peer that dials again has lost the link that this end still has.
            Some(_) => vec![down, up],
            None => vec![up],
        };
        info!(%peer, %address, "linked");
        self.links.insert(peer.node, Link { connection, peer, dialled_by, address, outgoing });
        self.publish();
        Ok((admitted, inputs))
    }

    fn remove(&mut self, peer: NodeName) {
        self.links.remove(&peer);
        self.publish();
    }

    fn publish(&self) {
        self.linked.send_replace(self.links.keys().copied().collect());
    }
}
