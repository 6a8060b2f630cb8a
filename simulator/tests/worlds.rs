//! Small worlds, explored to the end. The number of states is asserted: should it change, something
//! else is being explored.

use gossip::replica::Rules;
use simulator::small_world::{Budget, explore};

const NOTHING: Budget = Budget {
    keys: 1,
    writes: 0,
    deaths: 0,
    rounds: 0,
    slow_rounds: 0,
    bombs: 0,
    doubles: 0,
    forgets: 0,
};

#[track_caller]
fn holds(budget: Budget, states: usize) {
    let explored =
        explore(budget, &Rules::default(), usize::MAX).unwrap_or_else(|found| panic!("{found:?}"));
    println!("{budget:?}: {explored:?}");
    assert_eq!(explored.states, states);
}

#[test]
fn parts_under_way_past_a_bomb_and_a_second_hero() {
    holds(Budget { keys: 2, writes: 1, rounds: 1, slow_rounds: 1, bombs: 1, ..NOTHING }, 8_385);
}

#[test]
fn two_slow_rounds_over_one_another() {
    holds(Budget { keys: 2, writes: 1, rounds: 1, slow_rounds: 2, ..NOTHING }, 7_408);
}

#[test]
fn a_death_collected_while_parts_are_under_way() {
    holds(Budget { deaths: 1, rounds: 3, slow_rounds: 1, ..NOTHING }, 9_688);
}

#[test]
fn a_death_against_a_write_with_a_bomb() {
    holds(Budget { writes: 1, deaths: 1, rounds: 2, bombs: 1, ..NOTHING }, 12_579);
}

#[test]
fn a_death_and_two_incarnations_of_a_joiner() {
    holds(Budget { deaths: 1, rounds: 3, bombs: 2, ..NOTHING }, 44_419);
}

#[test]
fn two_deaths_of_one_hero_with_a_bomb() {
    holds(Budget { deaths: 2, rounds: 4, bombs: 1, ..NOTHING }, 110_983);
}

#[test]
fn two_processes_of_one_name() {
    holds(Budget { writes: 1, rounds: 3, doubles: 1, ..NOTHING }, 10_465);
}

#[test]
fn a_forgotten_member_that_still_runs() {
    holds(Budget { writes: 1, deaths: 1, rounds: 3, forgets: 1, ..NOTHING }, 62_509);
}

/// The larger ones, some millions of states each: `make worlds`.
#[test]
#[ignore = "takes minutes and gigabytes: make worlds"]
fn millions_of_states() {
    for budget in [
        Budget { keys: 2, writes: 2, rounds: 2, slow_rounds: 1, bombs: 1, ..NOTHING },
        Budget { writes: 1, deaths: 1, rounds: 3, slow_rounds: 1, bombs: 1, ..NOTHING },
    ] {
        let explored = explore(budget, &Rules::default(), usize::MAX)
            .unwrap_or_else(|found| panic!("{found:?}"));
        println!("{budget:?}: {explored:?}");
    }
}
