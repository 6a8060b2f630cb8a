//! The forecast of dispatch matches the behaviour of the real machines.

use std::time::Duration;

use dispatch_node::forecast::{Forecast, Gossip, Intervals, Way, forecast};
use gossip::fault::Pace;
use simulator::plan::{Action, Noise, Plan, Request, Step};
use simulator::recovery::{Recovery, follow};

const CITIES: usize = 3;
const DISPATCH: usize = 3;
/// The end of the cuts.
const HEALED: Duration = Duration::from_secs(12);
/// The start of the comparison: links are up again, and frames in flight have arrived.
const START: Duration = Duration::from_millis(12_010);
const STEP: Duration = Duration::from_millis(10);
const HORIZON: Duration = Duration::from_secs(8);
/// With this many seeds, the standard error of a share near one half, and of the mean, is 0.016; of
/// a share near 0.9 it is 0.009, and near 0.05 it is 0.007.
const SEEDS: u64 = 1_000;

/// The steps of a scenario, by seed, in addition to the initial requests.
type Scenario = fn(u64) -> Vec<(Duration, Action)>;

/// The start of the cuts: after the heroes have been assigned, with enough time left for patrols
/// and fights on each side.
const CUT: Duration = Duration::from_millis(4_500);

/// Cuts these nodes (one bit each) off from the others, until all faults are healed.
fn split(side: u128) -> (Duration, Action) {
    (CUT, Action::Split { side, lasts: HEALED - CUT })
}

fn plan(seed: u64, scenario: Scenario, fights: bool) -> Plan {
    let ms = Duration::from_millis;
    let requests = (0..12).flat_map(|hero: u32| {
        let at = ms(2_000) + ms(50) * hero;
        [
            (at, Action::Request(Request::Create)),
            (at + ms(1_000), Action::Request(Request::Assign { hero, to: hero })),
        ]
    });
    let mut steps: Vec<Step> =
        requests.chain(scenario(seed)).map(|(at, action)| Step { at, action }).collect();
    steps.sort_by_key(|step| step.at);
    // The delay between processes of one host.
    let delay = (Duration::from_micros(200), Duration::from_micros(200));
    Plan {
        seed,
        cities: CITIES,
        fault_phase: HEALED,
        noise: Noise { delay, fights, ..Noise::none() },
        steps,
    }
}

/// The comparison over all seeds of a scenario.
#[derive(Debug)]
struct Compared {
    /// The maximum deviation of the mean number of differences from the forecast, as a share of the
    /// initial differences.
    mean_off: f64,
    /// The mean delay of agreement on a hero, compared with the forecast, in seconds.
    late: f64,
    /// The share of samples within the forecast band: over all seeds, and at the worst moment.
    in_band: (f64, f64),
    /// The shares of seeds that agreed before, within and after the forecast interval.
    agreed: [f64; 3],
}

fn compare(scenario: Scenario, fights: bool, way: fn(usize, usize) -> Way) -> Compared {
    let second = Some(Duration::from_secs(1));
    let intervals = Intervals { city: second, carried: second, poll: Some(Duration::from_secs(2)) };
    let gossip = Gossip::of_cities(CITIES, intervals, Pace::FREE, way);
    let samples = u32::try_from(HORIZON.as_millis() / STEP.as_millis()).expect("a few");
    let follow = |seed| {
        follow(&plan(seed, scenario, fights), START, STEP, samples)
            .expect("a run without a violation")
    };
    let results: Vec<(Recovery, Forecast)> = (0..SEEDS)
        .map(follow)
        .filter(|recovery| !recovery.differences.is_empty())
        .map(|recovery| {
            let forecast = forecast(&gossip, &recovery.differences, HORIZON, STEP)
                .expect("four nodes are within the limit of the forecast");
            (recovery, forecast)
        })
        .collect();
    let runs = results.len() as f64;
    assert!(runs > 0.9 * SEEDS as f64, "only {runs} runs have differences at the start");

    let mean =
        |of: &dyn Fn(&(Recovery, Forecast)) -> f64| results.iter().map(of).sum::<f64>() / runs;
    let initial = mean(&|(recovery, _)| recovery.left[0] as f64);
    let moments = 0..=samples as usize;
    let off = |sample: usize| {
        mean(&|(recovery, forecast)| recovery.left[sample] as f64 - forecast.points[sample].mean)
            / initial
    };
    let in_band = |sample: usize| {
        mean(&|(recovery, forecast)| {
            let point = forecast.points[sample];
            f64::from(u8::from((point.low..=point.high).contains(&recovery.left[sample])))
        })
    };
    let agreed = results.iter().fold([0.0; 3], |mut agreed, (recovery, forecast)| {
        let (earliest, latest) = forecast.agreed_within.expect("all nodes are connected");
        // Agreement happened at some time within the step before this sample.
        let sample =
            recovery.left.iter().position(|left| *left == 0).expect("agreement before the horizon");
        let at = STEP * u32::try_from(sample).expect("a few") - STEP / 2;
        agreed[if at < earliest { 0 } else { 1 + usize::from(at > latest) }] += 1.0 / runs;
        agreed
    });
    let compared = Compared {
        mean_off: moments.clone().map(|sample| off(sample).abs()).fold(0.0, f64::max),
        late: moments.clone().map(off).sum::<f64>() * STEP.as_secs_f64(),
        in_band: (
            moments.clone().map(in_band).sum::<f64>() / moments.clone().count() as f64,
            moments.map(in_band).fold(1.0, f64::min),
        ),
        agreed,
    };
    println!("{runs} runs, {initial:.1} initial differences: {compared:.3?}");
    compared
}

fn open(_: usize, _: usize) -> Way {
    Way::Open
}

/// Asserts that every figure is within three standard errors of the forecast; 25 figures are
/// checked, so two would not be enough.
#[track_caller]
fn assert_matches(Compared { mean_off, late, in_band, agreed: [before, within, after] }: Compared) {
    assert!(mean_off <= 0.05, "the mean deviates by {mean_off}");
    assert!(late.abs() <= 0.05, "late by {late} s");
    assert!(in_band.0 >= 0.97 && in_band.1 >= 0.9, "share within the band: {in_band:?}");
    assert!((0.87..=0.93).contains(&within), "share within the forecast interval: {within}");
    assert!(
        (0.028..=0.072).contains(&before) && (0.028..=0.072).contains(&after),
        "shares before and after the interval: {before}, {after}"
    );
}

#[test]
fn write_spreads_as_forecast() {
    let scenario: Scenario = |seed| {
        let to = u32::try_from(seed % 3).unwrap();
        vec![(HEALED, Action::Request(Request::Assign { hero: 0, to }))]
    };
    assert_matches(compare(scenario, false, open));
}

#[test]
fn cut_off_city_recovers_as_forecast() {
    assert_matches(compare(|_| vec![split(0b0001)], true, open));
}

#[test]
fn three_partitions_recover_as_forecast() {
    assert_matches(compare(|_| vec![split(0b0001), split(0b0010)], true, open));
}

#[test]
fn isolated_nodes_recover_as_forecast() {
    let scenario: Scenario = |_| {
        let apart = (0..=DISPATCH).map(|node| split(1 << node));
        apart.chain([(CUT + Duration::from_secs(3), Action::Request(Request::Create))]).collect()
    };
    assert_matches(compare(scenario, true, open));
}

/// City 0 can exchange data only with city 2.
#[test]
fn city_with_single_link_recovers_as_forecast() {
    let scenario: Scenario = |_| {
        let lasts = HEALED + HORIZON;
        let cut = |b| (CUT, Action::Cut { a: 0, b, both: true, silent: false, lasts });
        vec![split(0b0001), cut(1), cut(DISPATCH)]
    };
    let way =
        |a: usize, b: usize| if a.min(b) == 0 && a.max(b) != 2 { Way::Unlinked } else { Way::Open };
    assert_matches(compare(scenario, true, way));
}
