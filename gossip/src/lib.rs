#![doc = include_str!("../README.md")]

mod call;
mod clock;
mod codec;
mod crdt;
pub mod fault;
mod id;
#[cfg(feature = "net")]
pub mod link;
mod machine;
mod member;
mod membership;
mod message;
mod observation;
pub mod owners;
mod payload;
mod plain;
mod protocol;
mod publication;
pub mod replica;
#[cfg(feature = "services")]
pub mod services;
mod shard;
mod supervise;
mod table;
#[cfg(test)]
mod testing;
mod time;
mod timer;
mod trace;
pub mod types;
pub mod wire;

pub use call::{
    CALL_BYTES_MAX, CALL_TIME_MAX, Call, CallError, FAILURE_BYTES_MAX, Outcome, Refusal, Return,
};
pub use clock::{Clock, Hlc, Stamp};
pub use codec::{DecodeError, Dictionary, Reader, Writer};
pub use crdt::batch::{Batch, Rows};
pub use crdt::entry::{Entry, EntryRef, Rank, SEEN_MAX, Seen, Value, ValueRef};
pub use crdt::fingerprint::Fingerprint;
pub use crdt::horizon::Horizon;
pub use crdt::interned::Interned;
pub use crdt::map::{Map, Stamps, TableSize};
pub use crdt::records::Records;
pub use crdt::version_vector::VersionVector;
pub use id::{Incarnation, Key, NODE_NAME_BYTES_MAX, NodeName, NodeNameError, Origin};
pub use machine::{Input, LinkDown, Machine, MachineInput, MachineOutput, Output};
pub use member::{Member, MemberCommand, MemberEvent, Write};
pub use membership::{LinkRefusal, Roster};
pub use message::{Application, Frame, Message};
pub use observation::{Change, Changes, Observation, Pulled};
pub use payload::{DIGEST_HEADER_BYTES, Payload};
pub use plain::{PLAIN_BYTES_MAX, Plain, PlainError};
pub use protocol::{Envelope, PullOptions, PullOutcome, PullRequest, Step, Summary};
pub use publication::{Publication, PublishError};
pub use replica::Replica;
pub use supervise::Intensity;
pub use table::{CONTENT_BYTES_MAX, Kind, NAME_BYTES_MAX, PLACES, Record, Table};
pub use time::{Now, Reference, UnixMillis};
pub use timer::{Timer, earliest};
pub use trace::TraceContext;
