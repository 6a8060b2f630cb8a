//! The content of the map in every state of the cluster.

use std::time::Duration;

use gossip::fault::{Fault, FaultId, Frames, Pace, Permille};

use super::layout::{Curve, DISPATCH_RADIUS};
use super::*;
use crate::fixtures::{self, THREE, name};
use crate::model::faults::FaultView;
use crate::model::node_state::NodeStatus;

/// A fault that all who carry it out report.
fn fault(kind: FaultKind, from: &str, to: Option<&str>, both: bool) -> FaultView {
    let fault = Fault { id: FaultId(7), kind, from: name(from), to: to.map(name), both };
    let all = ["gotham", "metropolis", "capitol", "dispatch"].map(name);
    let at = all.into_iter().filter(|node| fault.concerns(*node)).collect();
    FaultView {
        fault,
        heal_after: Duration::from_secs(30),
        remaining: Duration::from_secs(12),
        at,
        frames: Frames::default(),
    }
}

fn html(view: &View) -> String {
    Topology::of(view).render().unwrap()
}

fn three() -> View {
    fixtures::view(&THREE, 100_000)
}

/// The words of the picture and the lines of the table, without the marks between them.
fn drawn_and_told(view: &View) -> (String, String) {
    let html = html(view);
    let (picture, table) = html.split_once("</svg>").unwrap();
    let plain = |html: &str| {
        let texts = html.split('<').filter_map(|tag| tag.split_once('>'));
        texts
            .filter(|(tag, _)| tag.starts_with("text") || tag.starts_with("td"))
            .map(|(_, text)| text.trim())
            .collect::<Vec<_>>()
            .join(" | ")
    };
    (plain(picture), plain(table))
}

fn delay() -> FaultKind {
    FaultKind::Delay { by: Duration::from_millis(180), jitter: Duration::from_millis(40) }
}

fn fifth() -> Permille {
    Permille::from_percent(20.0).unwrap()
}

#[test]
fn a_cluster_without_trouble_is_a_map_of_open_ways() {
    let (drawn, told) = drawn_and_told(&three());
    assert_eq!(
        drawn,
        "120 | heroes | Gotham | 120 | heroes | Metropolis | 120 | heroes | Capitol | dispatch"
    );
    assert_eq!(told.matches("open both ways").count(), 6, "{told}");
    let html = html(&three());
    assert!(
        html.contains(r#"aria-label="Map of 3 cities and dispatch. All ways are open.""#),
        "{html}"
    );
    assert!(!html.contains(r#"class="cross""#));
}

#[test]
fn each_trouble_has_its_words_its_look_and_its_line() {
    let cases = [
        (FaultKind::Cut, "cut", "cut both ways", "cut, both ways"),
        (delay(), "slow", "180 ± 40 ms", "slow, 180 ± 40 ms, both ways"),
        (FaultKind::Loss(fifth()), "loses", "loses 20 %", "loses 20 %, both ways"),
        (FaultKind::Duplicate(fifth()), "repeats", "repeats 20 %", "repeats 20 %, both ways"),
        (FaultKind::Reorder(fifth()), "overtakes", "overtakes 20 %", "overtakes 20 %, both ways"),
        (
            FaultKind::Throttle(2_000),
            "throttled",
            "2\u{202f}000 bytes/s",
            "throttled, 2\u{202f}000 bytes/s, both ways",
        ),
    ];
    for (kind, class, words, line) in cases {
        let view =
            View { faults: vec![fault(kind, "gotham", Some("metropolis"), true)], ..three() };
        let ((drawn, told), html) = (drawn_and_told(&view), html(&view));
        assert!(drawn.contains(words), "{drawn}");
        assert!(told.contains(&format!("Gotham | Metropolis | {line} | 14:15:12")), "{told}");
        assert_eq!(html.matches(&format!(r#"<g class="way {class}">"#)).count(), 1, "{html}");
        assert_eq!(html.contains(r#"class="cross""#), kind == FaultKind::Cut, "{class}");
        assert!(
            html.contains(&format!(
                r#"dispatch. Gotham and Metropolis: {} both ways."#,
                line.trim_end_matches(", both ways")
            )),
            "{html}"
        );
    }
}

#[test]
fn a_trouble_of_one_direction_says_which() {
    for (from, to, shown) in [("gotham", "capitol", "Capitol"), ("capitol", "gotham", "Gotham")] {
        let view = View { faults: vec![fault(FaultKind::Cut, from, Some(to), false)], ..three() };
        let (drawn, told) = drawn_and_told(&view);
        assert!(drawn.ends_with(&format!("cut | to {shown}")), "{drawn}");
        assert!(
            told.contains(&format!(
                "{} | {shown} | cut, one way | 14:15:12",
                title(from.parse().unwrap())
            )),
            "{told}"
        );
        assert_eq!(html(&view).matches(r#"class="head""#).count(), 1);
    }
}

#[test]
fn a_city_that_is_cut_off_from_all_is_cut_off_from_dispatch_too() {
    let view = View { faults: vec![fault(FaultKind::Cut, "gotham", None, true)], ..three() };
    let html = html(&view);
    assert_eq!(html.matches(r#"class="cross""#).count(), 3);
    assert_eq!(html.matches(r#"<g class="way cut faint">"#).count(), 1);
}

#[test]
fn trouble_that_nobody_reports_is_not_on_the_map() {
    let asked_for =
        FaultView { at: Vec::new(), ..fault(FaultKind::Cut, "gotham", Some("capitol"), true) };
    assert!(!html(&View { faults: vec![asked_for], ..three() }).contains(r#"class="cross""#));
    let half = FaultView {
        at: vec!["gotham".parse().unwrap()],
        ..fault(FaultKind::Cut, "gotham", Some("capitol"), true)
    };
    let (drawn, _) = drawn_and_told(&View { faults: vec![half], ..three() });
    assert!(drawn.ends_with("cut | to Capitol"), "{drawn}");
}

#[test]
fn the_worst_of_several_troubles_gives_the_look_and_all_are_told() {
    let faults = [delay(), FaultKind::Cut, FaultKind::Loss(fifth())]
        .map(|kind| fault(kind, "gotham", Some("metropolis"), true));
    let view = View { faults: faults.into(), ..three() };
    let (drawn, told) = drawn_and_told(&view);
    assert!(drawn.ends_with("cut both ways | loses 20 % | 180 ± 40 ms"), "{drawn}");
    assert_eq!(told.matches("Gotham | Metropolis").count(), 3);
    assert!(html(&view).contains(r#"<g class="way cut">"#));
}

#[test]
fn frozen_stopped_and_no_answer_are_never_mixed() {
    let words = ["frozen", "has stopped", "gives no answer"];
    for (status, frozen, expected) in [
        (NodeStatus::Unreachable, true, "frozen"),
        (NodeStatus::Down, false, "has stopped"),
        (NodeStatus::Unreachable, false, "gives no answer"),
    ] {
        let mut view = three();
        (view.cities[1].status, view.cities[1].frozen) = (status, frozen);
        let html = html(&view);
        for word in words {
            assert_eq!(html.contains(word), word == expected, "{expected}: {word}");
        }
        assert_eq!(html.matches(r#"<g class="way dead"#).count(), 3);
    }
}

#[test]
fn a_city_says_that_it_recovers_and_what_its_clock_reads() {
    let mut view = three();
    (view.cities[0].recovering, view.cities[0].heroes) = (true, 30);
    view.cities[1].clock_ahead_ms = Some(1_850);
    view.cities[2].clock_ahead_ms = Some(-499);
    let (drawn, _) = drawn_and_told(&view);
    assert!(drawn.contains("30 | of 120 | Gotham | recovering"), "{drawn}");
    assert!(
        drawn.contains("Metropolis | clock 1.9 s ahead") && drawn.contains("Capitol | dispatch"),
        "{drawn}"
    );
    assert!(html(&view).contains(r#"stroke-dasharray="25 100""#));
}

#[test]
fn paused_gossip_is_said_where_gossip_begins() {
    let view = View { pace: Pace::PAUSED, ..three() };
    assert!(drawn_and_told(&view).0.contains("dispatch | gossip is paused"));
}

#[test]
fn two_to_eight_cities_of_any_name_have_room_and_no_way_leads_through_dispatch() {
    for count in 2..=8 {
        let names: Vec<String> = (0..count).map(|city| format!("a-long-name-n-{city}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let view = fixtures::view(&names, 100_000);
        let (layout, map) = (Layout::of(count), Topology::of(&view));
        assert_eq!(map.links.len(), count * (count + 1) / 2);
        for (a, at) in layout.cities.iter().enumerate() {
            assert!(at.x - layout.radius >= 0.0 && at.x + layout.radius <= map.width, "{count}");
            assert!(at.y - layout.radius >= 0.0 && at.y + layout.radius <= map.height, "{count}");
            for other in &layout.cities[a + 1..] {
                assert!(
                    (at.x - other.x).hypot(at.y - other.y) > 2.0 * layout.radius + 30.0,
                    "{count}"
                );
                let curve = Curve::between(*at, 0.0, *other, 0.0, layout.middle, true);
                let nearest = (0..=50).map(|step| curve.at(f64::from(step) / 50.0));
                let nearest = nearest
                    .map(|at| (at.x - layout.middle.x).hypot(at.y - layout.middle.y))
                    .fold(f64::MAX, f64::min);
                assert!(nearest > DISPATCH_RADIUS, "{count}: {nearest}");
            }
        }
    }
    let first = Layout::of(3).cities[0];
    assert!(
        first.x < Layout::of(3).middle.x && first.y < Layout::of(3).middle.y,
        "the first one is at the upper left"
    );
}

#[test]
fn nothing_on_the_map_needs_what_the_content_security_policy_forbids() {
    let html =
        html(&View { faults: vec![fault(FaultKind::Cut, "gotham", None, false)], ..three() });
    for forbidden in [" style=", "<style", "<script", "<animate", "href="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}
