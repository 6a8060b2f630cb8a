//! What the driver and the supervisor need of a machine: its replica, and the parts of its events.

use crate::crdt::entry::Entry;
use crate::machine::Machine;
use crate::member::{Member, MemberEvent};
use crate::message::Application;
use crate::replica::{self, Replica};
use crate::types::desk::{Answered, Asked, Desk};

/// The type of a machine's replicated values.
type ValueOf<M> = <<M as Machine>::App as Application>::Value;

/// A machine with a replica, as a node of a cluster runs it.
pub trait Node: Machine<Command: From<Asked>> {
    /// Returns the replica.
    fn replica(&self) -> &Replica<ValueOf<Self>>;

    /// Returns the part that serves the library's types.
    fn desk(&self) -> &Desk;

    /// Returns the event of the replica that an event of the machine contains, if any.
    fn replica_event(event: &Self::Event) -> Option<&replica::Event>;

    /// Returns the answer to a request to one of the types, if the event of the machine is one.
    fn answered(event: &Self::Event) -> Option<&Answered>;

    /// Returns a short description of an entry, for logs.
    fn describe(entry: &Entry<ValueOf<Self>>) -> String {
        format!("{:?}", entry.value)
    }
}

impl<A: Application> Node for Member<A> {
    fn replica(&self) -> &Replica<A::Value> {
        Member::replica(self)
    }

    fn desk(&self) -> &Desk {
        Member::desk(self)
    }

    fn answered(event: &MemberEvent<A>) -> Option<&Answered> {
        match event {
            MemberEvent::Answered(answered) => Some(answered),
            MemberEvent::Written { .. } | MemberEvent::Replica(_) => None,
        }
    }

    fn replica_event(event: &MemberEvent<A>) -> Option<&replica::Event> {
        match event {
            MemberEvent::Replica(event) => Some(event),
            MemberEvent::Written { .. } | MemberEvent::Answered(_) => None,
        }
    }
}
