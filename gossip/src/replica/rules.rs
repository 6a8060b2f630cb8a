//! The rules of the protocol, by name. Each name is used at the line that implements the rule.
//!
//! With the feature `switches`, which only tests use, a replica can be configured to violate some
//! rules, and the checks must detect it. Without the feature all rules are in force, and the
//! compiler removes the checks.

#[cfg(feature = "switches")]
use std::collections::BTreeSet;

/// A rule that preserves the invariant of [`replica`](super), with the consequence of violating it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An origin contains the incarnation, not just the node. Otherwise the writes of a new
    /// incarnation cover the lost writes of the old one.
    OriginsNameTheIncarnation,
    /// An incarnation contains random bits. Otherwise two processes of one name that start in the
    /// same millisecond write under one origin, and cover each other's writes without having them.
    IncarnationsAreRandom,
    /// The vector advances when a round is complete. Otherwise half a round covers the entries of a
    /// later chunk.
    VectorsWaitForWholeRound,
    /// A step is valid for one incarnation of each end. Otherwise the new incarnation merges a
    /// delta that omits entries which only the old one had.
    RoundsAreBoundToIncarnations,
    /// All parts of a round are from one serving. Otherwise chunks of one snapshot are committed
    /// with the vector of another.
    RoundsUseOneServing,
    /// The vector at the end is from the same moment as the chunks. Otherwise it covers later
    /// writes.
    EndBelongsToSnapshot,
    /// Covered entries are skipped. Otherwise a late copy revives a key whose tombstone was
    /// collected.
    CoveredEntriesAreSkipped,
    /// A clock is never behind merged stamps. Otherwise a write over a merged entry may lose to it.
    ClocksPassMergedStamps,
    /// A round with a stamp too far ahead is refused as a whole. Otherwise the vector covers the
    /// entries that were left out.
    RoundsAreRefusedWhole,
    /// A round with an incarnation dated in the future is refused. Otherwise one such slot fences
    /// all later processes of that name.
    FutureIncarnationsAreRefused,
    /// A round contains only writes of members, and no more names than there may be members.
    /// Otherwise one member fills all vectors with invented names, until no frame can carry them.
    WritersAreMembers,
    /// A member passes on rounds of others only if it is a carrier. Otherwise any member speaks for
    /// all others.
    OnlyCarriersPassOn,
    /// After a divergence each replica takes what it is missing. Otherwise a replica that lost
    /// entries removes them from all others.
    RepairsRemoveNothing,
    /// The limit for stamps does not go back with the wall clock, and an operator can raise it.
    /// Otherwise nodes whose clocks were ahead refuse each other's writes once the clocks are right.
    AcceptedStampsStayAccepted,
    /// A node with a slot in the vector is a member, and its proof is needed. Otherwise what it has
    /// not seen is collected without it.
    FurtherMembersCount,
    /// A further node writes only after every member has it on its roster. Otherwise a member that
    /// does not know it collects without it.
    CandidatesAreListed,
    /// Of the rounds of a candidate only slots of candidates are taken. Otherwise members receive
    /// writes that they have closed without it, and drop them again.
    CandidatesPassNothingOn,
    /// A new incarnation writes only after it has caught up with a joined member. Otherwise it acts
    /// on an empty map.
    WritersHaveJoined,
    /// An incarnation joins as the first only after all linked members have reported that they have
    /// not joined. Otherwise a restarted member that gets no answers starts a second cluster.
    FirstMemberHasAskedAll,
    /// The clock of a new incarnation starts beyond the accepted drift. Otherwise it may stamp
    /// below an acknowledged write of its predecessor.
    NewIncarnationsStartPastDrift,
    /// Collection needs a proof of each member. Otherwise a member that was away revives the key.
    EveryMemberProves,
    /// A collector covers all that the members have proved. Otherwise an older write that it is
    /// missing arrives later and is stored.
    CollectorsCoverProofs,
    /// A proof ends with its incarnation. Otherwise the next incarnation, which starts empty,
    /// counts as having proved the same.
    ProofsEndWithTheIncarnation,
    /// The horizon is sent with rounds. Otherwise a third node keeps sending a key whose tombstone
    /// was collected elsewhere.
    HorizonsAreInherited,
    /// A puller that does not cover the horizon gets a full round. Otherwise it keeps the deleted
    /// key.
    PullersBehindHorizonGetFullRounds,
    /// A full round removes only keys that its source has seen. Otherwise it removes a write that
    /// no other node has.
    OnlySeenKeysAreRemoved,
    /// A full round keeps tombstones that its source has not seen. Otherwise they are covered but
    /// no longer held, although they were never collected.
    UnseenTombstonesStay,
    /// A late write to a deleted key gets a new tombstone. Otherwise it remains at some members
    /// only.
    LateWritesAreDeleted,
    /// A write to an unset register is a new birth. Otherwise replicas that have collected the
    /// deletion take it for a late write.
    RegistersAreReborn,
    /// A write to an unset register that is older has lost. Otherwise it is deleted anew, together
    /// with later writes that set the register again.
    OlderWritesToRegistersLose,
    /// A write to a register that its peer has not seen stays, unless a collected deletion may be
    /// later. Otherwise a write that is later than the deletion is lost.
    UnseenWritesToRegistersStay,
    /// A register with an earlier stamp than a collected deletion, which appears at the collector or
    /// is held by one who hears of the collection, is written again. Otherwise it is live where its own
    /// deletion was collected, and deleted elsewhere.
    EarlierBirthsAreAdopted,
    /// A full round removes no owned entries. Otherwise it removes what no owner has deleted.
    OwnedEntriesAreKept,
    /// Ephemeral entries end with their incarnation, wherever it is known to have ended. Otherwise
    /// they stay for ever, since nobody else may write them.
    EphemeralEntriesEnd,
    /// Owned entries of a closed incarnation that the closing members did not have are dropped.
    /// Otherwise they remain at their holder only.
    OwnedOrphansAreDropped,
    /// Of the entries of closed incarnations, a ring keeps the newest. Otherwise every restart adds
    /// a ring that is never removed.
    RingsKeepTheNewest,
    /// An entry of a closed incarnation is removed once a later closed one contains it. Otherwise
    /// every restart adds an entry to each counter that is never removed.
    FoldedEntriesEnd,
    /// Only the entries of closed incarnations are folded. Otherwise what they receive later is
    /// lost.
    OnlyClosedEntriesAreFolded,
    /// Nothing is pulled from an incarnation older than the newest one seen. Otherwise its writes
    /// arrive after it was closed.
    OldIncarnationsAreFenced,
    /// An incarnation is closed when all members cover the same writes of it. Otherwise a member
    /// that covers less needs a full round.
    ClosingNeedsAgreement,
    /// The members that agree have all fenced it. Otherwise they may still receive more of its
    /// writes.
    ClosingNeedsFences,
    /// Writes of a closed incarnation that the closing members did not have are rewritten by their
    /// holder. Otherwise they remain at their holder only.
    OrphansAreAdopted,
    /// Of two incarnations of one name the older one halts. Otherwise both keep writing under one
    /// name.
    OlderIncarnationHalts,
    /// An incarnation that sees one dated in the future restarts with a later number, even after it
    /// has joined. Otherwise each process that joins through a member without that knowledge halts,
    /// until the clocks have caught up.
    MisdatedIncarnationsAreSuperseded,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 44] = [
        Self::OriginsNameTheIncarnation,
        Self::IncarnationsAreRandom,
        Self::VectorsWaitForWholeRound,
        Self::RoundsAreBoundToIncarnations,
        Self::RoundsUseOneServing,
        Self::EndBelongsToSnapshot,
        Self::CoveredEntriesAreSkipped,
        Self::ClocksPassMergedStamps,
        Self::RoundsAreRefusedWhole,
        Self::FutureIncarnationsAreRefused,
        Self::WritersAreMembers,
        Self::OnlyCarriersPassOn,
        Self::RepairsRemoveNothing,
        Self::AcceptedStampsStayAccepted,
        Self::FurtherMembersCount,
        Self::CandidatesAreListed,
        Self::CandidatesPassNothingOn,
        Self::WritersHaveJoined,
        Self::FirstMemberHasAskedAll,
        Self::NewIncarnationsStartPastDrift,
        Self::EveryMemberProves,
        Self::CollectorsCoverProofs,
        Self::ProofsEndWithTheIncarnation,
        Self::HorizonsAreInherited,
        Self::PullersBehindHorizonGetFullRounds,
        Self::OnlySeenKeysAreRemoved,
        Self::UnseenTombstonesStay,
        Self::LateWritesAreDeleted,
        Self::RegistersAreReborn,
        Self::OlderWritesToRegistersLose,
        Self::UnseenWritesToRegistersStay,
        Self::EarlierBirthsAreAdopted,
        Self::OwnedEntriesAreKept,
        Self::EphemeralEntriesEnd,
        Self::OwnedOrphansAreDropped,
        Self::RingsKeepTheNewest,
        Self::FoldedEntriesEnd,
        Self::OnlyClosedEntriesAreFolded,
        Self::OldIncarnationsAreFenced,
        Self::ClosingNeedsAgreement,
        Self::ClosingNeedsFences,
        Self::OrphansAreAdopted,
        Self::OlderIncarnationHalts,
        Self::MisdatedIncarnationsAreSuperseded,
    ];
}

/// The set of rules that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    #[cfg(feature = "switches")]
    broken: BTreeSet<Rule>,
}

impl Rules {
    /// Returns all rules except these. For tests that check the checks.
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
