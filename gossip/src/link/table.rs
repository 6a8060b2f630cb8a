//! The table of links of one incarnation.
//!
//! Invariant: there is at most one link to each peer. If two are made at the same time, both ends
//! keep the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::connection;
use crate::link::faults::Faults;
use crate::link::log_limit::{Due, LogLimit};
use crate::link::outcome::{Admitted, ConnectionEvent, End, Ended};
use crate::link::telemetry::Telemetry;
use crate::machine::{Input, LinkDown};
use crate::membership::{LinkRefusal, Roster};
use crate::message::{Application, Frame};
use crate::time::Now;

/// An established link.
struct Link<A: Application> {
    connection: u64,
    peer: Origin,
    dialled_by: NodeName,
    address: String,
    /// The address that the peer advertises, if it is a further node.
    advertised: Option<String>,
    outgoing: mpsc::Sender<Frame<A>>,
}

/// The links of one incarnation, by peer.
pub(super) struct Links<A: Application> {
    me: Origin,
    roster: Roster,
    telemetry: Arc<dyn Telemetry>,
    links: BTreeMap<NodeName, Link<A>>,
    /// The connections replaced by another one between the same two incarnations. Frames that still
    /// arrive on them are accepted.
    replaced: BTreeMap<u64, NodeName>,
    linked: watch::Sender<BTreeSet<NodeName>>,
    /// The links dropped here whose loss is not reported to the machine yet.
    lost: Vec<NodeName>,
    next_connection: u64,
    /// The refusals logged recently, by peer and reason.
    refusals: LogLimit<(NodeName, Option<&'static str>)>,
}

/// An admitted peer, with the resulting inputs of the machine.
type Admission<A, C> = Result<(Admitted<A>, Vec<Input<A, C>>), LinkRefusal>;

impl<A: Application> Links<A> {
    pub(super) fn new(me: Origin, roster: Roster, telemetry: Arc<dyn Telemetry>) -> Self {
        Self {
            me,
            roster,
            telemetry,
            links: BTreeMap::new(),
            replaced: BTreeMap::new(),
            linked: watch::Sender::default(),
            lost: Vec::new(),
            next_connection: 1,
            refusals: LogLimit::default(),
        }
    }

    /// Returns a receiver of the names of linked peers.
    pub(super) fn linked(&self) -> watch::Receiver<BTreeSet<NodeName>> {
        self.linked.subscribe()
    }

    /// Returns the members.
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Returns the members for modification.
    pub(super) fn roster_mut(&mut self) -> &mut Roster {
        &mut self.roster
    }

    /// Iterates over the linked peers that advertise an address.
    pub(super) fn advertised(&self) -> impl Iterator<Item = (NodeName, &str)> {
        self.links.iter().filter_map(|(peer, link)| Some((*peer, link.advertised.as_deref()?)))
    }

    /// Takes a link that was dropped here, to report it to the machine.
    pub(super) fn take_lost(&mut self) -> Option<NodeName> {
        self.lost.pop()
    }

    /// Sends the frame, unless the faults in force drop or delay it.
    pub(super) fn pass(&mut self, faults: &mut Faults<A>, now: Now, to: NodeName, frame: Frame<A>) {
        if let Some(frame) = faults.pass(now.mono, to, frame) {
            self.send(to, frame);
        }
    }

    /// Returns the linked peers.
    pub(super) fn peers(&self) -> Vec<NodeName> {
        self.links.keys().copied().collect()
    }

    /// Returns the incarnation to which there is a link.
    pub(super) fn peer(&self, name: NodeName) -> Option<Origin> {
        self.links.get(&name).map(|link| link.peer)
    }

    /// Sends a frame that may be dropped, if there is a link and its queue is at most half full, so
    /// that such frames never take the place of rounds; an answer to a call, for which its work would be
    /// lost, up to seven eighths. Returns whether it was sent.
    pub(super) fn offer(&self, to: NodeName, frame: Frame<A>) -> bool {
        let Some(link) = self.links.get(&to) else { return false };
        let reserved = if matches!(frame, Frame::Return(_)) { 8 } else { 2 };
        link.outgoing.capacity() > connection::OUTGOING_MAX / reserved
            && link.outgoing.try_send(frame).is_ok()
    }

    /// Sends the frame, or drops it if there is no link.
    pub(super) fn send(&mut self, to: NodeName, frame: Frame<A>) {
        let Some(link) = self.links.get(&to) else { return };
        match link.outgoing.try_send(frame) {
            Ok(()) => {}
            // The connection has ended. Its `Ended` event follows the peer's last frames in the
            // queue, so the link is not removed here.
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.telemetry.queue_overflowed();
                warn!(peer = %to, "send queue full: link dropped");
                // Queued for the driver instead of returned: the machine is producing outputs at
                // this time.
                self.remove(to);
                self.lost.push(to);
            }
        }
    }

    /// Handles an event of a connection, and returns the resulting inputs of the machine.
    pub(super) fn on_event<C>(&mut self, event: ConnectionEvent<A>) -> Vec<Input<A, C>> {
        match event {
            ConnectionEvent::Introduced { peer, joined, advertised, end, address, decision } => {
                let (answer, inputs) = match self.admit(peer, joined, end, address) {
                    Ok((admitted, inputs)) => {
                        if let Some(link) = self.links.get_mut(&peer.node) {
                            link.advertised = advertised;
                        }
                        (Ok(admitted), inputs)
                    }
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // An error means that the connection has ended. Its closed queue shows this.
                let _ = decision.send(answer);
                inputs
            }
            ConnectionEvent::Frame { connection, frame } => {
                let replaced = || self.replaced.get(&connection).copied();
                let from = self.peer_of(connection).or_else(replaced);
                from.map(|from| Input::Frame { from, frame }).into_iter().collect()
            }
            ConnectionEvent::Ended { connection, cause } => {
                self.replaced.remove(&connection);
                let Some(peer) = self.peer_of(connection) else { return Vec::new() };
                self.remove(peer);
                info!(%peer, "link lost");
                vec![Input::LinkDown { peer, cause }]
            }
            ConnectionEvent::RunningElsewhere { peer, incarnation } => {
                vec![Input::Refused { peer, running: incarnation }]
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
        self.roster
            .admit(peer, joined, &linked)
            .inspect_err(|refusal| self.log(refusal, peer, &address))?;
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
            // A later, joined incarnation replaces an earlier one.
            Some(link) if link.peer != peer => vec![down, up],
            // Both dialled at the same time. Both ends keep the connection dialled by the lesser
            // name. To the machines it remains one link.
            Some(link) if link.dialled_by < dialled_by => {
                self.replaced.insert(connection, peer.node);
                return Ok((admitted, Vec::new()));
            }
            Some(link) if link.dialled_by > dialled_by => {
                self.replaced.insert(link.connection, peer.node);
                Vec::new()
            }
            // The peer dialled again, so it has lost the link that this end still has.
            Some(_) => vec![down, up],
            None => vec![up],
        };
        info!(%peer, %address, "linked");
        self.links.insert(
            peer.node,
            Link { connection, peer, dialled_by, address, advertised: None, outgoing },
        );
        self.publish();
        Ok((admitted, inputs))
    }

    /// Logs a refusal, unless it was logged recently.
    fn log(&self, refusal: &LinkRefusal, peer: Origin, address: &str) {
        let cause = (peer.node, Ended::from(refusal.clone()).refusal_text());
        let Some(Due { unlogged }) = self.refusals.due(cause, Instant::now()) else { return };
        let held_by = self.links.get(&peer.node).map(|link| &*link.address);
        match (refusal, held_by) {
            (LinkRefusal::RunningElsewhere { .. }, Some(held_by)) => {
                warn!(%address, %peer, %held_by, unlogged, "refused: {refusal}");
            }
            _ => warn!(%address, %peer, unlogged, "refused: {refusal}"),
        }
    }

    fn remove(&mut self, peer: NodeName) {
        self.links.remove(&peer);
        self.publish();
    }

    fn publish(&self) {
        self.linked.send_replace(self.links.keys().copied().collect());
    }
}
