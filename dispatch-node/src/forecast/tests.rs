use super::*;

use ::gossip::fault::Pace;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(250);
const HORIZON: Duration = Duration::from_secs(12);
const INTERVALS: Intervals =
    Intervals { city: Some(SECOND), carried: Some(SECOND), poll: Some(Duration::from_secs(2)) };

fn open(_: usize, _: usize) -> Way {
    Way::Open
}

fn cluster(cities: usize) -> Gossip {
    Gossip::of_cities(cities, INTERVALS, Pace::FREE, open)
}

/// Gossip over links that `is_cut` cuts in either direction.
fn cluster_with_cut(cities: usize, is_cut: impl Fn(usize, usize) -> bool) -> Gossip {
    Gossip::of_cities(cities, INTERVALS, Pace::FREE, |a, b| {
        if is_cut(a, b) || is_cut(b, a) { Way::Cut } else { Way::Open }
    })
}

fn heroes(holders: u8, heroes: usize) -> HeroClass {
    HeroClass { holders, heroes }
}

#[track_caller]
fn of(gossip: &Gossip, classes: &[HeroClass]) -> Forecast {
    forecast(gossip, classes, HORIZON, STEP).unwrap()
}

#[track_caller]
fn at(forecast: &Forecast, after: Duration) -> Point {
    *forecast.points.iter().find(|point| point.after == after).unwrap()
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}

fn two_nodes(actors: impl IntoIterator<Item = (Duration, usize)>) -> Gossip {
    let exchange = Exchange { source: 0, puller: 1, mutual: false };
    let actors = actors.into_iter().map(|(interval, choices)| Actor {
        interval,
        choices,
        exchanges: vec![exchange],
    });
    Gossip { nodes: 2, actors: actors.collect() }
}

/// A timer with an unknown phase: its next expiry is equally likely anywhere within one interval.
#[test]
fn first_exchange_is_uniform_within_an_interval() {
    let one = of(&two_nodes([(SECOND, 1)]), &[heroes(1, 10)]);
    let two = of(&two_nodes([(SECOND, 1), (SECOND, 1)]), &[heroes(1, 10)]);
    for (quarters, left) in [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0), (5, 0.0_f64)] {
        close(at(&one, STEP * quarters).mean, 10.0 * left, 1e-9);
        close(at(&two, STEP * quarters).mean, 10.0 * left * left, 1e-9);
    }
    let (earliest, latest) = one.agreed_within.unwrap();
    close(earliest.as_secs_f64(), 0.05, 0.002);
    close(latest.as_secs_f64(), 0.95, 0.002);
}

#[test]
fn useless_draws_give_a_geometric_number_of_intervals() {
    let forecast = of(&two_nodes([(SECOND, 2)]), &[heroes(1, 1)]);
    for seconds in 0..12_u16 {
        close(at(&forecast, SECOND * seconds.into()).mean, 0.5_f64.powi(seconds.into()), 1e-9);
        let half = SECOND * seconds.into() + SECOND / 2;
        close(at(&forecast, half).mean, 0.5_f64.powi(seconds.into()) * 0.75, 1e-9);
    }
}

#[test]
fn slow_timer_is_uniform_within_its_own_interval() {
    // One timer of three seconds; the other one, of one second, transfers nothing new.
    let mut gossip = two_nodes([(SECOND * 3, 1)]);
    gossip.actors.push(Actor {
        interval: SECOND,
        choices: 1,
        exchanges: vec![Exchange { source: 1, puller: 0, mutual: false }],
    });
    let forecast = of(&gossip, &[heroes(1, 1)]);
    for seconds in 0..=3_u32 {
        close(at(&forecast, SECOND * seconds).mean, 1.0 - f64::from(seconds) / 3.0, 1e-9);
    }
}

/// The limit of many slow timers is an exponential clock: 1 - exp(-rt).
#[test]
fn many_rarely_useful_timers_approach_an_exponential_clock() {
    let forecast = of(&two_nodes([(SECOND, 100); 6]), &[heroes(1, 1)]);
    for seconds in 1..12_u32 {
        close(at(&forecast, SECOND * seconds).mean, (-0.06 * f64::from(seconds)).exp(), 0.002);
    }
}

/// Compares with a simulation of timers alone, 400,000 runs with random phases, independent of this
/// code.
#[test]
fn four_nodes_match_a_simulation_with_random_phases() {
    let quarter = |number: u32| STEP * number;
    let cut_off = of(&cluster(3), &[heroes(0b0001, 1), heroes(0b1110, 1)]);
    for (number, mean) in [(1, 0.770), (3, 0.428), (5, 0.180), (7, 0.056), (9, 0.012)] {
        close(at(&cut_off, quarter(number)).mean, 2.0 * mean, 2.0 * 0.003);
    }
    let all_apart = of(&cluster(3), &[heroes(0b0001, 10), heroes(0b0010, 10), heroes(0b0100, 10)]);
    for (number, mean) in [(1, 0.987), (3, 0.763), (5, 0.359), (7, 0.112), (9, 0.024)] {
        close(at(&all_apart, quarter(number)).mean, 30.0 * mean, 30.0 * 0.01);
    }
    let write_of_dispatch = of(&cluster(3), &[heroes(0b1000, 1)]);
    for (number, mean) in [(1, 0.989), (3, 0.784), (5, 0.414), (7, 0.165), (9, 0.046)] {
        close(at(&write_of_dispatch, quarter(number)).mean, mean, 0.003);
    }
}

#[test]
fn equivalent_cities_have_equal_forecasts() {
    let mean = |holders: u8| of(&cluster(3), &[heroes(holders, 7)]).points;
    for (one, other) in
        [(0b0001, 0b0010), (0b0001, 0b0100), (0b0011, 0b0110), (0b1001, 0b1100), (0b1011, 0b1101)]
    {
        for (one, other) in mean(one).iter().zip(mean(other)) {
            close(one.mean, other.mean, 1e-9);
            assert_eq!((one.low, one.high), (other.low, other.high));
        }
    }
    assert!(
        mean(0b1000)[5].mean > mean(0b0001)[5].mean,
        "writes of dispatch, which polls half as often, take longer"
    );
}

#[test]
fn band_accounts_for_heroes_moving_together() {
    // An exchange that transfers the first hero transfers the second.
    let together = of(&cluster(3), &[heroes(0b0001, 5), heroes(0b0001, 5)]);
    assert!(
        together
            .points
            .iter()
            .all(|point| [0, 10].contains(&point.low) && [0, 10].contains(&point.high))
    );
    // The writes of all three cities are everywhere later than those of each one. 400,000 random
    // runs: 0.633 and 0.360 apart after 1.25 s.
    let one = of(&cluster(3), &[heroes(1, 1)]).agreed_within.unwrap();
    let three = of(&cluster(3), &[heroes(1, 1), heroes(2, 1), heroes(4, 1)]).agreed_within.unwrap();
    assert!(three.0 > one.0 && three.1 > one.1 + SECOND / 10, "{one:?} {three:?}");
}

#[test]
fn curve_falls_from_all_differences_to_none_within_its_band() {
    for classes in [
        vec![heroes(1, 40)],
        vec![heroes(1, 3), heroes(0b1110, 20)],
        vec![heroes(1, 1), heroes(2, 2), heroes(4, 4), heroes(8, 8)],
    ] {
        let all: usize = classes.iter().map(|class| class.heroes).sum();
        let forecast = of(&cluster(3), &classes);
        let (start, end) = (forecast.points[0], *forecast.points.last().unwrap());
        assert_eq!((start.low, start.high), (all, all));
        close(start.mean, all as f64, 1e-9);
        close(end.mean, 0.0, 1e-6);
        assert_eq!((end.after, end.low, end.high), (HORIZON, 0, 0));
        for pair in forecast.points.windows(2) {
            assert!(
                pair[1].mean <= pair[0].mean + ROUNDING
                    && pair[1].low <= pair[0].low
                    && pair[1].high <= pair[0].high,
                "{pair:?}"
            );
            assert!(pair[1].low <= pair[1].high && pair[1].after == pair[0].after + STEP);
        }
        let (earliest, latest) = forecast.agreed_within.unwrap();
        assert!(earliest < latest && latest < HORIZON / 2);
        assert_eq!(forecast.out_of_reach, 0);
    }
}

#[test]
fn cut_off_node_receives_nothing() {
    let gossip = cluster_with_cut(3, |a, _| a == 0);
    let forecast = of(&gossip, &[heroes(0b0010, 30), heroes(0b0001, 4)]);
    assert_eq!((forecast.agreed_within, forecast.out_of_reach), (None, 34));
    let end = forecast.points.last().unwrap();
    close(end.mean, 34.0, 1e-9);
    assert_eq!((end.low, end.high), (34, 34));
}

#[test]
fn write_bypasses_a_cut_over_a_third_node() {
    // City 0 receives from city 2 and from dispatch only, and therefore later.
    let cut = of(&cluster_with_cut(3, |a, b| (a, b) == (0, 1)), &[heroes(0b0010, 1)]);
    let whole = of(&cluster(3), &[heroes(0b0010, 1)]);
    assert_eq!(cut.out_of_reach, 0);
    assert!(cut.agreed_within.unwrap().1 > whole.agreed_within.unwrap().1);
}

#[test]
fn dispatch_carries_no_round_over_a_cut() {
    let carried = |is_cut: fn(usize, usize) -> bool| {
        let intervals = Intervals { city: None, poll: None, ..INTERVALS };
        let way =
            |a: usize, b: usize| if is_cut(a, b) || is_cut(b, a) { Way::Cut } else { Way::Open };
        let gossip = Gossip::of_cities(3, intervals, Pace::FREE, way);
        let [carries] = &gossip.actors[..] else { panic!("{gossip:?}") };
        assert_eq!(carries.choices, 6, "cut pairs are drawn as well");
        carries
            .exchanges
            .iter()
            .map(|exchange| (exchange.source, exchange.puller))
            .collect::<Vec<_>>()
    };
    assert_eq!(carried(|_, _| false), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
    assert_eq!(
        carried(|a, b| (a, b) == (0, 1)),
        [(0, 2), (1, 2), (2, 0), (2, 1)],
        "a cut between two cities"
    );
    assert_eq!(
        carried(|a, b| (a, b) == (0, 3)),
        [(1, 2), (2, 1)],
        "a cut between dispatch and a city"
    );
}

#[test]
fn lost_link_starts_no_rounds_but_dispatch_carries_past_it() {
    let way = |a: usize, b: usize| {
        if [(0, 1), (1, 0)].contains(&(a, b)) { Way::Unlinked } else { Way::Open }
    };
    let gossip = Gossip::of_cities(3, INTERVALS, Pace::FREE, way);
    let drawn: Vec<(usize, usize)> =
        gossip.actors.iter().map(|actor| (actor.choices, actor.exchanges.len())).collect();
    assert_eq!(drawn, [(2, 2), (2, 2), (3, 3), (6, 6), (3, 3)]);
}

#[test]
fn paused_gossip_never_converges() {
    let paused = of(&Gossip::of_cities(3, INTERVALS, Pace::PAUSED, open), &[heroes(0b0001, 5)]);
    assert_eq!((paused.agreed_within, paused.out_of_reach), (None, 5));
    assert!(
        paused.points.iter().all(|point| (point.low, point.high) == (5, 5))
            && paused.points.len() == 49
    );
}

#[test]
fn half_the_pace_takes_twice_as_long() {
    let at_pace = |percent, horizon, step| {
        let gossip = Gossip::of_cities(3, INTERVALS, Pace { percent }, open);
        forecast(&gossip, &[heroes(0b0001, 5)], horizon, step).unwrap()
    };
    let (usual, half) = (at_pace(100, HORIZON, STEP), at_pace(50, HORIZON * 2, STEP * 2));
    for (usual, half) in usual.points.iter().zip(&half.points) {
        close(usual.mean, half.mean, 1e-9);
        assert_eq!(usual.after * 2, half.after);
    }
}

#[test]
fn agreed_heroes_agree_at_once() {
    for classes in [vec![], vec![heroes(0b1111, 9)], vec![heroes(0b0001, 0)]] {
        let forecast = of(&cluster(3), &classes);
        assert_eq!(forecast.agreed_within, Some((Duration::ZERO, Duration::ZERO)));
        assert!(
            forecast
                .points
                .iter()
                .all(|point| (point.low, point.high) == (0, 0) && point.mean == 0.0)
        );
    }
}

#[test]
fn probabilities_sum_to_one_at_all_times() {
    let gossip = cluster_with_cut(3, |a, b| (a, b) == (0, 1));
    let rounds = Rounds::until(HORIZON, &gossip.actors).unwrap();
    let together = Together::of(
        &[heroes(0b0001, 1), heroes(0b0010, 2), heroes(0b1100, 4)],
        &gossip.actors,
        &rounds,
        0b1111,
    )
    .unwrap();
    // Never 4, the third class alone: cities 0 and 1 receive each other's writes only over nodes
    // that hold it.
    assert_eq!(together.differences, [0, 1, 2, 3, 5, 6, 7]);
    for number in 0..=120 {
        let probabilities = together.probabilities.after(HORIZON * number / 120);
        close(probabilities.iter().sum(), 1.0, 1e-9);
        assert!(
            probabilities.iter().all(|share| (-ROUNDING..=1.0 + ROUNDING).contains(share)),
            "{probabilities:?}"
        );
    }
}

/// Computes the mean in two ways: forward over all sets at once, and backward over each class.
#[test]
fn mean_is_equal_for_classes_together_and_apart() {
    let gossip = cluster_with_cut(3, |a, b| (a, b) == (1, 3));
    let classes = [heroes(0b0001, 1), heroes(0b0110, 2), heroes(0b1100, 4), heroes(0b1000, 8)];
    let rounds = Rounds::until(HORIZON, &gossip.actors).unwrap();
    let together =
        Together::of(&classes, &gossip.actors, &rounds, 0b1111).unwrap().forecast(HORIZON, STEP);
    let apart = Apart::of(&classes, &gossip.actors, &rounds, 0b1111).forecast(HORIZON, STEP);
    for (together, apart) in together.points.iter().zip(&apart.points) {
        // One computes a subset of the orders, the other all of them.
        close(together.mean, apart.mean, 15.0 * 0.01);
    }
    let ((first, last), (earliest, latest)) =
        (together.agreed_within.unwrap(), apart.agreed_within.unwrap());
    assert!(
        earliest <= first && last <= latest,
        "bounds: {earliest:?} {first:?} {last:?} {latest:?}"
    );
}

#[test]
fn balanced_orders_have_equal_positions_and_precedences() {
    for count in 2..=9 {
        let orders = rounds::balanced(count);
        let place =
            |order: &[usize], actor| order.iter().position(|other| *other == actor).unwrap();
        for actor in 0..count {
            let mut places: Vec<usize> = orders.iter().map(|order| place(order, actor)).collect();
            places.sort_unstable();
            assert_eq!(places, (0..2 * count).map(|number| number / 2).collect::<Vec<_>>());
            for other in (0..count).filter(|other| *other != actor) {
                let before =
                    orders.iter().filter(|order| place(order, actor) < place(order, other)).count();
                assert_eq!(2 * before, orders.len());
            }
        }
    }
}

#[test]
fn empty_class_has_no_effect() {
    let differing: Vec<HeroClass> = (0..8).map(|node| heroes(1 << node, 1)).collect();
    let with_empty = [&differing[..], &[heroes(0b11, 0)]].concat();
    assert_eq!(of(&cluster(7), &with_empty), of(&cluster(7), &differing));
}

/// With more classes than sets in a state, the writes of each node are followed instead.
#[test]
fn more_classes_than_sets_are_followed_by_node() {
    let classes: Vec<HeroClass> = (1..15).map(|holders| heroes(holders, 1)).collect();
    let all = of(&cluster(3), &classes);
    let sum: f64 = classes.iter().map(|class| at(&of(&cluster(3), &[*class]), SECOND).mean).sum();
    close(at(&all, SECOND).mean, sum, 14.0 * 0.01);
    let rounds = Rounds::until(HORIZON, &cluster(3).actors).unwrap();
    assert!(
        Together::of(&classes, &cluster(3).actors, &rounds, 0b1111).is_some(),
        "four nodes always fit"
    );
}

#[test]
fn eight_nodes_are_forecast_and_nine_are_not() {
    let all_nodes_mask =
        of(&cluster(7), &(0..8).map(|node| heroes(1 << node, 1)).collect::<Vec<_>>());
    assert_eq!(all_nodes_mask.points[0].high, 8);
    let (earliest, latest) = all_nodes_mask.agreed_within.unwrap();
    assert!(Duration::ZERO < earliest && earliest < latest && latest < HORIZON);
    let one = of(&cluster(7), &[heroes(1, 1), heroes(0b1111_1110, 9)]);
    assert!(one.agreed_within.unwrap().1 < HORIZON / 2);
    assert_eq!(forecast(&cluster(8), &[heroes(1, 1)], HORIZON, STEP), None);
}

#[test]
fn distant_horizon_is_refused() {
    let gossip = two_nodes([(Duration::from_millis(1), 1)]);
    assert!(forecast(&gossip, &[heroes(1, 1)], Duration::from_millis(900), STEP).is_some());
    assert_eq!(forecast(&gossip, &[heroes(1, 1)], Duration::from_secs(2), STEP), None);
}

/// `cargo test --release -p dispatch-node -- --ignored --nocapture forecast_cost`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures how long it takes")]
fn forecast_cost() {
    let singles = |count: u8| (0..count).map(|node| heroes(1 << node, 1)).collect::<Vec<_>>();
    let any = |nodes: u32| {
        (1..=u8::MAX >> (8 - nodes)).map(|holders| heroes(holders, 1)).collect::<Vec<_>>()
    };
    let classes = [
        (3, vec![heroes(1, 1)]),
        (3, vec![heroes(1, 1), heroes(0b1110, 1)]),
        (3, singles(2)),
        (3, singles(3)),
        (3, singles(4)),
        (3, any(4)),
        (4, singles(5)),
        (5, singles(6)),
        (7, vec![heroes(1, 1)]),
        (7, vec![heroes(1, 1), heroes(0b1111_1110, 1)]),
        (7, singles(2)),
        (7, singles(8)),
        (7, any(8)),
    ];
    for (cities, classes) in classes {
        let gossip = cluster(cities);
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(forecast(&gossip, &classes, Duration::from_secs(20), STEP).is_some());
                start.elapsed()
            })
            .collect();
        times.sort();
        println!(
            "{} nodes, {} classes: {:?} minimum, {:?} median",
            cities + 1,
            classes.len(),
            times[0],
            times[25]
        );
    }
}
