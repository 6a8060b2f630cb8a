//! The heroes whose rows are out of date, and how far dispatch has read its own replica.
//!
//! Invariant: a hero whose row is not that of what the nodes hold is in the queue, or is among
//! changes that are not read yet. Every hero in the queue has its turn, however often others
//! change.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use shared::hero::HeroId;

/// The number of heroes refreshed in one step: a millisecond or two.
pub(super) const STEP: usize = 128;
/// The number of heroes that are refreshed at once for a reader who wants to see what has just been
/// done. Of more heroes only a step is refreshed: most of them could not be seen in time anyway,
/// and all other requests would wait.
pub(super) const FEW: usize = 2_048;

/// The heroes whose rows are out of date.
#[derive(Debug)]
pub(super) struct RefreshQueue {
    stale: BTreeSet<HeroId>,
    /// The stale heroes that dispatch itself has written: the next reader must see them.
    written: BTreeSet<HeroId>,
    /// The hero that was refreshed last.
    last: HeroId,
    /// Whether some changes are not read, or some rows not refreshed.
    is_behind: bool,
    /// Whether what the nodes hold, or their incarnations, may have changed since the lost writes
    /// were settled.
    pub(super) holdings_changed: bool,
    /// The numbers up to which dispatch's own replica's changes and pulls have been read.
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
    /// Adds heroes.
    pub(super) fn add(&mut self, heroes: Vec<HeroId>) {
        if heroes.len() > self.stale.len() {
            // A set made at once and joined with another costs less than single insertions.
            self.stale.append(&mut heroes.into_iter().collect());
        } else {
            self.stale.extend(heroes);
        }
    }

    /// Adds a hero that dispatch has written. Returns one that has to be refreshed now: there are
    /// too many for the next reader to wait for, so the writer waits.
    pub(super) fn add_written(&mut self, hero: HeroId) -> Option<HeroId> {
        self.written.insert(hero);
        if self.written.len() > FEW { self.written.pop_first() } else { None }
    }

    /// Takes the heroes that dispatch has written.
    pub(super) fn take_written(&mut self) -> BTreeSet<HeroId> {
        std::mem::take(&mut self.written)
    }

    /// Returns the next hero to refresh. It stays in the queue until [`done`](Self::done).
    pub(super) fn next(&mut self) -> Option<HeroId> {
        // On from the last one: from the first on, the others would never have their turn while the
        // first ones change again and again.
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        self.last = self.stale.range(after).next().or_else(|| self.stale.first()).copied()?;
        Some(self.last)
    }

    /// Notes that the row of the hero is up to date.
    pub(super) fn done(&mut self, hero: HeroId) {
        self.stale.remove(&hero);
    }

    /// Returns the number of heroes whose rows are out of date.
    pub(super) fn len(&self) -> usize {
        self.stale.len()
    }

    /// Returns whether all rows are up to date, as far as changes have been read.
    pub(super) fn is_empty(&self) -> bool {
        self.stale.is_empty()
    }

    /// Returns whether some changes are not read, or some rows not refreshed.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Notes the end of a step, with `unread` changes left or not. Returns whether the queue has
    /// caught up with this step.
    pub(super) fn end_step(&mut self, unread: bool) -> bool {
        let was_behind = self.is_behind;
        self.is_behind = !self.stale.is_empty() || self.holdings_changed || unread;
        if !self.is_behind {
            self.written.clear();
        }
        was_behind && !self.is_behind
    }

    /// Returns the time of the next step: at once, while there is something to refresh.
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
    fn a_hero_has_its_turn_though_one_before_it_changes_again_and_again() {
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
    fn it_is_behind_until_all_is_read_refreshed_and_settled() {
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
    fn of_very_many_written_heroes_the_writer_waits_for_all_but_a_few() {
        let mut queue = RefreshQueue::default();
        let overflow =
            (0..FEW as u128 + 10).filter_map(|number| queue.add_written(hero(number))).count();
        assert_eq!((overflow, queue.take_written().len()), (10, FEW));
    }
}
