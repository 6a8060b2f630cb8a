//! The comparison of all nodes' entries, hero by hero, and the values derived from it: the ages of
//! differences, the time writes take to reach all cities, and the lost acknowledged writes.
//!
//! Invariant: each row matches the entries it was last built from; all other values are derived
//! from the rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use gossip::{Key, Now};
use shared::hero::{HeroId, HeroName};
use shared::{Entry, EntryRef};

use crate::model::counterfactual::Outcome;
use crate::model::difference_age::DifferenceAges;
use crate::model::lost_writes::{Lost, LostWrites, Nodes};
use crate::model::rows::{Pattern, Row, Rows};
use crate::model::tables::TableRows;
use crate::model::write_lag::WriteLags;

/// The rows of all heroes, and the values derived from them.
#[derive(Debug)]
pub(crate) struct Comparison {
    rows: Rows,
    tables: TableRows,
    /// The cities whose copies are compared, in the order of the columns.
    counted: Vec<bool>,
    ages: DifferenceAges,
    lags: WriteLags,
    lost: LostWrites,
}

impl Comparison {
    /// Returns the comparison of an incarnation of dispatch that starts at `now`.
    pub(crate) fn new(now: Now) -> Self {
        Self {
            rows: Rows::default(),
            tables: TableRows::default(),
            counted: Vec::new(),
            ages: DifferenceAges::default(),
            lags: WriteLags::new(now),
            lost: LostWrites::default(),
        }
    }

    /// Returns the row of each hero.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Returns the rows of the tables.
    pub(crate) fn tables(&self) -> &TableRows {
        &self.tables
    }

    /// Replaces the row of a key of a table by these entries.
    pub(crate) fn put_record(
        &mut self,
        key: Key,
        own: Option<Arc<Entry>>,
        cells: Vec<Option<Arc<Entry>>>,
    ) {
        self.tables.put(key, own, cells);
        self.lost.changed(key);
    }

    /// Returns whether each city's copies are compared.
    pub(crate) fn counted(&self) -> &[bool] {
        &self.counted
    }

    /// Replaces the row of a hero, and updates the derived values.
    pub(crate) fn put(&mut self, now: Now, id: HeroId, row: Option<Row>) {
        let before = self.rows.get(id).map(|before| &**before);
        match &row {
            Some(row) => {
                self.lags.note_new(now, before, row);
                self.lags.note_arrived(now, row, &self.counted);
            }
            None => self.lags.dropped(now, id),
        }
        let differs = row.as_ref().is_some_and(|row| row.pattern.state(&self.counted).differs());
        self.ages.note(id, differs, now.mono);
        self.rows.put(id, row);
        self.lost.changed(id);
    }

    /// Sets which cities are compared. Returns the heroes whose rows must be refreshed.
    pub(crate) fn count(&mut self, counted: Vec<bool>) -> Vec<HeroId> {
        if counted == self.counted {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.counted, counted);
        // The rows stay the same, but their state and the arrival of writes may change.
        let changes = |pattern: &Pattern| {
            pattern.state(&before).differs() != pattern.state(&self.counted).differs()
        };
        let mut stale: Vec<HeroId> = if self.rows.count(changes) == 0 {
            Vec::new()
        } else {
            self.rows.having(changes).map(|row| row.id).collect()
        };
        stale.extend(self.lags.heroes());
        stale
    }

    /// Rearranges the columns of the cities: each is that with this number, or a new one without
    /// entries. Returns the heroes whose rows must be refreshed.
    pub(crate) fn arrange(&mut self, columns: &[Option<usize>]) -> Vec<HeroId> {
        let differ = |rows: &Rows, counted: &[bool]| -> BTreeSet<HeroId> {
            let differing = rows.iter().filter(|row| row.pattern.state(counted).differs());
            differing.map(|row| row.id).collect()
        };
        let before = differ(&self.rows, &self.counted);
        let held: Vec<HeroId> = self.rows.ids().collect();
        self.rows.arrange(columns);
        self.tables.arrange(columns);
        let was_counted = |column: &Option<usize>| {
            column.is_some_and(|column| self.counted.get(column).copied().unwrap_or_default())
        };
        self.counted = columns.iter().map(was_counted).collect();
        let after = differ(&self.rows, &self.counted);
        let gone = held.into_iter().filter(|id| self.rows.get(*id).is_none());
        let changed = before.symmetric_difference(&after).copied();
        changed.chain(gone).chain(self.lags.heroes()).collect()
    }

    /// Returns the age of the oldest difference.
    pub(crate) fn oldest_difference(&self, now: Now) -> Option<Duration> {
        self.ages.oldest().map(|since| now.mono.saturating_sub(since))
    }

    /// Returns the heroes that no node but the city in column `index` holds.
    pub(crate) fn only_at(&self, index: usize) -> Vec<(HeroId, HeroName)> {
        let is_only_there = |pattern: &Pattern| pattern.only_at(&self.counted) == Some(index);
        // Counting by pattern is cheap; only a match justifies a scan of all rows.
        if self.rows.count(is_only_there) == 0 {
            return Vec::new();
        }
        self.rows
            .iter()
            .filter(|row| is_only_there(&row.pattern))
            .map(|row| (row.id, row.name.clone()))
            .collect()
    }

    /// Notes a write that was acknowledged and may be lost later.
    pub(crate) fn acknowledged(&mut self, now: Now, id: HeroId, entry: &Arc<Entry>) {
        self.lost.acknowledged(now.wall, id, entry);
    }

    /// Notes an entry that some node holds. A tombstone may be collected before the hero's row is
    /// refreshed.
    pub(crate) fn seen(&mut self, id: HeroId, entry: &EntryRef<'_, '_>) {
        self.lost.seen(id, entry);
    }

    /// Settles the acknowledged writes of at most `at_most` heroes. Returns whether none is left that
    /// could be settled without a further observation. `observed` contains the cities in the order of
    /// the columns, and dispatch last. Must be called only while every city has been read completely.
    pub(crate) fn settle_lost_writes(
        &mut self,
        now: Now,
        at_most: usize,
        observed: &Nodes<'_>,
    ) -> bool {
        let (rows, tables, nodes) = (&self.rows, &self.tables, self.counted.len() + 1);
        let holdings = |key: Key| {
            let held = |cells: &[Option<Arc<Entry>>], own: &Option<Arc<Entry>>| {
                cells.iter().chain([own]).cloned().collect::<Vec<_>>()
            };
            let held = match key.table() {
                None => rows.get(key).map(|row| held(&row.cells, &row.own)),
                Some(_) => tables.get(key).map(|row| held(&row.cells, &row.own)),
            };
            held.unwrap_or_else(|| vec![None; nodes])
        };
        self.lost.settle(now, at_most, holdings, observed)
    }

    /// Returns the newest lost writes, newest last.
    pub(crate) fn lost_writes(&self) -> &Vector<Arc<Lost>> {
        self.lost.listed()
    }

    /// Notes what would have become of a lost write under other rules.
    pub(crate) fn explain_lost(&mut self, number: u64, outcomes: Vec<Outcome>) {
        self.lost.explain(number, outcomes);
    }

    /// Returns the number of all lost writes.
    pub(crate) fn lost_count(&self) -> u64 {
        self.lost.lost()
    }

    /// Returns the durations of the writes that have reached all cities since the last call.
    pub(crate) fn take_lags(&mut self) -> Vec<Duration> {
        self.lags.take()
    }
}
