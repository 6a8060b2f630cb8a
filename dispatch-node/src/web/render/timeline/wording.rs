//! Pulls and writes in words, for the tooltips of the picture and for the table.

use gossip::PullOutcome;

use crate::model::history::{Pull, Write};
use crate::text::{counted, grouped, title};

use super::layout::Layout;

/// The entries and bytes that the pull brought, if any.
pub(super) fn brings(pull: &Pull) -> Option<(usize, usize)> {
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
    match (&pull.outcome, brings(pull)) {
        (_, Some((entries, bytes))) => {
            let entries = counted(entries, "entry", "entries");
            format!(
                "{puller} pulled {entries} (about {} bytes) from {source} in {}",
                grouped(bytes as u64),
                took(pull)
            )
        }
        (PullOutcome::Unanswered, None) => format!("{puller} asked {source} and got no answer"),
        (PullOutcome::Refused, None) => format!("{puller} refused what {source} sent"),
        (PullOutcome::Same | PullOutcome::Merged { .. }, None) => {
            format!("{puller} asked {source}, which had no news")
        }
    }
}

/// The time from the question to the end of the pull.
pub(super) fn took(pull: &Pull) -> String {
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
