//! The counters of a run.

use gossip::replica::Event;

use crate::plan::Action;

/// The number of injected faults by kind, and of the protocol events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The count of each of [`Action::FAULTS`].
    pub faults: [u64; Action::FAULTS.len()],
    /// Frames sent.
    pub frames: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Frames lost, at random or because the direction was blocked.
    pub lost: u64,
    /// Frames delivered twice.
    pub duplicated: u64,
    /// Writes observed.
    pub writes: u64,
    /// Rounds merged.
    pub rounds: u64,
    /// Full rounds, which transfer everything that the source holds.
    pub full: u64,
    /// Requests to the library's types.
    pub asked: u64,
    /// Rounds given up after a stall.
    pub given_up: u64,
    /// Rounds refused because of a stamp too far ahead.
    pub too_far_ahead: u64,
    /// Rounds refused because the puller had seen a later incarnation of the source.
    pub fenced: u64,
    /// Tombstones collected, counted once per node.
    pub collected: u64,
    /// Late writes to deleted heroes, replaced by a new tombstone.
    pub late_deletes: u64,
    /// Incarnations closed, counted once per node.
    pub closed: u64,
    /// Orphaned writes adopted.
    pub adopted: u64,
    /// Orphaned writes to owned keys, replaced by those of the closing members.
    pub orphans_dropped: u64,
    /// Entries taken from another replica after a divergence.
    pub repaired: u64,
    /// Rounds refused because of an origin that cannot exist.
    pub impossible: u64,
    /// Candidates that have announced themselves.
    pub announced: u64,
    /// Members forgotten, counted once per node.
    pub forgotten: u64,
    /// Incarnations that received a later one of their name.
    pub superseded: u64,
}

impl Tally {
    /// Counts an event of a replica.
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::Committed { full, .. } => {
                self.rounds += 1;
                self.full += u64::from(*full);
            }
            Event::Collected { tombstones } => self.collected += tombstones.len() as u64,
            Event::LateWritesDeleted { writes, .. } => self.late_deletes += *writes as u64,
            Event::Adopted { writes, .. } => self.adopted += *writes as u64,
            Event::OrphansDropped { writes, .. } => self.orphans_dropped += *writes as u64,
            Event::Closed { incarnations, .. } => self.closed += *incarnations as u64,
            Event::TooFarAhead { .. } => self.too_far_ahead += 1,
            Event::Fenced { .. } => self.fenced += 1,
            Event::GivenUp { .. } => self.given_up += 1,
            Event::Forgotten { .. } => self.forgotten += 1,
            Event::Superseded { .. } => self.superseded += 1,
            Event::Repaired { entries, .. } => self.repaired += *entries as u64,
            Event::NotMember { .. } | Event::TooManyIncarnations { .. } => self.impossible += 1,
            Event::Announced => self.announced += 1,
            Event::Listed { .. }
            | Event::Joined { .. }
            | Event::OriginStolen { .. }
            | Event::Diverged { .. } => {}
        }
    }

    /// Returns the counters with their names.
    #[must_use]
    pub fn numbers(&self) -> Vec<(&'static str, u64)> {
        let faults = Action::FAULTS.into_iter().zip(self.faults);
        let rest = [
            ("frames", self.frames),
            ("bytes", self.bytes),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("writes", self.writes),
            ("rounds", self.rounds),
            ("full", self.full),
            ("asked", self.asked),
            ("given up", self.given_up),
            ("too far ahead", self.too_far_ahead),
            ("fenced", self.fenced),
            ("collected", self.collected),
            ("late deletes", self.late_deletes),
            ("closed", self.closed),
            ("adopted", self.adopted),
            ("orphans dropped", self.orphans_dropped),
            ("repaired", self.repaired),
            ("impossible", self.impossible),
            ("announced", self.announced),
            ("forgotten", self.forgotten),
            ("superseded", self.superseded),
        ];
        faults.chain(rest).collect()
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.faults.iter_mut().zip(other.faults) {
            *mine += theirs;
        }
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.writes += other.writes;
        self.rounds += other.rounds;
        self.full += other.full;
        self.asked += other.asked;
        self.given_up += other.given_up;
        self.too_far_ahead += other.too_far_ahead;
        self.fenced += other.fenced;
        self.collected += other.collected;
        self.late_deletes += other.late_deletes;
        self.closed += other.closed;
        self.adopted += other.adopted;
        self.orphans_dropped += other.orphans_dropped;
        self.repaired += other.repaired;
        self.impossible += other.impossible;
        self.announced += other.announced;
        self.forgotten += other.forgotten;
        self.superseded += other.superseded;
    }
}
