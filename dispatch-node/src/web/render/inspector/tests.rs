//! The content of the inspector for a hero's writes, the surprising cases first.

use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use gossip::fault::{Fault, FaultId, FaultKind, Pace};
use gossip::{Incarnation, Now};
use shared::{Entry, Value};

use super::*;
use crate::fixtures::{Fixture, NOW, dead, id, live, name, stamp};
use crate::model::node_state::NodeStatus;

/// The content of the panel for the first hero.
struct Said {
    sentence: String,
    reasons: String,
    next: Vec<String>,
    /// The writer, the fate and the reason of each write.
    fates: Vec<String>,
    panel: InspectorPanel,
}

fn said(fixture: &Fixture) -> Said {
    let panel = InspectorPanel::of(&fixture.view, Some(id(1)));
    Said {
        sentence: panel.sentence.iter().map(|phrase| phrase.text.as_str()).collect(),
        reasons: panel.reasons.join(" "),
        next: panel.next.iter().map(|next| next.text.clone()).collect(),
        fates: panel
            .writes
            .iter()
            .map(|write| {
                format!("{} {}, {}: {}", write.writer, write.fate, write.why, write.held)
                    .replace(", :", ":")
            })
            .collect(),
        panel,
    }
}

fn html(fixture: &Fixture, hero: u8) -> String {
    InspectorPanel::of(&fixture.view, Some(id(hero))).render().expect("rendering into a string")
}

fn base() -> Arc<Entry> {
    live(stamp("dispatch", 60_000), 100, None)
}

/// Metropolis, cut off and with a clock that is 1.9 s fast, wrote before gotham did, and will win.
fn split_brain() -> Fixture {
    let base = base();
    let theirs = live(stamp("metropolis", 7_100), 64, Some(&base));
    let ours = live(stamp("gotham", 8_400), 84, Some(&base));
    Fixture::new()
        .held([Some(&ours), Some(&theirs), Some(&ours), Some(&base)])
        .city("metropolis", |city| city.clock_ahead_ms = Some(1_900))
        .fault(FaultKind::Cut, "metropolis", None, 23)
        .wrote(60_000, &base)
        .wrote(9_000, &theirs)
        .wrote(8_380, &ours)
        .heard(7_980, "capitol", &ours, "gotham")
}

/// The same, healed: all hold what metropolis wrote.
fn healed() -> Fixture {
    let fixture = split_brain();
    let theirs = fixture.view.rows.get(id(1)).and_then(|row| row.cells[1].clone()).unwrap();
    let mut fixture = fixture.held([Some(&theirs); 4]);
    fixture.view.faults.clear();
    fixture
}

#[test]
fn a_clock_that_is_ahead_makes_the_older_write_win_and_is_named() {
    let said = said(&split_brain());
    assert_eq!(said.sentence, "Metropolis will win, although Gotham wrote last.");
    assert_eq!(
        said.reasons,
        "The clock of Metropolis is 1.9 s ahead, so its older write carries the later stamp. \
         When they meet, what Gotham wrote (Gotham 84 patrolling) is gone everywhere."
    );
    let fates = [
        "Metropolis wins: Metropolis",
        "Gotham will be lost, the winner had not seen it: Gotham and Capitol",
        "Dispatch was built upon, the winner was written over it: Dispatch",
    ];
    assert_eq!(said.fates, fates);
}

#[test]
fn a_clock_that_was_ahead_then_is_named_though_it_is_right_by_now() {
    let mut fixture = split_brain().city("metropolis", |city| city.clock_ahead_ms = Some(3));
    let skew = Fault {
        id: FaultId(9),
        kind: FaultKind::Skew(1_900),
        from: name("metropolis"),
        to: None,
        both: true,
    };
    let at = |ago: u64| Now { mono: NOW.mono - Duration::from_secs(ago), ..NOW };
    fixture.view.history.in_force(at(12), [skew].iter());
    fixture.view.history.in_force(at(5), std::iter::empty());
    let reasons = said(&fixture).reasons;
    assert!(
        reasons.starts_with(
            "The clock of Metropolis was 1.9 s ahead, so its older write carries the later stamp."
        ),
        "{reasons}"
    );
}

#[test]
fn a_clock_that_has_come_to_be_off_since_is_not_blamed() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 11_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .city("metropolis", |city| city.clock_ahead_ms = Some(1_900))
        .wrote(9_000, &first)
        .wrote(8_000, &second);
    let reasons = said(&fixture).reasons;
    assert!(
        reasons.starts_with("What Gotham wrote was seen 3.0 s later than its stamp"),
        "{reasons}"
    );
}

#[test]
fn a_clock_that_is_behind_makes_the_newer_write_lose_and_is_named() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 11_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .city("gotham", |city| city.clock_ahead_ms = Some(-3_000))
        .wrote(9_000, &first)
        .wrote(8_000, &second);
    let said = said(&fixture);
    assert_eq!(said.sentence, "Metropolis will win, although Gotham wrote last.");
    assert!(
        said.reasons.starts_with(
            "The clock of Gotham is 3.0 s behind, so its newer write carries the earlier stamp."
        ),
        "{}",
        said.reasons
    );
}

#[test]
fn a_new_life_stamps_ahead_of_its_clock_and_that_is_said() {
    let base = base();
    let mut early = stamp("metropolis", 7_000);
    early.origin.incarnation = Incarnation(NOW.wall.0 - 9_002);
    let first = live(early, 64, Some(&base));
    let second = live(stamp("gotham", 8_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(8_800, &first)
        .wrote(8_000, &second);
    let reasons = said(&fixture).reasons;
    assert!(
        reasons.starts_with("Metropolis had just begun a new life, whose stamps begin 2.0 s ahead"),
        "{reasons}"
    );
}

#[test]
fn a_stamp_ahead_of_its_time_is_told_where_no_clock_can_be_named() {
    let fixture = split_brain().city("metropolis", |city| city.clock_ahead_ms = None);
    let reasons = said(&fixture).reasons;
    assert!(reasons.starts_with("Its stamp claims 1.9 s later than it was seen"), "{reasons}");
}

#[test]
fn a_write_that_was_seen_late_is_not_said_to_be_the_last() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 12_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(9_000, &first)
        .wrote(2_000, &second);
    let said = said(&fixture);
    assert_eq!(said.sentence, "Metropolis will win, although Gotham’s write was seen last.");
    assert!(
        said.reasons.starts_with("What Gotham wrote was seen 10.0 s later than its stamp"),
        "{}",
        said.reasons
    );
}

#[test]
fn two_writes_seen_at_almost_the_same_time_are_not_told_apart_by_it() {
    let base = base();
    let first = live(stamp("metropolis", 8_000), 64, Some(&base));
    let second = live(stamp("gotham", 8_050), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(8_000, &first)
        .wrote(7_900, &second);
    let said = said(&fixture);
    assert_eq!(said.sentence, "Metropolis will win.");
    assert!(
        said.reasons.starts_with("Its stamp is the later one, and it had not seen the other."),
        "{}",
        said.reasons
    );
}

#[test]
fn a_deletion_beats_a_write_that_was_made_later() {
    let base = base();
    let death = dead(stamp("dispatch", 9_000), Some(&base));
    let later = live(stamp("gotham", 5_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&later), Some(&death), Some(&base), Some(&death)])
        .wrote(9_000, &death)
        .wrote(5_000, &later);
    let said = said(&fixture);
    assert_eq!(said.sentence, "Dispatch’s deletion will win, although Gotham wrote last.");
    assert!(
        said.reasons.starts_with("A deletion beats every write, earlier or later. When they meet"),
        "{}",
        said.reasons
    );
    assert_eq!(said.fates[0], "Dispatch wins: Metropolis and Dispatch");
    assert_eq!(said.fates[1], "Gotham will be lost, the deletion had not seen it: Gotham");
    // By the stamps alone it is known as well.
    let unseen = Fixture::new().held([Some(&later), Some(&death), Some(&base), Some(&death)]);
    assert_eq!(
        self::said(&unseen).sentence,
        "Dispatch’s deletion will win, although Gotham wrote last."
    );
}

#[test]
fn of_two_deletions_none_is_lost() {
    let base = base();
    let (first, second) =
        (dead(stamp("gotham", 9_000), Some(&base)), dead(stamp("capitol", 8_000), Some(&base)));
    let said =
        said(&Fixture::new().held([Some(&first), Some(&second), Some(&base), Some(&second)]));
    assert_eq!(said.sentence, "Capitol’s deletion will win.");
    assert_eq!(said.fates[1], "Gotham says the same, one deletion is as good as another: Gotham");
}

/// A late write was replaced by a tombstone whose writer had collected the first deletion, and so
/// knew neither it nor the birth.
#[test]
fn what_the_first_of_two_deletions_had_seen_is_not_lost_to_the_second() {
    let base = base();
    let moved = live(stamp("capitol", 9_000), 84, Some(&base));
    let (first, burial) = (
        dead(stamp("dispatch", 8_000), Some(&moved)),
        dead(stamp("metropolis", 5_000), Some(&base)),
    );
    let late = live(stamp("gotham", 7_000), 64, Some(&moved));
    let wrote = [(9_000, &moved), (8_000, &first), (7_000, &late), (5_000, &burial)];
    let fixture =
        wrote.iter().fold(Fixture::new().held([Some(&burial); 4]), |fixture, (at, entry)| {
            fixture.wrote(*at, entry)
        });
    let fates = said(&fixture).fates;
    assert!(
        fates.iter().any(
            |fate| fate.starts_with("Capitol was built upon, the deletion was written over it")
        ),
        "{fates:?}"
    );
    assert!(
        fates.iter().any(
            |fate| fate.starts_with("Gotham is nowhere any more, the deletion had not seen it")
        ),
        "{fates:?}"
    );
}

#[test]
fn all_agree_and_who_wrote_it_last() {
    let base = base();
    let ours = live(stamp("gotham", 8_000), 84, Some(&base));
    let said_of = |fixture: &Fixture| {
        let said = said(fixture);
        assert_eq!(said.reasons, "");
        (said.sentence, said.fates, said.next)
    };
    let all = Fixture::new().held([Some(&ours); 4]).wrote(60_000, &base).wrote(8_000, &ours);
    let fates = [
        "Gotham stands: Gotham, Metropolis, Capitol and Dispatch",
        "Dispatch was built upon, the winner was written over it: nobody",
    ];
    let next = ["Nothing is under way: everybody holds it."];
    assert_eq!(
        said_of(&all),
        (
            "All three agree: Gotham wrote it last.".into(),
            fates.map(str::to_owned).into(),
            next.map(str::to_owned).into()
        )
    );
    let silent = Fixture::new().held([Some(&ours); 4]).status("capitol", NodeStatus::Unreachable);
    assert_eq!(said_of(&silent).0, "All three agree, as far as is known: Gotham wrote it last.");
    let death = dead(stamp("capitol", 8_000), Some(&ours));
    assert_eq!(
        said_of(&Fixture::new().held([Some(&death); 4])).0,
        "All three agree: Capitol deleted it."
    );
}

#[test]
fn once_all_agree_on_it_the_surprise_is_still_told() {
    let said = said(&healed());
    assert_eq!(
        said.sentence,
        "All three agree on what Metropolis wrote, although Gotham wrote last."
    );
    assert_eq!(
        said.reasons,
        "The clock of Metropolis is 1.9 s ahead, so its older write carries the later stamp."
    );
    assert_eq!(said.fates[1], "Gotham is nowhere any more, the winner had not seen it: nobody");
}

#[test]
fn news_that_is_merely_under_way_is_no_conflict() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let under_way = said(
        &Fixture::new()
            .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
            .wrote(300, &ours),
    );
    assert_eq!(
        (under_way.sentence, under_way.reasons),
        (
            "Gotham wrote last, and will win.".into(),
            "It was written over what the others still hold.".into()
        )
    );
    let new = said(&Fixture::new().held([None, None, None, Some(&base)]).wrote(60_000, &base));
    assert_eq!(new.sentence, "Nothing else stands than what Dispatch wrote.");
    assert_eq!(new.next[0], "Gotham takes it when it next hears from Dispatch.");
}

#[test]
fn a_write_that_was_built_upon_goes_with_what_was_built_upon_it() {
    let base = base();
    let ours = live(stamp("gotham", 9_000), 84, Some(&base));
    let again = live(stamp("capitol", 8_000), 72, Some(&ours));
    let theirs = live(stamp("metropolis", 5_000), 64, Some(&base));
    let said = said(
        &Fixture::new().held([Some(&again), Some(&theirs), Some(&again), None]).wrote(9_000, &ours),
    );
    assert_eq!(said.fates[2], "Gotham goes with a later one, Capitol built upon it: nobody");
}

#[test]
fn who_does_not_hold_it_takes_it_from_those_who_do() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let mut fixture = Fixture::new().held([Some(&ours), Some(&ours), Some(&base), None]);
    let next = [
        "Capitol takes it when it next hears from Gotham or Metropolis.",
        "Dispatch takes it when it next hears from Gotham or Metropolis.",
    ];
    assert_eq!(said(&fixture).next, next);
    fixture.view.pace = Pace::PAUSED;
    assert_eq!(
        said(&fixture).next[0],
        "Gossip is paused: nobody hears of anything until it goes on, or one exchange is run."
    );
}

#[test]
fn a_cut_link_is_gone_around_and_a_city_that_is_cut_off_waits() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = || Fixture::new().held([Some(&ours), Some(&ours), Some(&base), Some(&ours)]);
    let next = |fixture: Fixture| said(&fixture).next[0].clone();
    assert_eq!(
        next(fixture().fault(FaultKind::Cut, "gotham", Some("capitol"), 9)),
        "Capitol takes it when it next hears from Metropolis or Dispatch."
    );
    assert_eq!(
        next(fixture().fault(FaultKind::Cut, "capitol", None, 9)),
        "Capitol does not take it before the cut around Capitol heals, in 9 s."
    );
    let alone = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    let around = alone().fault(FaultKind::Cut, "gotham", Some("capitol"), 9).fault(
        FaultKind::Cut,
        "gotham",
        Some("dispatch"),
        9,
    );
    let next = said(&around).next;
    assert_eq!(next[0], "Metropolis takes it when it next hears from Gotham.");
    assert_eq!(
        next[1],
        "Capitol takes it by way of Metropolis or Dispatch, once one of these has heard of it: from Gotham it is cut."
    );
    // The first heal that opens any way is the one that counts.
    let two = alone()
        .fault(FaultKind::Cut, "gotham", None, 30)
        .fault(FaultKind::Cut, "gotham", Some("metropolis"), 5)
        .fault(FaultKind::Cut, "capitol", None, 12);
    assert_eq!(
        said(&two).next[1],
        "Capitol does not take it before the cut around Gotham heals, in 30 s."
    );
    // One direction is enough, whichever: a pull needs both.
    let one_way = |mut fixture: Fixture| {
        fixture.view.faults[0].fault.both = false;
        said(&fixture).next[0].clone()
    };
    let out = one_way(fixture().fault(FaultKind::Cut, "capitol", None, 9));
    assert_eq!(out, "Capitol does not take it before the cut around Capitol heals, in 9 s.");
    let out = one_way(alone().fault(FaultKind::Cut, "gotham", None, 9));
    assert_eq!(out, "Metropolis does not take it before the cut around Gotham heals, in 9 s.");
}

#[test]
fn a_frozen_city_takes_it_not_before_it_wakes_and_gives_it_not_before() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let freeze = |fixture: Fixture, city: &str| {
        let frozen =
            fixture.status(city, NodeStatus::Unreachable).city(city, |city| city.frozen = true);
        said(&frozen.fault(FaultKind::Freeze, city, None, 12))
    };
    let fixture = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    assert_eq!(
        freeze(fixture(), "capitol").next[1],
        "Capitol does not take it before Capitol wakes, in 12 s."
    );
    let holder = freeze(fixture(), "gotham");
    assert_eq!(holder.next[1], "Capitol does not take it before Gotham wakes, in 12 s.");
    assert_eq!(holder.sentence, "Gotham wrote last, and will win.");
    assert!(!holder.reasons.contains("gives no answer"), "{}", holder.reasons);
}

#[test]
fn what_only_a_stopped_city_held_cannot_win() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
        .status("gotham", NodeStatus::Down);
    let said_then = said(&fixture);
    assert_eq!(said_then.fates[0], "Dispatch wins: Metropolis, Capitol and Dispatch");
    assert_eq!(
        said_then.fates[1],
        "Gotham went with its city, Gotham stopped, and nobody else held it: nobody; Gotham did until it stopped"
    );
    assert_eq!(
        said_then.next,
        ["Gotham has stopped. Started again, it hears of it from the others."]
    );
    let alone = said(
        &Fixture::new().held([Some(&ours), None, None, None]).status("gotham", NodeStatus::Down),
    );
    assert_eq!(alone.sentence, "Nobody who runs holds this hero.");
    assert_eq!(alone.reasons, "Gotham had heard of it, and has stopped.");
    assert_eq!(alone.next, ["Nothing: unless another city brings it back, the hero is gone."]);
}

#[test]
fn of_a_city_that_gives_no_answer_nothing_is_promised() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    let holder = said(&fixture().status("gotham", NodeStatus::Unreachable));
    assert!(
        holder.reasons.ends_with("Nobody but Gotham is known to hold it, and Gotham gives no answer: it wins if it is still there."),
        "{}",
        holder.reasons
    );
    assert_eq!(
        holder.next[0],
        "Metropolis takes it when Gotham can be heard again, and still holds it."
    );
    let other = said(&fixture().status("capitol", NodeStatus::Unreachable));
    assert_eq!(other.next[1], "Capitol gives no answer; whether it hears of it is not known.");
}

#[test]
fn a_stamp_too_far_ahead_is_refused_until_its_time_has_come() {
    let base = base();
    let ours = live(stamp("gotham", -3_200), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
        .city("capitol", |city| city.clock_ahead_ms = Some(1_500));
    let next = said(&fixture).next;
    assert_eq!(
        next[0],
        "Metropolis refuses it until its time has come, in 1.2 s: its stamp is further ahead than is accepted."
    );
    assert_eq!(next[1], "Capitol takes it when it next hears from Gotham.");
}

#[test]
fn the_way_of_a_write_is_told_step_by_step_and_what_is_not_known_is_said() {
    let base = base();
    let ours = live(stamp("gotham", 8_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&ours), Some(&ours), None])
        .heard(7_100, "capitol", &ours, "gotham")
        .wrote(7_990, &ours)
        .step(6_000, "metropolis", &ours, Way::Unknown);
    let steps: Vec<String> = said(&fixture).panel.writes[0]
        .steps
        .iter()
        .map(|step| format!("{} {}", step.at, step.text))
        .collect();
    let expected = [
        "12:41:32.010 Gotham wrote it",
        "12:41:32.900 Capitol heard it from Gotham",
        "12:41:34.000 Metropolis held it; how it came there is not known",
    ];
    assert_eq!(steps, expected);
    let write = &said(&fixture).panel.writes[0];
    assert_eq!(
        (write.stamp.as_str(), write.seen.as_str(), write.origin.as_str()),
        ("12:41:32.000", "12:41:32.010", "gotham/1789990000000")
    );
    // Seen elsewhere first, or not at all.
    let elsewhere = Fixture::new()
        .held([Some(&ours), None, Some(&ours), None])
        .heard(7_100, "capitol", &ours, "gotham");
    assert_eq!(said(&elsewhere).panel.writes[0].seen, "12:41:32.900 at Capitol");
    assert_eq!(
        said(&Fixture::new().held([Some(&ours); 4])).panel.writes[0].seen,
        "before what is remembered"
    );
}

#[test]
fn too_many_writes_and_steps_are_counted_and_what_stands_is_told_all_the_same() {
    let mut over = base();
    let mut fixture = Fixture::new();
    for number in 0..16 {
        over = live(stamp("gotham", 30_000 - number), 84, Some(&over));
        fixture = fixture.wrote(30_000, &over).heard(20_000, "capitol", &over, "gotham").heard(
            19_000,
            "metropolis",
            &over,
            "gotham",
        );
    }
    let old = base();
    let panel = said(&fixture.held([Some(&over), Some(&over), Some(&over), Some(&old)])).panel;
    assert_eq!(
        (panel.writes.len(), panel.more_writes.as_str()),
        (WRITES_MAX, "and 5 earlier writes")
    );
    assert_eq!(panel.writes[1].writer, "Dispatch", "it is the oldest, and stands");
    let mut long = Fixture::new();
    let ours = live(stamp("gotham", 30_000), 84, None);
    let other = live(stamp("capitol", 30_001), 84, None);
    for entry in [&ours, &other] {
        for _ in 0..24 {
            long = long.heard(9_000, "metropolis", entry, "gotham");
        }
    }
    let fixture = long.held([Some(&ours), Some(&other), None, None]);
    let row = fixture.view.rows.get(id(1)).unwrap();
    let (writes, _) = write_lines(&fixture.view, &Comparison::of(&fixture.view, row), 30);
    let shown: Vec<_> =
        writes.iter().map(|write| (write.steps.len(), write.more_steps.as_str())).collect();
    assert_eq!(shown, [(24, ""), (6, "and 18 more steps")]);
}

#[test]
fn lost_writes_of_this_hero_are_told_newest_first_and_others_not() {
    let ours = live(stamp("gotham", 9_000), 84, None);
    let theirs = live(stamp("capitol", 8_000), 72, None);
    let mut fixture = Fixture::new()
        .held([Some(&theirs); 4])
        .lost(2, &theirs, None)
        .lost(1, &ours, Some(&theirs))
        .lost(1, &ours, None);
    let expected = [
        "12:41:30.000 Gotham wrote “Gotham 84 patrolling”: went with its only holder",
        "12:41:30.000 Gotham wrote “Gotham 84 patrolling”: Capitol had not heard of it",
    ];
    assert_eq!(said(&fixture).panel.lost, expected);
    for _ in 0..12 {
        fixture = fixture.lost(1, &ours, None);
    }
    let panel = said(&fixture).panel;
    assert_eq!((panel.lost.len(), panel.more_lost.as_str()), (LOST_MAX, "and 2 earlier ones"));
}

#[test]
fn a_hero_of_whom_nobody_has_heard_any_more_is_still_mourned() {
    let ours = live(stamp("gotham", 9_000), 84, None);
    let gone = said(&Fixture::new().lost(1, &ours, None));
    assert_eq!(
        (gone.sentence.as_str(), gone.panel.hero.as_str()),
        ("Nobody has heard of this hero any more.", "Silver Kestrel")
    );
    assert_eq!(gone.panel.lost.len(), 1);
    assert_eq!(said(&Fixture::new()).panel.hero, id(1).to_string());
    let hint =
        InspectorPanel::of(&Fixture::new().view, None).render().expect("rendering into a string");
    assert!(
        hint.contains("Choose a hero’s state to see who wrote what, and what happens next."),
        "{hint}"
    );
    assert!(!hint.contains("<ol"), "{hint}");
}

#[test]
fn the_picture_puts_both_orders_on_one_scale_and_says_who_wins() {
    let picture = said(&split_brain()).panel.picture.unwrap();
    let told: Vec<_> = picture
        .marks
        .iter()
        .map(|mark| {
            (mark.writer.as_str(), mark.seen_x.as_deref(), mark.stamp_x.as_str(), mark.wins)
        })
        .collect();
    // From 9.0 s ago, when the first was seen, to 7.1 s ago, the last stamp.
    assert_eq!(
        told,
        [("Metropolis", Some("46.0"), "294.0", "wins"), ("Gotham", Some("126.9"), "124.3", "")]
    );
    assert_eq!(
        (picture.marks[0].seen_label.as_str(), picture.marks[0].stamp_label.as_str()),
        (":31.00", ":32.90")
    );
    assert_eq!(
        (picture.marks[0].seen.as_str(), picture.marks[0].stamp.as_str()),
        ("12:41:31.000", "12:41:32.900")
    );
    assert_eq!(picture.marks[0].wins_anchor, "start", "the curve comes from the left");
    assert_eq!(said(&healed()).panel.picture.unwrap().marks[0].wins, "stands");
    assert!(
        said(&Fixture::new().held([Some(&base()); 4])).panel.picture.is_none(),
        "nobody saw it being written"
    );
}

#[test]
fn times_are_labelled_by_as_much_as_tells_them_apart() {
    let labels = |ago: u64| {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let fixture = Fixture::new().held([Some(&entry), None, None, None]).wrote(ago, &entry);
        let marks = said(&fixture).panel.picture.unwrap().marks;
        [marks[0].seen_label.clone(), marks[0].stamp_label.clone(), marks[0].wins_anchor.to_owned()]
    };
    assert_eq!(labels(4_000), [":36.00", ":35.00", "end"]);
    assert_eq!(labels(50_000), ["40:50.00", "41:35.00", "start"], "another minute");
    assert_eq!(labels(99_000), ["40:01.00", "41:35.00", "start"]);
    let old = live(stamp("gotham", 3_000_000), 84, None);
    let marks = said(&Fixture::new().held([Some(&old), None, None, None]).wrote(4_000, &old))
        .panel
        .picture
        .unwrap()
        .marks;
    assert_eq!(marks[0].stamp_label, "11:51:40");
}

#[test]
fn a_label_that_would_lie_over_another_is_left_out_and_never_that_of_what_wins() {
    let base = base();
    let writes: Vec<_> = (0..5)
        .map(|number| {
            live(
                stamp(["capitol", "gotham"][number as usize % 2], 9_000 - 40 * number),
                84,
                Some(&base),
            )
        })
        .collect();
    let far = live(stamp("metropolis", 3_000), 64, Some(&base));
    let mut fixture = Fixture::new()
        .held([Some(&far), Some(&far), Some(&writes[0]), Some(&far)])
        .wrote(3_000, &far);
    for write in &writes {
        fixture = fixture.wrote(9_000, write);
    }
    let marks = said(&fixture).panel.picture.unwrap().marks;
    assert_eq!(marks.len(), 6);
    assert_eq!(marks.iter().filter(|mark| !mark.stamp_label.is_empty()).count(), 2);
    assert!(!marks[0].stamp_label.is_empty() && marks[0].wins == "wins");
}

#[test]
fn the_picture_has_a_twin_that_is_a_table_with_the_same_writes() {
    let html = html(&split_brain(), 1);
    let table =
        html.split_once("<table>").and_then(|(_, rest)| rest.split_once("</table>")).unwrap().0;
    assert_eq!(table.matches("<tr>").count(), 3);
    for text in [
        "Metropolis: Metropolis 64 patrolling <b>wins</b>",
        "12:41:31.000",
        "12:41:32.900",
        "Gotham: Gotham 84 patrolling",
    ] {
        assert!(table.contains(text), "{text} in {table}");
    }
}

#[test]
fn a_name_is_text_whatever_it_says_and_nothing_needs_what_the_policy_forbids() {
    let mut hostile = (*base()).clone();
    if let Value::Live(hero) = &mut hostile.value {
        hero.name = "</h2><script>alert(1)</script>".into();
    }
    let hostile = Arc::new(hostile);
    let fixture = split_brain()
        .hold(2, "</h2><script>alert(1)</script>", [Some(&hostile); 4])
        .lost(2, &hostile, None)
        .lost(3, &hostile, None);
    for html in [html(&fixture, 1), html(&fixture, 2), html(&fixture, 3)] {
        for forbidden in ["<script", " style=", "<style", " onclick=", "http://", "https://"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
    }
    let root = html(&fixture, 1);
    assert!(
        root.starts_with(
            r#"<section class="card inspector" id="inspector" aria-labelledby="inspector-title">"#
        ),
        "{root}"
    );
}
