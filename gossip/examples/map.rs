//! Three replicas of a type of one's own in one process: no runtime, no socket, no clock.
//!
//! Each takes a write while the others do not see it; then they exchange what they lack, and agree.

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
    // The caller owns time: here it stands still after the replicas have joined.
    let now =
        |ms| Now { mono: Duration::from_millis(ms), wall: UnixMillis(1_800_000_000_000 + ms) };
    let names = ["a", "b", "c"].map(|name| name.parse::<NodeName>().expect("a valid name"));
    let mut shelves: BTreeMap<NodeName, Shelf> = BTreeMap::new();
    for node in names {
        let config = Config { members: names.into(), ..Config::default() };
        let me = Origin { node, incarnation: Incarnation(2) };
        let mut shelf = Replica::new(me, config, now(0));
        shelf.tick(now(1_000)); // Alone so far: it joins as the first.
        shelves.insert(node, shelf);
    }
    for (number, shelf) in (1..).zip(shelves.values_mut()) {
        let title = format!("Volume {number}");
        let book = Plain::new(Book { title, copies: 1 })?;
        shelf.write(now(1_000), Key::from_u128(number), Value::Live(book))?;
    }
    // Each pulls from the next one; mutually, so both sides learn.
    for (puller, source) in [(0, 1), (1, 2), (2, 0)].map(|(i, j)| (names[i], names[j])) {
        let origin = shelves[&source].me();
        shelves.get_mut(&puller).expect("it is there").pull(now(1_001), origin, source, true);
        // Carry messages until nobody has any. A network may lose, repeat or reorder them.
        while let Some((from, Output::Send { via, envelope })) =
            shelves.iter_mut().find_map(|(name, shelf)| {
                std::iter::from_fn(|| shelf.poll()).find_map(|output| {
                    matches!(output, Output::Send { .. }).then_some((*name, output))
                })
            })
        {
            shelves.get_mut(&via).expect("it is there").handle(now(1_001), from, envelope);
        }
    }
    for (name, shelf) in &shelves {
        println!("{name} holds {} books, hash {}", shelf.map().live(), shelf.map().fingerprint());
        assert_eq!(shelf.map().live(), names.len());
    }
    Ok(())
}
