//! Handles to the types of a node, one for each counter, set, table, room, topic and name.
//!
//! Reads look at the newest snapshot and never wait. Writes wait for the node's machine, never for
//! another node, and have three outcomes: done, not done ([`AskError::Refused`], [`AskError::Busy`]),
//! and unknown ([`AskError::Unknown`]).

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use crate::clock::Stamp;
use crate::id::NodeName;
use crate::link::cluster::{AskError, Cluster};
use crate::link::topics::Subscription;
use crate::publication::PublishError;
use crate::types::counter::Counter;
use crate::types::names::{Holding, Registration};
use crate::types::presence::{self, Diff, Present};
use crate::types::registers::{Batch, Register};
use crate::types::request::{Done, Request};
use crate::types::room::{self, Message};
use crate::types::snapshot::Snapshot;

impl Cluster {
    /// Returns the counter with this name.
    #[must_use]
    pub fn counter(&self, name: &str) -> CounterHandle {
        CounterHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns the set with this name.
    #[must_use]
    pub fn set(&self, name: &str) -> SetHandle {
        SetHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns the table with this name.
    #[must_use]
    pub fn table(&self, name: &str) -> TableHandle {
        TableHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns the chat room with this name.
    #[must_use]
    pub fn room(&self, name: &str) -> RoomHandle {
        RoomHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns the presence in the topic with this name.
    #[must_use]
    pub fn presence(&self, topic: &str) -> PresenceHandle {
        PresenceHandle { cluster: self.clone(), topic: topic.to_owned() }
    }

    /// Returns the topic with this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> TopicHandle {
        TopicHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns the global name.
    #[must_use]
    pub fn name(&self, name: &str) -> NameHandle {
        NameHandle { cluster: self.clone(), name: name.to_owned() }
    }

    /// Returns a part of the newest snapshot; the default before the first one.
    fn read<T: Default>(&self, part: impl FnOnce(&Snapshot) -> T) -> T {
        self.snapshot().as_ref().map(part).unwrap_or_default()
    }
}

/// A counter; see [`counter`](crate::types::counter).
#[derive(Clone)]
pub struct CounterHandle {
    cluster: Cluster,
    name: String,
}

impl CounterHandle {
    /// Adds `amount`, which may be negative. Returns the new value.
    ///
    /// # Errors
    /// [`AskError`]. An addition with an unknown outcome must not be repeated.
    pub async fn add(&self, amount: i64) -> Result<Counter, AskError> {
        let counter = self.name.clone();
        let Done::Counted(counter) = self.cluster.ask(Request::Add { counter, amount }).await?
        else {
            return Err(unexpected());
        };
        Ok(counter)
    }

    /// Returns the value; zero if nothing was counted.
    #[must_use]
    pub fn value(&self) -> Counter {
        self.cluster.read(|snapshot| snapshot.counter(&self.name).unwrap_or_default())
    }

    /// Returns what this node has counted, in all its incarnations.
    #[must_use]
    pub fn local(&self) -> i128 {
        self.cluster.read(|snapshot| {
            let counter = snapshot.counter(&self.name).unwrap_or_default();
            counter.share(snapshot.me().node)
        })
    }
}

/// An add-wins set; see [`set`](crate::types::set).
#[derive(Clone)]
pub struct SetHandle {
    cluster: Cluster,
    name: String,
}

impl SetHandle {
    /// Adds an element. Returns whether it was absent.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn add(&self, element: &str) -> Result<bool, AskError> {
        let (set, element) = (self.name.clone(), element.to_owned());
        let Done::Inserted(was_absent) = self.cluster.ask(Request::Insert { set, element }).await?
        else {
            return Err(unexpected());
        };
        Ok(was_absent)
    }

    /// Removes an element. Returns whether it was present.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn remove(&self, element: &str) -> Result<bool, AskError> {
        let (set, element) = (self.name.clone(), element.to_owned());
        let Done::Removed(was_present) = self.cluster.ask(Request::Remove { set, element }).await?
        else {
            return Err(unexpected());
        };
        Ok(was_present)
    }

    /// Returns the elements, sorted.
    #[must_use]
    pub fn elements(&self) -> BTreeSet<String> {
        self.cluster.read(|snapshot| snapshot.set(&self.name))
    }
}

/// A last-writer-wins table; see [`registers`](crate::types::registers).
#[derive(Clone)]
pub struct TableHandle {
    cluster: Cluster,
    name: String,
}

impl TableHandle {
    /// Sets a key.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), AskError> {
        let put = [(key.to_owned(), value.to_vec())].into();
        self.write(Batch { put, delete: BTreeSet::new() }).await
    }

    /// Deletes a key. Does nothing if it is absent.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn delete(&self, key: &str) -> Result<(), AskError> {
        self.write(Batch { put: BTreeMap::new(), delete: [key.to_owned()].into() }).await
    }

    /// Sets and deletes keys in one step. No other node shows a part of it.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn write(&self, batch: Batch) -> Result<(), AskError> {
        self.cluster.ask(Request::Write { table: self.name.clone(), batch }).await.map(drop)
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Register> {
        self.cluster.read(|snapshot| snapshot.register(&self.name, key))
    }

    /// Returns the keys that start with `prefix`, sorted, with their values.
    #[must_use]
    pub fn scan(&self, prefix: &str) -> BTreeMap<String, Register> {
        self.cluster.read(|snapshot| snapshot.table(&self.name, prefix))
    }
}

/// A topic of messages to the nodes that are linked at the moment; see
/// [`Publication`](crate::Publication). What must arrive belongs into a replicated type.
#[derive(Clone)]
pub struct TopicHandle {
    cluster: Cluster,
    name: String,
}

impl TopicHandle {
    /// Publishes a message to the subscribers at all nodes, this one included. Returns the number of
    /// nodes to which it was sent; whether it arrives is not known.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn publish(&self, body: &[u8]) -> Result<usize, PublishError> {
        let sent = self.cluster.topics.publish(&self.name, body, None)?;
        sent.await.map_err(|_| PublishError::Stopped)
    }

    /// Publishes a message to the subscribers at one node. Returns whether it was sent.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn publish_to(&self, node: NodeName, body: &[u8]) -> Result<bool, PublishError> {
        let sent = self.cluster.topics.publish(&self.name, body, Some(node))?;
        sent.await.map(|nodes| nodes > 0).map_err(|_| PublishError::Stopped)
    }

    /// Publishes a message without waiting until it is sent.
    ///
    /// # Errors
    /// [`PublishError`]
    pub fn post(&self, body: &[u8]) -> Result<(), PublishError> {
        self.cluster.topics.publish(&self.name, body, None).map(drop)
    }

    /// Subscribes to the messages that are published from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.cluster.topics.subscribe(&self.name)
    }
}

/// A chat room; see [`room`].
#[derive(Clone)]
pub struct RoomHandle {
    cluster: Cluster,
    name: String,
}

impl RoomHandle {
    /// Sends a message. Returns it.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn say(&self, sender: &str, text: &str) -> Result<Message, AskError> {
        self.send(sender, text, None).await
    }

    /// Sends a reply to a message that this node shows. Returns it.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn reply(&self, to: Stamp, sender: &str, text: &str) -> Result<Message, AskError> {
        self.send(sender, text, Some(to)).await
    }

    async fn send(
        &self,
        sender: &str,
        text: &str,
        reply_to: Option<Stamp>,
    ) -> Result<Message, AskError> {
        let (room, sender, text) = (self.name.clone(), sender.to_owned(), text.to_owned());
        let Done::Sent(message) =
            self.cluster.ask(Request::Send { room, sender, text, reply_to }).await?
        else {
            return Err(unexpected());
        };
        Ok(message)
    }

    /// Returns the newest messages, at most `limit`, oldest first.
    #[must_use]
    pub fn recent(&self, limit: usize) -> Vec<Message> {
        self.cluster.read(|snapshot| snapshot.room(&self.name, limit))
    }

    /// Returns a reader of the messages from now on. Its first result has those that are there.
    #[must_use]
    pub fn messages(&self) -> Messages {
        let snapshots = self.cluster.snapshots();
        Messages { snapshots, name: self.name.clone(), shown: None }
    }
}

/// A reader of the messages of a room.
pub struct Messages {
    snapshots: watch::Receiver<Option<Snapshot>>,
    name: String,
    shown: Option<BTreeSet<Stamp>>,
}

impl Messages {
    /// Waits for messages that were not returned before, and returns them in order; the first time,
    /// those that are there. A message may arrive after later ones of other nodes. A reader that
    /// falls behind by more than [`room::KEPT`] messages misses the oldest of them. `None` once the
    /// node has ended.
    pub async fn next(&mut self) -> Option<Vec<Message>> {
        loop {
            let messages = self
                .snapshots
                .borrow_and_update()
                .as_ref()
                .map(|snapshot| snapshot.room(&self.name, room::KEPT));
            if let Some(messages) = messages {
                let is_first = self.shown.is_none();
                let shown = self.shown.get_or_insert_default();
                let new = messages.into_iter().filter(|message| shown.insert(message.stamp));
                let new: Vec<Message> = new.collect();
                // Those that the room does not show any more are kept for a while: after a crash of
                // the node it shows them again.
                while shown.len() > 2 * room::KEPT {
                    shown.pop_first();
                }
                if is_first || !new.is_empty() {
                    return Some(new);
                }
            }
            self.snapshots.changed().await.ok()?;
        }
    }
}

/// The presence in a topic; see [`presence`].
#[derive(Clone)]
pub struct PresenceHandle {
    cluster: Cluster,
    topic: String,
}

impl PresenceHandle {
    /// Tracks `key` at this node, until it is untracked or the incarnation ends.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn track(&self, key: &str, meta: &[u8]) -> Result<Present, AskError> {
        let (topic, key, meta) = (self.topic.clone(), key.to_owned(), meta.to_vec());
        let Done::Tracked(present) = self.cluster.ask(Request::Track { topic, key, meta }).await?
        else {
            return Err(unexpected());
        };
        Ok(present)
    }

    /// Changes what is known of somebody who is tracked at this node.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn update(&self, tracked: &Present, meta: &[u8]) -> Result<(), AskError> {
        let (topic, tracked, meta) = (self.topic.clone(), tracked.clone(), meta.to_vec());
        self.cluster.ask(Request::Update { topic, tracked, meta }).await.map(drop)
    }

    /// Ends the tracking of somebody at this node.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn untrack(&self, tracked: &Present) -> Result<(), AskError> {
        let (topic, tracked) = (self.topic.clone(), tracked.clone());
        self.cluster.ask(Request::Untrack { topic, tracked }).await.map(drop)
    }

    /// Returns who is present at any node that is reachable.
    #[must_use]
    pub fn list(&self) -> Vec<Present> {
        self.cluster.read(|snapshot| snapshot.present(&self.topic))
    }

    /// Returns a reader of the changes from now on. Its first result has those who are there.
    #[must_use]
    pub fn diffs(&self) -> Diffs {
        let snapshots = self.cluster.snapshots();
        Diffs { snapshots, topic: self.topic.clone(), shown: Vec::new() }
    }
}

/// A reader of the changes of the presence in a topic.
pub struct Diffs {
    snapshots: watch::Receiver<Option<Snapshot>>,
    topic: String,
    shown: Vec<Present>,
}

impl Diffs {
    /// Waits for changes since the last result, and returns them. A reader that falls behind gets
    /// them in one. `None` once the node has ended.
    pub async fn next(&mut self) -> Option<Vec<Diff>> {
        loop {
            let snapshot = self.snapshots.borrow_and_update().clone();
            if let Some(snapshot) = snapshot {
                let present = snapshot.present(&self.topic);
                let diffs = presence::diff(
                    &self.shown,
                    &present,
                    |owner| snapshot.has_ended(owner),
                    |owner| snapshot.is_up(owner),
                );
                self.shown = present;
                if !diffs.is_empty() {
                    return Some(diffs);
                }
            }
            self.snapshots.changed().await.ok()?;
        }
    }
}

/// A global name; see [`names`](crate::types::names).
#[derive(Clone)]
pub struct NameHandle {
    cluster: Cluster,
    name: String,
}

impl NameHandle {
    /// Registers the name for this incarnation, with a value.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn register(&self, value: &[u8]) -> Result<Claim, AskError> {
        let (name, value) = (self.name.clone(), value.to_vec());
        let done = self.cluster.ask(Request::Register { name, value }).await?;
        let Done::Registered(Registration { token, .. }) = done else { return Err(unexpected()) };
        let snapshots = self.cluster.snapshots();
        Ok(Claim { snapshots, name: self.name.clone(), token })
    }

    /// Releases the name.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn release(&self) -> Result<(), AskError> {
        self.cluster.ask(Request::Release { name: self.name.clone() }).await.map(drop)
    }

    /// Returns the registration; `None` if the name is free.
    #[must_use]
    pub fn find(&self) -> Option<Registration> {
        self.cluster.read(|snapshot| snapshot.name(&self.name))
    }
}

/// A registration that was made here.
pub struct Claim {
    snapshots: watch::Receiver<Option<Snapshot>>,
    name: String,
    token: Stamp,
}

impl Claim {
    /// Returns the fencing token: a resource that remembers the highest one refuses an owner that
    /// has lost the name.
    #[must_use]
    pub fn token(&self) -> Stamp {
        self.token
    }

    /// Waits until this node shows that the registration is lost, and returns the one that has
    /// replaced it, if there is one. The work under this name must stop.
    pub async fn lost(&mut self) -> Option<Registration> {
        let is_lost = |snapshot: &Option<Snapshot>| {
            let snapshot = snapshot.as_ref();
            snapshot
                .is_some_and(|snapshot| snapshot.holding(&self.name, self.token) != Holding::Held)
        };
        let snapshot = self.snapshots.wait_for(is_lost).await.ok()?.clone();
        snapshot?.name(&self.name)
    }
}

/// Returns the error for an answer to another request. A machine never gives one.
fn unexpected() -> AskError {
    debug_assert!(false, "an answer of another kind");
    AskError::Unknown
}
