//! The mutant gate of these tests: each rule of the protocol is disabled in turn, and its scenario
//! must fail. (Rules whose violation shows only in long random runs have their gate in the
//! simulator.)

#[cfg(feature = "switches")]
use std::{cell::RefCell, panic};

use crate::replica::Rules;

#[cfg(feature = "switches")]
thread_local! {
    static BROKEN: RefCell<Option<crate::replica::Rule>> = const { RefCell::new(None) };
}

/// The rules in force for the replicas of this thread's scenarios.
#[cfg(feature = "switches")]
pub(super) fn rules() -> Rules {
    Rules::without(BROKEN.with_borrow(|broken| *broken))
}

#[cfg(not(feature = "switches"))]
pub(super) fn rules() -> Rules {
    Rules::default()
}

#[cfg(feature = "switches")]
#[test]
fn each_broken_rule_fails_its_scenario() {
    use crate::replica::Rule;

    let scenarios: [(Rule, fn()); 44] = [
        (Rule::OriginsNameTheIncarnation, super::stamps::new_incarnation_does_not_claim_old_writes),
        (
            Rule::IncarnationsAreRandom,
            super::faulty::processes_of_one_name_and_millisecond_do_not_cover_each_others_writes,
        ),
        (
            Rule::FutureIncarnationsAreRefused,
            super::faulty::round_with_future_incarnation_is_refused,
        ),
        (Rule::WritersAreMembers, super::faulty::round_with_writes_of_no_member_is_refused),
        (Rule::OnlyCarriersPassOn, super::faulty::rounds_of_others_are_accepted_from_carriers_only),
        (
            Rule::RepairsRemoveNothing,
            super::faulty::round_of_replica_without_entries_removes_nothing,
        ),
        (Rule::VectorsWaitForWholeRound, super::rounds::partial_round_claims_nothing),
        (
            Rule::RoundsAreBoundToIncarnations,
            super::rounds::round_for_another_incarnation_is_dropped,
        ),
        (Rule::EndBelongsToSnapshot, super::rounds::source_sends_snapshot_of_request_time),
        (
            Rule::CoveredEntriesAreSkipped,
            super::collection::covered_entries_are_skipped_in_full_round,
        ),
        (
            Rule::ClocksPassMergedStamps,
            super::stamps::write_after_round_is_stamped_above_merged_entries,
        ),
        (
            Rule::RoundsAreRefusedWhole,
            super::stamps::round_too_far_ahead_is_refused_until_clock_catches_up,
        ),
        (
            Rule::AcceptedStampsStayAccepted,
            super::stamps::clocks_set_back_together_do_not_stop_rounds,
        ),
        (Rule::WritersHaveJoined, super::join::new_incarnation_writes_only_after_joining),
        (Rule::FirstMemberHasAskedAll, super::join::unanswered_incarnation_does_not_join_as_first),
        (
            Rule::NewIncarnationsStartPastDrift,
            super::stamps::new_incarnation_stamps_above_acknowledged_writes,
        ),
        (Rule::FurtherMembersCount, super::roster::further_member_holds_back_tombstones),
        (Rule::CandidatesAreListed, super::roster::candidate_waits_for_every_member),
        (Rule::CandidatesPassNothingOn, super::roster::nothing_is_taken_from_candidate),
        (Rule::EveryMemberProves, super::collection::absent_member_holds_back_tombstone),
        (
            Rule::CollectorsCoverProofs,
            super::collection::proof_beyond_own_vector_holds_back_tombstone,
        ),
        (
            Rule::ProofsEndWithTheIncarnation,
            super::collection::proof_ends_with_its_incarnation_before_successor_proves,
        ),
        (
            Rule::HorizonsAreInherited,
            super::collection::replica_behind_horizon_gets_full_round_and_removes_key,
        ),
        (
            Rule::PullersBehindHorizonGetFullRounds,
            super::collection::replica_behind_horizon_gets_full_round_and_removes_key,
        ),
        (
            Rule::OnlySeenKeysAreRemoved,
            super::collection::full_round_keeps_entries_unseen_by_source,
        ),
        (
            Rule::UnseenTombstonesStay,
            super::collection::full_round_keeps_tombstone_unseen_by_source,
        ),
        (
            Rule::LateWritesAreDeleted,
            super::collection::late_write_to_deleted_key_gets_new_tombstone,
        ),
        (
            Rule::RegistersAreReborn,
            super::tables::register_set_by_outsider_over_collected_deletion_is_kept,
        ),
        (
            Rule::OlderWritesToRegistersLose,
            super::tables::older_write_to_unset_register_loses_without_new_deletion,
        ),
        (Rule::UnseenWritesToRegistersStay, super::tables::write_after_collected_deletion_is_kept),
        (Rule::EarlierBirthsAreAdopted, super::tables::birth_before_collected_deletion_is_adopted),
        (
            Rule::EarlierBirthsAreAdopted,
            super::tables::held_birth_before_collected_deletion_is_adopted,
        ),
        (Rule::OwnedEntriesAreKept, super::tables::full_round_keeps_owned_entries),
        (Rule::EphemeralEntriesEnd, super::tables::ephemeral_entries_end_with_their_incarnation),
        (
            Rule::OwnedOrphansAreDropped,
            super::tables::owned_orphans_are_replaced_by_those_of_the_closing_members,
        ),
        (Rule::RingsKeepTheNewest, super::tables::rings_keep_the_newest_of_closed_incarnations),
        (Rule::FoldedEntriesEnd, super::tables::shards_of_a_node_that_restarts_are_folded),
        (Rule::OnlyClosedEntriesAreFolded, super::tables::shard_of_open_incarnation_is_not_folded),
        (
            Rule::OldIncarnationsAreFenced,
            super::retirement::round_from_fenced_incarnation_is_refused,
        ),
        (
            Rule::ClosingNeedsAgreement,
            super::retirement::incarnation_closes_only_when_all_cover_the_same,
        ),
        (
            Rule::ClosingNeedsFences,
            super::retirement::proofs_before_fencing_do_not_close_incarnation,
        ),
        (Rule::OrphansAreAdopted, super::retirement::orphans_of_closed_incarnation_are_adopted),
        (
            Rule::OlderIncarnationHalts,
            super::retirement::older_incarnation_halts_and_lists_unreplicated_writes,
        ),
        (
            Rule::MisdatedIncarnationsAreSuperseded,
            super::retirement::incarnation_superseded_by_misdated_one_does_not_halt,
        ),
    ];
    // Only random runs show a violation of this rule: parts of two servings mix if frames are
    // duplicated and reordered.
    let in_simulator = [Rule::RoundsUseOneServing];
    let has_scenario = |rule: &Rule| {
        scenarios.iter().any(|(broken, _)| broken == rule) || in_simulator.contains(rule)
    };
    assert!(Rule::ALL.iter().all(has_scenario), "every rule needs a scenario");
    panic::set_hook(Box::new(|_| {}));
    let verdicts = scenarios.map(|(rule, scenario)| {
        let kept = panic::catch_unwind(scenario).is_ok();
        BROKEN.set(Some(rule));
        let broken = panic::catch_unwind(scenario).is_err();
        BROKEN.set(None);
        (rule, kept, broken)
    });
    let _ = panic::take_hook();
    for (rule, kept, broken) in verdicts {
        assert!(
            kept && broken,
            "{rule:?}: passes when in force: {kept}; fails when disabled: {broken}"
        );
    }
}
