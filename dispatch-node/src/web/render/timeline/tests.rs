//! The content of the timeline, the stability of past seconds, and the bounds of the markup.

use std::sync::Arc;

use gossip::fault::{Fault, FaultId, FaultKind};
use gossip::{Hlc, Incarnation, Origin, Pulled, Stamp};
use shared::hero::{Hero, HeroId, Location};
use shared::{Entry, Value};

use std::time::Duration;

use super::bands::spans;
use super::differences::differences;
use super::outlook::forecast;
use super::seconds::{SecondCache, seconds};
use super::table::{ROWS_MAX, table_rows};
use super::*;
use crate::event_log::EventKind;
use crate::fixtures::{self, THREE, at, name};
use crate::model::arrival::{Arrival, Way};
use crate::model::rows::Row;
use crate::web::render::forecast_curve::{Predicted, PredictedPoint};

fn three(millis: u64) -> View {
    fixtures::view(&THREE, millis)
}

fn hero(number: u64) -> HeroId {
    HeroId::from(uuid::Uuid::from_u64_pair(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number))
}

impl View {
    /// A pull that took 12 ms.
    fn pulls(&mut self, ended: u64, puller: &str, source: &str, outcome: PullOutcome) {
        self.pulls_for(ended, 12, puller, source, outcome);
    }

    fn pulls_for(
        &mut self,
        ended: u64,
        took: u64,
        puller: &str,
        source: &str,
        outcome: PullOutcome,
    ) {
        let asked_ago = Duration::from_millis(took);
        self.history.pulled(
            at(ended),
            name(puller),
            &Pulled { source: name(source), asked_ago, ended_ago: Duration::ZERO, outcome },
        );
    }

    /// A write of a live hero with this name, or of its tombstone.
    fn writes(&mut self, millis: u64, node: &str, number: u64, hero_name: &str, is_live: bool) {
        let origin = Origin { node: name(node), incarnation: Incarnation::at(2) };
        let stamp = Stamp {
            hlc: Hlc { wall: at(millis).wall, logical: number.try_into().unwrap_or(0) },
            origin,
        };
        let place = if node == "dispatch" { Location::Home } else { Location::City(name(node)) };
        let value = if is_live {
            Value::Live(Hero::new(hero_name.into()).assigned(place))
        } else {
            Value::Tombstone
        };
        let entry = Arc::new(Entry::written(value, stamp, None));
        let held = vec![Some(Arc::clone(&entry)); self.cities.len()];
        self.rows.put(hero(number), Row::of(hero(number), hero_name.into(), None, held));
        let arrival = Arrival {
            hero: hero(number),
            entry,
            way: Way::Written,
            at: Duration::from_millis(millis),
        };
        self.history.arrived(at(millis), name(node), arrival);
    }
}

/// The outcome of a pull that received this many entries.
fn received(entries: usize) -> PullOutcome {
    PullOutcome::Merged { entries, bytes: 200 * entries, changes: 1..=1 }
}

/// The markup of the only second that is not empty.
fn second(view: &View) -> String {
    let mut seconds = drawn(view);
    assert_eq!(seconds.len(), 1);
    seconds.remove(0).1.to_string()
}

/// The seconds, rendered without a cache.
fn drawn(view: &View) -> Vec<(Arc<str>, Arc<str>)> {
    seconds(view, &mut SecondCache::default())
}

/// The whole picture.
fn whole(view: &View, predicted: Option<&Predicted>) -> String {
    let joined = |items: Vec<(Arc<str>, Arc<str>)>| {
        items.into_iter().map(|(_, html)| html.to_string()).collect::<String>()
    };
    let pieces = Pieces {
        summary: &summary(view),
        spans: &spans(view),
        differences: &differences(view, predicted),
        forecast: &forecast(view, predicted),
        seconds: &joined(drawn(view)),
        rows: &joined(table_rows(view)),
    };
    skeleton(view, &pieces)
}

#[test]
fn second_is_rendered_again_only_after_a_change_or_a_new_hour() {
    let mut cache = SecondCache::default();
    let view = minute(8, 0);
    let once = seconds(&view, &mut cache);
    let again = seconds(&view, &mut cache);
    assert!(!once.is_empty() && once.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1)));
    cache.hour += 1;
    assert!(seconds(&view, &mut cache).iter().zip(&once).all(|(a, b)| !Arc::ptr_eq(&a.1, &b.1)));
}

#[test]
fn pull_is_an_arrow_from_source_at_start_to_puller_at_end() {
    let mut view = three(100_000);
    view.pulls_for(99_750, 500, "gotham", "capitol", received(3));
    let html = second(&view);
    // The pull began 250 ms, or 6 px, after second 99.
    assert!(html.starts_with(r#"<g id="second-99" transform="translate(2376)">"#), "{html}");
    assert!(html.contains(r#"<path class="received capitol" d="M6 96l12-52"#), "{html}");
    assert!(
        html.contains(
            "<title>Gotham pulled 3 entries (about 600 bytes) from Capitol in 500 ms</title>"
        ),
        "{html}"
    );
}

#[test]
fn pulls_without_new_entries_are_one_path_per_second() {
    let mut view = three(100_000);
    for _ in 0..3 {
        view.pulls(99_500, "gotham", "metropolis", PullOutcome::Same);
    }
    view.pulls(99_600, "capitol", "gotham", received(0));
    let html = second(&view);
    assert_eq!(html.matches("<path").count(), 1, "{html}");
    assert!(
        html.contains(r#"<path class="same""#)
            && html.contains("<title>4 pulls without new entries</title>"),
        "{html}"
    );
}

#[test]
fn failed_pull_is_a_stub_and_a_refused_one_has_a_cross() {
    let mut view = three(100_000);
    view.pulls(99_500, "metropolis", "gotham", PullOutcome::Unanswered);
    view.pulls(99_500, "metropolis", "capitol", PullOutcome::Refused);
    let html = second(&view);
    let failed =
        r#"<path class="failed" d="M11.7 70l3-15"><title>Metropolis got no answer from Gotham<"#;
    assert!(html.contains(failed), "{html}");
    assert!(
        html.contains(r#"<path class="failed refused" d="M11.7 70l3 15M11.7 82l6 6m0-6l-6 6">"#)
            && html.contains("<title>Metropolis refused the round from Capitol</title>"),
        "{html}"
    );
}

#[test]
fn write_is_described_with_the_escaped_hero_name() {
    let mut view = three(100_000);
    view.writes(99_100, "gotham", 1, "<script>alert(1)</script>", true);
    view.writes(99_200, "capitol", 2, "Granite", false);
    let html = second(&view)
        + &table_rows(&view).into_iter().map(|(_, html)| html.to_string()).collect::<String>();
    assert!(!html.contains("<script"), "{html}");
    assert!(
        html.contains(r#"class="write gotham""#)
            && html.contains("created, Gotham, health 100 at Gotham</title>"),
        "{html}"
    );
    assert!(
        html.contains(r#"class="deletion capitol""#)
            && html.contains("<title>Granite: terminated at Capitol</title>"),
        "{html}"
    );
}

#[test]
fn excess_writes_are_counted() {
    let mut view = three(100_000);
    for number in 0..200 {
        view.writes(99_100, "dispatch", number, "Granite", true);
    }
    let html = second(&view);
    assert!(html.contains(">+140<title>140 writes more in this second</title>"), "{html}");
    assert!(html.contains("<title>More writes at Dispatch: 52</title>"), "{html}");
}

#[test]
fn events_of_a_second_are_labels_at_their_lane() {
    let mut view = three(100_000);
    for kind in [EventKind::Destroyed, EventKind::Answers, EventKind::Created] {
        view.history.marked(at(98_500), name("metropolis"), kind);
    }
    assert!(
        second(&view).contains(r#"<text class="mark bad" x="8" y="63">bombed, restarted</text>"#),
        "{}",
        second(&view)
    );
}

#[test]
fn past_second_is_stable_and_only_the_transform_moves() {
    let mut view = three(100_000);
    view.pulls(99_500, "gotham", "capitol", received(2));
    view.writes(99_600, "gotham", 1, "Granite", true);
    view.history.marked(at(99_700), name("gotham"), EventKind::Destroyed);
    view.history.differ(at(99_700), 3);
    let (before, moving) =
        ((drawn(&view), differences(&view, None), forecast(&view, None)), moving_transform(&view));
    for later in [100_250, 104_000, 109_999] {
        view.at = at(later);
        assert_eq!((drawn(&view), differences(&view, None), forecast(&view, None)), before);
    }
    assert_eq!(
        (moving.as_str(), moving_transform(&view).as_str()),
        ("translate(-1200.00,0)", "translate(-1439.98,0)")
    );
    view.at = at(149_999);
    assert_eq!(drawn(&view).len(), 1, "its end is still visible");
    view.at = at(150_000);
    assert_eq!(drawn(&view), [], "it is no longer visible");
}

#[test]
fn coordinates_stay_small_at_any_uptime() {
    let month = 30 * 86_400_000;
    let mut view = three(month + 3_599_000);
    view.pulls(month + 3_598_500, "gotham", "capitol", PullOutcome::Same);
    assert!(
        second(&view).contains(r#"id="second-2595598" transform="translate(86352)""#),
        "{}",
        second(&view)
    );
    // A new hour starts: earlier seconds have negative coordinates, and the picture is the same.
    view.at = at(month + 3_600_000);
    assert!(second(&view).contains(r#"transform="translate(-48)""#), "{}", second(&view));
    assert_eq!(moving_transform(&view), "translate(1200.00,0)");
}

#[test]
fn fault_is_a_band_on_its_lanes_until_it_ends() {
    let fault = |kind, to: Option<&str>| Fault {
        id: FaultId(1),
        kind,
        from: name("gotham"),
        to: to.map(name),
        both: true,
    };
    let mut view = three(100_000);
    view.history.in_force(at(90_000), [fault(FaultKind::Cut, Some("capitol"))].iter());
    let lasting = spans(&view);
    assert!(
        lasting.contains(r#"<rect x="2160" y="33" "#)
            && lasting.contains(r#"<rect x="2160" y="85" "#),
        "{lasting}"
    );
    assert_eq!(lasting.matches("<rect").count(), 2);
    assert!(
        lasting.contains("<title>Gotham is cut from Capitol, both ways</title>")
            && lasting.contains(">Gotham – Capitol cut</text>")
    );
    view.at = at(109_000);
    assert_eq!(spans(&view), lasting, "a lasting fault is drawn beyond the present, and clipped");
    view.history.in_force(at(110_000), std::iter::empty());
    view.at = at(111_000);
    assert!(spans(&view).contains(r#"width="480""#), "{}", spans(&view));
    let mut view = three(100_000);
    view.history.in_force(at(90_000), [fault(FaultKind::Freeze, None)].iter());
    assert!(
        spans(&view).contains(r#"<g class="span odd">"#)
            && spans(&view).contains(">Gotham frozen</text>"),
        "{}",
        spans(&view)
    );
    assert_eq!(spans(&view).matches("<rect").count(), 1);
}

#[test]
fn band_labels_do_not_overlap() {
    let mut view = three(100_000);
    let fault = |id| Fault {
        id: FaultId(id),
        kind: FaultKind::Cut,
        from: name("gotham"),
        to: None,
        both: true,
    };
    view.history.in_force(at(90_000), [1, 2, 3, 4].map(fault).iter());
    let html = spans(&view);
    let lines = |y: f64| html.matches(&format!(r#"y="{y}">Gotham cut off"#)).count();
    assert_eq!(
        [lines(13.0), lines(27.0), html.matches("cut off</text>").count()],
        [1, 1, 2],
        "{html}"
    );
    // The label of a fault that began before the picture is inside of the picture.
    view.at = at(152_000);
    assert!(spans(&view).contains(r#"<text x="2644" y="13">"#), "{}", spans(&view));
}

#[test]
fn curve_scale_fits_measured_and_predicted_differences() {
    let mut view = three(100_000);
    view.history.differ(at(80_000), 4);
    view.history.differ(at(90_000), 2);
    let html = differences(&view, None);
    // The curve falls from 30 px above the baseline to half of that.
    assert!(html.contains("M960 196H1920V166H2160V181H2880\""), "{html}");
    let point = |after_s, mean| PredictedPoint { after_s, mean, low: 0.0, high: 2.0 * mean };
    let predicted = Predicted {
        within_s: None,
        points: vec![point(0.0, 4.0), point(1.0, 1.0), point(99.0, 1.0)],
        sentence: "Soon & sure".into(),
    };
    assert!(
        differences(&view, Some(&predicted)).contains("H1920V181H2160V188.5"),
        "{}",
        differences(&view, Some(&predicted))
    );
    let html = forecast(&view, Some(&predicted));
    assert!(html.contains(r#"class="band" d="M1200 166L1224 188.5L1224 196L1200 196z""#), "{html}");
    assert!(
        html.contains(r#"class="mean" d="M1200 181L1224 192.3""#)
            && html.contains("Soon &#38; sure")
            && html.contains(">8</text>"),
        "{html}"
    );
}

#[test]
fn long_forecast_is_wrapped_and_scale_needs_differences() {
    let view = three(100_000);
    let predicted = Predicted {
        within_s: None,
        points: Vec::new(),
        sentence: "Expected to converge in 2.5 to 15.5\u{a0}s (90\u{a0}%)".into(),
    };
    let html = forecast(&view, Some(&predicted));
    assert!(
        html.contains(r#"y="142">Expected to converge in</text>"#)
            && html.contains("y=\"156\">2.5 to 15.5\u{a0}s (90\u{a0}%)</text>"),
        "{html}"
    );
    assert!(!html.contains("scale") && !html.contains("NaN"), "{html}");
    assert!(!differences(&view, Some(&predicted)).contains("NaN"));
}

#[test]
fn idle_minute_still_shows_the_number_of_differences() {
    let mut view = three(300_000);
    view.history.differ(at(100_000), 5);
    assert_eq!(drawn(&view), []);
    let line = differences(&view, None);
    assert_eq!(line.matches("166H").count(), 2, "{line}");
    assert!(summary(&view).contains("5 heroes differ now."), "{}", summary(&view));
}

#[test]
fn table_has_the_newest_40_rows_with_stable_keys() {
    let mut view = three(100_000);
    for number in 0..50_u64 {
        view.pulls(90_000 + 100 * number, "gotham", "capitol", PullOutcome::Same);
    }
    view.writes(95_500, "gotham", 1, "Granite", true);
    let before = table_rows(&view);
    assert_eq!(before.len(), ROWS_MAX);
    assert!(
        before[0].1.contains(">14:14:55</time></td><td>write</td><td>Gotham</td><td></td>"),
        "{}",
        before[0].1
    );
    assert!(
        before[1]
            .1
            .contains(">14:14:54</time></td><td>pull, 12 ms</td><td>Capitol</td><td>Gotham</td>"),
        "{}",
        before[1].1
    );
    assert!(before.iter().all(|(key, html)| html.starts_with(&format!(r#"<tr id="{key}">"#))));
    view.at = at(101_000);
    view.pulls(101_000, "gotham", "capitol", received(1));
    let after = table_rows(&view);
    assert_eq!(after[1..], before[..ROWS_MAX - 1]);
    let keys: std::collections::BTreeSet<&Arc<str>> = after.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), after.len());
}

#[test]
fn label_that_would_cover_an_earlier_one_is_a_dot() {
    let mut view = three(100_000);
    for millis in [90_500, 92_500, 98_500] {
        view.history.marked(at(millis), name("metropolis"), EventKind::Paused);
    }
    view.history.marked(at(92_500), name("capitol"), EventKind::Paused);
    let labels: Vec<usize> = drawn(&view)
        .iter()
        .map(|(_, second)| second.matches(">gossip paused</text>").count())
        .collect();
    assert_eq!(labels.iter().sum::<usize>(), 3, "other lanes and later seconds are free");
    assert!(drawn(&view).iter().any(|(_, second)| second.contains(">•<title>gossip paused<")));
}

#[test]
fn skeleton_contains_every_fragment_once() {
    let mut view = three(100_000);
    view.pulls(99_500, "gotham", "capitol", received(2));
    let html = whole(&view, None);
    for id in [
        "timeline",
        "timeline-summary",
        "timeline-moving",
        "timeline-spans",
        "timeline-differences",
        "timeline-seconds",
        "second-99",
        "timeline-forecast",
        "timeline-rows",
    ] {
        assert_eq!(html.matches(&format!(r#" id="{id}""#)).count(), 1, "{id}");
    }
    for (_, second) in drawn(&view) {
        assert!(html.contains(&*second));
    }
    for forbidden in [" style=", "<style", "<script", "<animate"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

/// A minute with this many pulls and writes in each second.
fn minute(pulls: u64, writes: u64) -> View {
    let mut view = three(100_000);
    let nodes = ["gotham", "metropolis", "capitol", "dispatch"];
    for second in 40..100 {
        for number in 0..pulls {
            let (puller, source) =
                (nodes[(number % 4) as usize], nodes[((number + 1 + number / 4 % 3) % 4) as usize]);
            let outcome = if writes == 0 { PullOutcome::Same } else { received(7) };
            view.pulls(second * 1_000 + number * 1_000 / pulls, puller, source, outcome);
        }
        for number in 0..writes {
            let is_live = number % 8 > 0;
            view.writes(
                second * 1_000 + number * 1_000 / writes,
                nodes[(number % 4) as usize],
                second * 100 + number,
                "Doctor Meridian",
                is_live,
            );
        }
    }
    view
}

#[test]
fn markup_of_a_busy_and_an_idle_minute_is_bounded() {
    let (busy, idle) = (whole(&minute(60, 60), None).len(), whole(&minute(8, 0), None).len());
    assert!((50_000..400_000).contains(&busy), "{busy}");
    assert!((5_000..60_000).contains(&idle), "{idle}");
}
