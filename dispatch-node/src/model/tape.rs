//! The changes of what each node held during the last minutes, cell by cell.
//!
//! Invariant: undoing the changes from the newest to one of them leads from the present rows to
//! those before it. Bounded: beyond the limit the oldest are dropped, so the tape begins later.

use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use gossip::{NodeName, Now};
use shared::Entry;
use shared::hero::HeroId;

use crate::model::history::KEPT;
use crate::model::rows::{Row, Rows};

/// The maximum number of changes kept.
const CHANGES_MAX: usize = 1 << 17;

/// The changes of the last minutes, oldest first. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    changes: Vector<CellChange>,
    /// The time from which on the tape is complete.
    began: Duration,
}

/// A change of the entry that a node holds of a hero.
#[derive(Clone, Debug, PartialEq)]
pub struct CellChange {
    /// The time.
    pub at: Duration,
    /// The hero.
    pub hero: HeroId,
    /// The node.
    pub node: NodeName,
    /// The entry before.
    pub before: Option<Arc<Entry>>,
    /// The entry from then on.
    pub after: Option<Arc<Entry>>,
}

impl Tape {
    /// Returns an empty tape that begins now.
    pub(crate) fn new(now: Now) -> Self {
        Self { changes: Vector::new(), began: now.mono }
    }

    /// Returns the changes that are kept, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &CellChange> {
        self.changes.iter()
    }

    /// Returns the time from which on every change is kept.
    #[must_use]
    pub fn began(&self) -> Duration {
        self.began
    }

    /// Adds the differences between two rows of one hero. `nodes`: dispatch first, then the cities in
    /// the order of the columns. `changed_at` returns the time at which a node received an entry, or
    /// lost its memory, if it is known.
    pub(crate) fn note(
        &mut self,
        now: Now,
        hero: HeroId,
        nodes: impl Iterator<Item = NodeName>,
        [before, after]: [Option<&Row>; 2],
        changed_at: impl Fn(NodeName, Option<&Entry>) -> Option<Duration>,
    ) {
        for (column, node) in nodes.enumerate() {
            let [before, after] = [before, after].map(|row| row.and_then(|row| cell(row, column)));
            let stamp = |entry: &Option<Arc<Entry>>| entry.as_ref().map(|entry| entry.stamp);
            if stamp(&before) == stamp(&after) {
                continue;
            }
            let at = changed_at(node, after.as_deref());
            let at = at.map_or(now.mono, |at| at.min(now.mono));
            self.changes.push_back(CellChange { at, hero, node, before, after });
        }
        self.prune(now);
    }

    /// Adds that a city, and so its column, is no longer observed.
    pub(crate) fn removed(&mut self, now: Now, city: NodeName, column: usize, rows: &Rows) {
        let held = rows.iter().filter_map(|row| Some((row.id, row.cells.get(column)?.clone()?)));
        self.changes.extend(held.map(|(hero, entry)| CellChange {
            at: now.mono,
            hero,
            node: city,
            before: Some(entry),
            after: None,
        }));
        self.prune(now);
    }

    fn prune(&mut self, now: Now) {
        let horizon = now.mono.saturating_sub(KEPT);
        while self.changes.len() > CHANGES_MAX
            || self.changes.front().is_some_and(|change| change.at < horizon)
        {
            let dropped = self.changes.pop_front().expect("it is longer than the limit");
            self.began = self.began.max(dropped.at);
        }
    }
}

/// Returns the entry in this column: dispatch's first, then the cities'.
fn cell(row: &Row, column: usize) -> Option<Arc<Entry>> {
    match column.checked_sub(1) {
        None => row.own.clone(),
        Some(city) => row.cells.get(city)?.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixtures::{NOW, id, live, stamp};
    use proptest::prelude::*;

    fn later(millis: u64) -> Now {
        Now { mono: NOW.mono + Duration::from_millis(millis), ..NOW }
    }

    /// The entry that was written `age` seconds before now; none for 0.
    fn entry(age: u8) -> Option<Arc<Entry>> {
        (age > 0).then(|| live(stamp("gotham", i64::from(age)), 100, None))
    }

    fn row(hero: u8, [own, a, b]: [u8; 3]) -> Option<Row> {
        Row::of(id(hero), "Granite".into(), entry(own), vec![entry(a), entry(b)])
    }

    fn nodes() -> [NodeName; 3] {
        ["dispatch", "gotham", "capitol"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn change_has_the_time_of_the_arrival_if_it_is_known() {
        let mut tape = Tape::new(NOW);
        let (before, after) = (row(1, [1, 1, 0]), row(1, [1, 2, 2]));
        let at_capitol = |node: NodeName, _: Option<&Entry>| {
            (node.as_str() == "capitol").then(|| later(300).mono)
        };
        let rows = [before.as_ref(), after.as_ref()];
        tape.note(later(500), id(1), nodes().into_iter(), rows, at_capitol);
        let changes: Vec<_> =
            tape.changes().map(|change| (change.node.as_str(), change.at)).collect();
        assert_eq!(changes, [("gotham", later(500).mono), ("capitol", later(300).mono)]);
    }

    #[test]
    fn tape_begins_later_once_changes_are_dropped() {
        let mut tape = Tape::new(NOW);
        let rows = [row(1, [1, 1, 1]), row(1, [2, 2, 2])];
        for step in 0..3 {
            let pair = [rows[step % 2].as_ref(), rows[(step + 1) % 2].as_ref()];
            tape.note(later(step as u64 * 400_000), id(1), nodes().into_iter(), pair, |_, _| None);
        }
        assert_eq!((tape.changes().count(), tape.began()), (6, NOW.mono));
        for step in 0..CHANGES_MAX / 3 - 1 {
            let pair = [rows[step % 2].as_ref(), rows[(step + 1) % 2].as_ref()];
            tape.note(later(800_001), id(1), nodes().into_iter(), pair, |_, _| None);
        }
        assert!(tape.changes().count() <= CHANGES_MAX);
        assert_eq!(tape.began(), later(400_000).mono);
    }

    proptest! {
        #[test]
        fn undoing_every_change_leads_back_to_the_first_rows(
            puts in proptest::collection::vec(
                (0..4_u8, prop::array::uniform3(0..4_u8)),
                0..40,
            ),
        ) {
            let mut tape = Tape::new(NOW);
            let mut rows: BTreeMap<u8, Row> = BTreeMap::new();
            for (hero, columns) in puts {
                let after = row(hero, columns);
                let pair = [rows.get(&hero), after.as_ref()];
                tape.note(NOW, id(hero), nodes().into_iter(), pair, |_, _| None);
                match after {
                    Some(row) => drop(rows.insert(hero, row)),
                    None => drop(rows.remove(&hero)),
                }
            }
            let mut held: BTreeMap<_, _> = BTreeMap::new();
            for (hero, row) in &rows {
                for (column, node) in nodes().into_iter().enumerate() {
                    held.insert((id(*hero), node), cell(row, column));
                }
            }
            for change in tape.changes().rev() {
                let before = held.insert((change.hero, change.node), change.before.clone());
                prop_assert_eq!(before.unwrap_or_default(), change.after.clone());
            }
            prop_assert!(held.values().all(Option::is_none), "it began without rows");
        }
    }
}
