//! The heroes that one city alone holds: those that a bomb would destroy, and the outcome for those
//! that recent bombs put at risk.

use askama::Template;

use shared::hero::{HeroId, HeroName};

use crate::event_log::EventKind;
use crate::model::bomb_report;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Pattern;
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{listed, moment};

/// The most heroes listed by name.
const NAMED: usize = 3;

/// Describes the heroes that a bomb on this city would destroy now; none where other nodes hold
/// them all, or the city does not answer.
pub(crate) fn at_stake(view: &View, city: usize) -> Option<String> {
    let node = view.cities.get(city).filter(|node| node.status == NodeStatus::Up)?;
    let is_only_there = |pattern: &Pattern| pattern.only_at(&view.counted) == Some(city);
    let count = view.rows.count(is_only_there);
    if count == 0 {
        return None;
    }
    let named: Vec<String> = view
        .rows
        .iter()
        .filter(|row| is_only_there(&row.pattern))
        .take(NAMED)
        .map(|row| row.name.to_string())
        .collect();
    let else_ = if view.counted.iter().all(|counted| *counted) {
        "nobody else"
    } else {
        "nobody else that answers"
    };
    let heroes = counted(count, "hero", "heroes");
    Some(format!(
        "Bombing {} now would lose {heroes} that {else_} has heard of: {}.",
        title(node.name),
        names(&named, count)
    ))
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
    /// The time of the bomb; empty where its event is no longer kept.
    pub(crate) at: String,
    /// The city.
    pub(crate) key: CityKey,
    /// `Of the 3 heroes that Gotham alone held, 1 has come back (Ada) and 2 are gone (Bela, Cleo).`
    pub(crate) text: String,
}

impl BombReportPanel {
    /// The panel for this view.
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
            .map(|it| moment(it.at))
            .unwrap_or_default(),
        key: bomb.city.to_string(),
        text: became(view, bomb),
    };
    view.bomb_reports.iter().rev().filter(|bomb| bomb.count > 0).map(|bomb| line(bomb)).collect()
}

fn became(view: &View, bomb: &bomb_report::BombReport) -> String {
    let city = title(bomb.city);
    let all: Vec<String> = bomb.only_there.iter().map(|(_, name)| name.to_string()).collect();
    let heroes = counted(bomb.count, "hero", "heroes");
    if !is_back(view, bomb) {
        return format!(
            "{city} alone had heard of {heroes} when it was bombed ({}), and is not back yet.",
            names(&all, bomb.count)
        );
    }
    let is_alive = |id| view.rows.get(id).is_some_and(|row| row.pattern.is_alive());
    let (back, gone): (Vec<_>, Vec<_>) = bomb.only_there.iter().partition(|(id, _)| is_alive(*id));
    // A city that does not answer may hold them, and bring them back.
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
        let what = if back.is_empty() { is_gone(false) } else { "has come back" };
        return format!("The one hero that {city} alone held, {name}, {what}.");
    }
    let told = |some: &[&(HeroId, HeroName)], verb: &str| {
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
        .map(|(some, verb)| told(some, verb))
        .collect();
    let of = match bomb.only_there.len() {
        known if known < bomb.count => format!("{} of the {heroes}", grouped(known as u64)),
        _ => format!("the {heroes}"),
    };
    format!("Of {of} that {city} alone held, {}.", parts.join(" and "))
}

/// Returns true if the city has answered since. Until then its last state is shown, with the heroes
/// that the bomb destroyed.
fn is_back(view: &View, bomb: &bomb_report::BombReport) -> bool {
    let mut since = view.events.iter().rev().take_while(|event| event.number > bomb.event);
    let forgotten = view.events.front().is_some_and(|oldest| oldest.number > bomb.event);
    forgotten || since.any(|event| event.node == bomb.city && event.kind == EventKind::Answers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::{Fixture, id, live, name, stamp};

    const NAMES: [&str; 5] = ["Ada", "Bela", "Cleo", "Dora", "Emma"];

    /// Gotham alone holds so many heroes.
    fn only_gotham(count: usize) -> Fixture {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let hold = |fixture: Fixture, number: usize| {
            fixture.hold(number as u8, NAMES[number], [Some(&entry), None, None, None])
        };
        (0..count).fold(Fixture::new(), hold)
    }

    /// Gotham, back since, was bombed while it alone held `count` heroes; `back` of them have come
    /// back.
    fn bombed(count: usize, back: usize) -> Fixture {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let hold = |fixture: Fixture, number: usize| {
            fixture.hold(number as u8, NAMES[number], [None, Some(&entry), None, None])
        };
        let mut fixture = (0..back)
            .fold(Fixture::new(), hold)
            .happened("gotham", EventKind::Destroyed)
            .happened("gotham", EventKind::Answers);
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

    fn told(fixture: &Fixture) -> Vec<String> {
        bomb_report(&fixture.view).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_bomb_would_lose_what_nobody_else_has_heard_of() {
        let stake = |count| at_stake(&only_gotham(count).view, 0);
        assert_eq!(stake(0), None);
        assert_eq!(
            stake(1).unwrap(),
            "Bombing Gotham now would lose 1 hero that nobody else has heard of: Ada."
        );
        assert_eq!(
            stake(3).unwrap(),
            "Bombing Gotham now would lose 3 heroes that nobody else has heard of: Ada, Bela and Cleo."
        );
        assert_eq!(
            stake(5).unwrap(),
            "Bombing Gotham now would lose 5 heroes that nobody else has heard of: Ada, Bela, Cleo and 2 more."
        );
        assert_eq!(at_stake(&only_gotham(3).view, 1), None, "another city holds none of them");
        assert_eq!(at_stake(&only_gotham(3).view, 9), None, "there is no such city");
    }

    #[test]
    fn who_gives_no_answer_may_have_heard_of_what_a_bomb_would_lose() {
        let fixture = only_gotham(1).status("capitol", NodeStatus::Unreachable);
        assert_eq!(
            at_stake(&fixture.view, 0).unwrap(),
            "Bombing Gotham now would lose 1 hero that nobody else that answers has heard of: Ada."
        );
        assert_eq!(
            at_stake(&only_gotham(1).status("gotham", NodeStatus::Down).view, 0),
            None,
            "it cannot be bombed"
        );
    }

    #[test]
    fn of_what_a_bomb_put_at_stake_some_comes_back_and_some_is_gone() {
        for (count, back, expected) in [
            (
                3,
                1,
                "Of the 3 heroes that Gotham alone held, 1 has come back (Ada) and 2 are gone (Bela, Cleo).",
            ),
            (
                3,
                2,
                "Of the 3 heroes that Gotham alone held, 2 have come back (Ada, Bela) and 1 is gone (Cleo).",
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
            assert_eq!(told(&bombed(count, back)), [expected]);
        }
    }

    #[test]
    fn nobody_is_gone_for_good_while_somebody_gives_no_answer() {
        let fixture = bombed(2, 1).status("capitol", NodeStatus::Unreachable);
        assert_eq!(
            told(&fixture),
            [
                "Of the 2 heroes that Gotham alone held, 1 has come back (Ada) and 1 has not come back yet (Bela)."
            ]
        );
    }

    #[test]
    fn a_city_that_is_not_back_yet_is_still_shown_as_it_was_and_that_counts_for_nothing() {
        let mut fixture = bombed(2, 2);
        fixture.view.events.pop_back();
        assert_eq!(
            told(&fixture),
            [
                "Gotham alone had heard of 2 heroes when it was bombed (Ada and Bela), and is not back yet."
            ]
        );
    }

    #[test]
    fn the_newest_bomb_comes_first_and_one_that_put_nothing_at_stake_is_not_told_of() {
        let mut fixture = bombed(1, 0);
        let bomb = |event, count, name: &str| bomb_report::BombReport {
            city: crate::fixtures::name("capitol"),
            event,
            only_there: vec![(id(9), name.into())],
            count,
        };
        fixture = fixture
            .happened("capitol", EventKind::Destroyed)
            .happened("capitol", EventKind::Answers);
        fixture.view.bomb_reports.push(Arc::new(bomb(3, 300, "Zoe")));
        fixture
            .view
            .bomb_reports
            .push(Arc::new(bomb_report::BombReport { only_there: Vec::new(), ..bomb(3, 0, "") }));
        let expected = [
            "Of 1 of the 300 heroes that Capitol alone held, 1 is gone (Zoe).",
            "The one hero that Gotham alone held, Ada, is gone.",
        ];
        assert_eq!(told(&fixture), expected);
        assert_eq!(bomb_report(&fixture.view)[0].at, "12:41:40.000");
    }

    #[test]
    fn a_name_is_text_on_the_page_whatever_it_says() {
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
        assert!(html.starts_with(r#"<div class="card aftermaths" id="aftermath""#), "{html}");
    }
}
