//! Chat rooms: the newest messages of all nodes, in causal order, in bounded memory.
//!
//! Each incarnation has a ring of [`KEPT`] places for each room and overwrites its own oldest
//! message. A room shows the newest [`KEPT`] messages of all rings.
//!
//! - **Concurrency:** an incarnation alone writes its ring, so messages never conflict.
//! - **Order:** messages are sorted by their stamps. A reply is stamped after its question, and is
//!   never shown before it, since rounds are merged whole.
//! - **Restart, bomb:** messages that another node has received stay. A new incarnation has a ring of
//!   its own, since it may not remember the newest messages of the earlier one.
//! - **Partition:** both sides talk. After the partition each room has the newest messages of both.
//! - **Growth:** no message is deleted, so there are no tombstones. Of the rings of ended
//!   incarnations together, the newest [`KEPT`] messages of a room are kept.
//!
//! Invariant: two replicas with equal vectors show the same messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::entry::Value;
use crate::crdt::records::Records;
use crate::id::Origin;
use crate::payload::Payload;
use crate::replica::Replica;
use crate::table::{Kind, RING, Record, Table};
use crate::time::{Now, UnixMillis};
use crate::types::{TypeError, check_name, decoded, encoded};

/// The table of all messages.
pub const TABLE: Table = Table::new(Kind::Lasting, RING.start);

/// The number of messages of a room that are kept.
pub const KEPT: usize = crate::table::RING_KEPT;
/// The size limit of a text, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// The number of messages that one sender may send at one node within [`RATE_MS`].
pub const RATE: usize = 10;
/// The time in which a sender may send [`RATE`] messages, in milliseconds.
pub const RATE_MS: u64 = 1_000;

/// A message. Its stamp identifies it and gives its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The stamp.
    pub stamp: Stamp,
    /// The name that the sender has given.
    pub sender: String,
    /// The text.
    pub text: String,
    /// The message to which this one replies.
    pub reply_to: Option<Stamp>,
}

/// The reason why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RoomError {
    /// The text is empty or too long.
    #[error("a text must have 1 to {TEXT_BYTES_MAX} bytes, not {bytes}")]
    Text {
        /// The number of bytes.
        bytes: usize,
    },
    /// The sender has sent too many messages.
    #[error("a sender may send {RATE} messages a second")]
    TooFast {
        /// The time until the next message is accepted, in milliseconds.
        retry_ms: u64,
    },
    /// The room does not show the message to which this one replies.
    #[error("the room has no such message to reply to")]
    UnknownMessage,
    /// The write was refused.
    #[error(transparent)]
    Refused(#[from] TypeError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Content<'a> {
    /// The number of the message in its ring, from 0.
    number: u64,
    /// The sender's wall clock. The stamp may be ahead of it.
    sent: UnixMillis,
    sender: &'a str,
    text: &'a str,
    reply_to: Option<Stamp>,
}

/// The start of a [`Content`]: what the limit of messages needs. Faster to decode.
#[derive(Debug, Deserialize)]
struct Head<'a> {
    number: u64,
    sent: UnixMillis,
    sender: &'a [u8],
}

impl Content<'_> {
    fn message(self, stamp: Stamp) -> Message {
        let Self { sender, text, reply_to, .. } = self;
        Message { stamp, sender: sender.to_owned(), text: text.to_owned(), reply_to }
    }
}

/// Sends a message. Returns it.
///
/// # Errors
/// [`RoomError`]; nothing was changed.
pub fn send<V: Payload>(
    replica: &mut Replica<V>,
    now: Now,
    room: &str,
    sender: &str,
    text: &str,
    reply_to: Option<Stamp>,
) -> Result<Message, RoomError> {
    check_name(room)?;
    check_name(sender)?;
    if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
        return Err(RoomError::Text { bytes: text.len() });
    }
    let me = replica.me();
    let records = replica.map().records();
    let mut recent = Vec::new();
    let mut number = 0;
    // Newest first, and no further than needed: decoding the whole room would take much longer than
    // the write.
    for (place, head) in own(records, room, me).enumerate() {
        if place == 0 {
            number = head.number.wrapping_add(1);
        }
        if now.wall.0.abs_diff(head.sent.0) >= RATE_MS {
            break;
        }
        if head.sender == sender.as_bytes() {
            recent.push(head.sent);
        }
    }
    if recent.len() >= RATE {
        let oldest = recent.iter().min().map_or(now.wall.0, |oldest| oldest.0);
        let retry_ms = (oldest + RATE_MS).saturating_sub(now.wall.0).clamp(1, RATE_MS);
        return Err(RoomError::TooFast { retry_ms });
    }
    if let Some(question) = reply_to
        && !shows(records, room, question)
    {
        return Err(RoomError::UnknownMessage);
    }
    let content = Content { number, sent: now.wall, sender, text, reply_to };
    let record = Record { group: room, name: "", content: &encoded(&content) };
    let place = u16::try_from(number % KEPT as u64).expect("rings are short");
    let value = Value::Record(record.encode(Kind::Lasting));
    let entry = replica.write(now, TABLE.owned(room, me, place), value).map_err(TypeError::from)?;
    Ok(content.message(entry.stamp))
}

/// Returns the newest messages of a room, at most `limit` and [`KEPT`], oldest first.
#[must_use]
pub fn recent(records: &Records, room: &str, limit: usize) -> Vec<Message> {
    let held = held(records, room);
    let skipped = held.len().saturating_sub(limit.min(KEPT));
    held.into_iter().skip(skipped).map(|(stamp, content)| content.message(stamp)).collect()
}

/// Returns the room and the message of a record of [`TABLE`] with this stamp; `None` for one of
/// another version.
#[must_use]
pub fn decode(bytes: &[u8], stamp: Stamp) -> Option<(&str, Message)> {
    let record = Record::decode(bytes, Kind::Lasting).ok()?;
    let content: Content<'_> = decoded(record.content)?;
    Some((record.group, content.message(stamp)))
}

/// Returns the names of all rooms that have messages, with the numbers of the messages shown.
#[must_use]
pub fn list(records: &Records) -> BTreeMap<String, usize> {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, bytes) in records.range(TABLE.keys()) {
        if let Ok(record) = Record::decode(bytes, Kind::Lasting) {
            let shown = rooms.entry(record.group.to_owned()).or_default();
            *shown = KEPT.min(*shown + 1);
        }
    }
    rooms
}

/// Returns the number of rooms that have messages. Cheaper than [`list`]: it skips from one room to
/// the next.
#[must_use]
pub fn count(records: &Records) -> usize {
    let (first, last) = TABLE.keys().into_inner();
    let rooms = std::iter::successors(records.range(first..=last).next(), |(key, _, _)| {
        let (_, end) = TABLE.group_of(*key).into_inner();
        records.range(end..=last).find(|(next, _, _)| *next != end)
    });
    rooms.count()
}

/// Returns the messages of one incarnation, newest first. They are decoded one by one.
fn own<'a>(records: &'a Records, room: &str, me: Origin) -> impl Iterator<Item = Head<'a>> {
    let places: Vec<(Stamp, &[u8])> =
        records.range(TABLE.of_owner(room, me)).map(|(_, stamp, bytes)| (stamp, bytes)).collect();
    // By place, the messages are in the order of their stamps, except that the oldest ones follow
    // the newest.
    let first = places.first().map(|(stamp, _)| *stamp);
    let oldest = places.partition_point(|(stamp, _)| Some(*stamp) >= first);
    let count = places.len();
    let newest_first = (0..count).map(move |back| places[(oldest + 2 * count - 1 - back) % count]);
    newest_first.filter_map(move |(_, bytes)| content_of(room, bytes))
}

/// Returns whether the map holds the message with this stamp.
fn shows(records: &Records, room: &str, message: Stamp) -> bool {
    let mut held = records.range(TABLE.group(room));
    held.any(|(_, stamp, bytes)| {
        stamp == message && content_of::<Content<'_>>(room, bytes).is_some()
    })
}

/// Returns the content of a message; `None` if it is of another room with an equal hash.
fn content_of<'a, T: Deserialize<'a>>(room: &str, bytes: &'a [u8]) -> Option<T> {
    let record = Record::decode(bytes, Kind::Lasting).ok()?;
    if record.group == room { decoded(record.content) } else { None }
}

/// Returns the messages that the map holds of a room, sorted by stamp.
fn held<'a>(records: &'a Records, room: &str) -> Vec<(Stamp, Content<'a>)> {
    let records = records.range(TABLE.group(room));
    let mut held: Vec<(Stamp, Content<'_>)> =
        records.filter_map(|(_, stamp, bytes)| Some((stamp, content_of(room, bytes)?))).collect();
    held.sort_unstable_by_key(|(stamp, _)| *stamp);
    held
}
