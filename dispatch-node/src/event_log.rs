//! The event log shown on the page and returned by `GET /events`.
//!
//! Invariant: events are numbered from 1 without gaps, and at most `events_max` are kept.

use std::sync::Arc;

use imbl::Vector;

use gossip::{NodeName, Stamp, UnixMillis};
use shared::Entry;
use shared::hero::HeroId;

/// The topic in which each event is published, as the API describes it, and the stream in which it is
/// counted.
pub(crate) const EVENTS: &str = "events";

/// The newest events, oldest first. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct EventLog {
    // A persistent vector, because every view contains a clone of it.
    events: Vector<Arc<LoggedEvent>>,
    events_max: usize,
    next: u64,
}

impl EventLog {
    /// Returns an empty log that keeps at most `events_max` events.
    pub(crate) fn new(events_max: usize) -> Self {
        Self { events: Vector::new(), events_max, next: 1 }
    }

    /// Appends an event, and drops the oldest one if the limit is exceeded.
    pub(crate) fn append(&mut self, at: UnixMillis, event: NewEvent) -> Arc<LoggedEvent> {
        let NewEvent { node, kind, text, write, heard_from } = event;
        let number = self.next;
        let event = Arc::new(LoggedEvent { number, at, node, kind, text, write, heard_from });
        self.next += 1;
        self.events.push_back(Arc::clone(&event));
        if self.events.len() > self.events_max {
            self.events.pop_front();
        }
        event
    }

    /// Returns the kept events, oldest first.
    pub(crate) fn events(&self) -> &Vector<Arc<LoggedEvent>> {
        &self.events
    }
}

/// An event to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    pub(crate) node: NodeName,
    pub(crate) kind: EventKind,
    pub(crate) text: String,
    pub(crate) write: Option<LoggedWrite>,
    /// The dispatch that has published the event; `None` if it happened here.
    pub(crate) heard_from: Option<NodeName>,
}

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The number of the event; the first is 1.
    pub number: u64,
    /// The time by dispatch's wall clock.
    pub at: UnixMillis,
    /// The node that the event concerns.
    pub node: NodeName,
    /// The kind of event.
    pub kind: EventKind,
    /// The text shown on the page.
    pub text: String,
    /// The write behind the event, if there is one.
    pub write: Option<LoggedWrite>,
    /// The dispatch that has published the event; `None` if it happened here.
    pub heard_from: Option<NodeName>,
}

/// A write referenced by a logged event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedWrite {
    /// The hero written to.
    pub hero: HeroId,
    /// The stamp of the write.
    pub stamp: Stamp,
    /// The write that it was based on; `None` if it created the hero.
    pub over: Option<Stamp>,
}

impl LoggedWrite {
    /// Returns the write that produced this entry.
    #[must_use]
    pub fn of(hero: HeroId, entry: &Entry) -> Self {
        Self { hero, stamp: entry.stamp, over: entry.seen.newest() }
    }
}

/// A kind of logged event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Heroes were created.
    Created,
    /// A hero was moved.
    Assigned,
    /// A hero was terminated.
    Terminated,
    /// A city was bombed.
    Destroyed,
    /// A city answers again, after it was lost or in a new incarnation.
    Answers,
    /// A city that lost its memory holds what another node holds.
    Recovered,
    /// A city stopped answering.
    Lost,
    /// A further city became a member.
    Founded,
    /// An unreachable city was forgotten: it no longer delays tombstone collection.
    Forgotten,
    /// A fault was injected.
    Injected,
    /// A fault was healed or expired.
    Healed,
    /// Stamps ahead of the clocks were accepted.
    Accepted,
    /// Gossip was paused.
    Paused,
    /// Gossip was resumed, or its pace changed.
    Resumed,
    /// Patrols and fights were switched off, or on again.
    Quiet,
    /// A single exchange ended.
    Stepped,
    /// A city was asked to stop.
    Stopped,
    /// A city's process was killed.
    Killed,
    /// A city was started again.
    Rebuilt,
    /// A scenario started or ended.
    Played,
    /// An acknowledged write was found to be lost.
    LostWrite,
    /// The cluster was reset: no faults, no heroes.
    Reset,
    /// All cities agree again.
    Agreed,
    /// Replication reported a problem.
    Alarm,
}

impl EventKind {
    /// Returns whether it is a write that a user has asked for.
    #[must_use]
    pub fn is_command(self) -> bool {
        matches!(self, Self::Created | Self::Assigned | Self::Terminated)
    }

    /// Returns the kind with this name, if other dispatches cannot observe its events: what users have
    /// asked of one dispatch.
    #[must_use]
    pub fn of_request(name: &str) -> Option<Self> {
        let kinds = [
            Self::Created,
            Self::Assigned,
            Self::Terminated,
            Self::Injected,
            Self::Accepted,
            Self::Paused,
            Self::Resumed,
            Self::Quiet,
            Self::Stepped,
            Self::Stopped,
            Self::Killed,
            Self::Rebuilt,
            Self::Played,
            Self::Reset,
        ];
        kinds.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns the name used by the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Assigned => "assigned",
            Self::Terminated => "terminated",
            Self::Destroyed => "destroyed",
            Self::Answers => "answers",
            Self::Recovered => "recovered",
            Self::Lost => "lost",
            Self::Founded => "founded",
            Self::Forgotten => "forgotten",
            Self::Injected => "injected",
            Self::Healed => "healed",
            Self::Accepted => "accepted",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Quiet => "quiet",
            Self::Stepped => "stepped",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Rebuilt => "rebuilt",
            Self::Played => "played",
            Self::LostWrite => "lost_write",
            Self::Reset => "reset",
            Self::Agreed => "agreed",
            Self::Alarm => "alarm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_numbers_continue_when_the_oldest_is_dropped() {
        let mut log = EventLog::new(2);
        for text in ["one", "two", "three"] {
            let node = "gotham".parse().unwrap();
            let (kind, text) = (EventKind::Answers, text.to_owned());
            log.append(UnixMillis(7), NewEvent { node, kind, text, write: None, heard_from: None });
        }
        let kept: Vec<_> =
            log.events().iter().map(|event| (event.number, event.text.as_str())).collect();
        assert_eq!(kept, [(2, "two"), (3, "three")]);
    }
}
