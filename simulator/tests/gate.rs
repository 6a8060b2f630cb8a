//! The mutant gate of the simulator: each test disables one protocol rule and requires that seeds
//! or small worlds detect it. A checker that has never failed proves nothing.
//!
//! This gate covers the rules whose absence shows among many random events. The other rules back
//! each other up: a fault that one misses is repaired by the next. Those are disabled in scenarios,
//! in `gossip/src/replica/tests/gate.rs`. Together the two gates cover every rule.

use gossip::Kind;
use gossip::replica::{Rule, Rules};
use simulator::plan::Plan;
use simulator::run;
use simulator::small_world::{Budget, Third, explore};

/// The number of seeds within which a broken rule must be detected.
const SEEDS: u64 = 300;

#[test]
fn seeds_detect_broken_rules() {
    let rules = [
        Rule::OriginsNameTheIncarnation,
        Rule::VectorsWaitForWholeRound,
        Rule::RoundsUseOneServing,
        Rule::EndBelongsToSnapshot,
        Rule::ClocksPassMergedStamps,
        Rule::AcceptedStampsStayAccepted,
        Rule::FurtherMembersCount,
        Rule::CandidatesPassNothingOn,
        Rule::WritersHaveJoined,
        Rule::NewIncarnationsStartPastDrift,
        Rule::EveryMemberProves,
        Rule::OlderIncarnationHalts,
    ];
    let mut undetected = Vec::new();
    for rule in rules {
        let broken = Rules::without([rule]);
        let breach = |seed: u64| {
            run::run(&Plan::draw(seed, None), &broken, false)
                .err()
                .map(|violation| (seed, violation))
        };
        match (0..SEEDS).find_map(breach) {
            Some((seed, violation)) => println!("{rule:?}: seed {seed}: {}", violation.claim),
            None => undetected.push(rule),
        }
    }
    assert!(undetected.is_empty(), "not detected within {SEEDS} seeds each: {undetected:?}");
}

/// A rule whose absence shows only if a replica loses entries or a member sends false rounds.
#[test]
fn seeds_with_faulty_replicas_detect_broken_rule() {
    let broken = Rules::without([Rule::RepairsRemoveNothing]);
    let is_violated =
        |seed: &u64| run::run(&Plan::draw_faulty(*seed, None), &broken, false).is_err();
    let detected = (0..SEEDS).find(is_violated);
    println!("{:?}: seed {detected:?}", Rule::RepairsRemoveNothing);
    assert!(detected.is_some(), "not detected within {SEEDS} seeds");
}

#[test]
fn small_worlds_detect_broken_rules() {
    let deletion_and_bomb =
        Budget { keys: 1, deletions: 1, rounds: 5, bombs: 1, ..Budget::NOTHING };
    let two_deletions_and_bomb = Budget { deletions: 2, rounds: 4, ..deletion_and_bomb };
    let counter_and_bomb =
        Budget { kinds: [Kind::Lasting; 2], writes: 2, rounds: 3, bombs: 1, ..Budget::NOTHING };
    let candidate = Budget { rounds: 4, third: Third::Candidate, ..counter_and_bomb };
    let rules = [
        (Rule::FurtherMembersCount, Budget { third: Third::Further, ..candidate }),
        (Rule::CandidatesAreListed, candidate),
        (Rule::CandidatesPassNothingOn, Budget { writes: 1, ..candidate }),
        (Rule::PullersBehindHorizonGetFullRounds, deletion_and_bomb),
        (Rule::ClosingNeedsFences, deletion_and_bomb),
        (Rule::UnseenTombstonesStay, two_deletions_and_bomb),
        (Rule::OnlyClosedEntriesAreFolded, counter_and_bomb),
    ];
    let mut undetected = Vec::new();
    for (rule, budget) in rules {
        match explore(budget, &Rules::without([rule]), 120_000) {
            Err(found) => println!(
                "{rule:?}: after {} states: {} through {:?}",
                found.states, found.violation, found.actions
            ),
            Ok(_) => undetected.push(rule),
        }
    }
    assert!(undetected.is_empty(), "not detected within 120,000 states each: {undetected:?}");
}
