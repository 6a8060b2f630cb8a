//! The rules of the protocol. Each has a name, at the line that keeps it.
//!
//! With the feature `switches`, which only tests use, a replica can be told to break some of them,
//! and the checks must notice. Without it every rule is kept, and the compiler knows that.

#[cfg(feature = "switches")]
use std::collections::BTreeSet;

/// A rule that keeps the invariant of [`replica`](super) true, and the consequence of breaking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An origin names the incarnation, not just the node. Otherwise a new incarnation's writes
    /// claim the lost ones of the old.
    OriginsNameTheIncarnation,
    /// The vector advances when a round is whole. Otherwise half a round claims what a later chunk
    /// brings.
    VectorsWaitForTheEnd,
    /// A step counts for one incarnation of each end. Otherwise a delta made for the old
    /// incarnation tells the new one that it has the rest.
    RoundsAreBoundToIncarnations,
    /// All parts of a round are of one serving. Otherwise chunks of one snapshot are committed with
    /// the vector of another.
    RoundsAreOfOneServing,
    /// The vector at the end is as old as the chunks. Otherwise it claims what was written since.
    TheEndIsOfTheSnapshot,
    /// Covered entries are skipped. Otherwise a slow copy revives a key whose tombstone was
    /// collected.
    CoveredEntriesAreSkipped,
    /// A clock is never behind merged stamps. Otherwise a write over a shown entry may lose to it.
    ClocksPassWhatWasMerged,
    /// A round with a stamp too far ahead is refused as a whole. Otherwise the vector covers what
    /// was left out.
    RoundsAreRefusedWhole,
    /// A new incarnation writes after it has caught up with a member that has joined. Otherwise it
    /// acts on an empty map.
    WritersHaveJoined,
    /// The first member has learned from every linked member that it has not joined either.
    /// Otherwise a restarted member behind a partition begins alone.
    TheFirstHasAskedAll,
    /// A new incarnation's clock starts past the accepted drift. Otherwise it may stamp below an
    /// acknowledged write of its predecessor.
    NewIncarnationsWaitOutTheDrift,
    /// Collection needs a proof of every member. Otherwise one that was away revives the key.
    EveryMemberProves,
    /// A collector covers what the members have proved. Otherwise an older write that it lacks
    /// arrives as news.
    CollectorsDominate,
    /// A proof ends with its incarnation. Otherwise the next, which knows nothing, counts as
    /// informed.
    ProofsEndWithTheIncarnation,
    /// The horizon travels with rounds. Otherwise a third node passes on a key whose tombstone it
    /// never saw collected.
    HorizonsAreInherited,
    /// A puller that does not cover the horizon gets a full round. Otherwise it never learns of the
    /// deletion.
    TheUninformedGetFullRounds,
    /// A full round removes only what its source has seen. Otherwise it removes a write that no
    /// other node has.
    OnlySeenKeysAreForgotten,
    /// A full round leaves tombstones that its source has not seen. Otherwise they are covered,
    /// held nowhere, and never collected.
    UnseenTombstonesStay,
    /// A late write to a deleted key gets a new tombstone. Otherwise it stays at some members only.
    LateWritesAreBuried,
    /// Nothing is pulled from an incarnation older than the newest known. Otherwise writes follow
    /// its closing.
    OldIncarnationsAreFenced,
    /// An incarnation is closed when every member covers the same of it. Otherwise one that has
    /// less must be sent everything.
    ClosingNeedsAgreement,
    /// The members that agree have all fenced it. Otherwise they may still get more of it.
    ClosingNeedsFences,
    /// Writes of a closed incarnation that the closers did not have are written again. Otherwise
    /// they stay at their holder only.
    OrphansAreAdopted,
    /// Of two incarnations of one name the older halts.
    TheOlderIncarnationHalts,
    /// An incarnation that learns of one dated in the future begins a later one, even after it has
    /// joined. Otherwise each process that joins through a member without that knowledge halts,
    /// until the clocks have caught up.
    MisdatedIncarnationsAreSuperseded,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 25] = [
        Self::OriginsNameTheIncarnation,
        Self::VectorsWaitForTheEnd,
        Self::RoundsAreBoundToIncarnations,
        Self::RoundsAreOfOneServing,
        Self::TheEndIsOfTheSnapshot,
        Self::CoveredEntriesAreSkipped,
        Self::ClocksPassWhatWasMerged,
        Self::RoundsAreRefusedWhole,
        Self::WritersHaveJoined,
        Self::TheFirstHasAskedAll,
        Self::NewIncarnationsWaitOutTheDrift,
        Self::EveryMemberProves,
        Self::CollectorsDominate,
        Self::ProofsEndWithTheIncarnation,
        Self::HorizonsAreInherited,
        Self::TheUninformedGetFullRounds,
        Self::OnlySeenKeysAreForgotten,
        Self::UnseenTombstonesStay,
        Self::LateWritesAreBuried,
        Self::OldIncarnationsAreFenced,
        Self::ClosingNeedsAgreement,
        Self::ClosingNeedsFences,
        Self::OrphansAreAdopted,
        Self::TheOlderIncarnationHalts,
        Self::MisdatedIncarnationsAreSuperseded,
    ];
}

/// Which rules a replica keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    #[cfg(feature = "switches")]
    broken: BTreeSet<Rule>,
}

impl Rules {
    /// All but these. For tests of tests.
    #[cfg(feature = "switches")]
    #[must_use]
    pub fn without(broken: impl IntoIterator<Item = Rule>) -> Self {
        Self { broken: broken.into_iter().collect() }
    }

    #[cfg(feature = "switches")]
    pub(super) fn keep(&self, rule: Rule) -> bool {
        !self.broken.contains(&rule)
    }

    #[cfg(not(feature = "switches"))]
    #[expect(clippy::unused_self, reason = "the same signature as with switches")]
    pub(super) fn keep(&self, _: Rule) -> bool {
        true
    }
}
