//! The way to the types of a node from outside of its machine: requests are answered, and reads look
//! at the newest snapshot.
//!
//! Invariants: every caller gets a result within [`ASK_TIMEOUT`]. After a request that was executed,
//! its caller's next snapshot shows the result.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::id::{NodeName, Origin};
use crate::link::calls::{self, Calls, CallsServer};
use crate::link::loads::Loads;
use crate::link::members::{self, MemberStatus, Members, MembersServer, Membership};
use crate::link::topics::{self, Topics, TopicsServer};
use crate::types::counter;
use crate::types::desk::{Answered, Asked};
use crate::types::request::{Done, Request, RequestError};
use crate::types::snapshot::Snapshot;

/// The time limit for an answer. It is exceeded only if the machine has crashed, is frozen or is
/// overloaded.
const ASK_TIMEOUT: Duration = Duration::from_millis(1_900);

/// The callers that wait for an answer, by the ticket of their request.
type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>>;
type Snapshots = watch::Receiver<Option<Snapshot>>;

/// An answer, and the incarnation that gave it.
struct Reply {
    answered: Answered,
    by: Option<Origin>,
}

/// The end of a caller. Clones share the queue.
#[derive(Clone)]
pub struct Cluster {
    node: NodeName,
    /// Sends a request to the machine; `Err` if its queue is full.
    send: Arc<dyn Fn(Asked) -> Result<(), QueueFull> + Send + Sync>,
    waiting: Waiting,
    tickets: Arc<AtomicU64>,
    snapshots: Snapshots,
    ended: Arc<Mutex<Ended>>,
    pub(super) topics: Topics,
    pub(super) calls: Calls,
    pub(super) loads: Loads,
    members: Members,
}

struct QueueFull;

/// The incarnations of this process that have ended.
#[derive(Default)]
struct Ended {
    /// Those whose losses are not known yet, each with what it had added to counters.
    open: VecDeque<(Origin, BTreeMap<String, i128>)>,
    /// The losses that nobody has taken yet.
    losses: VecDeque<Loss>,
}

/// The maximum number of ended incarnations whose losses are not known.
const ENDED_MAX: usize = 16;
/// The maximum number of losses that wait to be taken.
const LOSSES_MAX: usize = 10_000;

impl Ended {
    /// Finds the losses of the incarnations that are closed in this snapshot. Each snapshot is
    /// looked at, since the shards of a closed incarnation are removed later.
    fn settle(&mut self, now: &Snapshot) {
        let losses = &mut self.losses;
        self.open.retain(|(incarnation, added)| {
            let is_closed = now.has_closed(*incarnation);
            if is_closed {
                let missing = counter::missing(now.records(), *incarnation, added);
                losses.extend(missing.into_iter().map(|(counter, amount)| Loss {
                    counter,
                    incarnation: *incarnation,
                    amount,
                }));
            }
            !is_closed
        });
        let excess = self.losses.len().saturating_sub(LOSSES_MAX);
        self.losses.drain(..excess);
    }
}

/// The end of the process that drives the machine and its links.
pub struct ClusterServer {
    pub(super) types: TypesServer,
    pub(super) topics: TopicsServer,
    pub(super) calls: CallsServer,
    pub(super) members: MembersServer,
}

/// The end of the process that drives the machine.
pub(super) struct TypesServer {
    waiting: Waiting,
    snapshots: watch::Sender<Option<Snapshot>>,
    ended: Arc<Mutex<Ended>>,
}

/// An amount that an ended incarnation had added to a counter, and that no member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The counter.
    pub counter: String,
    /// The incarnation.
    pub incarnation: Origin,
    /// The amount.
    pub amount: i128,
}

/// The reason why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The request was refused. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// The queue of requests is full. Nothing was changed.
    #[error("the request queue is full")]
    Busy,
    /// No answer arrived in time: the request may have been executed, or still be.
    #[error("the node did not answer in time; whether anything was changed is unknown")]
    Unknown,
}

/// Removes a ticket when its caller stops waiting, also if that is cancelled.
struct Ticket<'a> {
    number: u64,
    waiting: &'a Waiting,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        locked(self.waiting).remove(&self.number);
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is consistent whenever the lock is released.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// Returns both ends, of the node of this name. `asks` is the command queue of its machine.
    #[must_use]
    pub fn new<C: From<Asked> + Send + 'static>(
        node: NodeName,
        asks: mpsc::Sender<C>,
    ) -> (Self, ClusterServer) {
        let (published, snapshots) = watch::channel(None);
        let (waiting, ended) = (Waiting::default(), Arc::<Mutex<Ended>>::default());
        let send = move |asked: Asked| asks.try_send(asked.into()).map_err(|_| QueueFull);
        let types = TypesServer {
            waiting: Arc::clone(&waiting),
            snapshots: published,
            ended: Arc::clone(&ended),
        };
        let (topics, topics_server) = topics::new();
        let (calls, calls_server) = calls::new();
        let (members, members_server) = members::new();
        let server = ClusterServer {
            types,
            topics: topics_server,
            calls: calls_server,
            members: members_server,
        };
        let (send, tickets, loads) = (Arc::new(send), Arc::default(), Loads::default());
        let cluster =
            Self { node, send, waiting, tickets, snapshots, ended, topics, calls, loads, members };
        (cluster, server)
    }

    /// Returns the name of the node.
    #[must_use]
    pub fn node(&self) -> NodeName {
        self.node
    }

    /// Returns all members of the cluster as this node sees them, itself included, sorted by name; none
    /// before the node has started.
    #[must_use]
    pub fn members(&self) -> Vec<MemberStatus> {
        self.members.list()
    }

    /// Forgets a member that will not return, so that nothing waits for it any more. If it is running, it
    /// ends; what only it has is lost. A process of that name that starts later becomes a member again.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn forget(&self, member: NodeName) -> Result<(), AskError> {
        self.ask(Request::Forget { member }).await.map(drop)
    }

    /// Returns a reader of the changes of the members' states. Its first result has all members.
    #[must_use]
    pub fn membership(&self) -> Membership {
        self.members.changes()
    }

    /// Returns the newest snapshot; `None` before the first.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Returns the snapshots as they are published.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Option<Snapshot>> {
        self.snapshots.clone()
    }

    /// Waits until an incarnation other than `last` has joined, and so may write, and returns it.
    /// `None` once the node has ended.
    pub async fn joined_after(&self, last: Option<Origin>) -> Option<Origin> {
        let is_next = |snapshot: &Option<Snapshot>| {
            snapshot.as_ref().is_some_and(|next| next.is_joined() && Some(next.me()) != last)
        };
        let mut snapshots = self.snapshots();
        let next = snapshots.wait_for(is_next).await.ok()?;
        next.as_ref().map(Snapshot::me)
    }

    /// Returns what ended incarnations of this process had added to counters and no member has, each
    /// loss once. It is known when the members have closed the incarnation; if none of them has seen
    /// anything of it, when they have closed a later one. Amounts whose outcome was unknown to their
    /// callers are included. A killed process takes this knowledge with it, and of more than 16 ended
    /// incarnations that are not closed yet, the oldest are dropped; of more than 10,000 losses too.
    #[must_use]
    pub fn take_losses(&self) -> Vec<Loss> {
        locked(&self.ended).losses.drain(..).collect()
    }

    /// Requests a write. After `Ok`, [`snapshot`](Self::snapshot) shows the result.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn ask(&self, request: Request) -> Result<Done, AskError> {
        // The machine may answer when this caller has given up, so a time limit covers both waits.
        timeout(ASK_TIMEOUT, self.answer(request)).await.unwrap_or(Err(AskError::Unknown))
    }

    async fn answer(&self, request: Request) -> Result<Done, AskError> {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, replied) = oneshot::channel();
        // Registered before the request is sent, because the answer may arrive at once.
        locked(&self.waiting).insert(number, reply);
        let _ticket = Ticket { number, waiting: &self.waiting };
        (self.send)(Asked { ticket: number, request }).map_err(|QueueFull| AskError::Busy)?;
        let Reply { answered, by } = replied.await.map_err(|_| AskError::Unknown)?;
        let done = answered.result?;
        let is_shown = |snapshot: &Option<Snapshot>| {
            snapshot.as_ref().is_some_and(|snapshot| {
                snapshot.number() >= answered.number || Some(snapshot.me()) != by
            })
        };
        let mut snapshots = self.snapshots();
        let shown = snapshots.wait_for(is_shown).await.map_err(|_| AskError::Unknown)?;
        // The incarnation may have ended before it showed the result.
        let is_by_another = shown.as_ref().map(Snapshot::me) != by;
        if is_by_another { Err(AskError::Unknown) } else { Ok(done) }
    }
}

impl ClusterServer {
    /// Passes an answer of the machine to its caller, if that still waits.
    pub fn answered(&self, answered: Answered) {
        self.types.answered(answered);
    }

    /// Publishes a snapshot. Each incarnation must publish one before its first answer.
    pub fn publish(&self, snapshot: Snapshot) {
        self.types.publish(snapshot);
    }
}

impl TypesServer {
    /// Passes an answer of the machine to its caller, if that still waits.
    pub(super) fn answered(&self, answered: Answered) {
        let waiting = locked(&self.waiting).remove(&answered.ticket);
        if let Some(waiting) = waiting {
            let by = self.snapshots.borrow().as_ref().map(Snapshot::me);
            // Sending fails only if the caller has given up.
            let _ = waiting.send(Reply { answered, by });
        }
    }

    /// Publishes a snapshot. Each incarnation must publish one before its first answer.
    pub(super) fn publish(&self, snapshot: Snapshot) {
        let me = snapshot.me();
        // Before it is shown, so that whoever sees that an incarnation is closed finds its losses.
        let mut ended = locked(&self.ended);
        let of_ended = self
            .snapshots
            .borrow()
            .as_ref()
            .filter(|last| last.me() != me)
            .map(|last| (last.me(), last.shards_of(last.me())));
        if let Some(of_ended) = of_ended {
            ended.open.push_back(of_ended);
            if ended.open.len() > ENDED_MAX {
                ended.open.pop_front();
            }
        }
        ended.settle(&snapshot);
        drop(ended);
        self.snapshots.send_replace(Some(snapshot));
    }

    /// Returns whether the newest published snapshot is the one for which `is_newest` holds.
    pub(super) fn shows(&self, is_newest: impl FnOnce(&Snapshot) -> bool) -> bool {
        self.snapshots.borrow().as_ref().is_some_and(is_newest)
    }
}

#[cfg(test)]
mod tests;
