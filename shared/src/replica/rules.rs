//! The rules of the protocol, each with a name, at the line that keeps it.
//!
//! With the feature `switches`, which only tests use, a replica can be told to break some of them, and whoever checks replicas must
//! notice. Without it every rule is kept, and the compiler knows that.

#[cfg(feature = "switches")]
use std::collections::BTreeSet;

/// A rule that keeps the invariant of [`replica`](super) true. Each says what happens without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An origin names the life, not just the node. Else a new life's writes claim those of the old one, which it lost.
    OriginsCarryTheLife,
    /// The vector advances when a round is whole. Else half a round claims what a later chunk would have brought.
    VectorsWaitForTheEnd,
    /// A step counts for one life of each end. Else a delta made for the old life tells the new one that it has the rest.
    RoundsAreBoundToLives,
    /// All parts of a round are of one serving. Else chunks of one moment are committed with the vector of another.
    RoundsAreOfOneServing,
    /// The vector at the end is as old as the chunks. Else it claims what was written while they were sent.
    TheEndIsOfTheSnapshot,
    /// What is covered already is skipped. Else a slow copy brings back whose tombstone was collected.
    CoveredEntriesAreSkipped,
    /// A clock is never behind what was merged. Else a write over what a node shows may lose against it.
    ClocksPassWhatWasMerged,
    /// A round with a stamp too far ahead is refused whole. Else the vector covers what was left out.
    RoundsAreRefusedWhole,
    /// A new life writes after it has heard from one who joined. Else it acts on an empty map as if that were the truth.
    WritersHaveJoined,
    /// The first has been told by every linked member that it has not joined either. Else a bombed member behind a cut begins anew alone.
    TheFirstHasAskedAll,
    /// A new life's clock starts past the accepted drift. Else it may stamp below what its dead self acknowledged.
    NewLivesWaitOutTheDrift,
    /// Collection asks every member. Else one who was away brings the hero back.
    EveryMemberProves,
    /// A collector covers what the members have proved. Else the older write that it lacks arrives later, as news.
    CollectorsDominate,
    /// A proof dies with its life. Else the next life, which knows nothing, is taken for informed.
    ProofsDieWithTheLife,
    /// The horizon travels. Else a third node hands on a hero whose death it never saw collected.
    HorizonsAreInherited,
    /// Who does not cover the horizon gets a full round. Else nobody ever tells it.
    TheUninformedGetFullRounds,
    /// A full round takes away only what its source has heard of. Else it takes away what nobody else has heard of yet.
    OnlyWhatWasHeardIsForgotten,
    /// A full round leaves a tombstone that its source has not heard of. Else it is covered, held by nobody, and was never collected.
    UnheardTombstonesStay,
    /// A late write to the dead is buried by a new tombstone. Else it stands at some and not at others.
    LateWritesAreBuried,
    /// Nothing is pulled from a life older than the newest known. Else what it still writes follows its own closing.
    OldLivesAreFenced,
    /// A life is closed when every member covers the same of it. Else who has heard less must be sent everything.
    ClosingNeedsAgreement,
    /// Those who agree have all fenced it. Else they may hear more of it afterwards.
    ClosingNeedsFences,
    /// Writes of a closed life that the closers had not heard of are written anew. Else they stand at their holder only.
    OrphansAreAdopted,
    /// Of two lives of one name the older halts.
    TheOlderLifeHalts,
    /// Who hears of a life dated in the future begins a later one, even after it has joined. Else each process that joins through one who has
    /// not heard of it halts, until the clocks have caught up.
    TheMisdatedAreOutlived,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::OriginsCarryTheLife,
        Self::VectorsWaitForTheEnd,
        Self::RoundsAreBoundToLives,
        Self::RoundsAreOfOneServing,
        Self::TheEndIsOfTheSnapshot,
        Self::CoveredEntriesAreSkipped,
        Self::ClocksPassWhatWasMerged,
        Self::RoundsAreRefusedWhole,
        Self::WritersHaveJoined,
        Self::TheFirstHasAskedAll,
        Self::NewLivesWaitOutTheDrift,
        Self::EveryMemberProves,
        Self::CollectorsDominate,
        Self::ProofsDieWithTheLife,
        Self::HorizonsAreInherited,
        Self::TheUninformedGetFullRounds,
        Self::OnlyWhatWasHeardIsForgotten,
        Self::UnheardTombstonesStay,
        Self::LateWritesAreBuried,
        Self::OldLivesAreFenced,
        Self::ClosingNeedsAgreement,
        Self::ClosingNeedsFences,
        Self::OrphansAreAdopted,
        Self::TheOlderLifeHalts,
        Self::TheMisdatedAreOutlived,
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
