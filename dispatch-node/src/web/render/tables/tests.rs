//! Tables of records that a small replica has written.

use std::sync::Arc;
use std::time::Duration;

use gossip::replica::Config;
use gossip::types::{counter, presence, registers, room};
use gossip::{Key, Now, Origin, UnixMillis};
use shared::{Entry, Replica};

use super::*;
use crate::fixtures::{Fixture, INCARNATION, NOW};
use crate::model::status::ClusterStatus;

/// A replica of this node, which has joined.
fn replica(node: &str) -> Replica {
    let me = Origin { node: node.parse().unwrap(), incarnation: INCARNATION };
    let config = Config { members: [me.node].into(), ..Config::default() };
    let mut replica = Replica::new(me, config, Now::new(Duration::ZERO, UnixMillis(0)));
    replica.tick(Now::new(Duration::from_secs(50), NOW.wall));
    assert!(replica.joined());
    replica
}

fn entries(replica: &Replica) -> Vec<(Key, Arc<Entry>)> {
    let changed = replica.map().changed_since(0);
    changed.map(|(_, key, entry)| (key, Arc::new(entry))).collect()
}

/// A view in which dispatch and these cities hold what the replica holds.
fn held(fixture: Fixture, replica: &Replica, cities: [bool; 3], own: bool) -> Fixture {
    let mut fixture = fixture;
    for (key, entry) in entries(replica) {
        let cells = cities.map(|holds| holds.then(|| Arc::clone(&entry)));
        fixture.view.tables.put(key, own.then(|| Arc::clone(&entry)), cells.to_vec());
    }
    fixture
}

fn query(table: TypeTable) -> PageQuery {
    PageQuery { table: Some(table), ..PageQuery::default() }
}

/// The rendered rows of a table, without tags.
fn texts(view: &View, query: &PageQuery) -> Vec<String> {
    let selection = select(view, query.table.unwrap(), query);
    let plain = |(_, html): (Arc<str>, Arc<str>)| {
        let mut text = String::new();
        let mut is_tag = false;
        for c in html.chars() {
            match c {
                '<' => is_tag = true,
                '>' => {
                    is_tag = false;
                    text.push(' ');
                }
                c if !is_tag => text.push(c),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    rows(view, query, &selection).into_iter().map(plain).collect()
}

fn status(view: &View) -> ClusterStatus {
    let View { dispatch, cities, rows, counted, tables, .. } = view;
    ClusterStatus::of(dispatch, cities, rows, counted, None, 0, tables)
}

#[test]
fn counter_is_one_row_that_adds_up_its_shards() {
    let (mut gotham, mut capitol) = (replica("gotham"), replica("capitol"));
    counter::add(&mut gotham, NOW, "visits", 5).unwrap();
    counter::add(&mut capitol, NOW, "visits", -2).unwrap();
    let fixture = held(Fixture::new(), &gotham, [true; 3], true);
    let view = held(fixture, &capitol, [true; 3], true).view;
    let query = query(TypeTable::Counters);
    assert_eq!(texts(&view, &query), ["visits Capitol -2, Gotham 5 All three: 3 Agreed"]);
}

#[test]
fn difference_is_marked_counted_and_explained() {
    let (mut gotham, mut capitol) = (replica("gotham"), replica("capitol"));
    counter::add(&mut gotham, NOW, "visits", 5).unwrap();
    counter::add(&mut capitol, NOW, "visits", 1).unwrap();
    let fixture = held(Fixture::new(), &gotham, [true, false, false], false);
    let view = held(fixture, &capitol, [true; 3], true).view;
    let all = query(TypeTable::Counters);
    let shown = texts(&view, &all);
    assert!(shown[0].starts_with("visits Capitol 1, Gotham 5 6 1 1 Only copy"), "{shown:?}");
    assert!(
        shown[0].contains("Metropolis and Capitol have not received Gotham’s +5 of"),
        "{shown:?}"
    );
    let selection = select(&view, TypeTable::Counters, &all);
    let html = rows(&view, &all, &selection)[0].1.clone();
    assert_eq!(html.matches("<mark>").count(), 1, "{html}");
    let status = status(&view);
    assert_eq!(status.table_differences.get(&TypeTable::Counters), Some(&1));
    assert!(status.sentence.ends_with(" Counters differ."), "{}", status.sentence);
    assert!(!status.converged && status.heroes_converged);
    let differing = PageQuery { show: Show::Differing, ..all };
    assert_eq!(texts(&view, &differing).len(), 1);
}

/// Entries of owned keys say nothing of what they were based on.
#[test]
fn second_write_to_an_owned_key_loses_nothing() {
    let mut gotham = replica("gotham");
    let write = |gotham: &mut Replica, text: &str| {
        counter::add(gotham, NOW, "visits", 5).unwrap();
        let tracked = presence::track(gotham, NOW, "pages", "ada", b"1").unwrap();
        presence::update(gotham, NOW, "pages", &tracked, text.as_bytes()).unwrap();
    };
    write(&mut gotham, "2");
    let before = entries(&gotham);
    write(&mut gotham, "3");
    let mut view = Fixture::new().view;
    for (key, entry) in entries(&gotham) {
        let older = before.iter().find(|(held, _)| *held == key).map(|(_, entry)| entry.clone());
        view.tables.put(key, None, vec![Some(entry), older.clone(), older]);
    }
    let shown = texts(&view, &query(TypeTable::Counters));
    assert!(shown[0].contains("Metropolis and Capitol have not received Gotham’s +5"), "{shown:?}");
    for table in [TypeTable::Counters, TypeTable::Presence] {
        let shown = texts(&view, &query(table));
        assert!(shown.iter().all(|row| !row.contains("lost")), "{shown:?}");
    }
}

#[test]
fn presence_differs_without_changing_the_verdict() {
    let mut dispatch = replica("dispatch");
    presence::track(&mut dispatch, NOW, "pages", "ada", b"null").unwrap();
    let view = held(Fixture::new(), &dispatch, [true, false, false], true).view;
    let status = status(&view);
    assert_eq!(status.table_differences.get(&TypeTable::Presence), Some(&1));
    assert!(status.converged, "{}", status.sentence);
}

#[test]
fn emptied_place_of_presence_is_no_row() {
    let mut dispatch = replica("dispatch");
    let ada = presence::track(&mut dispatch, NOW, "pages", "ada", b"null").unwrap();
    let view = held(Fixture::new(), &dispatch, [true; 3], true).view;
    let shown = texts(&view, &query(TypeTable::Presence));
    assert_eq!(shown, ["ada at Dispatch, in pages All three: present Agreed"]);
    presence::untrack(&mut dispatch, NOW, "pages", &ada).unwrap();
    let view = held(Fixture { view }, &dispatch, [true; 3], true).view;
    let shown = texts(&view, &query(TypeTable::Presence));
    assert!(shown[0].starts_with("No page or client is present."), "{shown:?}");
}

#[test]
fn newest_message_is_the_first_row_and_text_is_escaped() {
    let mut gotham = replica("gotham");
    for (millis, text) in [(0, "one"), (1, "<b>two</b>")] {
        let now = Now::new(NOW.mono, UnixMillis(NOW.wall.0 + millis));
        room::send(&mut gotham, now, "radio", "ada", text, None).unwrap();
    }
    let view = held(Fixture::new(), &gotham, [true; 3], true).view;
    let query = query(TypeTable::Radio);
    let html = rows(&view, &query, &select(&view, TypeTable::Radio, &query));
    assert!(html[0].1.contains("ada: &#60;b&#62;two"), "{}", html[0].1);
    assert!(html[1].1.contains("ada: one"));
}

#[test]
fn rows_are_searched_and_paged() {
    let mut gotham = replica("gotham");
    for number in 0..60 {
        let put = [(format!("key {number:02}"), b"1".to_vec())].into();
        let batch = registers::Batch { put, delete: [].into() };
        registers::write(&mut gotham, NOW, "stock", &batch).unwrap();
    }
    let view = held(Fixture::new(), &gotham, [true; 3], true).view;
    let query = query(TypeTable::Tables);
    assert_eq!(texts(&view, &query).len(), 50);
    let second = PageQuery { page: 1, ..query.clone() };
    assert_eq!(texts(&view, &second).len(), 10);
    let found = PageQuery { search: "KEY 41".into(), ..query };
    assert_eq!(texts(&view, &found), ["key 41 in stock All three: 1 Agreed"]);
}

#[test]
fn pages_of_one_name_are_counted() {
    let mut dispatch = replica("dispatch");
    for _ in 0..5 {
        presence::track(&mut dispatch, NOW, "pages", "guest", b"null").unwrap();
    }
    let view = held(Fixture::new(), &dispatch, [true; 3], true).view;
    let shown = texts(&view, &query(TypeTable::Presence));
    assert_eq!(shown, ["guest 5 at Dispatch, in pages All three: 5 × present Agreed"]);
}

#[test]
fn register_that_is_set_again_over_a_deletion_differs() {
    let mut gotham = replica("gotham");
    let write = |replica: &mut Replica, put: &[&str], delete: &[&str]| {
        let put = put.iter().map(|key| ((*key).to_owned(), b"1".to_vec())).collect();
        let delete = delete.iter().map(|key| (*key).to_owned()).collect();
        registers::write(replica, NOW, "stock", &registers::Batch { put, delete }).unwrap();
    };
    write(&mut gotham, &["key"], &[]);
    write(&mut gotham, &[], &["key"]);
    let deleted = entries(&gotham);
    write(&mut gotham, &["key"], &[]);
    let set = entries(&gotham);
    let mut fixture = Fixture::new();
    let (key, set, deleted) = (set[0].0, Some(&set[0].1), Some(&deleted[0].1));
    let cells = [set, deleted, set].map(|entry| entry.cloned());
    fixture.view.tables.put(key, set.cloned(), cells.to_vec());
    let shown = texts(&fixture.view, &query(TypeTable::Tables));
    assert!(shown[0].starts_with("key in stock 1 deleted 1 Differs"), "{shown:?}");
}
