//! The mutant gate over the scenarios of this module: each rule of the protocol is broken in turn,
//! and some scenario must fail. (The rules that only many events together bring to light have their
//! gate in the simulator.)

#[cfg(feature = "switches")]
use std::{cell::RefCell, panic};

use crate::replica::Rules;

#[cfg(feature = "switches")]
thread_local! {
    static BROKEN: RefCell<Option<crate::replica::Rule>> = const { RefCell::new(None) };
}

/// The rules that the replicas of this thread's scenarios keep.
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
fn every_rule_that_is_broken_fails_the_scenario_that_tells_its_story() {
    use crate::replica::Rule;

    let stories: [(Rule, fn()); 24] = [
        (Rule::OriginsNameTheIncarnation, super::stamps::a_new_life_does_not_claim_the_writes_of_the_old),
        (Rule::VectorsWaitForTheEnd, super::rounds::half_a_round_claims_nothing),
        (Rule::RoundsAreBoundToIncarnations, super::rounds::a_round_made_for_another_incarnation_is_dropped),
        (Rule::TheEndIsOfTheSnapshot, super::rounds::the_source_sends_what_it_had_when_it_was_asked),
        (Rule::CoveredEntriesAreSkipped, super::collection::what_is_covered_is_no_news_even_in_a_full_round),
        (Rule::ClocksPassWhatWasMerged, super::stamps::what_is_written_after_a_round_is_stamped_above_all_that_it_brought),
        (Rule::RoundsAreRefusedWhole, super::stamps::a_round_from_a_clock_too_far_ahead_is_refused_whole_and_taken_once_time_has_caught_up),
        (Rule::WritersHaveJoined, super::join::a_new_life_writes_only_after_it_has_caught_up_or_found_nobody),
        (Rule::TheFirstHasAskedAll, super::join::a_new_life_that_is_linked_and_gets_no_answer_is_not_the_first),
        (Rule::NewIncarnationsWaitOutTheDrift, super::stamps::a_new_life_stamps_above_all_that_the_old_one_acknowledged),
        (Rule::EveryMemberProves, super::collection::a_member_that_is_away_keeps_the_tombstone),
        (Rule::CollectorsDominate, super::collection::what_was_proved_but_not_received_keeps_the_tombstone),
        (Rule::ProofsEndWithTheIncarnation, super::collection::a_proof_does_not_outlive_its_life_even_where_the_next_has_proved_nothing_yet),
        (Rule::HorizonsAreInherited, super::collection::one_who_missed_a_collected_death_gets_a_full_round_and_forgets_the_hero),
        (Rule::TheUninformedGetFullRounds, super::collection::one_who_missed_a_collected_death_gets_a_full_round_and_forgets_the_hero),
        (Rule::OnlySeenKeysAreForgotten, super::collection::a_full_round_leaves_what_its_source_has_not_heard_of),
        (Rule::UnseenTombstonesStay, super::collection::a_full_round_leaves_a_tombstone_that_its_source_has_not_heard_of),
        (Rule::LateWritesAreBuried, super::collection::a_late_write_to_the_dead_is_buried),
        (Rule::OldIncarnationsAreFenced, super::retirement::a_round_from_a_life_that_was_fenced_meanwhile_is_refused),
        (Rule::ClosingNeedsAgreement, super::retirement::a_life_stays_open_until_all_have_heard_as_much_of_it),
        (Rule::ClosingNeedsFences, super::retirement::a_life_is_not_closed_on_proofs_given_before_it_was_fenced),
        (Rule::OrphansAreAdopted, super::retirement::orphans_of_a_closed_life_are_written_anew_by_their_holder),
        (Rule::TheOlderIncarnationHalts, super::retirement::of_two_lives_of_one_name_the_older_halts_and_tells_what_it_leaves),
        (
            Rule::MisdatedIncarnationsAreSuperseded,
            super::retirement::one_that_is_outlived_by_a_life_dated_in_the_future_begins_a_later_one_instead_of_halting,
        ),
    ];
    // Only seeds bring this one to light: the parts of two servings mix where frames are repeated
    // and overtake each other.
    let by_seeds = [Rule::RoundsAreOfOneServing];
    let told =
        |rule: &Rule| stories.iter().any(|(broken, _)| broken == rule) || by_seeds.contains(rule);
    assert!(Rule::ALL.iter().all(told), "a rule without a story");
    panic::set_hook(Box::new(|_| {}));
    let verdicts = stories.map(|(rule, story)| {
        let kept = panic::catch_unwind(story).is_ok();
        BROKEN.set(Some(rule));
        let broken = panic::catch_unwind(story).is_err();
        BROKEN.set(None);
        (rule, kept, broken)
    });
    let _ = panic::take_hook();
    for (rule, kept, broken) in verdicts {
        assert!(kept && broken, "{rule:?}: holds when kept: {kept}; noticed when broken: {broken}");
    }
}
