//! The event log: what happened that people may want to know.

use shared::clock::Stamp;
use shared::crdt::Entry;
use shared::id::{HeroId, NodeName};
use shared::time::UnixMillis;

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Counts from 1.
    pub number: u64,
    /// When, by dispatch's wall clock.
    pub at: UnixMillis,
    /// Which node it is about.
    pub node: NodeName,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// What happened, for people.
    pub text: String,
    /// The write that it was, if it was one.
    pub write: Option<LoggedWrite>,
}

/// A write of which the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedWrite {
    /// To which hero.
    pub hero: HeroId,
    /// By whom and when.
    pub stamp: Stamp,
    /// The write that it was made over; none where it made the hero.
    pub over: Option<Stamp>,
}

impl LoggedWrite {
    /// The write that made this entry.
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
    /// A city answers again, or for the first time.
    Answers,
    /// A city stopped answering.
    Lost,
    /// A city that is gone was forgotten.
    Forgotten,
    /// A fault was caused.
    Injected,
    /// A fault is over.
    Healed,
    /// Gossip stands still.
    Paused,
    /// Gossip goes on, or at another pace.
    Resumed,
    /// A single exchange was asked for.
    Stepped,
    /// A city was told to stop.
    Stopped,
    /// A city was told to end at once.
    Killed,
    /// A city was started again.
    Rebuilt,
    /// A scenario was begun, or has ended.
    Played,
    /// All cities agree again.
    Agreed,
    /// Something is wrong with replication.
    Alarm,
}

impl EventKind {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Assigned => "assigned",
            Self::Terminated => "terminated",
            Self::Destroyed => "destroyed",
            Self::Answers => "answers",
            Self::Lost => "lost",
            Self::Forgotten => "forgotten",
            Self::Injected => "injected",
            Self::Healed => "healed",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Stepped => "stepped",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Rebuilt => "rebuilt",
            Self::Played => "played",
            Self::Agreed => "agreed",
            Self::Alarm => "alarm",
        }
    }
}
