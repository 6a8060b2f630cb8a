//! The content of the timeline, the stability of past seconds, and the size of the markup.

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

    /// A write of a hero of this name, or its death.
    fn writes(&mut self, millis: u64, node: &str, number: u64, called: &str, incarnations: bool) {
        let origin = Origin { node: name(node), incarnation: Incarnation(2) };
        let stamp = Stamp {
            hlc: Hlc { wall: at(millis).wall, logical: number.try_into().unwrap_or(0) },
            origin,
        };
        let place = if node == "dispatch" { Location::Home } else { Location::City(name(node)) };
        let value = if incarnations {
            Value::Live(Hero::new(called.into()).assigned(place))
        } else {
            Value::Tombstone
        };
        let entry = Arc::new(Entry::written(value, stamp, None));
        let held = vec![Some(Arc::clone(&entry)); self.cities.len()];
        self.rows.put(hero(number), Row::of(hero(number), called.into(), None, held));
        let arrival = Arrival {
            hero: hero(number),
            entry,
            way: Way::Written,
            at: Duration::from_millis(millis),
        };
        self.history.arrived(at(millis), name(node), arrival);
    }
}

/// A round that brought this many entries.
fn brought(entries: usize) -> PullOutcome {
    PullOutcome::Merged { entries, bytes: 200 * entries, changes: 1..=1 }
}

/// The one second in which something happened.
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
fn a_second_is_drawn_again_only_when_something_was_added_to_it_or_the_hour_is_another() {
    let mut cache = SecondCache::default();
    let view = minute(8, 0);
    let once = seconds(&view, &mut cache);
    let again = seconds(&view, &mut cache);
    assert!(!once.is_empty() && once.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1)));
    cache.hour += 1;
    assert!(seconds(&view, &mut cache).iter().zip(&once).all(|(a, b)| !Arc::ptr_eq(&a.1, &b.1)));
}

#[test]
fn a_pull_goes_from_the_lane_of_its_source_when_it_was_asked_to_that_of_the_puller_when_it_ended() {
    let mut view = three(100_000);
    view.pulls_for(99_750, 500, "gotham", "capitol", brought(3));
    let html = second(&view);
    // 250 ms before second 99 begins is 6 px left of it, and so on.
    assert!(html.starts_with(r#"<g id="second-99" transform="translate(2376)">"#), "{html}");
    assert!(html.contains(r#"<path class="brought capitol" d="M6 122l12-68"#), "{html}");
    assert!(
        html.contains(
            "<title>Gotham pulled 3 entries (about 600 bytes) from Capitol in 500 ms</title>"
        ),
        "{html}"
    );
}

#[test]
fn pulls_without_news_are_one_thin_path_a_second() {
    let mut view = three(100_000);
    for _ in 0..3 {
        view.pulls(99_500, "gotham", "metropolis", PullOutcome::Same);
    }
    view.pulls(99_600, "capitol", "gotham", brought(0));
    let html = second(&view);
    assert_eq!(html.matches("<path").count(), 1, "{html}");
    assert!(
        html.contains(r#"<path class="same""#)
            && html.contains("<title>4 pulls brought nothing</title>"),
        "{html}"
    );
}

#[test]
fn what_got_no_answer_is_a_stub_from_who_asked_and_what_was_refused_has_a_cross() {
    let mut view = three(100_000);
    view.pulls(99_500, "metropolis", "gotham", PullOutcome::Unanswered);
    view.pulls(99_500, "metropolis", "capitol", PullOutcome::Refused);
    let html = second(&view);
    assert!(html.contains(r#"<path class="vain" d="M11.7 88l3-15"><title>Metropolis asked Gotham and got no answer</title>"#), "{html}");
    assert!(
        html.contains(r#"<path class="vain refused" d="M11.7 88l3 15M11.7 100l6 6m0-6l-6 6"><title>Metropolis refused what Capitol sent"#),
        "{html}"
    );
}

#[test]
fn a_write_is_told_with_the_heros_name_as_text() {
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
        html.contains(r#"class="grave capitol""#)
            && html.contains("<title>Granite: terminated at Capitol</title>"),
        "{html}"
    );
}

#[test]
fn writes_that_were_too_many_are_counted() {
    let mut view = three(100_000);
    for number in 0..200 {
        view.writes(99_100, "dispatch", number, "Granite", true);
    }
    let html = second(&view);
    assert!(html.contains(">+140<title>140 writes more in this second</title>"), "{html}");
    assert!(html.contains("<title>More writes at Dispatch: 52</title>"), "{html}");
}

#[test]
fn marks_of_a_second_are_words_at_their_lane() {
    let mut view = three(100_000);
    for kind in [EventKind::Destroyed, EventKind::Answers, EventKind::Created] {
        view.history.marked(at(98_500), name("metropolis"), kind);
    }
    assert!(
        second(&view).contains(r#"<text class="mark bad" x="8" y="81">bombed, answers</text>"#),
        "{}",
        second(&view)
    );
}

#[test]
fn a_second_that_is_over_does_not_change_and_the_moving_does_it_all() {
    let mut view = three(100_000);
    view.pulls(99_500, "gotham", "capitol", brought(2));
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
    assert_eq!(drawn(&view).len(), 1, "its end is still to be seen");
    view.at = at(150_000);
    assert_eq!(drawn(&view), [], "it is out of sight");
}

#[test]
fn coordinates_stay_small_however_long_dispatch_runs() {
    let month = 30 * 86_400_000;
    let mut view = three(month + 3_599_000);
    view.pulls(month + 3_598_500, "gotham", "capitol", PullOutcome::Same);
    assert!(
        second(&view).contains(r#"id="second-2595598" transform="translate(86352)""#),
        "{}",
        second(&view)
    );
    // An hour begins: what was before stands left of it, and the picture is the same.
    view.at = at(month + 3_600_000);
    assert!(second(&view).contains(r#"transform="translate(-48)""#), "{}", second(&view));
    assert_eq!(moving_transform(&view), "translate(1200.00,0)");
}

#[test]
fn a_trouble_is_a_band_at_the_lanes_it_concerns_until_it_is_over() {
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
        lasting.contains(r#"<rect x="2160" y="43" "#)
            && lasting.contains(r#"<rect x="2160" y="111" "#),
        "{lasting}"
    );
    assert_eq!(lasting.matches("<rect").count(), 2);
    assert!(
        lasting.contains("<title>Gotham is cut from Capitol, both ways</title>")
            && lasting.contains(">Gotham – Capitol cut</text>")
    );
    view.at = at(109_000);
    assert_eq!(spans(&view), lasting, "what lasts is drawn beyond now, and clipped");
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
fn the_words_of_bands_do_not_cover_each_other() {
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
    // One that began long before all that is shown has its words where they are seen.
    view.at = at(152_000);
    assert!(spans(&view).contains(r#"<text x="2644" y="13">"#), "{}", spans(&view));
}

#[test]
fn the_curve_is_drawn_to_the_most_that_differed_or_is_predicted_to() {
    let mut view = three(100_000);
    view.history.differ(at(80_000), 4);
    view.history.differ(at(90_000), 2);
    let html = differences(&view, None);
    // From 46 px above the line down to half of that.
    assert!(html.contains("M960 258H1920V212H2160V235H2880\""), "{html}");
    let point = |after_s, mean| PredictedPoint { after_s, mean, low: 0.0, high: 2.0 * mean };
    let predicted = Predicted {
        points: vec![point(0.0, 4.0), point(1.0, 1.0), point(99.0, 1.0)],
        sentence: "Soon & sure".into(),
    };
    assert!(
        differences(&view, Some(&predicted)).contains("H1920V235H2160V246.5"),
        "{}",
        differences(&view, Some(&predicted))
    );
    let html = forecast(&view, Some(&predicted));
    assert!(html.contains(r#"class="band" d="M1200 212L1224 246.5L1224 258L1200 258z""#), "{html}");
    assert!(
        html.contains(r#"class="mean" d="M1200 235L1224 252.3""#)
            && html.contains("Soon &#38; sure")
            && html.contains(">8</text>"),
        "{html}"
    );
}

#[test]
fn a_long_sentence_takes_several_lines_and_no_scale_is_shown_where_nothing_differs() {
    let view = three(100_000);
    let predicted = Predicted {
        points: Vec::new(),
        sentence: "If healed now: agreed in 2 to 5 s, nine runs in ten".into(),
    };
    let html = forecast(&view, Some(&predicted));
    assert!(
        html.contains(r#"y="188">If healed now: agreed in 2 to 5 s,</text>"#)
            && html.contains(r#"y="202">nine runs in ten</text>"#),
        "{html}"
    );
    assert!(!html.contains("scale") && !html.contains("NaN"), "{html}");
    assert!(!differences(&view, Some(&predicted)).contains("NaN"));
}

#[test]
fn a_quiet_minute_still_says_how_many_differ() {
    let mut view = three(300_000);
    view.history.differ(at(100_000), 5);
    assert_eq!(drawn(&view), []);
    let line = differences(&view, None);
    assert_eq!(line.matches("212H").count(), 2, "{line}");
    assert!(summary(&view).contains("5 heroes differ now."), "{}", summary(&view));
}

#[test]
fn the_table_has_the_last_40_newest_first_and_a_line_keeps_its_key() {
    let mut view = three(100_000);
    for number in 0..50_u64 {
        view.pulls(90_000 + 100 * number, "gotham", "capitol", PullOutcome::Same);
    }
    view.writes(95_500, "gotham", 1, "Granite", true);
    let before = table_rows(&view);
    assert_eq!(before.len(), ROWS_MAX);
    assert!(
        before[0].1.contains("<td>14:14:55</td><td>write</td><td></td><td>Gotham</td>"),
        "{}",
        before[0].1
    );
    assert!(
        before[1]
            .1
            .contains("<td>14:14:54</td><td>pull, 12 ms</td><td>Capitol</td><td>Gotham</td>"),
        "{}",
        before[1].1
    );
    assert!(before.iter().all(|(key, html)| html.starts_with(&format!(r#"<tr id="{key}">"#))));
    view.at = at(101_000);
    view.pulls(101_000, "gotham", "capitol", brought(1));
    let after = table_rows(&view);
    assert_eq!(after[1..], before[..ROWS_MAX - 1]);
    let keys: std::collections::BTreeSet<&Arc<str>> = after.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), after.len());
}

#[test]
fn the_skeleton_holds_every_fragment_once() {
    let mut view = three(100_000);
    view.pulls(99_500, "gotham", "capitol", brought(2));
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
    for forbidden in [" style=", "<style", "<script", "<animate", "href="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

/// A minute with so many pulls and writes a second.
fn minute(pulls: u64, writes: u64) -> View {
    let mut view = three(100_000);
    let nodes = ["gotham", "metropolis", "capitol", "dispatch"];
    for second in 40..100 {
        for number in 0..pulls {
            let (puller, source) =
                (nodes[(number % 4) as usize], nodes[((number + 1 + number / 4 % 3) % 4) as usize]);
            let outcome = if writes == 0 { PullOutcome::Same } else { brought(7) };
            view.pulls(second * 1_000 + number * 1_000 / pulls, puller, source, outcome);
        }
        for number in 0..writes {
            let incarnations = number % 8 > 0;
            view.writes(
                second * 1_000 + number * 1_000 / writes,
                nodes[(number % 4) as usize],
                second * 100 + number,
                "Doctor Meridian",
                incarnations,
            );
        }
    }
    view
}

#[test]
fn a_busy_minute_and_an_idle_one_stay_within_their_bounds() {
    let (busy, idle) = (whole(&minute(60, 60), None).len(), whole(&minute(8, 0), None).len());
    assert!((50_000..400_000).contains(&busy), "{busy}");
    assert!((5_000..60_000).contains(&idle), "{idle}");
}
