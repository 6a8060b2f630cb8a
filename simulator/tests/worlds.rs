//! Small worlds, explored exhaustively. The number of states is asserted: if it changes, the tests
//! explore something else.

use gossip::Kind;
use gossip::replica::Rules;
use simulator::small_world::{Budget, Third, explore};

const NOTHING: Budget = Budget::NOTHING;

#[track_caller]
fn assert_explored(budget: Budget, states: usize) {
    let explored =
        explore(budget, &Rules::default(), usize::MAX).unwrap_or_else(|found| panic!("{found:?}"));
    println!("{budget:?}: {explored:?}");
    assert_eq!(explored.states, states);
}

#[test]
fn messages_in_flight_outlast_a_bomb() {
    assert_explored(
        Budget { keys: 2, writes: 1, rounds: 1, slow_rounds: 1, bombs: 1, ..NOTHING },
        8_385,
    );
}

#[test]
fn two_overlapping_slow_rounds() {
    assert_explored(Budget { keys: 2, writes: 1, rounds: 1, slow_rounds: 2, ..NOTHING }, 7_408);
}

#[test]
fn deletion_collected_with_messages_in_flight() {
    assert_explored(Budget { deletions: 1, rounds: 3, slow_rounds: 1, ..NOTHING }, 9_688);
}

#[test]
fn deletion_concurrent_with_write_and_bomb() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 2, bombs: 1, ..NOTHING }, 12_579);
}

#[test]
fn deletion_with_two_bombs() {
    assert_explored(Budget { deletions: 1, rounds: 3, bombs: 2, ..NOTHING }, 44_419);
}

#[test]
fn two_deletions_of_one_hero_with_bomb() {
    assert_explored(Budget { deletions: 2, rounds: 4, bombs: 1, ..NOTHING }, 110_983);
}

#[test]
fn two_processes_of_one_name() {
    assert_explored(Budget { writes: 1, rounds: 3, doubles: 1, ..NOTHING }, 10_465);
}

#[test]
fn forgotten_member_keeps_running() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 3, forgets: 1, ..NOTHING }, 62_509);
}

const REGISTER: Budget = Budget { kinds: [Kind::Register; 2], ..NOTHING };
const LASTING: Budget = Budget { kinds: [Kind::Lasting; 2], ..NOTHING };
const EPHEMERAL: Budget = Budget { kinds: [Kind::Ephemeral; 2], ..NOTHING };

#[test]
fn register_with_bomb() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 3, bombs: 1, ..REGISTER }, 94_993);
}

#[test]
fn register_with_messages_in_flight() {
    assert_explored(
        Budget { writes: 1, deletions: 1, rounds: 2, slow_rounds: 1, ..REGISTER },
        45_934,
    );
}

#[test]
fn register_with_two_processes_of_one_name() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 2, doubles: 1, ..REGISTER }, 29_058);
}

#[test]
fn register_with_forgotten_member() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 3, forgets: 1, ..REGISTER }, 84_340);
}

#[test]
fn ephemeral_key_with_two_bombs() {
    assert_explored(Budget { writes: 1, rounds: 3, bombs: 2, ..EPHEMERAL }, 44_419);
}

#[test]
fn ephemeral_key_with_messages_in_flight() {
    let budget = Budget { writes: 1, rounds: 2, slow_rounds: 1, bombs: 1, ..EPHEMERAL };
    assert_explored(budget, 48_489);
}

#[test]
fn ephemeral_key_with_two_processes_of_one_name() {
    assert_explored(Budget { writes: 2, rounds: 2, doubles: 1, ..EPHEMERAL }, 14_541);
}

#[test]
fn ephemeral_key_with_forgotten_member() {
    assert_explored(Budget { writes: 1, rounds: 3, forgets: 1, ..EPHEMERAL }, 6_253);
}

#[test]
fn lasting_key_with_two_bombs() {
    assert_explored(Budget { writes: 1, rounds: 3, bombs: 2, ..LASTING }, 44_419);
}

#[test]
fn lasting_key_with_messages_in_flight() {
    let budget = Budget { writes: 1, rounds: 2, slow_rounds: 1, bombs: 1, ..LASTING };
    assert_explored(budget, 48_501);
}

#[test]
fn lasting_key_with_two_processes_of_one_name() {
    assert_explored(Budget { writes: 2, rounds: 2, doubles: 1, ..LASTING }, 14_541);
}

#[test]
fn lasting_key_with_forgotten_member() {
    assert_explored(Budget { writes: 1, rounds: 3, forgets: 1, ..LASTING }, 6_253);
}

/// The next increment of `a` folds the shard of its closed incarnation.
#[test]
fn counter_that_folds_with_bomb() {
    assert_explored(Budget { writes: 2, rounds: 3, bombs: 1, restarts: 1, ..LASTING }, 47_839);
}

#[test]
fn counter_that_folds_with_messages_in_flight() {
    assert_explored(
        Budget { writes: 2, rounds: 2, slow_rounds: 1, restarts: 1, ..LASTING },
        23_818,
    );
}

#[test]
fn counter_that_folds_with_two_processes_of_one_name() {
    assert_explored(Budget { writes: 2, rounds: 2, doubles: 1, restarts: 1, ..LASTING }, 14_541);
}

#[test]
fn counter_that_folds_with_forgotten_member() {
    assert_explored(Budget { writes: 2, rounds: 2, forgets: 1, restarts: 1, ..LASTING }, 8_034);
}

const CANDIDATE: Budget = Budget { third: Third::Candidate, ..NOTHING };
const FURTHER: Budget = Budget { third: Third::Further, ..NOTHING };

#[test]
fn further_member_with_deletion_and_bomb() {
    assert_explored(Budget { deletions: 1, rounds: 4, bombs: 1, ..FURTHER }, 24_850);
}

#[test]
fn further_member_that_is_forgotten() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 3, forgets: 1, ..FURTHER }, 62_509);
}

#[test]
fn further_member_with_counter_and_bomb() {
    let kinds = [Kind::Lasting; 2];
    assert_explored(Budget { writes: 1, rounds: 4, bombs: 1, kinds, ..FURTHER }, 24_658);
}

#[test]
fn candidate_with_deletion_and_write() {
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 5, ..CANDIDATE }, 90_100);
}

#[test]
fn candidate_with_bomb() {
    assert_explored(Budget { deletions: 1, rounds: 4, bombs: 1, ..CANDIDATE }, 39_983);
}

#[test]
fn candidate_with_messages_in_flight() {
    assert_explored(Budget { deletions: 1, rounds: 4, slow_rounds: 1, ..CANDIDATE }, 118_814);
}

#[test]
fn candidate_that_is_forgotten() {
    assert_explored(Budget { deletions: 1, rounds: 4, forgets: 1, ..CANDIDATE }, 26_560);
}

#[test]
fn candidate_with_register() {
    let kinds = [Kind::Register; 2];
    assert_explored(Budget { writes: 1, deletions: 1, rounds: 5, kinds, ..CANDIDATE }, 133_107);
}

#[test]
fn candidate_with_counter_and_bomb() {
    let kinds = [Kind::Lasting; 2];
    assert_explored(Budget { writes: 1, rounds: 4, bombs: 1, kinds, ..CANDIDATE }, 39_283);
}

/// A hero, a register and owned keys in one map.
#[test]
fn kinds_mixed_in_one_map() {
    let budget = Budget { keys: 2, writes: 1, deletions: 1, rounds: 2, bombs: 1, ..NOTHING };
    for (second, states) in [(Kind::Register, 28_767), (Kind::Ephemeral, 25_548)] {
        assert_explored(Budget { kinds: [Kind::Once, second], ..budget }, states);
    }
}

/// The larger worlds, some millions of states each: `make worlds`.
#[test]
#[ignore = "takes minutes and gigabytes: make worlds"]
fn millions_of_states() {
    for budget in [
        Budget { keys: 2, writes: 2, rounds: 2, slow_rounds: 1, bombs: 1, ..NOTHING },
        Budget { writes: 1, deletions: 1, rounds: 3, slow_rounds: 1, bombs: 1, ..NOTHING },
        Budget { writes: 2, deletions: 1, rounds: 3, bombs: 1, ..REGISTER },
        Budget { writes: 1, deletions: 1, rounds: 2, slow_rounds: 1, bombs: 1, ..REGISTER },
        Budget { writes: 2, deletions: 2, rounds: 3, ..REGISTER },
        Budget { writes: 2, rounds: 3, bombs: 2, ..EPHEMERAL },
        Budget { writes: 2, rounds: 3, bombs: 2, ..LASTING },
        Budget { writes: 2, rounds: 3, bombs: 2, restarts: 1, ..LASTING },
        Budget {
            keys: 2,
            kinds: [Kind::Once, Kind::Lasting],
            deletions: 1,
            writes: 1,
            rounds: 3,
            bombs: 1,
            ..NOTHING
        },
    ] {
        let explored = explore(budget, &Rules::default(), usize::MAX)
            .unwrap_or_else(|found| panic!("{found:?}"));
        println!("{budget:?}: {explored:?}");
    }
}
