//! The speed at which a write spreads: as theory predicts, under the rule of this project and that
//! of the original design.

use simulator::spread::{self, Rule, Spread};

#[test]
fn original_rule_takes_six_seconds_for_three_cities() {
    assert_eq!(spread::ordered_pair_expectation(3), 6.0);
    // The probability of two waits in sequence, each of which ends with probability 1/3 per second,
    // to last longer than `seconds`.
    let longer = |seconds: &i32| (2.0_f64 / 3.0).powi(*seconds) * (1.0 + f64::from(*seconds) / 2.0);
    assert_eq!((0..).find(|seconds| longer(seconds) <= 0.01), Some(17));
    let Spread { mean, p99, .. } = spread::measure(3, Rule::OneOrderedPair, 20_000);
    assert!((mean - 6.0).abs() <= 0.03 * 6.0, "{mean}");
    assert!((16..=18).contains(&p99), "{p99}");
}

#[test]
fn every_node_pulls_stays_near_theory() {
    for (nodes, seeds) in [(3, 1_000), (5, 1_000), (10, 500), (20, 200), (50, 100), (100, 50)] {
        let theory = spread::estimate(nodes.into());
        let Spread { mean, p99, .. } = spread::measure(nodes, Rule::EveryNodePulls, seeds);
        assert!(mean <= theory + 0.5, "{nodes} nodes: mean {mean}, theory {theory}");
        assert!(f64::from(p99) <= theory + 2.0, "{nodes} nodes: p99 {p99}, theory {theory}");
    }
}
