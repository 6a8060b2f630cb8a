//! Three replicas of an application's own type in one process, without a runtime, sockets or
//! clocks.
//!
//! Each replica accepts a write on its own. Then they pull missing entries from each other and
//! converge.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::replica::{Config, Output, Replica};
use gossip::{Incarnation, Key, NodeName, Now, Origin, Plain, UnixMillis, Value};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Book {
    title: String,
    copies: u32,
}

type Shelf = Replica<Plain<Book>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The caller provides the time. Here it stops after the replicas have joined.
    let now = |ms| Now::new(Duration::from_millis(ms), UnixMillis(1_800_000_000_000 + ms));
    let names = ["a", "b", "c"].map(|name| name.parse::<NodeName>().expect("a valid name"));
    let mut shelves: BTreeMap<NodeName, Shelf> = BTreeMap::new();
    for node in names {
        let config = Config { members: names.into(), ..Config::default() };
        let me = Origin { node, incarnation: Incarnation::at(2) };
        let mut shelf = Replica::new(me, config, now(0));
        shelf.tick(now(1_000)); // It has no links, so it joins as the first member.
        shelves.insert(node, shelf);
    }
    for (number, shelf) in (1..).zip(shelves.values_mut()) {
        let title = format!("Volume {number}");
        let book = Plain::new(Book { title, copies: 1 })?;
        shelf.write(now(1_000), Key::from_u128(number), Value::Live(book))?;
    }
    // Each pulls from the next one. The pulls are mutual, so both sides receive missing entries.
    for (puller, source) in [(0, 1), (1, 2), (2, 0)].map(|(i, j)| (names[i], names[j])) {
        let origin = shelves[&source].me();
        shelves.get_mut(&puller).expect("every name has a replica").pull(
            now(1_001),
            origin,
            source,
            true,
        );
        // Deliver messages until none are left. A real network may drop, duplicate or reorder them.
        while let Some((from, Output::Send { via, envelope })) =
            shelves.iter_mut().find_map(|(name, shelf)| {
                std::iter::from_fn(|| shelf.poll()).find_map(|output| {
                    matches!(output, Output::Send { .. }).then_some((*name, output))
                })
            })
        {
            shelves.get_mut(&via).expect("every name has a replica").handle(
                now(1_001),
                from,
                envelope,
            );
        }
    }
    for (name, shelf) in &shelves {
        println!("{name} holds {} books, hash {}", shelf.map().live(), shelf.map().fingerprint());
        assert_eq!(shelf.map().live(), names.len());
    }
    Ok(())
}
