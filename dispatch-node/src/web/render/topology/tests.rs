//! The content of the map in every state of the cluster.

use std::time::Duration;

use gossip::Pulled;
use gossip::fault::{Fault, FaultId, Frames, Pace, Permille};

use super::layout::{Curve, DISPATCH_RADIUS};
use super::*;
use crate::fixtures::{self, THREE, name};
use crate::model::faults::FaultView;
use crate::model::node_state::NodeStatus;

/// A fault that every node that executes it reports.
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

/// The labels of the picture and the cells of the table, as text.
fn labels_and_cells(view: &View) -> (String, String) {
    let html = html(view);
    let (picture, table) = html.split_once("</svg>").unwrap();
    let plain = |html: &str| {
        // A handle of the table contains the text of its cell.
        let html = html.replace("<td><a ", "<td ");
        let texts = html.split('<').filter_map(|tag| tag.split_once('>'));
        texts
            .filter(|(tag, _)| tag.starts_with("text") || tag.starts_with("td"))
            .map(|(_, text)| text.trim().to_owned())
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
fn map_without_faults_has_open_links() {
    let (labels, cells) = labels_and_cells(&three());
    assert_eq!(
        labels,
        "120 | heroes | Gotham | 120 | heroes | Metropolis | 120 | heroes | Capitol | dispatch"
    );
    assert_eq!(cells.matches("open both ways").count(), 6, "{cells}");
    let html = html(&three());
    assert!(
        html.contains(r#"aria-label="Map of 3 cities and dispatch. All links are open.""#),
        "{html}"
    );
    assert!(!html.contains(r#"class="cross""#));
}

#[test]
fn each_fault_kind_has_its_label_class_and_row() {
    let cases = [
        (FaultKind::Cut, "cut", "cut", "cut, both ways"),
        (delay(), "delayed", "180 ± 40 ms", "delayed, 180 ± 40 ms, both ways"),
        (FaultKind::Loss(fifth()), "drops", "drops 20 %", "drops 20 %, both ways"),
        (
            FaultKind::Duplicate(fifth()),
            "duplicates",
            "duplicates 20 %",
            "duplicates 20 %, both ways",
        ),
        (FaultKind::Reorder(fifth()), "reorders", "reorders 20 %", "reorders 20 %, both ways"),
        (
            FaultKind::Throttle(2_000),
            "throttled",
            "2\u{202f}000 bytes/s",
            "throttled, 2\u{202f}000 bytes/s, both ways",
        ),
    ];
    for (kind, class, label, row) in cases {
        let view =
            View { faults: vec![fault(kind, "gotham", Some("metropolis"), true)], ..three() };
        let ((labels, cells), html) = (labels_and_cells(&view), html(&view));
        assert!(labels.contains(label), "{labels}");
        assert!(cells.contains(&format!("Gotham | Metropolis | {row} | 14:15:12")), "{cells}");
        assert_eq!(html.matches(&format!(r#"<g class="way {class}">"#)).count(), 1, "{html}");
        assert_eq!(html.contains(r#"class="cross""#), kind == FaultKind::Cut, "{class}");
        assert!(
            html.contains(&format!(
                r#"dispatch. Gotham and Metropolis: {} both ways."#,
                row.trim_end_matches(", both ways")
            )),
            "{html}"
        );
    }
}

#[test]
fn one_way_fault_shows_its_direction() {
    for (from, to, shown) in [("gotham", "capitol", "Capitol"), ("capitol", "gotham", "Gotham")] {
        let view = View { faults: vec![fault(FaultKind::Cut, from, Some(to), false)], ..three() };
        let (labels, cells) = labels_and_cells(&view);
        assert!(labels.ends_with(&format!("cut | to {shown}")), "{labels}");
        assert!(
            cells.contains(&format!(
                "{} | {shown} | cut, one way | 14:15:12",
                title(from.parse().unwrap())
            )),
            "{cells}"
        );
        assert_eq!(html(&view).matches(r#"class="head""#).count(), 1);
    }
}

#[test]
fn isolated_city_is_also_cut_off_from_dispatch() {
    let view = View { faults: vec![fault(FaultKind::Cut, "gotham", None, true)], ..three() };
    let html = html(&view);
    assert_eq!(html.matches(r#"class="cross""#).count(), 3);
    assert_eq!(html.matches(r#"<g class="way cut faint">"#).count(), 1);
}

#[test]
fn unreported_fault_is_not_on_the_map() {
    let requested =
        FaultView { at: Vec::new(), ..fault(FaultKind::Cut, "gotham", Some("capitol"), true) };
    assert!(!html(&View { faults: vec![requested], ..three() }).contains(r#"class="cross""#));
    let half = FaultView {
        at: vec!["gotham".parse().unwrap()],
        ..fault(FaultKind::Cut, "gotham", Some("capitol"), true)
    };
    let (labels, _) = labels_and_cells(&View { faults: vec![half], ..three() });
    assert!(labels.ends_with("cut | to Capitol"), "{labels}");
}

#[test]
fn worst_fault_sets_the_class_and_every_fault_is_listed() {
    let faults = [delay(), FaultKind::Cut, FaultKind::Loss(fifth())]
        .map(|kind| fault(kind, "gotham", Some("metropolis"), true));
    let view = View { faults: faults.into(), ..three() };
    let (labels, cells) = labels_and_cells(&view);
    assert!(labels.ends_with("cut | drops 20 % | 180 ± 40 ms"), "{labels}");
    assert_eq!(cells.matches("Gotham | Metropolis").count(), 3);
    assert!(html(&view).contains(r#"<g class="way cut">"#));
}

#[test]
fn frozen_stopped_and_unreachable_are_never_mixed() {
    let phrases = ["frozen", "has stopped", "is unreachable"];
    for (status, frozen, expected) in [
        (NodeStatus::Unreachable, true, "frozen"),
        (NodeStatus::Down, false, "has stopped"),
        (NodeStatus::Unreachable, false, "is unreachable"),
    ] {
        let mut view = three();
        (view.cities[1].status, view.cities[1].frozen) = (status, frozen);
        let html = html(&view);
        for phrase in phrases {
            assert_eq!(html.contains(phrase), phrase == expected, "{expected}: {phrase}");
        }
        assert_eq!(html.matches(r#"<g class="way unavailable"#).count(), 3);
    }
}

#[test]
fn city_label_shows_recovery_and_clock_error() {
    let mut view = three();
    (view.cities[0].recovering, view.cities[0].heroes) = (true, 30);
    view.cities[1].clock_ahead_ms = Some(1_850);
    view.cities[2].clock_ahead_ms = Some(-499);
    let (labels, _) = labels_and_cells(&view);
    assert!(labels.contains("30 | of 120 | Gotham | recovering"), "{labels}");
    assert!(
        labels.contains("Metropolis | clock 1.9 s ahead") && labels.contains("Capitol | dispatch"),
        "{labels}"
    );
    assert!(html(&view).contains(r#"stroke-dasharray="25 100""#));
}

#[test]
fn paused_gossip_is_shown_at_dispatch() {
    let view = View { pace: Pace::PAUSED, ..three() };
    assert!(labels_and_cells(&view).0.contains("dispatch | gossip is paused"));
}

#[test]
fn two_to_eight_cities_fit_and_no_link_crosses_dispatch() {
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
        "the first city is at the upper left"
    );
}

#[test]
fn crowd_of_cities_fits_beside_its_names_and_shows_only_links_with_faults() {
    for count in 9..=32 {
        let names: Vec<String> = (0..count).map(|city| format!("long-name-{city:06}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let at = [names[1], names[7]].map(name).to_vec();
        let cut = FaultView { at, ..fault(FaultKind::Cut, names[1], Some(names[7]), true) };
        let view = View { faults: vec![cut], ..fixtures::view(&names, 100_000) };
        let (layout, map) = (Layout::of(count), Topology::of(&view));
        assert_eq!(map.links.len(), 1, "the cut one");
        assert_eq!(map.rows.len(), count * (count + 1) / 2, "the table has them all");
        // The widest letters of a name have 8 units.
        let width = 16.0 * 8.0;
        for (a, at) in layout.cities.iter().enumerate() {
            assert!(at.y - layout.radius >= 0.0 && at.y + layout.radius <= map.height, "{count}");
            for other in &layout.cities[a + 1..] {
                let apart = (at.x - other.x).hypot(at.y - other.y);
                assert!(apart > 2.0 * layout.radius + 4.0, "{count}: {apart}");
            }
            let name = &map.cities[a].name;
            let (left, right) = match name.anchor {
                "start" => (name.x, name.x + width),
                "end" => (name.x - width, name.x),
                _ => (name.x - width / 2.0, name.x + width / 2.0),
            };
            assert!(left >= 0.0 && right <= map.width, "{count}: {left} to {right}");
        }
    }
}

#[test]
fn map_markup_respects_the_content_security_policy() {
    let html =
        html(&View { faults: vec![fault(FaultKind::Cut, "gotham", None, false)], ..three() });
    for forbidden in [" style=", "<style", "<script", "<animate"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let links = html.matches("href=").count();
    assert_eq!(html.matches("class=\"handle\" href=\"#fault-forms\"").count(), links);
}

#[test]
fn rounds_are_on_the_map_while_gossip_is_slow() {
    let mut view = three();
    let merged = PullOutcome::Merged { entries: 3, bytes: 400, changes: 1..=3 };
    for (ended_ago, outcome) in
        [(500, merged), (600, PullOutcome::Unanswered), (9_000, PullOutcome::Same)]
    {
        let ended_ago = Duration::from_millis(ended_ago);
        let pulled = Pulled { source: name("dispatch"), asked_ago: ended_ago, ended_ago, outcome };
        view.history.pulled(view.at, name("capitol"), &pulled);
    }
    assert!(!html(&view).contains("class=\"frame"), "at the normal pace they are too many");
    view.pace = Pace { percent: 10 };
    let html = html(&view);
    assert_eq!(html.matches("class=\"frame dispatch\"").count(), 1, "answered, and just now");
    assert!(html.contains("id=\"frame-capitol-dispatch-99500\"") && html.contains(">3</text>"));
}
