//! The time that writes take to reach all cities: from the first observation of a write until every
//! city that answers holds it or an entry that beats it.
//!
//! Invariant: a write is measured once. Writes from before dispatch started are not measured,
//! because their age is unknown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gossip::{Now, Stamp};
use shared::Entry;
use shared::hero::HeroId;

use crate::model::rows::Row;

/// The maximum number of heroes with pending writes; writes to further heroes are not measured.
const HEROES_MAX: usize = 100_000;
/// The maximum number of pending writes per hero.
const WRITES_MAX: usize = 16;

/// The writes that have not reached every city.
#[derive(Debug)]
pub(crate) struct WriteLags {
    began: Now,
    open: BTreeMap<HeroId, Vec<Pending>>,
    /// The durations of the writes that have arrived since the last [`take`](Self::take).
    arrived: Vec<Duration>,
}

#[derive(Debug)]
struct Pending {
    entry: Arc<Entry>,
    since: Duration,
}

impl WriteLags {
    /// Returns the lags of an incarnation of dispatch that starts at `began`.
    pub(crate) fn new(began: Now) -> Self {
        Self { began, open: BTreeMap::new(), arrived: Vec::new() }
    }

    /// Starts measuring the writes that this row contains and the previous one did not.
    pub(crate) fn note_new(&mut self, now: Now, before: Option<&Row>, row: &Row) {
        let was_seen = |stamp: Stamp| {
            before.is_some_and(|before| entries(before).any(|entry| entry.stamp >= stamp))
        };
        let is_new =
            |entry: &&Arc<Entry>| entry.stamp.hlc.wall >= self.began.wall && !was_seen(entry.stamp);
        for entry in entries(row).filter(is_new) {
            if self.open.len() >= HEROES_MAX && !self.open.contains_key(&row.id) {
                return;
            }
            let open = self.open.entry(row.id).or_default();
            if open.len() < WRITES_MAX && open.iter().all(|write| write.entry.stamp != entry.stamp)
            {
                open.push(Pending { entry: Arc::clone(entry), since: now.mono });
            }
        }
    }

    /// Ends the measurement of the writes that this row shows at all `counted` cities.
    pub(crate) fn note_arrived(&mut self, now: Now, row: &Row, counted: &[bool]) {
        let Some(open) = self.open.get_mut(&row.id) else { return };
        let agreed = !row.pattern.state(counted).differs();
        let cells =
            || row.cells.iter().zip(counted).filter(|(_, counted)| **counted).map(|(cell, _)| cell);
        open.retain(|write| {
            let arrived = agreed || cells().all(|cell| holds(cell, &write.entry));
            if arrived {
                self.arrived.push(now.mono.saturating_sub(write.since));
            }
            !arrived
        });
        if open.is_empty() {
            self.open.remove(&row.id);
        }
    }

    /// Returns the heroes that have pending writes.
    pub(crate) fn heroes(&self) -> impl Iterator<Item = HeroId> {
        self.open.keys().copied()
    }

    /// Ends the measurement of all writes to a hero that no node holds any more: its tombstone has
    /// reached every node and was collected.
    pub(crate) fn dropped(&mut self, now: Now, hero: HeroId) {
        let open = self.open.remove(&hero).unwrap_or_default();
        self.arrived.extend(open.into_iter().map(|write| now.mono.saturating_sub(write.since)));
    }

    /// Returns the durations of the writes that have arrived since the last call.
    pub(crate) fn take(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.arrived)
    }
}

/// Returns the entries of a hero at all nodes.
fn entries(row: &Row) -> impl Iterator<Item = &Arc<Entry>> {
    std::iter::once(&row.own).chain(&row.cells).flatten()
}

fn holds(cell: &Option<Arc<Entry>>, write: &Entry) -> bool {
    cell.as_ref().is_some_and(|held| held.stamp == write.stamp || held.beats(write))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, dead, id, live, stamp};

    fn row(own: Option<&Arc<Entry>>, cells: [Option<&Arc<Entry>>; 2]) -> Row {
        Row::of(
            id(1),
            "Granite".into(),
            own.cloned(),
            cells.map(Option::<&Arc<Entry>>::cloned).to_vec(),
        )
        .unwrap()
    }

    fn after(seconds: u64) -> Now {
        Now { mono: NOW.mono + Duration::from_secs(seconds), ..NOW }
    }

    /// The durations in seconds that are measured after each of these rows, one second apart.
    fn measured(rows: &[Row], counted: [bool; 2]) -> Vec<Vec<u64>> {
        let mut lags = WriteLags::new(NOW);
        let mut before = None;
        let mut second = 0;
        rows.iter()
            .map(|row| {
                lags.note_new(after(second), before.replace(row), row);
                lags.note_arrived(after(second), row, &counted);
                second += 1;
                lags.take().iter().map(Duration::as_secs).collect()
            })
            .collect()
    }

    #[test]
    fn write_is_measured_once_when_the_last_city_holds_it() {
        let first = live(stamp("dispatch", -10), 100, None);
        let second = live(stamp("gotham", -20), 90, Some(&first));
        let alone = row(Some(&first), [None, None]);
        let one = row(Some(&first), [Some(&first), None]);
        let both = row(Some(&first), [Some(&first), Some(&first)]);
        assert_eq!(
            measured(&[alone.clone(), one.clone(), both.clone(), both], [true, true]),
            [vec![], vec![], vec![2], vec![]]
        );
        assert_eq!(
            measured(&[alone.clone(), one], [true, false]),
            [vec![], vec![1]],
            "one that does not answer is not waited for"
        );
        let beaten = row(Some(&first), [Some(&second), None]);
        let beaten_everywhere = row(Some(&first), [Some(&second), Some(&second)]);
        assert_eq!(
            measured(&[alone, beaten, beaten_everywhere], [true, true]),
            [vec![], vec![], vec![2, 1]]
        );
    }

    #[test]
    fn recovered_and_old_writes_are_not_measured() {
        let old = live(stamp("gotham", 10), 100, None);
        assert_eq!(
            measured(
                &[row(None, [Some(&old), None]), row(None, [Some(&old), Some(&old)])],
                [true, true]
            ),
            vec![Vec::<u64>::new(); 2]
        );
        let new = live(stamp("gotham", -10), 100, None);
        let (all, lost) = (row(None, [Some(&new), Some(&new)]), row(None, [Some(&new), None]));
        assert_eq!(measured(&[all.clone(), lost, all], [true, true]), [vec![0], vec![], vec![]]);
    }

    #[test]
    fn deletion_is_measured_although_its_tombstone_was_collected() {
        let born = live(stamp("gotham", 10), 100, None);
        let tombstone = dead(stamp("gotham", -10), Some(&born));
        let mut lags = WriteLags::new(NOW);
        lags.note_new(
            after(0),
            Some(&row(None, [Some(&born), Some(&born)])),
            &row(None, [Some(&tombstone), Some(&born)]),
        );
        lags.note_arrived(after(0), &row(None, [Some(&tombstone), Some(&born)]), &[true, true]);
        assert!(lags.take().is_empty());
        lags.dropped(after(3), id(1));
        assert_eq!((lags.take(), lags.open.len()), (vec![Duration::from_secs(3)], 0));
    }
}
