//! The application types that parametrize the library, and aliases of the library's types for them.

use gossip::Application;

use crate::hero::Hero;
use crate::message::{Command, Done, Refusal};

/// The superhero cluster: the replicated values are heroes; dispatch sends commands to cities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Superheroes {}

impl Application for Superheroes {
    type Value = Hero;
    type Command = Command;
    type Done = Done;
    type Refusal = Refusal;
}

/// A replicated map of heroes.
pub type Map = gossip::Map<Hero>;
/// A replica of that map.
pub type Replica = gossip::Replica<Hero>;
/// An output of such a replica.
pub type ReplicaOutput = gossip::replica::Output<Hero>;
/// A hero or a tombstone with its stamps.
pub type Entry = gossip::Entry<Hero>;
/// A borrowed entry.
pub type EntryRef<'a, 's> = gossip::EntryRef<'a, 's, Hero>;
/// The content of an entry.
pub type Value = gossip::Value<Hero>;
/// Packed entries.
pub type Batch = gossip::Batch<Hero>;
/// A step of a round with its sender and receiver.
pub type Envelope = gossip::Envelope<Hero>;
/// A step of a round.
pub type Step = gossip::Step<Hero>;
/// A message on a link.
pub type Frame = gossip::Frame<Superheroes>;
/// A node's own state.
pub type Observation = gossip::Observation<Hero>;
/// Packed changes of a node's map.
pub type Changes = gossip::Changes<Hero>;
/// A change of a node's map.
pub type Change = gossip::Change<Hero>;
/// An input of a machine with commands `C`.
pub type Input<C> = gossip::Input<Superheroes, C>;
/// An output of a machine with events `E`.
pub type Output<E> = gossip::Output<Superheroes, E>;
