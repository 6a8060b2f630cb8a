//! The adapter for the types of this project, on replicas without values of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::replica::{Config, Output};
use gossip::types::only::{Nothing, TypesOnly};
use gossip::types::{counter, room, set};
use gossip::{Incarnation, NodeName, Now, Origin, UnixMillis, wire};
use xxhash_rust::xxh3::xxh3_64;

use crate::chat::{Chat, Message};
use crate::counter::Counter;
use crate::peer::{Peer, REPLICAS};
use crate::set::{Change, Set, Timed};

type Replica = gossip::Replica<Nothing>;
type Frame = gossip::Frame<TypesOnly>;

/// The time of the start of the replicas, in milliseconds since the Unix epoch.
const START_MS: u64 = 1_790_000_000_000;
/// The name of the counter, the set and the room.
const NAME: &str = "compared";
/// The number of rounds before the workload, in which the replicas see each other's incarnations.
const ROUNDS_BEFORE: usize = 2;

pub(crate) struct Ours {
    replica: Replica,
    /// The current time of this replica.
    now: Now,
}

/// Returns this time after the start of the replicas.
fn at(ms: u64) -> Now {
    Now::new(Duration::from_millis(ms), UnixMillis(START_MS + ms))
}

impl Ours {
    /// Receives all pending messages of `from` and returns their encoded size.
    fn receive(&mut self, from: &mut Self) -> usize {
        let mut bytes = 0;
        while let Some(output) = from.replica.poll() {
            if let Output::Send { envelope, .. } = output {
                let message = wire::encode(&Frame::Round(envelope));
                bytes += message.len();
                // Decoded again, because the cost of a real link includes it.
                if let Ok(Frame::Round(envelope)) = wire::decode(&message) {
                    self.replica.handle(self.now, from.replica.me().node, envelope);
                }
            }
        }
        bytes
    }
}

impl Peer for Ours {
    const NAME: &'static str = "this project";

    fn three() -> [Self; REPLICAS] {
        let names = ["a", "b", "c"].map(|name| name.parse::<NodeName>().expect("a valid name"));
        let mut replicas = names.map(|node| {
            let config = Config { members: names.into(), ..Config::default() };
            let me = Origin { node, incarnation: Incarnation::at(2) };
            let mut replica = Replica::new(me, config, at(0));
            // It has no links, so it joins as the first member.
            let now = at(1_000);
            replica.tick(now);
            Self { replica, now }
        });
        for _ in 0..ROUNDS_BEFORE {
            let [first, second, third] = &mut replicas;
            first.sync(second);
            second.sync(third);
            third.sync(first);
        }
        replicas
    }

    /// A mutual pull: the other pulls too, if it lacks something.
    fn sync(&mut self, other: &mut Self) -> usize {
        // Equal clocks, so that no stamp exceeds the accepted drift of the other side.
        let now = if self.now.wall < other.now.wall { other.now } else { self.now };
        (self.now, other.now) = (now, now);
        let peer = other.replica.me();
        self.replica.pull(now, peer, peer.node, true);
        let mut bytes = 0;
        loop {
            let sent = other.receive(self) + self.receive(other);
            if sent == 0 {
                return bytes;
            }
            bytes += sent;
        }
    }
}

impl Counter for Ours {
    fn increment(&mut self, times: &[u64]) {
        for ms in times {
            self.now = at(*ms);
            counter::add(&mut self.replica, self.now, NAME, 1).expect("a joined replica counts");
        }
    }

    fn total(&self) -> i64 {
        let counter = counter::read(self.replica.map().records(), NAME).unwrap_or_default();
        i64::try_from(counter.total).expect("the total fits")
    }
}

impl Set for Ours {
    fn change(&mut self, changes: &[Timed]) {
        for (ms, change) in changes {
            self.now = at(*ms);
            let is_changed = match change {
                Change::Add(element) => {
                    // A process draws this number at random.
                    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
                    let random = xxh3_64(&ms.to_le_bytes()) as u32;
                    set::add(&mut self.replica, self.now, NAME, element, random)
                }
                Change::Remove(element) => set::remove(&mut self.replica, self.now, NAME, element),
            };
            assert_eq!(is_changed, Ok(true), "a joined replica changes its set");
        }
    }

    fn elements(&self) -> BTreeSet<String> {
        set::elements(self.replica.map().records(), NAME)
    }
}

impl Chat for Ours {
    fn send(&mut self, messages: &[Message]) {
        for Message { sent, sender, text } in messages {
            self.now = at(*sent);
            room::send(&mut self.replica, self.now, NAME, sender, text, None)
                .expect("no sender sends too fast");
        }
    }

    fn messages(&self) -> Vec<Message> {
        let recent = room::recent(self.replica.map().records(), NAME, room::KEPT);
        let message = |room::Message { stamp, sender, text, .. }: room::Message| Message {
            sent: stamp.hlc.wall.0 - START_MS,
            sender,
            text,
        };
        recent.into_iter().map(message).collect()
    }
}
