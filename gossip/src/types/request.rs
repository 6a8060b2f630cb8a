//! Requests to the types of one node, as data: for machines, whose inputs they are.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{ForgetError, Replica, WriteError};
use crate::time::Now;
use crate::types::counter::{self, Counter, CounterError};
use crate::types::names::{self, NameError, Registration};
use crate::types::presence::{self, Present};
use crate::types::room::{self, Message, RoomError};
use crate::types::{TypeError, addresses, registers, set};

/// A write to one of the types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are named as the parameters of the functions")]
pub enum Request {
    /// See [`counter::add`].
    Add { counter: String, amount: i64 },
    /// See [`set::add`].
    Insert { set: String, element: String },
    /// See [`set::remove`].
    Remove { set: String, element: String },
    /// See [`registers::write`].
    Write { table: String, batch: registers::Batch },
    /// See [`room::send`].
    Send { room: String, sender: String, text: String, reply_to: Option<Stamp> },
    /// See [`presence::track`].
    Track { topic: String, key: String, meta: Vec<u8> },
    /// See [`presence::update`].
    Update { topic: String, tracked: Present, meta: Vec<u8> },
    /// See [`presence::untrack`].
    Untrack { topic: String, tracked: Present },
    /// See [`names::register`].
    Register { name: String, value: Vec<u8> },
    /// See [`names::release`].
    Release { name: String },
    /// See [`addresses::advertise`].
    Advertise { node: NodeName, address: String },
    /// See [`Replica::forget`].
    Forget { member: NodeName },
}

/// The result of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The new value of the counter.
    Counted(Counter),
    /// True if the element was absent.
    Inserted(bool),
    /// True if the element was present.
    Removed(bool),
    /// All writes of the batch were made.
    Written,
    /// The message that was sent.
    Sent(Message),
    /// The entry of whom is tracked now.
    Tracked(Present),
    /// The place was changed or emptied.
    Replaced,
    /// The registration.
    Registered(Registration),
    /// The name is free.
    Released,
    /// The address was written.
    Advertised,
    /// The member was forgotten.
    Forgotten,
}

/// The reason why a [`Request`] was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RequestError {
    /// A write to a set, a table or a topic was refused.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// A counter was not changed.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// A message was not sent.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// A name was not registered or released.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A member was not forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
}

impl RequestError {
    /// Returns the error that all types have in common, if it is the reason.
    #[must_use]
    pub fn common(&self) -> Option<TypeError> {
        match self {
            Self::Type(error)
            | Self::Counter(CounterError::Refused(error))
            | Self::Room(RoomError::Refused(error))
            | Self::Name(NameError::Refused(error)) => Some(*error),
            Self::Forget(ForgetError::Joining) => Some(WriteError::Joining.into()),
            Self::Counter(_) | Self::Room(_) | Self::Name(_) | Self::Forget(_) => None,
        }
    }
}

impl Request {
    /// Executes the request. `random` makes a tag unique; `is_up` returns whether an incarnation is
    /// reachable.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was changed.
    pub fn execute<V: Payload>(
        self,
        replica: &mut Replica<V>,
        now: Now,
        random: u32,
        is_up: impl Fn(Origin) -> bool,
    ) -> Result<Done, RequestError> {
        Ok(match self {
            Self::Add { counter, amount } => {
                Done::Counted(counter::add(replica, now, &counter, amount)?)
            }
            Self::Insert { set, element } => {
                Done::Inserted(set::add(replica, now, &set, &element, random)?)
            }
            Self::Remove { set, element } => {
                Done::Removed(set::remove(replica, now, &set, &element)?)
            }
            Self::Write { table, batch } => {
                registers::write(replica, now, &table, &batch)?;
                Done::Written
            }
            Self::Send { room, sender, text, reply_to } => {
                Done::Sent(room::send(replica, now, &room, &sender, &text, reply_to)?)
            }
            Self::Track { topic, key, meta } => {
                Done::Tracked(presence::track(replica, now, &topic, &key, &meta)?)
            }
            Self::Update { topic, tracked, meta } => {
                presence::update(replica, now, &topic, &tracked, &meta)?;
                Done::Replaced
            }
            Self::Untrack { topic, tracked } => {
                presence::untrack(replica, now, &topic, &tracked)?;
                Done::Replaced
            }
            Self::Register { name, value } => {
                Done::Registered(names::register(replica, now, &name, &value, is_up)?)
            }
            Self::Release { name } => {
                names::release(replica, now, &name)?;
                Done::Released
            }
            Self::Advertise { node, address } => {
                addresses::advertise(replica, now, node, &address)?;
                Done::Advertised
            }
            Self::Forget { member } => {
                replica.forget(now, member)?;
                Done::Forgotten
            }
        })
    }
}
