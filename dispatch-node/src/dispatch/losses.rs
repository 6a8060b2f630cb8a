//! The lost writes that have just been found: their events, and what would have become of them under
//! other rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip::{NodeName, Now};
use shared::hero::HeroId;

use super::Dispatch;
use crate::event_log::{EventKind, LoggedWrite};
use crate::model::counterfactual::{Fates, Story};
use crate::model::lost_writes::Lost;
use crate::model::tables::TypeTable;
use crate::text::{counted, isolated, title};

/// The most lost writes found at once that are explained, and that are logged one by one.
const EXPLAINED_AT_ONCE: usize = 64;
const LOGGED_AT_ONCE: usize = 5;

impl Dispatch {
    /// Logs and explains the lost writes with a higher number than `before`.
    pub(super) fn note_lost_writes(&mut self, now: Now, before: u64) {
        let found = self.comparison.lost_writes().iter().rev();
        let mut found: Vec<Arc<Lost>> =
            found.take_while(|lost| lost.number > before).cloned().collect();
        found.reverse();
        let cities = self.observer.cities().iter().map(|city| city.name);
        let nodes: Vec<NodeName> = cities.chain([self.me()]).collect();
        let of_heroes = found.iter().filter(|lost| lost.key.table().is_none());
        let mut fates: BTreeMap<HeroId, Fates> = BTreeMap::new();
        for lost in of_heroes.take(EXPLAINED_AT_ONCE) {
            let fates = fates
                .entry(lost.key)
                .or_insert_with(|| Fates::of(Story::of(&self.record.history, lost.key, &nodes)));
            if let Some(outcomes) = fates.outcomes(lost.entry.stamp) {
                self.comparison.explain_lost(lost.number, outcomes);
            }
        }
        for lost in found.iter().take(LOGGED_AT_ONCE) {
            self.log_lost_write(now, lost);
        }
        if let Some(more) = found.len().checked_sub(LOGGED_AT_ONCE).filter(|more| *more > 0) {
            let are = if more == 1 { "was" } else { "were" };
            let text = format!("{} more {are} lost", counted(more, "write", "writes"));
            self.log(now, self.me(), EventKind::LostWrite, text);
        }
    }

    fn log_lost_write(&mut self, now: Now, lost: &Lost) {
        let node = lost.entry.stamp.origin.node;
        let (writer, why) = (title(node), lost.why());
        if let Some(table) = TypeTable::of(lost.key) {
            let text = format!("a write of {writer} to {} was lost: {why}", table.word());
            return self.log(now, node, EventKind::LostWrite, text);
        }
        let name = self.known.name(lost.key);
        let text = format!("{writer}’s write to {} was lost: {why}", isolated(&name));
        let write = LoggedWrite::of(lost.key, &lost.entry);
        self.log_write(now, node, EventKind::LostWrite, text, write);
    }
}
