//! The chat: each replica sends a third of the messages in one room.
//!
//! This project keeps the newest 100 messages of each replica. The peers are measured twice: as
//! they keep all messages, and as an application on them would keep the newest 100.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::cost::Cost;
use crate::peer::{FIRST_MS, Peer, REPLICAS};
use crate::rounds::{self, Round};
use crate::sizes::Sizes;

/// The number of messages that are shown, and that a replica keeps of its own.
pub(crate) const KEPT: usize = 100;
/// The number of senders. With fewer, the limit of ten messages a second would apply.
const SENDERS: usize = 60;
/// The number of words in a text.
const WORDS: usize = 8;
/// The vocabulary. Texts are words, so that implementations that compress can.
const VOCABULARY: [&str; 32] = [
    "alarm", "at", "bank", "bridge", "city", "come", "from", "gotham", "has", "help", "in", "is",
    "joker", "left", "night", "no", "north", "of", "on", "over", "patrol", "quiet", "right",
    "seen", "south", "street", "the", "to", "tower", "under", "we", "with",
];

/// A message. Peers hold it as one opaque value, encoded with postcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The time, in milliseconds. No two messages have the same.
    pub(crate) sent: u64,
    pub(crate) sender: String,
    pub(crate) text: String,
}

impl Message {
    fn numbered(number: usize) -> Self {
        let hash = xxh3_64(&number.to_le_bytes());
        let words = (0..WORDS).map(|word| VOCABULARY[(hash >> (5 * word)) as usize % 32]);
        let text = words.collect::<Vec<_>>().join(" ");
        let sender = format!("user {}", number % SENDERS);
        Self { sent: FIRST_MS + number as u64, sender, text }
    }
}

#[cfg(feature = "peers")]
impl Message {
    /// Encodes the message as one opaque value.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("postcard can encode a message")
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).expect("an encoded message can be decoded")
    }
}

/// A replica of a room.
pub(crate) trait Chat: Peer {
    /// Sends these messages, each as an operation of its own, in as few transactions as the
    /// implementation allows.
    fn send(&mut self, messages: &[Message]);

    /// Returns the messages that the replica holds or shows.
    fn messages(&self) -> Vec<Message>;
}

/// A replica of a room that can drop its oldest messages.
#[cfg(feature = "peers")]
pub(crate) trait Trim: Chat {
    /// Removes all but the last [`KEPT`] messages.
    fn trim(&mut self);
}

/// Runs the workload once, with a replica that keeps the newest messages.
pub(crate) fn run<P: Chat>(sizes: &Sizes) -> Cost {
    run_with(sizes, P::send)
}

/// Runs the workload once. Each replica trims its list before each round, so that the messages it
/// drops of its own need not be sent.
#[cfg(feature = "peers")]
pub(crate) fn run_trimmed<P: Trim>(sizes: &Sizes) -> Cost {
    run_with(sizes, |replica: &mut P, messages| {
        replica.send(messages);
        replica.trim();
    })
}

/// Runs the workload once, with a replica that keeps all messages.
#[cfg(feature = "peers")]
pub(crate) fn run_whole<P: Chat>(sizes: &Sizes) -> Cost {
    let content = |replica: &P| {
        let count = replica.messages().len();
        (count, newest(replica))
    };
    rounds::run(&rounds(sizes), P::send, content, &(sizes.messages, expected(sizes)))
}

fn run_with<P: Chat>(sizes: &Sizes, apply: impl Fn(&mut P, &[Message])) -> Cost {
    rounds::run(&rounds(sizes), apply, newest, &expected(sizes))
}

fn rounds(sizes: &Sizes) -> Vec<Round<Message>> {
    let numbers: Vec<usize> = (0..sizes.messages).collect();
    let round = |numbers: &[usize]| {
        let mut round = Round::default();
        for number in numbers {
            round[number % REPLICAS].push(Message::numbered(*number));
        }
        round
    };
    numbers.chunks(sizes.every).map(round).collect()
}

/// Returns the newest messages of a replica, oldest first.
fn newest<P: Chat>(replica: &P) -> Vec<Message> {
    let mut messages = replica.messages();
    messages.sort_unstable();
    messages.drain(..messages.len().saturating_sub(KEPT));
    messages
}

/// Returns the newest messages of all replicas, oldest first.
fn expected(sizes: &Sizes) -> Vec<Message> {
    (sizes.messages.saturating_sub(KEPT)..sizes.messages).map(Message::numbered).collect()
}
