//! The rows: the entries of one hero, or of one key of a table, at all nodes. Rows are replaced as entries change and shared
//! with every view, so a view costs as much as its changes and never needs a scan.
//!
//! The [`Pattern`] of a row is the comparison of its entries. There are few patterns, however many
//! heroes, so differences and only copies are counted by pattern.
//!
//! Invariant: the count of each pattern equals the number of rows that have it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use shared::Entry;
use shared::hero::{HeroId, HeroName};

/// The entries of one hero, or of one key of a table, at all nodes.
#[derive(Clone, Debug)]
pub struct Row<N = HeroName> {
    /// The key.
    pub id: HeroId,
    /// The name by which rows are ordered.
    pub name: N,
    /// The entry that dispatch holds.
    pub own: Option<Arc<Entry>>,
    /// The entry that each city holds, in the order of
    /// [`View::cities`](crate::model::view::View::cities).
    pub cells: Vec<Option<Arc<Entry>>>,
    /// The comparison of these entries.
    pub pattern: Pattern,
}

/// The comparison of one hero's entries: for each column the rank of its entry (1 beats 2), and
/// whether it is a tombstone. The first column is dispatch's, the others are the cities'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<[Column]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Column {
    Absent,
    Deleted(u8),
    Live(u8),
}

/// The state of a hero's copies among the counted cities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// All hold the same entry.
    Agreed,
    /// No node holds it live. Some hold its tombstone, or did.
    Terminated,
    /// Only one node, possibly dispatch, holds the hero, and none holds a tombstone.
    OnlyCopy,
    /// Some hold a tombstone, and some hold a live entry.
    DeletePending,
    /// Some hold different entries.
    Differs,
}

impl RowState {
    /// Returns whether the cities hold different entries of such a hero.
    #[must_use]
    pub fn differs(self) -> bool {
        !matches!(self, Self::Agreed | Self::Terminated)
    }
}

impl<N> Row<N> {
    /// Returns the row of a key that no node holds any more.
    #[must_use]
    pub fn gone(id: HeroId, name: N, cities: usize) -> Self {
        let cells = vec![None; cities];
        let pattern = Pattern::of(&None, &cells);
        Self { id, name, own: None, cells, pattern }
    }

    /// Returns the row of this key; `None` if no node holds it.
    #[must_use]
    pub fn of(
        id: HeroId,
        name: N,
        own: Option<Arc<Entry>>,
        cells: Vec<Option<Arc<Entry>>>,
    ) -> Option<Self> {
        let pattern = Pattern::of(&own, &cells);
        pattern.is_held().then_some(Self { id, name, own, cells, pattern })
    }
}

impl Pattern {
    fn of(own: &Option<Arc<Entry>>, cells: &[Option<Arc<Entry>>]) -> Self {
        let columns = || std::iter::once(own).chain(cells);
        let mut ranks: Vec<_> = columns().flatten().map(|entry| entry.rank()).collect();
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        ranks.dedup();
        let column = |entry: &Option<Arc<Entry>>| {
            let Some(entry) = entry else { return Column::Absent };
            let better = ranks.partition_point(|other| *other > entry.rank());
            let rank = u8::try_from(better + 1).unwrap_or(u8::MAX);
            if entry.is_tombstone() { Column::Deleted(rank) } else { Column::Live(rank) }
        };
        Self(columns().map(column).collect())
    }

    fn is_held(&self) -> bool {
        self.0.iter().any(|column| *column != Column::Absent)
    }

    /// Returns whether any node holds the hero live.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.iter().any(|column| matches!(column, Column::Live(_)))
    }

    /// Returns whether these two cities hold different entries.
    #[must_use]
    pub fn is_apart(&self, a: usize, b: usize) -> bool {
        self.0[a + 1] != self.0[b + 1]
    }

    /// Returns, for each node, whether it holds the newest entry among dispatch and the `counted`
    /// cities: dispatch first, then the cities.
    pub fn newest_at<'a>(&'a self, counted: &'a [bool]) -> impl Iterator<Item = bool> + 'a {
        let rank = |column: &Column| match column {
            Column::Absent => None,
            Column::Deleted(rank) | Column::Live(rank) => Some(*rank),
        };
        let counts = std::iter::once(true).chain(counted.iter().copied());
        let best = self
            .0
            .iter()
            .zip(counts)
            .filter(|(_, counts)| *counts)
            .filter_map(|(column, _)| rank(column))
            .min();
        self.0.iter().map(move |column| rank(column).is_some() && rank(column) == best)
    }

    /// Returns the city that alone holds the newest entry; `None` if another node holds it too, or it
    /// is a deletion.
    #[must_use]
    pub fn newest_only_at(&self, counted: &[bool]) -> Option<usize> {
        let mut holders = self.newest_at(counted).enumerate().filter(|(_, holds)| *holds);
        let (column, _) = holders.next().filter(|_| holders.next().is_none())?;
        let is_live = matches!(self.0[column], Column::Live(_));
        column.checked_sub(1).filter(|city| is_live && counted.get(*city) == Some(&true))
    }

    /// Returns the city that holds the only copy; `None` if another node holds the hero too.
    #[must_use]
    pub fn only_at(&self, counted: &[bool]) -> Option<usize> {
        let holders = || (0..counted.len()).filter(|city| self.0[city + 1] != Column::Absent);
        if self.0[0] != Column::Absent || self.state(counted) != RowState::OnlyCopy {
            return None;
        }
        holders().find(|city| counted[*city])
    }

    /// Returns the state among the `counted` cities.
    #[must_use]
    pub fn state(&self, counted: &[bool]) -> RowState {
        let own = self.0[0];
        let cities = || {
            self.0[1..]
                .iter()
                .copied()
                .zip(counted)
                .filter(|(_, counted)| **counted)
                .map(|(column, _)| column)
        };
        let is_deleted = |column: &Column| matches!(column, Column::Deleted(_));
        let is_held = |column: &Column| *column != Column::Absent;
        let known = || cities().chain([own]).filter(is_held);
        let any_city_holds = cities().any(|column| is_held(&column));
        let mut pairs = cities().zip(cities().skip(1));
        if known().all(|column| is_deleted(&column)) {
            RowState::Terminated
        } else if any_city_holds && pairs.all(|(a, b)| a == b) {
            RowState::Agreed
        } else if cities().any(|column| is_deleted(&column)) {
            RowState::DeletePending
        } else if known().count() == 1 {
            RowState::OnlyCopy
        } else {
            RowState::Differs
        }
    }
}

/// All rows, ordered by name. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Rows<N: Ord = HeroName> {
    by_name: OrdMap<(N, HeroId), Arc<Row<N>>>,
    by_id: OrdMap<HeroId, Arc<Row<N>>>,
    // Not persistent: there are few patterns, so a clone for each view is cheap.
    patterns: BTreeMap<Pattern, usize>,
    changes: u64,
}

impl<N: Ord> Default for Rows<N> {
    fn default() -> Self {
        Self { by_name: OrdMap::new(), by_id: OrdMap::new(), patterns: BTreeMap::new(), changes: 0 }
    }
}

impl<N: Clone + Ord> Rows<N> {
    /// Replaces the row of this key, or removes it.
    pub fn put(&mut self, id: HeroId, row: Option<Row<N>>) {
        let row = row.map(Arc::new);
        let before = match &row {
            Some(row) => self.by_id.insert(id, Arc::clone(row)),
            None => self.by_id.remove(&id),
        };
        if let Some(before) = before {
            self.count_one_less(&before.pattern);
            if row.as_ref().is_none_or(|row| row.name != before.name) {
                self.by_name.remove(&(before.name.clone(), id));
            }
        }
        if let Some(row) = row {
            match self.patterns.get_mut(&row.pattern) {
                Some(count) => *count += 1,
                // Not `entry()`: it would clone the pattern at every call.
                None => drop(self.patterns.insert(row.pattern.clone(), 1)),
            }
            self.by_name.insert((row.name.clone(), id), row);
        }
        self.changes += 1;
    }

    /// Rearranges the columns of the cities: each is that with this number, or a new one without
    /// entries.
    pub fn arrange(&mut self, columns: &[Option<usize>]) {
        let before = std::mem::take(self);
        for row in before.by_id.values() {
            let cells = columns.iter().map(|column| row.cells.get((*column)?)?.clone()).collect();
            self.put(row.id, Row::of(row.id, row.name.clone(), row.own.clone(), cells));
        }
        self.changes += before.changes;
    }

    fn count_one_less(&mut self, pattern: &Pattern) {
        if let Some(count) = self.patterns.get_mut(pattern) {
            *count -= 1;
            if *count == 0 {
                self.patterns.remove(pattern);
            }
        }
    }

    /// Returns the row of this hero.
    #[must_use]
    pub fn get(&self, id: HeroId) -> Option<&Arc<Row<N>>> {
        self.by_id.get(&id)
    }

    /// Returns all rows, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row<N>>> {
        self.by_name.values()
    }

    /// Returns the rows from this name and id on, ordered by name.
    pub fn from_name(&self, start: Bound<(N, HeroId)>) -> impl Iterator<Item = &Arc<Row<N>>> {
        self.by_name.range((start, Bound::Unbounded)).map(|(_, row)| row)
    }

    /// Returns the rows from this id on, ordered by id.
    pub fn from_id(&self, start: Bound<HeroId>) -> impl Iterator<Item = &Arc<Row<N>>> {
        self.by_id.range((start, Bound::Unbounded)).map(|(_, row)| row)
    }

    /// Returns the rows whose pattern `fits`, ordered by hero id.
    pub fn having(&self, fits: impl Fn(&Pattern) -> bool) -> impl Iterator<Item = &Arc<Row<N>>> {
        self.by_id.values().filter(move |row| fits(&row.pattern))
    }

    /// Returns the ids of the heroes that have a row.
    pub fn ids(&self) -> impl Iterator<Item = HeroId> {
        self.by_id.keys().copied()
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Returns the number of rows whose pattern `fits`.
    #[must_use]
    pub fn count(&self, fits: impl Fn(&Pattern) -> bool) -> usize {
        self.patterns.iter().filter(|(pattern, _)| fits(pattern)).map(|(_, count)| count).sum()
    }

    /// Returns each pattern with the number of its rows.
    pub fn patterns(&self) -> impl Iterator<Item = (&Pattern, usize)> {
        self.patterns.iter().map(|(pattern, count)| (pattern, *count))
    }

    /// Returns the number of changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{Hlc, Incarnation, Origin, Stamp, UnixMillis};
    use proptest::prelude::*;
    use shared::Value;
    use shared::hero::Hero;

    fn id(number: u8) -> HeroId {
        HeroId::from_bytes([number; 16])
    }

    /// Entry number `n`, newer than all lower ones; a tombstone from 100 on.
    fn entry(n: u8) -> Option<Arc<Entry>> {
        let origin = Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(2) };
        let stamp = Stamp { hlc: Hlc { wall: UnixMillis(n.into()), logical: 0 }, origin };
        let value =
            if n >= 100 { Value::Tombstone } else { Value::Live(Hero::new("Granite".into())) };
        (n > 0).then(|| Arc::new(Entry::written(value, stamp, None)))
    }

    fn row(hero: u8, name: &str, [own, a, b, c]: [u8; 4]) -> Option<Row> {
        Row::of(id(hero), name.into(), entry(own), vec![entry(a), entry(b), entry(c)])
    }

    fn state(columns: [u8; 4]) -> RowState {
        row(1, "Granite", columns).unwrap().pattern.state(&[true; 3])
    }

    #[test]
    fn states_of_rows() {
        use RowState::{Agreed, DeletePending, Differs, OnlyCopy, Terminated};
        let cases = [
            ([1, 1, 1, 1], Agreed),
            ([2, 1, 1, 1], Agreed),
            ([100, 100, 100, 0], Terminated),
            ([100, 0, 0, 0], Terminated),
            ([1, 0, 0, 0], OnlyCopy),
            ([0, 0, 1, 0], OnlyCopy),
            ([1, 0, 1, 0], Differs),
            ([1, 1, 2, 1], Differs),
            ([1, 1, 100, 1], DeletePending),
            ([100, 1, 1, 1], Agreed),
            ([100, 1, 2, 1], Differs),
        ];
        for (columns, expected) in cases {
            assert_eq!(state(columns), expected, "{columns:?}");
        }
        let unread = row(1, "Granite", [1, 0, 0, 2]).unwrap().pattern;
        assert_eq!(
            unread.state(&[true, true, false]),
            OnlyCopy,
            "a city that is not counted is ignored"
        );
    }

    #[test]
    fn only_copy_is_at_a_city_unless_dispatch_holds_one() {
        let only_at = |columns| row(1, "Granite", columns).unwrap().pattern.only_at(&[true; 3]);
        assert_eq!([only_at([0, 0, 0, 1]), only_at([0, 1, 0, 0])], [Some(2), Some(0)]);
        assert_eq!(
            [
                only_at([1, 0, 0, 1]),
                only_at([1, 0, 0, 0]),
                only_at([0, 1, 1, 0]),
                only_at([0, 100, 0, 0])
            ],
            [None; 4]
        );
    }

    #[test]
    fn renamed_row_is_reordered() {
        let mut rows = Rows::default();
        rows.put(id(1), row(1, "0101", [100, 0, 0, 0]));
        rows.put(id(2), row(2, "Granite", [1, 1, 1, 1]));
        rows.put(id(1), row(1, "Nightjar", [100, 1, 0, 0]));
        assert_eq!(rows.iter().map(|row| &*row.name).collect::<Vec<_>>(), ["Granite", "Nightjar"]);
        rows.put(id(2), None);
        assert_eq!(
            (rows.len(), rows.get(id(2)).is_none(), rows.ids().collect::<Vec<_>>()),
            (1, true, vec![id(1)])
        );
    }

    proptest! {
        #[test]
        fn pattern_counts_match_the_rows(
            puts in proptest::collection::vec(
                (0..6_u8, prop::array::uniform4(prop_oneof![0..3_u8, 100..102_u8])),
                0..60,
            ),
        ) {
            let mut rows = Rows::default();
            let mut model: BTreeMap<HeroId, [u8; 4]> = BTreeMap::new();
            for (hero, columns) in puts {
                rows.put(id(hero), row(hero, &format!("Hero {}", hero % 2), columns));
                model.insert(id(hero), columns);
            }
            model.retain(|_, columns| *columns != [0; 4]);
            let ids: Vec<HeroId> = model.keys().copied().collect();
            prop_assert_eq!(rows.ids().collect::<Vec<_>>(), ids);
            for counted in [[true; 3], [true, false, true]] {
                let differing = |pattern: &Pattern| pattern.state(&counted).differs();
                let counted_rows = rows.iter().filter(|row| differing(&row.pattern)).count();
                prop_assert_eq!(rows.count(differing), counted_rows);
            }
            let apart = model.values().filter(|columns| columns[1] != columns[3]).count();
            prop_assert_eq!(rows.count(|pattern| pattern.is_apart(0, 2)), apart);
            prop_assert_eq!(rows.patterns().map(|(_, count)| count).sum::<usize>(), rows.len());
        }
    }
}
