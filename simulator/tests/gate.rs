//! The mutant gate over seeds and small worlds: a rule of the protocol is broken, and they must
//! notice. A checker that has never objected to anything proves nothing.
//!
//! Here are the rules whose breach shows by itself among many events. Some others are nets under
//! each other: what one lets slip, the next mends. Those are broken in the scenarios that tell
//! their story, `shared/src/replica/tests/gate.rs`; together the two gates break every rule.

use gossip::replica::{Rule, Rules};
use simulator::plan::Plan;
use simulator::run;
use simulator::small_world::{Budget, explore};

/// Within how many seeds a breach must show.
const SEEDS: u64 = 300;

#[test]
fn seeds_notice_a_broken_rule() {
    let rules = [
        Rule::OriginsNameTheIncarnation,
        Rule::VectorsWaitForTheEnd,
        Rule::RoundsAreOfOneServing,
        Rule::TheEndIsOfTheSnapshot,
        Rule::ClocksPassWhatWasMerged,
        Rule::WritersHaveJoined,
        Rule::NewIncarnationsWaitOutTheDrift,
        Rule::EveryMemberProves,
        Rule::OnlySeenKeysAreForgotten,
        Rule::TheOlderIncarnationHalts,
    ];
    let mut unnoticed = Vec::new();
    for rule in rules {
        let broken = Rules::without([rule]);
        let breach = |seed: u64| {
            run::run(&Plan::draw(seed, None), &broken, false)
                .err()
                .map(|violation| (seed, violation))
        };
        match (0..SEEDS).find_map(breach) {
            Some((seed, violation)) => println!("{rule:?}: seed {seed}: {}", violation.claim),
            None => unnoticed.push(rule),
        }
    }
    assert!(unnoticed.is_empty(), "{SEEDS} seeds each did not notice {unnoticed:?}");
}

#[test]
fn small_worlds_notice_a_broken_rule() {
    let death_and_bomb = Budget { keys: 1, deaths: 1, rounds: 5, bombs: 1, ..Budget::default() };
    let two_deaths_and_bomb = Budget { deaths: 2, rounds: 4, ..death_and_bomb };
    let rules = [
        (Rule::TheUninformedGetFullRounds, death_and_bomb),
        (Rule::ClosingNeedsFences, death_and_bomb),
        (Rule::UnseenTombstonesStay, two_deaths_and_bomb),
    ];
    let mut unnoticed = Vec::new();
    for (rule, budget) in rules {
        match explore(budget, &Rules::without([rule]), 120_000) {
            Err(found) => println!(
                "{rule:?}: after {} states: {} by {:?}",
                found.states, found.violation, found.actions
            ),
            Ok(_) => unnoticed.push(rule),
        }
    }
    assert!(unnoticed.is_empty(), "120,000 states each did not notice {unnoticed:?}");
}
