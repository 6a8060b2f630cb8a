//! This project's replica. All that knows its interface is here.

use std::time::Duration;

use gossip::replica::{Config, Output};
use gossip::{Incarnation, NodeName, Now, Origin, UnixMillis, wire};
use shared::hero::{Hero, HeroId, Location};
use shared::{Frame, Replica, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::hero::{Place, START_MS, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// How long before the first heroes a replica is born, in milliseconds: its first stamp is past the
/// accepted drift.
const BORN_BEFORE_MS: u64 = 10_000;

#[derive(Clone)]
pub(crate) struct Ours {
    replica: Replica,
    /// The latest time that it was told.
    now: Now,
}

impl Ours {
    /// Ends the heroes with these numbers.
    pub(crate) fn bury(&mut self, numbers: impl Iterator<Item = u32>) {
        numbers.for_each(|number| self.write_value(number, Value::Tombstone));
    }

    /// How many heroes and tombstones it holds.
    pub(crate) fn entries(&self) -> usize {
        self.replica.map().iter().count()
    }

    /// How many bytes postcard takes for the key and the entry of each of these heroes, one by one.
    pub(crate) fn bytes_of_entries(&self, mut numbers: impl Iterator<Item = u32>) -> usize {
        numbers
            .try_fold(0, |sum, number| {
                let key = HeroId::from(key(number));
                let entry = self.replica.map().get(key)?;
                Some(
                    sum + postcard::to_stdvec(&(key, entry))
                        .expect("an entry can be written")
                        .len(),
                )
            })
            .expect("it holds these heroes")
    }

    fn write_value(&mut self, number: u32, value: Value) {
        self.replica
            .write(self.now, HeroId::from(key(number)), value)
            .expect("it has joined and may write");
    }

    /// Takes all that `from` has to say.
    fn hear(&mut self, from: &mut Self) -> usize {
        let mut bytes = 0;
        while let Some(output) = from.replica.poll() {
            if let Output::Send { envelope, .. } = output {
                let message = wire::encode(&Frame::Round(envelope));
                bytes += message.len();
                if let Ok(Frame::Round(envelope)) = wire::decode(&message) {
                    self.replica.handle(self.now, from.replica.me().node, envelope);
                }
            }
        }
        bytes
    }

    fn round(&mut self, source: &mut Self, mutual: bool) -> Bytes {
        let wall = self.now.wall.max(source.now.wall);
        (self.now.wall, source.now.wall) = (wall, wall);
        let whom = source.replica.me();
        self.replica.pull(self.now, whom, whom.node, mutual);
        let mut bytes = Bytes::default();
        loop {
            let sent = bytes;
            bytes.asked += source.hear(self);
            bytes.answered += self.hear(source);
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
        let at = |mono, wall_ms| Now { mono: Duration::from_secs(mono), wall: UnixMillis(wall_ms) };
        let config = Config { live_max: usize::MAX, ..Config::default() };
        let mut replica = Replica::new(
            Origin { node, incarnation: Incarnation(2) },
            config,
            at(0, START_MS - BORN_BEFORE_MS),
        );
        let now = at(10, START_MS);
        // It waits in vain for others and joins as the first.
        replica.tick(now);
        while replica.poll().is_some() {}
        Self { replica, now }
    }

    fn write(&mut self, writes: &[Write]) {
        for Write { key, record } in writes {
            self.now.wall = UnixMillis(record.stamp.wall_ms);
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
                .expect("it has joined and may write");
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
