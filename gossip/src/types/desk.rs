//! The part of a machine that serves the types: it executes requests and takes snapshots.
//!
//! Invariant: each request has exactly one answer, in the step in which it arrives.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::Replica;
use crate::time::Now;
use crate::types::counter::Recent;
use crate::types::peers::Peers;
use crate::types::request::{Done, Request, RequestError};
use crate::types::snapshot::Snapshot;

/// A request, with the number that its process has given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The number, repeated in [`Answered`].
    pub ticket: u64,
    /// The request.
    pub request: Request,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The number of the request.
    pub ticket: u64,
    /// The result; with an error, nothing was changed.
    pub result: Result<Done, RequestError>,
    /// The [number](Snapshot::number) of the first snapshot that shows the result.
    pub number: u64,
}

/// The part of a machine that serves the types.
#[derive(Clone, Debug)]
pub struct Desk {
    peers: Peers,
    /// The number of random numbers drawn.
    drawn: u64,
    /// The amounts that this incarnation has added to counters.
    recent: Recent,
}

impl Desk {
    /// Returns the desk of an incarnation that starts now.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { peers: Peers::new(now), drawn: 0, recent: Recent::default() }
    }

    /// Notes a new link.
    pub fn link_up(&mut self, peer: Origin) {
        self.peers.link_up(peer);
    }

    /// Notes the loss of the link to a node.
    pub fn link_down(&mut self, now: Now, node: NodeName) {
        self.peers.link_down(now, node);
    }

    /// Returns the time at which [`tick`](Self::tick) must be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.peers.deadline()
    }

    /// Advances time.
    pub fn tick(&mut self, now: Now) {
        self.peers.tick(now);
    }

    /// Executes a request of the node's process.
    pub fn execute<V: Payload>(
        &mut self,
        replica: &mut Replica<V>,
        now: Now,
        Asked { ticket, request }: Asked,
    ) -> Answered {
        let result = self.request(replica, now, request);
        Answered { ticket, result, number: replica.map().changes() }
    }

    /// Executes a request of the machine itself.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was changed.
    pub fn request<V: Payload>(
        &mut self,
        replica: &mut Replica<V>,
        now: Now,
        request: Request,
    ) -> Result<Done, RequestError> {
        // Unique without a generator of its own: an incarnation contains random bits.
        self.drawn += 1;
        let random = xxh3_64_with_seed(&replica.me().incarnation.to_bytes(), self.drawn);
        let random = u32::try_from(random >> u32::BITS).expect("32 bits");
        let added = if let Request::Add { counter, amount } = &request {
            Some((counter.clone(), *amount))
        } else {
            None
        };
        let peers = &self.peers;
        let done = request.execute(replica, now, random, |owner| peers.is_reachable(owner))?;
        if let (Some((counter, amount)), Some(stamp)) =
            (added, replica.vector().highest(replica.me()))
        {
            self.recent.note(&counter, stamp, amount, replica.proved());
        }
        Ok(done)
    }

    /// Returns whether an incarnation is reachable from this one, `me`.
    #[must_use]
    pub fn is_reachable(&self, me: Origin, incarnation: Origin) -> bool {
        me == incarnation || self.peers.is_reachable(incarnation)
    }

    /// Returns what the node holds of the types.
    #[must_use]
    pub fn snapshot<V: Payload>(&self, replica: &Replica<V>) -> Snapshot {
        Snapshot::of(replica, &self.peers, &self.recent)
    }

    /// Returns whether this snapshot shows what the node holds now. Cheaper than a new one.
    #[must_use]
    pub fn is_shown_by<V: Payload>(&self, snapshot: &Snapshot, replica: &Replica<V>) -> bool {
        snapshot.is_current(replica, &self.peers)
    }
}
