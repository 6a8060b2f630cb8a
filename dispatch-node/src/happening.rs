//! The event log: what happened that people may want to know.

use shared::id::NodeName;
use shared::time::UnixMillis;

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Counts from 1.
    pub number: u64,
    /// When, by dispatch's wall clock.
    pub at: UnixMillis,
    /// Which node it is about.
    pub node: NodeName,
    /// What kind of thing happened.
    pub kind: Kind,
    /// What happened, for people.
    pub text: String,
}

/// Kinds of happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// All cities agree again.
    Agreed,
    /// Something is wrong with replication.
    Alarm,
}

impl Kind {
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
            Self::Agreed => "agreed",
            Self::Alarm => "alarm",
        }
    }
}
