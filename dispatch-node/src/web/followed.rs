//! Writes that are followed until a page shows them: the last part of their traces. First the one who wrote is *observed* to hold the write, in a
//! view; then the first page is *pushed* the frame of that view.
//!
//! Invariant: bounded, in number and in time. Only writes of traces that are kept are followed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use shared::clock::Stamp;
use shared::crdt::Entry;
use shared::id::HeroId;
use shared::spans::{Part, Span};
use shared::trace::TraceContext;

use crate::ask::Answer;
use crate::view::View;
use crate::web::fragments::Number;

/// How many writes are followed; of more, the newest.
const FOLLOWED_MAX: usize = 64;
/// How long a write is followed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The writes that are on their way to a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed(Arc<Mutex<Vec<Write>>>);

#[derive(Debug)]
struct Write {
    hero: HeroId,
    stamp: Stamp,
    since: Instant,
    way: Way,
}

/// How far a write has come.
#[derive(Debug)]
enum Way {
    /// No view has it yet.
    Observing(Span),
    /// This frame is the first that has it.
    Shown(Number, Option<TraceContext>),
}

impl Followed {
    /// Follows the write of this answer, if it is one, as a part of what `ask` stands for.
    pub(crate) fn follow(&self, answer: &Answer, ask: Option<TraceContext>) {
        let Some((hero, entry)) = written(answer) else { return };
        let mut span = Span::child("observe", Part::Own, ask);
        if span.context().is_none() {
            return;
        }
        span.set("superhero.peer", || entry.stamp.origin.node.to_string());
        span.set("superhero.hero", || hero.to_string());
        let mut writes = self.writes();
        if writes.len() >= FOLLOWED_MAX {
            writes.remove(0);
        }
        writes.push(Write { hero, stamp: entry.stamp, since: Instant::now(), way: Way::Observing(span) });
    }

    /// `view` is about to be shown in frame `number`.
    pub(crate) fn show(&self, view: &View, number: Number) {
        self.writes().retain_mut(|write| {
            if write.since.elapsed() > PATIENCE {
                if let Way::Observing(span) = &mut write.way {
                    span.fail(|| "no view had it in time");
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

    /// A page is about to be sent what it lacks up to frame `number`: the spans of that, for the writes that no page was sent before.
    pub(crate) fn push(&self, number: Number) -> Vec<Span> {
        let is_in_it = |write: &mut Write| matches!(write.way, Way::Shown(first, _) if first <= number);
        let mut writes = self.writes();
        let shown = writes.extract_if(.., is_in_it).filter_map(|write| match write.way {
            Way::Shown(_, observed) => Some(Span::child("push", Part::Own, observed)),
            Way::Observing(_) => None,
        });
        shown.collect()
    }

    fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answer says was written; of several, the last.
fn written(answer: &Answer) -> Option<(HeroId, &Entry)> {
    match answer {
        Answer::Created(created) => created.last().map(|(hero, entry)| (*hero, &**entry)),
        Answer::Assigned(hero, entry) | Answer::Terminated(hero, entry) => Some((*hero, entry)),
        Answer::Bombed(_)
        | Answer::Forgotten(_)
        | Answer::Injected(_)
        | Answer::Healed
        | Answer::Gossip(_)
        | Answer::Exchanged(_)
        | Answer::Ended(_)
        | Answer::Logged
        | Answer::Found(..)
        | Answer::View(_)
        | Answer::Refused(_) => None,
    }
}

/// Whether whoever made this write is seen to hold it, or a later one of that hero.
fn has(view: &View, hero: HeroId, stamp: Stamp) -> bool {
    let Some(row) = view.rows.get(hero) else { return false };
    let held = match view.city(stamp.origin.node) {
        Some((column, _)) => row.cells.get(column).and_then(Option::as_ref),
        None => row.own.as_ref(),
    };
    held.is_some_and(|entry| entry.stamp >= stamp)
}
