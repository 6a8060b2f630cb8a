//! The text of the page in each state of the cluster, the degraded ones first, without markup.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::fixtures::{Fixture, dead, id, live, stamp};
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::status::ClusterStatus;
use crate::web::error::{Problem, Refusal};

use gossip::fault::FaultKind;
use shared::Entry;

/// The page as a browser receives it.
fn page_of(view: &View, query: &PageQuery, refusal: Option<&Refusal>) -> String {
    let (mut shared, mut window) = (Fragments::default(), Fragments::default());
    super::shared(&mut shared, 1, view, &LauncherClient::Person { in_vs_code: false }, None, None);
    super::window(&mut window, 1, view, query, &mut RowCache::default());
    if refusal.is_some() {
        window.list(
            1,
            "table-rows",
            heroes::rows(view, query, &query.select(view), refusal, &mut RowCache::default()),
        );
    }
    let notice = refusal.map(|refusal| Notice { text: refusal.problem.detail.clone(), bad: true });
    let surroundings =
        Surroundings { epoch: "e", others: "", notice, role: None, unsafe_for: None, me: "" };
    document(view, 1, &shared, &Fragments::default(), &window, query, surroundings)
}

/// The text of `html`, with a line for each run of text between block elements.
fn plain_text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("tags end");
        text.push_str(before);
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
        if !["b", "i", "s", "small", "span", "mark", "bdi", "time", "a"].contains(&name) {
            text.push('\n');
        }
        rest = if tag.starts_with("select") {
            after.split_once("</select>").expect("lists end").1
        } else {
            after
        };
    }
    text.push_str(rest);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
}

/// The text of the fragments that depend on the state, one after the other.
fn page_text(mut fixture: Fixture, query: &PageQuery) -> String {
    let view = &mut fixture.view;
    // A fixture sets the entries; the fingerprints and counts are derived from them here.
    let fingerprint = |column: &dyn Fn(&crate::model::rows::Row) -> Option<Arc<Entry>>| {
        let mut map = shared::Map::default();
        for (id, entry) in view.rows.iter().filter_map(|row| Some((row.id, column(row)?))) {
            map.merge(id, &entry.as_entry_ref());
        }
        (map.fingerprint(), map.live() as u64)
    };
    let columns: Vec<_> =
        (0..view.cities.len()).map(|city| fingerprint(&|row| row.cells[city].clone())).collect();
    let own = fingerprint(&|row| row.own.clone());
    for (city, holds) in view.cities.iter_mut().zip(columns) {
        (city.fingerprint, city.heroes) = holds;
    }
    (view.dispatch.fingerprint, view.dispatch.heroes) = own;
    let lost = view.lost.len() as u64;
    let verdict = ClusterStatus::of(
        &view.dispatch,
        &view.cities,
        &view.rows,
        &view.counted,
        None,
        lost,
        &view.tables,
    );
    let age = (verdict.differences > 0).then_some(Duration::from_secs(9));
    view.status = ClusterStatus { oldest_difference: age, ..verdict };
    let (mut shared, mut window) = (Fragments::default(), Fragments::default());
    super::shared(&mut shared, 1, view, &LauncherClient::Person { in_vs_code: false }, None, None);
    super::window(&mut window, 1, view, query, &mut RowCache::default());
    let pieces = ["title", "verdict", "gossip", "map", "cluster", "bomb-reports", "faults"]
        .map(|id| (id, shared.html(id).to_owned()));
    let table = [
        window.html("table-chips"),
        window.html("table-columns"),
        &window.list_html("table-rows"),
        window.html("table-foot"),
    ];
    let rest = [
        ("heroes", table.concat()),
        ("lost-writes", shared.html("lost-writes").to_owned()),
        ("inspector", window.html("inspector").to_owned()),
    ];
    let piece = |(id, html): (&str, String)| format!("# {id}\n{}\n", plain_text(&html));
    pieces.into_iter().chain(rest).map(piece).collect()
}

fn base() -> Arc<Entry> {
    live(stamp("dispatch", 60_000), 100, None)
}

/// Three heroes that every node holds.
fn three_heroes() -> Fixture {
    let fixture = Fixture::new();
    (1..4)
        .zip(["Ada", "Bela", "Cleo"])
        .fold(fixture, |fixture, (number, name)| fixture.hold(number, name, [Some(&base()); 4]))
}

#[test]
fn page_with_every_city_down() {
    let fixture =
        ["gotham", "metropolis", "capitol"].into_iter().fold(three_heroes(), |fixture, city| {
            fixture.city(city, |city| {
                city.status = NodeStatus::Down;
                city.age = Some(Duration::from_secs(6));
            })
        });
    insta::assert_snapshot!(page_text(fixture, &PageQuery::default()));
}

#[test]
fn page_with_an_unreachable_and_a_frozen_city() {
    let unreachable = |city: &mut NodeState| {
        city.status = NodeStatus::Unreachable;
        city.age = Some(Duration::from_secs(6));
    };
    let fixture = three_heroes().city("gotham", unreachable).city("capitol", |city| {
        unreachable(city);
        city.frozen = true;
    });
    insta::assert_snapshot!(page_text(
        fixture.fault(FaultKind::Freeze, "capitol", None, 20),
        &PageQuery::default()
    ));
}

#[test]
fn page_with_a_recovering_city() {
    let fixture =
        three_heroes().hold(2, "Bela", [None, Some(&base()), Some(&base()), Some(&base())]);
    let fixture = fixture.city("gotham", |city| {
        city.recovering = true;
        city.crashes = 1;
    });
    insta::assert_snapshot!(page_text(fixture, &PageQuery::default()));
}

#[test]
fn page_with_conflicting_writes_across_a_cut() {
    let metropolis = live(stamp("metropolis", 3_000), 64, Some(&base()));
    let gotham = live(stamp("gotham", 2_000), 84, Some(&base()));
    let fixture = three_heroes().hold(
        2,
        "Bela",
        [Some(&gotham), Some(&metropolis), Some(&gotham), Some(&gotham)],
    );
    let fixture = fixture.fault(FaultKind::Cut, "metropolis", None, 30);
    insta::assert_snapshot!(page_text(
        fixture,
        &PageQuery { hero: Some(id(2)), ..PageQuery::default() }
    ));
}

#[test]
fn page_with_a_pending_deletion_and_an_only_copy() {
    let deletion = dead(stamp("dispatch", 2_000), Some(&base()));
    let only = live(stamp("capitol", 1_000), 50, None);
    let fixture = three_heroes().hold(
        1,
        "Ada",
        [Some(&deletion), Some(&base()), Some(&deletion), Some(&deletion)],
    );
    let fixture = fixture.hold(4, "Dora", [None, None, Some(&only), None]);
    insta::assert_snapshot!(page_text(fixture, &PageQuery::default()));
}

#[test]
fn page_with_a_city_behind_and_a_lost_write() {
    let newer = live(stamp("gotham", 1_000), 80, Some(&base()));
    let lost = live(stamp("capitol", 5_000), 70, Some(&base()));
    let fixture = three_heroes()
        .hold(3, "Cleo", [Some(&newer), Some(&base()), Some(&newer), Some(&newer)])
        .lost(3, &lost, Some(&newer));
    insta::assert_snapshot!(page_text(fixture, &PageQuery::default()));
}

#[test]
fn page_when_all_nodes_agree() {
    insta::assert_snapshot!(page_text(three_heroes(), &PageQuery::default()));
}

#[test]
fn page_without_heroes() {
    insta::assert_snapshot!(page_text(Fixture::new(), &PageQuery::default()));
    let searched =
        page_text(three_heroes(), &PageQuery { search: "Zora".into(), ..PageQuery::default() });
    assert!(searched.contains("No hero matches this search."), "{searched}");
}

#[test]
fn refused_command_shows_its_reason_next_to_its_form() {
    let problem = Problem::unavailable(
        "no_answer",
        "capitol does not answer; nothing was changed".to_owned(),
    );
    let page = page_of(
        &three_heroes().view,
        &PageQuery::default(),
        Some(&Refusal { hero: Some(id(2)), problem }),
    );
    let row = page.split("<tr ").find(|row| row.contains(">Bela<")).unwrap();
    assert!(row.contains(r"role=alert>capitol does not answer; nothing was changed</p>"), "{row}");
    assert_eq!(
        page.matches("nothing was changed").count(),
        2,
        "in the row, and at the top of the page"
    );
}

#[test]
fn hostile_name_and_search_are_escaped() {
    let name = r#""><script>alert('hi')</script>"#;
    let fixture = Fixture::new().hold(1, name, [Some(&base()), None, None, None]);
    let page = page_of(
        &fixture.view,
        &PageQuery { search: "<b>".into(), hero: Some(id(1)), ..PageQuery::default() },
        None,
    );
    assert!(!page.contains("<script>") && !page.contains("<b>\""), "{page}");
    let page =
        page_of(&fixture.view, &PageQuery { hero: Some(id(1)), ..PageQuery::default() }, None);
    assert!(!page.contains("<script>") && page.contains("&#60;script&#62;"), "{page}");
}

#[test]
fn ids_are_unique_and_markup_respects_the_security_policy() {
    let page = page_of(
        &three_heroes().view,
        &PageQuery { hero: Some(id(1)), with_history: true, ..PageQuery::default() },
        None,
    );
    let ids: Vec<&str> = page
        .split(" id=")
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches('"').split(['"', ' ', '>']).next())
        .collect();
    let once: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
    assert!(ids.len() > 40 && once.len() == ids.len(), "{ids:?}");
    for forbidden in
        [" style=", "<style", " onclick=", " onchange=", "javascript:", "http://", "https://"]
    {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn search_form_keeps_the_other_parameters() {
    let query = PageQuery::parse("show=differing&rows=25&q=x");
    let page = page_of(&three_heroes().view, &query, None);
    for (name, value) in [("show", "differing"), ("rows", "25")] {
        let field = format!(r#"<input type="hidden" name="{name}" value="{value}">"#);
        assert!(page.contains(&field), "{field} in {page}");
    }
}

/// The limit applies to the uncompressed document, which a browser parses before it shows anything.
#[test]
fn first_page_of_fifty_heroes_is_small() {
    let fixture = (0..60).fold(Fixture::new(), |fixture, number| {
        fixture.hold(number, &format!("Silver Kestrel {number}"), [Some(&base()); 4])
    });
    let bytes = page_of(&fixture.view, &PageQuery::default(), None).len();
    assert!(bytes <= 64_000, "{bytes}");
}
