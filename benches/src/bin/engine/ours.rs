//! The adapter for the replica of this project.

use std::time::Duration;

use gossip::replica::{Config, Output};
use gossip::{Incarnation, NodeName, Now, Origin, UnixMillis, wire};
use shared::hero::{Hero, HeroId, Location};
use shared::{Frame, Replica, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::hero::{Place, START_MS, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// The time from the start of a replica to the first heroes, in milliseconds. It is longer than the
/// accepted drift, which the first stamp must exceed.
const STARTED_BEFORE_MS: u64 = 10_000;

#[derive(Clone)]
pub(crate) struct Ours {
    replica: Replica,
    /// The current time of this replica.
    now: Now,
}

impl Ours {
    /// Deletes the heroes with these numbers.
    pub(crate) fn delete(&mut self, numbers: impl Iterator<Item = u32>) {
        numbers.for_each(|number| self.write_value(number, Value::Tombstone));
    }

    /// Returns the number of heroes and tombstones.
    pub(crate) fn entries(&self) -> usize {
        self.replica.map().iter().count()
    }

    /// Returns the sum of the postcard sizes of key and entry of each of these heroes, encoded one
    /// by one.
    pub(crate) fn bytes_of_entries(&self, mut numbers: impl Iterator<Item = u32>) -> usize {
        numbers
            .try_fold(0, |sum, number| {
                let key = HeroId::from(key(number));
                let entry = self.replica.map().get(key)?;
                Some(
                    sum + postcard::to_stdvec(&(key, entry))
                        .expect("an entry can be encoded")
                        .len(),
                )
            })
            .expect("the replica holds these heroes")
    }

    fn write_value(&mut self, number: u32, value: Value) {
        self.replica
            .write(self.now, HeroId::from(key(number)), value)
            .expect("a joined replica may write");
    }

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

    fn round(&mut self, source: &mut Self, mutual: bool) -> Bytes {
        let wall = self.now.wall.max(source.now.wall);
        // Equal clocks, so that no stamp exceeds the accepted drift of the other side.
        for replica in [&mut *self, &mut *source] {
            replica.now = Now::new(replica.now.mono, wall);
        }
        let peer = source.replica.me();
        self.replica.pull(self.now, peer, peer.node, mutual);
        let mut bytes = Bytes::default();
        loop {
            let sent = bytes;
            bytes.asked += source.receive(self);
            bytes.answered += self.receive(source);
            if bytes == sent {
                return bytes;
            }
        }
    }
}

impl Peer for Ours {
    const NAME: &'static str = "this project";

    fn empty(node: u8) -> Self {
        let node: NodeName = format!("city-{node}").parse().expect("a valid name");
        let at = |mono, wall_ms| Now::new(Duration::from_secs(mono), UnixMillis(wall_ms));
        let members = (0..64).map(|node| format!("city-{node}").parse().expect("a valid name"));
        // No limit of heroes, so that more than the default million can be measured.
        let config =
            Config { members: members.collect(), live_max: usize::MAX, ..Config::default() };
        let mut replica = Replica::new(
            Origin { node, incarnation: Incarnation::at(2) },
            config,
            at(0, START_MS - STARTED_BEFORE_MS),
        );
        let now = at(10, START_MS);
        // No peer answers, so the replica joins as the first member.
        replica.tick(now);
        while replica.poll().is_some() {}
        Self { replica, now }
    }

    fn write(&mut self, writes: &[Write]) {
        for Write { key, record } in writes {
            self.now = Now::new(self.now.mono, UnixMillis(record.stamp.wall_ms));
            let location = match record.place {
                Place::Home => Location::Home,
            };
            let hero = Hero {
                name: record.name.as_str().into(),
                location,
                is_patrolling: record.is_patrolling,
                health: record.health,
            };
            self.replica
                .write(self.now, HeroId::from(*key), Value::Live(hero))
                .expect("a joined replica may write");
        }
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        self.round(source, false)
    }

    fn sync(&mut self, other: &mut Self) -> Bytes {
        self.round(other, true)
    }

    fn held(&self) -> Held {
        let map = self.replica.map();
        Held { heroes: map.live(), hash: xxh3_64(map.fingerprint().to_string().as_bytes()) }
    }

    fn health(&self, number: u32) -> Option<u8> {
        let entry = self.replica.map().get(HeroId::from(key(number)))?;
        Some(entry.live()?.health)
    }
}
