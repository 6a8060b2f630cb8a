//! What dispatch has seen of one city: that city's own truth as last read, apart from dispatch's merged replica, so that
//! looking never heals and never hides a difference.
//!
//! Invariant: a mirror holds entries of one life of its city only. After a bomb it is as empty as the city.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::crdt::{Entry, Fingerprint, VersionVector};
use shared::id::{HeroId, Incarnation, NodeName};
use shared::machine::LinkDown;
use shared::message::Observation;
use shared::time::{Now, UnixMillis};

/// What dispatch knows of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Up,
    /// It cannot be reached from here, or gives no answer; whether it runs is not known.
    Unreachable,
    /// Its process has stopped: nobody listens where it should.
    Down,
}

impl Status {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unreachable => "unreachable",
            Self::Down => "down",
        }
    }
}

/// A part of an observation, until all parts are here.
#[derive(Debug)]
struct Observed {
    removed: Vec<HeroId>,
    entries: Vec<(HeroId, Arc<Entry>)>,
}

/// One city as last read.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) name: NodeName,
    pub(crate) status: Status,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) entries: BTreeMap<HeroId, Arc<Entry>>,
    pub(crate) heroes: u64,
    pub(crate) tombstones: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) vector: VersionVector,
    pub(crate) crashes: u32,
    pub(crate) joined: bool,
    /// Whether it lost its memory and has not got it back: another life than before, and never yet the same as anybody.
    pub(crate) recovering: bool,
    /// Whether people have been told that it does not answer.
    pub(crate) said_lost: bool,
    /// When the city was last heard, on the machine's own clock.
    pub(crate) heard_at: Option<Duration>,
    /// What the city's wall clock read, and when, on the machine's own clock.
    pub(crate) clock: Option<(UnixMillis, Duration)>,
    /// Whether people have been told that its clock is off.
    pub(crate) clock_is_off: bool,
    /// Whether this life of the city has been read to its end once.
    pub(crate) is_read: bool,
    since: u64,
    staged: Vec<Observed>,
}

impl Mirror {
    pub(crate) fn new(name: NodeName) -> Self {
        Self {
            name,
            status: Status::Unreachable,
            incarnation: None,
            entries: BTreeMap::new(),
            heroes: 0,
            tombstones: 0,
            fingerprint: Fingerprint::default(),
            vector: VersionVector::new(),
            crashes: 0,
            joined: false,
            recovering: false,
            said_lost: false,
            heard_at: None,
            clock: None,
            clock_is_off: false,
            is_read: false,
            since: 0,
            staged: Vec::new(),
        }
    }

    /// The city answers, in this life. Returns what to ask for next.
    pub(crate) fn link_up(&mut self, incarnation: Incarnation, at: Duration) -> u64 {
        self.status = Status::Up;
        self.heard_at = Some(at);
        if self.incarnation != Some(incarnation) {
            let recovering = self.incarnation.is_some();
            let crashes = self.crashes;
            *self = Self {
                status: Status::Up,
                incarnation: Some(incarnation),
                recovering,
                crashes,
                heard_at: Some(at),
                ..Self::new(self.name)
            };
        }
        self.since
    }

    /// The city does not answer. What was last known stays.
    pub(crate) fn link_down(&mut self, cause: LinkDown) {
        self.status = match cause {
            LinkDown::Refused => Status::Down,
            // A link that broke says nothing of the process; the next attempt will.
            LinkDown::Lost if self.status == Status::Down => Status::Down,
            LinkDown::Lost | LinkDown::Silent => Status::Unreachable,
        };
    }

    /// Takes an observation in. One that comes in several parts is shown when the last is here, so that what is shown was
    /// true of the city at one moment. Returns what to ask for next.
    pub(crate) fn observe(&mut self, observation: Observation, now: Now) -> u64 {
        self.heard_at = Some(now.mono);
        self.clock = Some((observation.wall, now.mono));
        if observation.since != self.since {
            // Not the continuation of what is here: only a start from nothing can be used.
            if observation.since != 0 {
                return self.since;
            }
            self.entries.clear();
            self.staged.clear();
        }
        self.since = observation.until;
        self.staged.push(Observed { removed: observation.removed, entries: observation.entries });
        if observation.until == observation.head {
            for Observed { removed, entries } in std::mem::take(&mut self.staged) {
                removed.iter().for_each(|id| drop(self.entries.remove(id)));
                self.entries.extend(entries);
            }
            self.heroes = observation.heroes;
            self.tombstones = observation.tombstones;
            self.fingerprint = observation.fingerprint;
            self.vector = observation.vector;
            self.crashes = observation.crashes;
            self.joined = observation.joined;
            self.is_read = true;
        }
        self.since
    }

    /// What the city's wall clock reads by now; as far as is known, what ours does.
    pub(crate) fn wall(&self, now: Now) -> UnixMillis {
        self.clock.map_or(now.wall, |(wall, at)| wall.plus(now.mono.saturating_sub(at)))
    }

    /// How far the city's wall clock is ahead of ours, in milliseconds, if it has been heard.
    pub(crate) fn clock_ahead_ms(&self, now: Now) -> Option<i64> {
        self.clock.map(|_| self.wall(now).0.cast_signed().saturating_sub_unsigned(now.wall.0))
    }

    /// What to ask for when an answer is overdue.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }
}
