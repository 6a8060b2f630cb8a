//! The descriptions of pulls and writes, for the tooltips of the picture and for the table.

use gossip::PullOutcome;

use crate::model::history::{Pull, Write};
use crate::text::{counted, grouped, title};

use super::layout::Layout;

/// The numbers of new entries and bytes that the puller received, if it received any.
pub(super) fn new_entries(pull: &Pull) -> Option<(usize, usize)> {
    match pull.outcome {
        PullOutcome::Merged { entries, bytes, .. } if entries > 0 => Some((entries, bytes)),
        PullOutcome::Merged { .. }
        | PullOutcome::Same
        | PullOutcome::Unanswered
        | PullOutcome::Refused => None,
    }
}

/// Describes a pull.
pub(super) fn pull_sentence(pull: &Pull) -> String {
    let (puller, source) = (title(pull.puller), title(pull.source));
    match (&pull.outcome, new_entries(pull)) {
        (_, Some((entries, bytes))) => {
            let entries = counted(entries, "entry", "entries");
            format!(
                "{puller} pulled {entries} (about {} bytes) from {source} in {}",
                grouped(bytes as u64),
                duration(pull)
            )
        }
        (PullOutcome::Unanswered, None) => format!("{puller} got no answer from {source}"),
        (PullOutcome::Refused, None) => format!("{puller} refused the round from {source}"),
        (PullOutcome::Same | PullOutcome::Merged { .. }, None) => {
            format!("{puller} pulled no new entries from {source}")
        }
    }
}

/// The duration of the pull.
pub(super) fn duration(pull: &Pull) -> String {
    format!(
        "{} ms",
        grouped(pull.ended.saturating_sub(pull.asked).as_millis().try_into().unwrap_or(u64::MAX))
    )
}

/// Describes a write.
pub(super) fn write_words(layout: &Layout<'_>, write: &Write) -> String {
    let name = layout.hero(write.hero);
    match write.entry.live() {
        None => format!("{name}: terminated"),
        Some(hero) => {
            let created = if write.entry.born == write.entry.stamp { "created, " } else { "" };
            let patrols = if hero.is_patrolling { ", patrolling" } else { "" };
            let mut place = hero.location.to_string();
            if let Some(first) = place.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            format!("{name}: {created}{place}, health {}{patrols}", hero.health)
        }
    }
}
