//! The heroes, and the keys of tables, whose rows are stale, and the position up to which dispatch has read its own replica.
//!
//! Invariant: a hero whose row differs from the entries of the nodes is in the queue, or in changes
//! that are not read yet. Every hero in the queue is refreshed eventually, however often others
//! change.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use shared::hero::HeroId;

/// The number of heroes refreshed in one step, which takes one or two milliseconds.
pub(super) const STEP: usize = 128;
/// The maximum number of heroes refreshed at once for a reader, who expects to see a change that
/// was just made. If more are stale, only one step is processed: most of them could not be shown in
/// time anyway, and all other requests would wait.
pub(super) const FEW: usize = 2_048;

/// The heroes whose rows are stale.
#[derive(Debug)]
pub(super) struct RefreshQueue {
    stale: BTreeSet<HeroId>,
    /// The stale heroes that dispatch itself has written: the next reader must see them.
    written: BTreeSet<HeroId>,
    /// The most recently refreshed hero.
    last: HeroId,
    /// True if some changes are not read, or some rows are stale.
    is_behind: bool,
    /// True if the entries or incarnations of nodes may have changed since the lost writes were
    /// last settled.
    pub(super) holdings_changed: bool,
    /// The positions up to which the changes and the pulls of dispatch's own replica were read.
    pub(super) own_changes: u64,
    pub(super) own_pulls: u64,
}

impl Default for RefreshQueue {
    fn default() -> Self {
        Self {
            stale: BTreeSet::new(),
            written: BTreeSet::new(),
            last: HeroId::MIN,
            is_behind: false,
            holdings_changed: true,
            own_changes: 0,
            own_pulls: 0,
        }
    }
}

impl RefreshQueue {
    /// Adds stale heroes, and stale keys of tables.
    pub(super) fn add(&mut self, heroes: Vec<HeroId>) {
        if heroes.len() > self.stale.len() {
            // Building a set and merging it costs less than inserting the heroes one by one.
            self.stale.append(&mut heroes.into_iter().collect());
        } else {
            self.stale.extend(heroes);
        }
    }

    /// Adds a hero that dispatch has written. Returns a hero to refresh at once if the queue holds
    /// too many for the next reader to wait for; the writer waits instead.
    pub(super) fn add_written(&mut self, hero: HeroId) -> Option<HeroId> {
        self.written.insert(hero);
        if self.written.len() > FEW { self.written.pop_first() } else { None }
    }

    /// Removes and returns the heroes that dispatch has written.
    pub(super) fn take_written(&mut self) -> BTreeSet<HeroId> {
        std::mem::take(&mut self.written)
    }

    /// Returns the next hero to refresh. It stays in the queue until [`done`](Self::done).
    pub(super) fn next(&mut self) -> Option<HeroId> {
        // Continue after the last one. Starting from the first each time would starve the others
        // while the first ones keep changing.
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        self.last = self.stale.range(after).next().or_else(|| self.stale.first()).copied()?;
        Some(self.last)
    }

    /// Notes that the row of the hero is refreshed.
    pub(super) fn done(&mut self, hero: HeroId) {
        self.stale.remove(&hero);
    }

    /// Returns the number of stale heroes.
    pub(super) fn len(&self) -> usize {
        self.stale.len()
    }

    /// Returns whether no hero is stale, as far as changes have been read.
    pub(super) fn is_empty(&self) -> bool {
        self.stale.is_empty()
    }

    /// Returns whether a hero is stale, as far as changes have been read.
    pub(super) fn has_heroes(&self) -> bool {
        self.stale.iter().any(|key| key.table().is_none())
    }

    /// Returns whether some changes are not read, or some rows are stale.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Ends a step; `unread` is whether changes are left to read. Returns whether the queue has
    /// caught up in this step.
    pub(super) fn end_step(&mut self, unread: bool) -> bool {
        let was_behind = self.is_behind;
        self.is_behind = !self.stale.is_empty() || self.holdings_changed || unread;
        if !self.is_behind {
            self.written.clear();
        }
        was_behind && !self.is_behind
    }

    /// Returns the time of the next step: immediately, while the queue is behind.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.is_behind.then_some(Duration::ZERO)
    }

    #[cfg(test)]
    pub(super) fn written_len(&self) -> usize {
        self.written.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hero(number: u128) -> HeroId {
        HeroId::from_u128(number)
    }

    #[test]
    fn hero_is_refreshed_while_an_earlier_one_keeps_changing() {
        let mut queue = RefreshQueue::default();
        queue.add(vec![hero(1), hero(2), hero(3)]);
        let mut refreshed = Vec::new();
        for _ in 0..4 {
            let next = queue.next().unwrap();
            queue.done(next);
            refreshed.push(next);
            queue.add(vec![hero(1)]);
        }
        assert_eq!(refreshed, [hero(1), hero(2), hero(3), hero(1)]);
    }

    #[test]
    fn queue_is_behind_until_all_is_read_refreshed_and_settled() {
        let mut queue = RefreshQueue::default();
        assert_eq!(
            (queue.end_step(false), queue.deadline()),
            (false, Some(Duration::ZERO)),
            "nothing is settled yet"
        );
        queue.holdings_changed = false;
        assert!(!queue.end_step(true));
        assert_eq!((queue.end_step(false), queue.deadline()), (true, None));
        queue.add(vec![hero(1)]);
        assert!(!queue.end_step(false) && queue.is_behind());
    }

    #[test]
    fn writer_refreshes_written_heroes_beyond_the_limit() {
        let mut queue = RefreshQueue::default();
        let overflow =
            (0..FEW as u128 + 10).filter_map(|number| queue.add_written(hero(number))).count();
        assert_eq!((overflow, queue.take_written().len()), (10, FEW));
    }
}
