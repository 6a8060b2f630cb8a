//! The content of the inspector for the writes of a hero, the surprising cases first.

use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use gossip::fault::{Fault, FaultId, FaultKind, Pace};
use gossip::{Incarnation, Now};
use shared::{Entry, Value};

use super::*;
use crate::fixtures::{Fixture, NOW, dead, id, live, name, stamp};
use crate::model::node_state::NodeStatus;

/// The text of the panel for the first hero.
struct Inspected {
    sentence: String,
    reasons: String,
    next: Vec<String>,
    /// The writer, the fate, the reason and the holders of each write.
    fates: Vec<String>,
    panel: InspectorPanel,
}

/// The query of a page with the explanation of this hero.
fn of(hero: u8) -> PageQuery {
    PageQuery { hero: Some(id(hero)), ..PageQuery::default() }
}

fn inspect(fixture: &Fixture) -> Inspected {
    let panel = InspectorPanel::of(&fixture.view, &of(1));
    Inspected {
        sentence: panel.sentence.iter().map(|phrase| phrase.text.as_str()).collect(),
        reasons: panel.reasons.join(" "),
        next: panel.next.iter().map(|next| next.text.clone()).collect(),
        fates: panel
            .writes
            .iter()
            .flat_map(|writes| &writes.lines)
            .map(|write| {
                format!("{} {}, {}: {}", write.writer, write.fate, write.why, write.held)
                    .replace(", :", ":")
            })
            .collect(),
        panel,
    }
}

fn html(fixture: &Fixture, hero: u8) -> String {
    InspectorPanel::of(&fixture.view, &of(hero)).render().expect("rendering into a string")
}

fn base() -> Arc<Entry> {
    live(stamp("dispatch", 60_000), 100, None)
}

/// Metropolis, cut off and with a clock 1.9 s ahead, wrote before Gotham, and will win.
fn split_brain() -> Fixture {
    let base = base();
    let metropolis = live(stamp("metropolis", 7_100), 64, Some(&base));
    let gotham = live(stamp("gotham", 8_400), 84, Some(&base));
    Fixture::new()
        .held([Some(&gotham), Some(&metropolis), Some(&gotham), Some(&base)])
        .city("metropolis", |city| city.clock_ahead_ms = Some(1_900))
        .fault(FaultKind::Cut, "metropolis", None, 23)
        .wrote(60_000, &base)
        .wrote(9_000, &metropolis)
        .wrote(8_380, &gotham)
        .received(7_980, "capitol", &gotham, "gotham")
}

/// The same after the cut has healed: every node holds the write of Metropolis.
fn healed() -> Fixture {
    let fixture = split_brain();
    let winner = fixture.view.rows.get(id(1)).and_then(|row| row.cells[1].clone()).unwrap();
    let mut fixture = fixture.held([Some(&winner); 4]);
    fixture.view.faults.clear();
    fixture
}

#[test]
fn clock_ahead_explains_why_the_older_write_wins() {
    let inspected = inspect(&split_brain());
    assert_eq!(inspected.sentence, "Metropolis’s write will win, although Gotham wrote last.");
    assert_eq!(
        inspected.reasons,
        "The clock of Metropolis is 1.9 s ahead, so its older write carries the later stamp. \
         After the merge, Gotham’s write (Gotham 84 patrolling) is lost everywhere."
    );
    let fates = [
        "Metropolis wins: Metropolis",
        "Gotham will be lost, the winner’s node had not received it: Gotham and Capitol",
        "Dispatch superseded, a later write had seen it: Dispatch",
    ];
    assert_eq!(inspected.fates, fates);
}

#[test]
fn past_clock_error_is_named_after_it_was_corrected() {
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
    let reasons = inspect(&fixture).reasons;
    assert!(
        reasons.starts_with(
            "The clock of Metropolis was 1.9 s ahead, so its older write carries the later stamp."
        ),
        "{reasons}"
    );
}

#[test]
fn clock_error_after_the_write_is_not_named() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 11_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .city("metropolis", |city| city.clock_ahead_ms = Some(1_900))
        .wrote(9_000, &first)
        .wrote(8_000, &second);
    let reasons = inspect(&fixture).reasons;
    assert!(reasons.starts_with("Gotham’s write was observed 3.0 s after its stamp"), "{reasons}");
}

#[test]
fn clock_behind_explains_why_the_newer_write_loses() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 11_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .city("gotham", |city| city.clock_ahead_ms = Some(-3_000))
        .wrote(9_000, &first)
        .wrote(8_000, &second);
    let inspected = inspect(&fixture);
    assert_eq!(inspected.sentence, "Metropolis’s write will win, although Gotham wrote last.");
    assert!(
        inspected.reasons.starts_with(
            "The clock of Gotham is 3.0 s behind, so its newer write carries the earlier stamp."
        ),
        "{}",
        inspected.reasons
    );
}

#[test]
fn new_incarnation_explains_a_stamp_ahead_of_its_clock() {
    let base = base();
    let mut early = stamp("metropolis", 7_000);
    early.origin.incarnation = Incarnation::at(NOW.wall.0 - 9_002);
    let first = live(early, 64, Some(&base));
    let second = live(stamp("gotham", 8_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(8_800, &first)
        .wrote(8_000, &second);
    let reasons = inspect(&fixture).reasons;
    assert!(reasons.starts_with("The stamps of a new incarnation start 2.0 s ahead"), "{reasons}");
}

#[test]
fn stamp_ahead_of_its_observation_needs_no_clock_error() {
    let fixture = split_brain().city("metropolis", |city| city.clock_ahead_ms = None);
    let reasons = inspect(&fixture).reasons;
    assert!(reasons.starts_with("Its stamp is 1.9 s later than its observation"), "{reasons}");
}

#[test]
fn late_observation_does_not_make_a_write_the_last() {
    let base = base();
    let first = live(stamp("metropolis", 9_000), 64, Some(&base));
    let second = live(stamp("gotham", 12_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(9_000, &first)
        .wrote(2_000, &second);
    let inspected = inspect(&fixture);
    assert_eq!(
        inspected.sentence,
        "Metropolis’s write will win, although Gotham’s write was observed last."
    );
    assert!(
        inspected.reasons.starts_with("Gotham’s write was observed 10.0 s after its stamp"),
        "{}",
        inspected.reasons
    );
}

#[test]
fn nearly_simultaneous_observations_do_not_order_writes() {
    let base = base();
    let first = live(stamp("metropolis", 8_000), 64, Some(&base));
    let second = live(stamp("gotham", 8_050), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&second), Some(&first), Some(&first), Some(&base)])
        .wrote(8_000, &first)
        .wrote(7_900, &second);
    let inspected = inspect(&fixture);
    assert_eq!(inspected.sentence, "Metropolis’s write will win.");
    assert!(
        inspected
            .reasons
            .starts_with("Its stamp is later; Metropolis had not received the other write."),
        "{}",
        inspected.reasons
    );
}

#[test]
fn deletion_beats_a_later_write() {
    let base = base();
    let deletion = dead(stamp("dispatch", 9_000), Some(&base));
    let later = live(stamp("gotham", 5_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&later), Some(&deletion), Some(&base), Some(&deletion)])
        .wrote(9_000, &deletion)
        .wrote(5_000, &later);
    let inspected = inspect(&fixture);
    assert_eq!(inspected.sentence, "Dispatch’s deletion will win, although Gotham wrote last.");
    assert!(
        inspected
            .reasons
            .starts_with("A deletion beats every write, earlier or later. After the merge"),
        "{}",
        inspected.reasons
    );
    assert_eq!(inspected.fates[0], "Dispatch wins: Metropolis and Dispatch");
    assert_eq!(
        inspected.fates[1],
        "Gotham will be lost, the deleting node had not received it: Gotham"
    );
    // The stamps alone suffice, without an observation.
    let unobserved =
        Fixture::new().held([Some(&later), Some(&deletion), Some(&base), Some(&deletion)]);
    assert_eq!(
        inspect(&unobserved).sentence,
        "Dispatch’s deletion will win, although Gotham wrote last."
    );
}

#[test]
fn losing_deletion_is_equivalent_and_not_lost() {
    let base = base();
    let (first, second) =
        (dead(stamp("gotham", 9_000), Some(&base)), dead(stamp("capitol", 8_000), Some(&base)));
    let inspected =
        inspect(&Fixture::new().held([Some(&first), Some(&second), Some(&base), Some(&second)]));
    assert_eq!(inspected.sentence, "Capitol’s deletion will win.");
    assert_eq!(inspected.fates[1], "Gotham equivalent, both are deletions: Gotham");
}

/// A tombstone replaced a late write. Its writer had collected the first deletion, and so had seen
/// neither that deletion nor the creation of the hero.
#[test]
fn write_seen_by_the_first_deletion_is_not_lost_to_the_second() {
    let base = base();
    let moved = live(stamp("capitol", 9_000), 84, Some(&base));
    let (first, second) = (
        dead(stamp("dispatch", 8_000), Some(&moved)),
        dead(stamp("metropolis", 5_000), Some(&base)),
    );
    let late = live(stamp("gotham", 7_000), 64, Some(&moved));
    let wrote = [(9_000, &moved), (8_000, &first), (7_000, &late), (5_000, &second)];
    let fixture =
        wrote.iter().fold(Fixture::new().held([Some(&second); 4]), |fixture, (at, entry)| {
            fixture.wrote(*at, entry)
        });
    let fates = inspect(&fixture).fates;
    assert!(
        fates.iter().any(|fate| fate.starts_with("Capitol superseded, a later write had seen it")),
        "{fates:?}"
    );
    assert!(
        fates.iter().any(|fate| fate.starts_with("Gotham discarded, the deleting node had not received it")),
        "{fates:?}"
    );
}

#[test]
fn agreement_names_the_last_writer() {
    let base = base();
    let ours = live(stamp("gotham", 8_000), 84, Some(&base));
    let texts = |fixture: &Fixture| {
        let inspected = inspect(fixture);
        assert_eq!(inspected.reasons, "");
        (inspected.sentence, inspected.fates, inspected.next)
    };
    let all = Fixture::new().held([Some(&ours); 4]).wrote(60_000, &base).wrote(8_000, &ours);
    let fates = [
        "Gotham won: Gotham, Metropolis, Capitol and Dispatch",
        "Dispatch superseded, a later write had seen it: no node",
    ];
    let next = ["Nothing: every node holds it."];
    assert_eq!(
        texts(&all),
        (
            "All three agree: Gotham wrote it last.".into(),
            fates.map(str::to_owned).into(),
            next.map(str::to_owned).into()
        )
    );
    let unreachable =
        Fixture::new().held([Some(&ours); 4]).status("capitol", NodeStatus::Unreachable);
    assert_eq!(texts(&unreachable).0, "All reachable cities agree: Gotham wrote it last.");
    let unread = ["gotham", "metropolis", "capitol"]
        .iter()
        .fold(Fixture::new().held([Some(&ours); 4]), |fixture, city| {
            fixture.status(city, NodeStatus::Unreachable)
        });
    assert_eq!(
        inspect(&unread).sentence,
        "All cities agreed when last read: Gotham wrote it last."
    );
    let deletion = dead(stamp("capitol", 8_000), Some(&ours));
    assert_eq!(
        texts(&Fixture::new().held([Some(&deletion); 4])).0,
        "All three agree: Capitol deleted it."
    );
}

#[test]
fn surprising_outcome_is_still_explained_after_agreement() {
    let inspected = inspect(&healed());
    assert_eq!(
        inspected.sentence,
        "All three agree on Metropolis’s write, although Gotham wrote last."
    );
    assert_eq!(
        inspected.reasons,
        "The clock of Metropolis is 1.9 s ahead, so its older write carries the later stamp."
    );
    assert_eq!(
        inspected.fates[1],
        "Gotham discarded, the winner’s node had not received it; only commands count as lost: no node"
    );
}

#[test]
fn lost_discarded_and_unreachable_writes_are_distinguished() {
    let newer = live(stamp("metropolis", 5_000), 64, None);
    let older = base();
    let ours = live(stamp("gotham", 8_000), 84, Some(&older));
    let fate = |fixture: Fixture| inspect(&fixture.wrote(8_000, &ours)).fates[1].clone();
    let to = |winner| Fixture::new().held([Some(winner); 4]);
    assert_eq!(
        fate(to(&newer).lost(1, &ours, Some(&newer))),
        "Gotham lost, the winner’s node had not received it: no node"
    );
    assert_eq!(
        fate(to(&older).lost(1, &ours, Some(&older))),
        "Gotham lost, its only holder lost its memory: no node"
    );
    // Patrols and fights are not recorded as lost.
    assert_eq!(
        fate(to(&newer)),
        "Gotham discarded, the winner’s node had not received it; only commands count as lost: no node"
    );
    assert_eq!(
        fate(to(&older).status("capitol", NodeStatus::Unreachable)),
        "Gotham not on any reachable node: no node"
    );
}

#[test]
fn write_that_is_still_spreading_is_not_a_conflict() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let spreading = inspect(
        &Fixture::new()
            .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
            .wrote(300, &ours),
    );
    assert_eq!(
        (spreading.sentence, spreading.reasons),
        (
            "Gotham wrote last, and its write will win.".into(),
            "It supersedes the entry that the other nodes still hold.".into()
        )
    );
    let new = inspect(&Fixture::new().held([None, None, None, Some(&base)]).wrote(60_000, &base));
    assert_eq!(new.sentence, "Only Dispatch’s write exists.");
    assert_eq!(new.next[0], "Gotham receives it with its next pull from Dispatch.");
}

#[test]
fn superseded_write_is_lost_with_its_losing_successor() {
    let base = base();
    let ours = live(stamp("gotham", 9_000), 84, Some(&base));
    let again = live(stamp("capitol", 8_000), 72, Some(&ours));
    let theirs = live(stamp("metropolis", 5_000), 64, Some(&base));
    let inspected = inspect(
        &Fixture::new().held([Some(&again), Some(&theirs), Some(&again), None]).wrote(9_000, &ours),
    );
    assert_eq!(
        inspected.fates[2],
        "Gotham superseded, by a later write from Capitol, which will be lost: no node"
    );
}

#[test]
fn node_without_the_winner_pulls_it_from_any_holder() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let mut fixture = Fixture::new().held([Some(&ours), Some(&ours), Some(&base), None]);
    let next = [
        "Capitol receives it with its next pull from Gotham or Metropolis.",
        "Dispatch receives it with its next pull from Gotham or Metropolis.",
    ];
    assert_eq!(inspect(&fixture).next, next);
    fixture.view.pace = Pace::PAUSED;
    assert_eq!(
        inspect(&fixture).next[0],
        "Gossip is paused: nothing is pulled until it resumes, or one exchange runs."
    );
}

#[test]
fn cut_link_is_bypassed_and_isolated_city_waits() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = || Fixture::new().held([Some(&ours), Some(&ours), Some(&base), Some(&ours)]);
    let next = |fixture: Fixture| inspect(&fixture).next[0].clone();
    assert_eq!(
        next(fixture().fault(FaultKind::Cut, "gotham", Some("capitol"), 9)),
        "Capitol receives it with its next pull from Metropolis or Dispatch."
    );
    assert_eq!(
        next(fixture().fault(FaultKind::Cut, "capitol", None, 9)),
        "Capitol cannot receive it before the cut of Capitol expires, in 9 s."
    );
    let alone = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    let around = alone().fault(FaultKind::Cut, "gotham", Some("capitol"), 9).fault(
        FaultKind::Cut,
        "gotham",
        Some("dispatch"),
        9,
    );
    let next = inspect(&around).next;
    assert_eq!(next[0], "Metropolis receives it with its next pull from Gotham.");
    assert_eq!(
        next[1],
        "Capitol cannot pull from Gotham: it receives the write from Metropolis or Dispatch, once \
         one of them holds it."
    );
    // The decisive fault is the first whose end opens any path.
    let two = alone()
        .fault(FaultKind::Cut, "gotham", None, 30)
        .fault(FaultKind::Cut, "gotham", Some("metropolis"), 5)
        .fault(FaultKind::Cut, "capitol", None, 12);
    assert_eq!(
        inspect(&two).next[1],
        "Capitol cannot receive it before the cut of Gotham expires, in 30 s."
    );
    // A cut of either direction suffices: a pull needs both.
    let one_way = |mut fixture: Fixture| {
        fixture.view.faults[0].fault.both = false;
        inspect(&fixture).next[0].clone()
    };
    let out = one_way(fixture().fault(FaultKind::Cut, "capitol", None, 9));
    assert_eq!(out, "Capitol cannot receive it before the cut of Capitol expires, in 9 s.");
    let out = one_way(alone().fault(FaultKind::Cut, "gotham", None, 9));
    assert_eq!(out, "Metropolis cannot receive it before the cut of Gotham expires, in 9 s.");
}

#[test]
fn frozen_city_neither_receives_nor_sends_until_it_thaws() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let freeze = |fixture: Fixture, city: &str| {
        let frozen =
            fixture.status(city, NodeStatus::Unreachable).city(city, |city| city.frozen = true);
        inspect(&frozen.fault(FaultKind::Freeze, city, None, 12))
    };
    let fixture = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    assert_eq!(
        freeze(fixture(), "capitol").next[1],
        "Capitol cannot receive it before the freeze of Capitol expires, in 12 s."
    );
    let holder = freeze(fixture(), "gotham");
    assert_eq!(
        holder.next[1],
        "Capitol cannot receive it before the freeze of Gotham expires, in 12 s."
    );
    assert_eq!(holder.sentence, "Gotham wrote last, and its write will win.");
    assert!(!holder.reasons.contains("unreachable"), "{}", holder.reasons);
}

#[test]
fn write_held_only_by_a_stopped_city_cannot_win() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
        .status("gotham", NodeStatus::Down);
    let inspected = inspect(&fixture);
    assert_eq!(inspected.fates[0], "Dispatch wins: Metropolis, Capitol and Dispatch");
    assert_eq!(
        inspected.fates[1],
        "Gotham not on any reachable node, Gotham held it and stopped: no running node; stopped: \
         Gotham"
    );
    assert_eq!(
        inspected.next,
        ["Gotham has stopped. When it runs again, it pulls the write from the others."]
    );
    let alone = inspect(
        &Fixture::new().held([Some(&ours), None, None, None]).status("gotham", NodeStatus::Down),
    );
    assert_eq!(alone.sentence, "No running node holds this hero.");
    assert_eq!(alone.reasons, "Only stopped nodes held it: Gotham.");
    assert_eq!(alone.next, ["Nothing: the hero is lost, unless another city still holds it."]);
}

#[test]
fn unreachable_city_gets_no_promise() {
    let base = base();
    let ours = live(stamp("gotham", 300), 84, Some(&base));
    let fixture = || Fixture::new().held([Some(&ours), Some(&base), Some(&base), Some(&base)]);
    let holder = inspect(&fixture().status("gotham", NodeStatus::Unreachable));
    assert!(
        holder.reasons.ends_with(
            "Only Gotham is known to hold it, and is unreachable: the write wins if it still exists."
        ),
        "{}",
        holder.reasons
    );
    assert_eq!(
        holder.next[0],
        "Metropolis receives it if Gotham is reachable again and still holds it."
    );
    let other = inspect(&fixture().status("capitol", NodeStatus::Unreachable));
    assert_eq!(other.next[1], "Capitol is unreachable; whether it receives the write is unknown.");
}

#[test]
fn stamp_too_far_ahead_is_refused_until_the_clock_reaches_it() {
    let base = base();
    let ours = live(stamp("gotham", -3_200), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&base), Some(&base), Some(&base)])
        .city("capitol", |city| city.clock_ahead_ms = Some(1_500));
    let next = inspect(&fixture).next;
    assert_eq!(
        next[0],
        "Metropolis refuses it for 1.2 s: its stamp is too far ahead of Metropolis’s clock."
    );
    assert_eq!(next[1], "Capitol receives it with its next pull from Gotham.");
}

#[test]
fn propagation_is_listed_by_step_with_unknown_sources() {
    let base = base();
    let ours = live(stamp("gotham", 8_000), 84, Some(&base));
    let fixture = Fixture::new()
        .held([Some(&ours), Some(&ours), Some(&ours), None])
        .received(7_100, "capitol", &ours, "gotham")
        .wrote(7_990, &ours)
        .step(6_000, "metropolis", &ours, Way::Unknown);
    let steps: Vec<String> = inspect(&fixture).panel.writes[0].lines[0]
        .steps
        .iter()
        .map(|step| format!("{} {}", step.at, step.text))
        .collect();
    let expected = [
        "12:41:32.010 Gotham wrote it",
        "12:41:32.900 Capitol received it from Gotham",
        "12:41:34.000 Metropolis held it; its source is unknown",
    ];
    assert_eq!(steps, expected);
    let write = &inspect(&fixture).panel.writes[0].lines[0];
    assert_eq!(
        (write.stamp.as_str(), write.observed.as_str(), write.origin.as_str()),
        ("12:41:32.000", "12:41:32.010", "gotham/1789990000000")
    );
    // Observed at another node first, or not at all.
    let elsewhere = Fixture::new()
        .held([Some(&ours), None, Some(&ours), None])
        .received(7_100, "capitol", &ours, "gotham");
    assert_eq!(inspect(&elsewhere).panel.writes[0].lines[0].observed, "12:41:32.900 at Capitol");
    assert_eq!(
        inspect(&Fixture::new().held([Some(&ours); 4])).panel.writes[0].lines[0].observed,
        "before the recorded history"
    );
}

#[test]
fn excess_writes_and_steps_are_counted_and_held_writes_are_kept() {
    let mut over = base();
    let mut fixture = Fixture::new();
    for number in 0..16 {
        over = live(stamp("gotham", 30_000 - number), 84, Some(&over));
        fixture = fixture
            .wrote(30_000, &over)
            .received(20_000, "capitol", &over, "gotham")
            .received(19_000, "metropolis", &over, "gotham");
    }
    let old = base();
    let panel = inspect(&fixture.held([Some(&over), Some(&over), Some(&over), Some(&old)])).panel;
    assert_eq!(
        (panel.writes.iter().flat_map(|it| &it.lines).count(), panel.more_writes.as_str()),
        (WRITES_MAX, "and 5 earlier writes")
    );
    assert_eq!(panel.writes[1].lines[0].writer, "Dispatch", "it is the oldest, and is still held");
    let folded: Vec<(&str, usize)> =
        panel.writes.iter().map(|it| (it.folded.as_str(), it.lines.len())).collect();
    let ticks = "10 writes of patrols and fights, superseded";
    assert_eq!(folded, [("", 1), ("", 1), (ticks, 10)], "later writes had seen them all");
    let mut long = Fixture::new();
    let ours = live(stamp("gotham", 30_000), 84, None);
    let other = live(stamp("capitol", 30_001), 84, None);
    for entry in [&ours, &other] {
        for _ in 0..24 {
            long = long.received(9_000, "metropolis", entry, "gotham");
        }
    }
    let fixture = long.held([Some(&ours), Some(&other), None, None]);
    let row = fixture.view.rows.get(id(1)).unwrap();
    let (writes, _) = write_lines(&fixture.view, &Comparison::of(&fixture.view, row), 30);
    let shown: Vec<_> = writes
        .iter()
        .flat_map(|it| &it.lines)
        .map(|write| (write.steps.len(), write.more_steps.as_str()))
        .collect();
    assert_eq!(shown, [(24, ""), (6, "and 18 more steps")]);
}

#[test]
fn lost_writes_of_this_hero_are_listed_newest_first() {
    let ours = live(stamp("gotham", 9_000), 84, None);
    let theirs = live(stamp("capitol", 8_000), 72, None);
    let mut fixture = Fixture::new()
        .held([Some(&theirs); 4])
        .lost(2, &theirs, None)
        .lost(1, &ours, Some(&theirs))
        .lost(1, &ours, None);
    let expected = [
        "12:41:30.000 Gotham wrote “Gotham 84 patrolling”: lost with its only holder",
        "12:41:30.000 Gotham wrote “Gotham 84 patrolling”: Capitol had not seen it",
    ];
    let lines = inspect(&fixture).panel.lost;
    let lines: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line.at, line.text)).collect();
    assert_eq!(lines, expected);
    for _ in 0..12 {
        fixture = fixture.lost(1, &ours, None);
    }
    let panel = inspect(&fixture).panel;
    assert_eq!((panel.lost.len(), panel.more_lost.as_str()), (LOST_MAX, "and 2 earlier ones"));
}

#[test]
fn hero_that_no_node_holds_still_lists_its_lost_writes() {
    let ours = live(stamp("gotham", 9_000), 84, None);
    let lost = inspect(&Fixture::new().lost(1, &ours, None));
    assert_eq!(
        (lost.sentence.as_str(), lost.panel.hero.as_str()),
        ("No node holds this hero.", "Silver Kestrel")
    );
    assert_eq!(lost.panel.lost.len(), 1);
    assert_eq!(inspect(&Fixture::new()).panel.hero, id(1).to_string());
    let hint = InspectorPanel::of(&Fixture::new().view, &PageQuery::default())
        .render()
        .expect("rendering into a string");
    assert!(hint.contains(" hidden>") && hint.contains("No hero is selected"), "{hint}");
    assert!(!hint.contains("<ol"), "{hint}");
}

#[test]
fn picture_shows_both_orders_on_one_scale_and_the_winner() {
    let picture = inspect(&split_brain()).panel.picture.unwrap();
    let marks: Vec<_> = picture
        .marks
        .iter()
        .map(|mark| {
            (mark.writer.as_str(), mark.observed_x.as_deref(), mark.stamp_x.as_str(), mark.wins)
        })
        .collect();
    // The scale ranges from 9.0 s ago, the first observation, to 7.1 s ago, the last stamp.
    assert_eq!(
        marks,
        [("Metropolis", Some("46.0"), "294.0", "wins"), ("Gotham", Some("126.9"), "124.3", "")]
    );
    assert_eq!(
        (picture.marks[0].observed_label.as_str(), picture.marks[0].stamp_label.as_str()),
        (":31.00", ":32.90")
    );
    assert_eq!(
        (picture.marks[0].observed.as_str(), picture.marks[0].stamp.as_str()),
        ("12:41:31.000", "12:41:32.900")
    );
    assert_eq!(picture.marks[0].wins_anchor, "start", "the curve comes from the left");
    assert_eq!(inspect(&healed()).panel.picture.unwrap().marks[0].wins, "won");
    assert!(
        inspect(&Fixture::new().held([Some(&base()); 4])).panel.picture.is_none(),
        "no write was observed"
    );
}

#[test]
fn time_labels_contain_only_the_differing_part() {
    let labels = |ago: u64| {
        let entry = live(stamp("gotham", 5_000), 84, None);
        let fixture = Fixture::new().held([Some(&entry), None, None, None]).wrote(ago, &entry);
        let marks = inspect(&fixture).panel.picture.unwrap().marks;
        [
            marks[0].observed_label.clone(),
            marks[0].stamp_label.clone(),
            marks[0].wins_anchor.to_owned(),
        ]
    };
    assert_eq!(labels(4_000), [":36.00", ":35.00", "end"]);
    assert_eq!(labels(50_000), ["40:50.00", "41:35.00", "start"], "another minute");
    assert_eq!(labels(99_000), ["40:01.00", "41:35.00", "start"]);
    let old = live(stamp("gotham", 3_000_000), 84, None);
    let marks = inspect(&Fixture::new().held([Some(&old), None, None, None]).wrote(4_000, &old))
        .panel
        .picture
        .unwrap()
        .marks;
    assert_eq!(marks[0].stamp_label, "11:51:40");
}

#[test]
fn overlapping_labels_are_omitted_except_that_of_the_winner() {
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
    let marks = inspect(&fixture).panel.picture.unwrap().marks;
    assert_eq!(marks.len(), 6);
    assert_eq!(marks.iter().filter(|mark| !mark.stamp_label.is_empty()).count(), 2);
    assert!(!marks[0].stamp_label.is_empty() && marks[0].wins == "wins");
}

#[test]
fn picture_has_a_table_with_the_same_writes() {
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
fn hostile_name_is_escaped_and_markup_respects_the_policy() {
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
