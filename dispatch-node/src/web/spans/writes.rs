//! Spans of writes until a page receives them, which ends their traces. *observe* ends when a view
//! shows that the writer holds the write; *push* is the sending of that view's frame to the first
//! page.
//!
//! Invariant: bounded in number and in time. Only writes that are traced are tracked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use gossip::{Stamp, TraceContext};
use shared::hero::HeroId;
use shared::spans::{Part, Span};

use crate::model::view::View;
use crate::request::{Reply, Written};
use crate::web::fragments::Number;

/// The maximum number of tracked writes; the newest are kept.
const FOLLOWED_MAX: usize = 64;
/// The maximum time for which a write is tracked.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The writes that no page has received yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteSpans(Arc<Mutex<Vec<Write>>>);

/// A tracked write.
#[derive(Debug)]
struct Write {
    hero: HeroId,
    stamp: Stamp,
    since: Instant,
    way: Way,
}

/// The progress of a write.
#[derive(Debug)]
enum Way {
    /// No view shows it yet.
    Observing(Span),
    /// The first frame that shows it.
    Shown(Number, Option<TraceContext>),
}

impl WriteSpans {
    /// Tracks the write of this reply, if there is one, as a child of `ask`.
    pub(crate) fn follow(&self, answer: &Reply, ask: Option<TraceContext>) {
        let Some(Written { hero, entry }) = answer.write() else { return };
        let mut span = Span::child("observe", Part::Internal, ask);
        if span.context().is_none() {
            return;
        }
        span.set("superhero.peer", || entry.stamp.origin.node.to_string());
        span.set("superhero.hero", || hero.to_string());
        let mut writes = self.writes();
        // The oldest gives way, since a page is about to receive the newest.
        if writes.len() >= FOLLOWED_MAX
            && let Way::Observing(span) = &mut writes.remove(0).way
        {
            span.fail(|| "dropped for newer writes");
        }
        writes.push(Write {
            hero: *hero,
            stamp: entry.stamp,
            since: Instant::now(),
            way: Way::Observing(span),
        });
    }

    /// Notes that `view` is about to be sent as frame `number`.
    pub(crate) fn show(&self, view: &View, number: Number) {
        self.writes().retain_mut(|write| {
            if write.since.elapsed() > TIMEOUT {
                if let Way::Observing(span) = &mut write.way {
                    span.fail(|| "no view contained it in time");
                }
                return false;
            }
            if let Way::Observing(span) = &write.way
                && has(view, write.hero, write.stamp)
            {
                write.way = Way::Shown(number, span.context());
            }
            true
        });
    }

    /// Returns spans for sending a page everything up to frame `number`, for the writes that no
    /// page has received before.
    pub(crate) fn push(&self, number: Number) -> Vec<Span> {
        let is_included =
            |write: &mut Write| matches!(write.way, Way::Shown(first, _) if first <= number);
        let mut writes = self.writes();
        let shown = writes.extract_if(.., is_included).filter_map(|write| match write.way {
            Way::Shown(_, observed) => Some(Span::child("push", Part::Internal, observed)),
            Way::Observing(_) => None,
        });
        shown.collect()
    }

    fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether the writer is observed to hold this write, or a later one to that hero.
fn has(view: &View, hero: HeroId, stamp: Stamp) -> bool {
    let Some(row) = view.rows.get(hero) else { return false };
    let held = match view.city(stamp.origin.node) {
        Some((column, _)) => row.cells.get(column).and_then(Option::as_ref),
        None => row.own.as_ref(),
    };
    held.is_some_and(|entry| entry.stamp >= stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, id, live, stamp};

    use std::num::{NonZeroU64, NonZeroU128};

    const ASK: Option<TraceContext> =
        Some(TraceContext { trace: NonZeroU128::MIN, span: NonZeroU64::MIN });

    /// A single test, since a process has only one span exporter.
    #[test]
    fn write_is_tracked_until_the_first_page_receives_it() {
        let write_spans = WriteSpans::default();
        let (before, after) =
            (live(stamp("dispatch", 9_000), 84, None), live(stamp("gotham", 1_000), 100, None));
        let assigned = Reply::Assigned(Written { hero: id(1), entry: Arc::clone(&after) });
        write_spans.follow(&assigned, ASK);
        assert!(write_spans.writes().is_empty(), "nothing is tracked without a collector");

        let _exporting = shared::spans::start(Some("http://127.0.0.1:1"), "dispatch").unwrap();
        write_spans.follow(&assigned, None);
        write_spans.follow(&Reply::Healed(()), ASK);
        assert!(
            write_spans.writes().is_empty(),
            "neither untraced writes nor other replies are tracked"
        );

        write_spans.follow(&assigned, ASK);
        // Dispatch and another city hold the write, but gotham is not observed to hold it yet.
        let unseen = Fixture::new()
            .hold(1, "Granite", [Some(&before), Some(&after), None, Some(&after)])
            .view;
        write_spans.show(&unseen, 7);
        assert_eq!(write_spans.push(7).len(), 0);
        let seen = Fixture::new().hold(1, "Granite", [Some(&after), None, None, None]).view;
        write_spans.show(&seen, 8);
        assert_eq!(write_spans.push(7).len(), 0, "a page that receives an earlier frame");
        assert_eq!(write_spans.push(9).len(), 1, "a page that skips to a later frame");
        assert_eq!(write_spans.push(9).len(), 0, "no second page");

        (0..2 * FOLLOWED_MAX).for_each(|_| write_spans.follow(&assigned, ASK));
        assert_eq!(write_spans.writes().len(), FOLLOWED_MAX);
        write_spans.writes().iter_mut().for_each(|write| write.since -= 2 * TIMEOUT);
        write_spans.show(&unseen, 10);
        assert!(write_spans.writes().is_empty(), "tracking times out");
    }
}
