//! The writes that only one city has: those that a bomb would destroy, and the outcome for the heroes
//! that recent bombs put at risk.

use askama::Template;

use shared::hero::{HeroId, HeroName};

use crate::event_log::EventKind;
use crate::model::bomb_report;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Pattern;
use crate::model::view::View;
use crate::text::{counted, grouped, isolated, title};
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{Time, listed};

/// The most heroes listed by name.
const NAMED: usize = 3;

/// Describes the writes that a bomb on this city would destroy now; none if other nodes have them
/// all, or the city is not up.
pub(crate) fn at_stake(view: &View, city: usize) -> Option<String> {
    // A city that is not up cannot be bombed, so nothing is at stake.
    let node = view.cities.get(city).filter(|node| node.status == NodeStatus::Up)?;
    let is_only_there = |pattern: &Pattern| pattern.newest_only_at(&view.counted) == Some(city);
    let is_only_copy = |pattern: &Pattern| pattern.only_at(&view.counted) == Some(city);
    let (writes, heroes) = (view.rows.count(is_only_there), view.rows.count(is_only_copy));
    if writes == 0 {
        return None;
    }
    let named: Vec<String> = view
        .rows
        .iter()
        .filter(|row| is_only_there(&row.pattern))
        .take(NAMED)
        .map(|row| isolated(&row.name).into_owned())
        .collect();
    let others = if view.counted.iter().all(|counted| *counted) {
        "no other node"
    } else {
        "no other node that answers"
    };
    let (city, names) = (title(node.name), names(&named, writes));
    Some(if heroes == writes {
        let heroes = counted(heroes, "hero", "heroes");
        format!("Bombing {city} now would lose {heroes} that {others} holds: {names}.")
    } else {
        let writes = counted(writes, "write", "writes");
        format!("Bombing {city} now would lose {writes} that {others} has, to {names}.")
    })
}

/// Lists the first of `count` heroes by name, and the number of further ones.
fn names(some: &[String], count: usize) -> String {
    let named = &some[..some.len().min(NAMED)];
    let more = count - named.len();
    if more == 0 {
        listed(named, "and")
    } else {
        format!("{} and {} more", named.join(", "), grouped(more as u64))
    }
}

/// The outcome of the recent bombs.
#[derive(Debug, Template)]
#[template(path = "only_copies.html")]
pub(crate) struct BombReportPanel {
    /// Newest first.
    pub(crate) lines: Vec<BombReport>,
}

/// The outcome of one bomb for the heroes that the city alone held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BombReport {
    /// The time of the bomb; none if its event is no longer kept.
    pub(crate) at: Option<Time>,
    /// The city.
    pub(crate) key: CityKey,
    /// `Of the 3 heroes that Gotham alone held, 1 has come back (Ada) and 2 are gone (Bela, Cleo).`
    pub(crate) text: String,
}

impl BombReportPanel {
    /// Returns the panel for this view.
    pub(crate) fn of(view: &View) -> Self {
        Self { lines: bomb_report(view) }
    }
}

/// The outcome of each bomb that put heroes at risk, newest first.
pub(crate) fn bomb_report(view: &View) -> Vec<BombReport> {
    let line = |bomb: &bomb_report::BombReport| BombReport {
        at: view
            .events
            .iter()
            .rev()
            .find(|event| event.number == bomb.event)
            .map(|it| Time::in_millis(it.at, view.at.wall)),
        key: bomb.city.to_string(),
        text: outcome(view, bomb),
    };
    view.bomb_reports.iter().rev().filter(|bomb| bomb.count > 0).map(|bomb| line(bomb)).collect()
}

/// Describes the outcome of one bomb.
fn outcome(view: &View, bomb: &bomb_report::BombReport) -> String {
    let city = title(bomb.city);
    let all: Vec<String> = bomb.only_there.iter().map(|(_, name)| name.to_string()).collect();
    let heroes = counted(bomb.count, "hero", "heroes");
    if !has_answered_since(view, bomb) {
        return format!(
            "Only {city} held {heroes} when it was bombed ({}), and it has not answered since.",
            names(&all, bomb.count)
        );
    }
    let is_held = |id| view.rows.get(id).is_some_and(|row| row.pattern.is_alive());
    let (back, gone): (Vec<_>, Vec<_>) = bomb.only_there.iter().partition(|(id, _)| is_held(*id));
    // A city that does not answer may still hold them, so they are not reported as gone.
    let all_answer = view
        .cities
        .iter()
        .zip(&view.counted)
        .all(|(city, counted)| *counted && city.status == NodeStatus::Up);
    let is_gone = |many| match (all_answer, many) {
        (true, false) => "is gone",
        (true, true) => "are gone",
        (false, false) => "has not come back yet",
        (false, true) => "have not come back yet",
    };
    if let [(_, name)] = bomb.only_there.as_slice()
        && bomb.count == 1
    {
        let verb = if back.is_empty() { is_gone(false) } else { "has come back" };
        return format!("The one hero that {city} alone held, {name}, {verb}.");
    }
    let part = |some: &[&(HeroId, HeroName)], verb: &str| {
        let some_names: Vec<String> =
            some.iter().take(NAMED).map(|(_, name)| name.to_string()).collect();
        let more = some.len() - some_names.len();
        let more =
            if more == 0 { String::new() } else { format!(" and {} more", grouped(more as u64)) };
        format!("{} {verb} ({}{more})", grouped(some.len() as u64), some_names.join(", "))
    };
    let has = if back.len() == 1 { "has come back" } else { "have come back" };
    let parts: Vec<String> = [(&back, has), (&gone, is_gone(gone.len() != 1))]
        .into_iter()
        .filter(|(some, _)| !some.is_empty())
        .map(|(some, verb)| part(some, verb))
        .collect();
    let of = match bomb.only_there.len() {
        known if known < bomb.count => format!("{} of the {heroes}", grouped(known as u64)),
        _ => format!("the {heroes}"),
    };
    format!("Of {of} that {city} alone held, {}.", parts.join(" and "))
}

/// Returns true if the city has answered since the bomb. Until then the view contains its last
/// known state, with the heroes that the bomb destroyed.
fn has_answered_since(view: &View, bomb: &bomb_report::BombReport) -> bool {
    let mut since = view.events.iter().rev().take_while(|event| event.number > bomb.event);
    let is_dropped = view.events.front().is_some_and(|oldest| oldest.number > bomb.event);
    // The log no longer contains the bomb, so whether the city answered cannot be looked up. A bomb
    // that old is assumed to be over.
    is_dropped || since.any(|event| event.node == bomb.city && event.kind == EventKind::Answers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::{Fixture, id, live, name, stamp};

    const NAMES: [&str; 5] = ["Ada", "Bela", "Cleo", "Dora", "Emma"];

    /// A cluster in which only Gotham holds `count` heroes.
    fn only_gotham(count: usize) -> Fixture {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let hold = |fixture: Fixture, number: usize| {
            fixture.hold(number as u8, NAMES[number], [Some(&entry), None, None, None])
        };
        (0..count).fold(Fixture::new(), hold)
    }

    /// Gotham was bombed while only it held `count` heroes, and has answered since; `back` of them
    /// have come back.
    fn bombed(count: usize, back: usize) -> Fixture {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let hold = |fixture: Fixture, number: usize| {
            fixture.hold(number as u8, NAMES[number], [None, Some(&entry), None, None])
        };
        let mut fixture = (0..back)
            .fold(Fixture::new(), hold)
            .logged("gotham", EventKind::Destroyed)
            .logged("gotham", EventKind::Answers);
        let only_there =
            (0..count).map(|number| (id(number as u8), NAMES[number].into())).collect();
        fixture.view.bomb_reports.push(Arc::new(bomb_report::BombReport {
            city: name("gotham"),
            event: 1,
            only_there,
            count,
        }));
        fixture
    }

    fn reports(fixture: &Fixture) -> Vec<String> {
        bomb_report(&fixture.view).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn bomb_would_lose_heroes_that_no_other_node_holds() {
        let stake = |count| at_stake(&only_gotham(count).view, 0);
        assert_eq!(stake(0), None);
        assert_eq!(
            stake(1).unwrap(),
            "Bombing Gotham now would lose 1 hero that no other node holds: Ada."
        );
        assert_eq!(
            stake(3).unwrap(),
            "Bombing Gotham now would lose 3 heroes that no other node holds: Ada, Bela and Cleo."
        );
        assert_eq!(
            stake(5).unwrap(),
            "Bombing Gotham now would lose 5 heroes that no other node holds: Ada, Bela, Cleo and \
             2 more."
        );
        assert_eq!(at_stake(&only_gotham(3).view, 1), None, "another city holds none of them");
        assert_eq!(at_stake(&only_gotham(3).view, 9), None, "there is no such city");
    }

    #[test]
    fn bomb_would_lose_newest_writes_to_heroes_that_others_hold() {
        let older = live(stamp("gotham", 5_000), 84, None);
        let newer = live(stamp("gotham", 4_000), 70, Some(&older));
        let fixture = only_gotham(1)
            .hold(8, "Bela", [Some(&newer), Some(&older), Some(&older), Some(&older)])
            .hold(9, "Cleo", [Some(&newer), Some(&newer), Some(&older), Some(&older)]);
        assert_eq!(
            at_stake(&fixture.view, 0).unwrap(),
            "Bombing Gotham now would lose 2 writes that no other node has, to Ada and Bela."
        );
        assert_eq!(at_stake(&fixture.view, 1), None, "Gotham has it too");
    }

    #[test]
    fn unreachable_city_may_hold_the_heroes_at_stake() {
        let fixture = only_gotham(1).status("capitol", NodeStatus::Unreachable);
        assert_eq!(
            at_stake(&fixture.view, 0).unwrap(),
            "Bombing Gotham now would lose 1 hero that no other node that answers holds: Ada."
        );
        assert_eq!(
            at_stake(&only_gotham(1).status("gotham", NodeStatus::Down).view, 0),
            None,
            "it cannot be bombed"
        );
    }

    #[test]
    fn bomb_report_splits_heroes_into_recovered_and_gone() {
        for (count, back, expected) in [
            (
                3,
                1,
                "Of the 3 heroes that Gotham alone held, 1 has come back (Ada) and 2 are gone \
                 (Bela, Cleo).",
            ),
            (
                3,
                2,
                "Of the 3 heroes that Gotham alone held, 2 have come back (Ada, Bela) and 1 is \
                 gone (Cleo).",
            ),
            (2, 2, "Of the 2 heroes that Gotham alone held, 2 have come back (Ada, Bela)."),
            (
                5,
                0,
                "Of the 5 heroes that Gotham alone held, 5 are gone (Ada, Bela, Cleo and 2 more).",
            ),
            (1, 0, "The one hero that Gotham alone held, Ada, is gone."),
            (1, 1, "The one hero that Gotham alone held, Ada, has come back."),
        ] {
            assert_eq!(reports(&bombed(count, back)), [expected]);
        }
    }

    #[test]
    fn hero_is_not_gone_while_a_city_is_unreachable() {
        let fixture = bombed(2, 1).status("capitol", NodeStatus::Unreachable);
        assert_eq!(
            reports(&fixture),
            ["Of the 2 heroes that Gotham alone held, 1 has come back (Ada) and 1 has not come \
                 back yet (Bela)."]
        );
    }

    #[test]
    fn last_known_state_of_a_bombed_city_does_not_count() {
        let mut fixture = bombed(2, 2);
        fixture.view.events.pop_back();
        assert_eq!(
            reports(&fixture),
            ["Only Gotham held 2 heroes when it was bombed (Ada and Bela), and it has not \
                 answered since."]
        );
    }

    #[test]
    fn bomb_reports_are_newest_first_without_harmless_bombs() {
        let mut fixture = bombed(1, 0);
        let bomb = |event, count, name: &str| bomb_report::BombReport {
            city: crate::fixtures::name("capitol"),
            event,
            only_there: vec![(id(9), name.into())],
            count,
        };
        fixture =
            fixture.logged("capitol", EventKind::Destroyed).logged("capitol", EventKind::Answers);
        fixture.view.bomb_reports.push(Arc::new(bomb(3, 300, "Zoe")));
        fixture
            .view
            .bomb_reports
            .push(Arc::new(bomb_report::BombReport { only_there: Vec::new(), ..bomb(3, 0, "") }));
        let expected = [
            "Of 1 of the 300 heroes that Capitol alone held, 1 is gone (Zoe).",
            "The one hero that Gotham alone held, Ada, is gone.",
        ];
        assert_eq!(reports(&fixture), expected);
        let at = bomb_report(&fixture.view)[0].at.as_ref().map(ToString::to_string);
        assert_eq!(at.as_deref(), Some("12:41:40.000"));
    }

    #[test]
    fn hostile_name_is_escaped() {
        let mut fixture = bombed(1, 0);
        let only_there = vec![(id(0), "<img src=x onerror=alert(1)>".into())];
        fixture.view.bomb_reports = vec![Arc::new(bomb_report::BombReport {
            city: name("gotham"),
            event: 1,
            only_there,
            count: 1,
        })];
        let html = BombReportPanel::of(&fixture.view).render().expect("rendering into a string");
        assert!(!html.contains("<img") && html.contains("alert(1)"), "{html}");
        assert!(html.starts_with(r#"<div class="card bomb-reports" id="bomb-reports""#), "{html}");
    }
}
