//! Stories with a known end under each rule, and random ones against a reference that keeps whole
//! copies with their pasts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{dead, live, stamp};

const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
const ALL: [bool; 4] = [true; 4];
const ALONE: [bool; 4] = [true, false, false, false];
const WITHOUT_GOTHAM: [bool; 4] = [false, true, true, true];

/// A write of a node, `ago_ms` before now by its own clock.
fn write(node: usize, ago_ms: i64, changes: Changes, reached: [bool; 4]) -> Write {
    let entry = live(stamp(NODES[node], ago_ms), 84, None);
    Write { node, entry, changes, reached: reached.to_vec() }
}

fn deletion(node: usize, ago_ms: i64, reached: [bool; 4]) -> Write {
    let entry = dead(stamp(NODES[node], ago_ms), None);
    Write { node, entry, changes: Changes::ALL, reached: reached.to_vec() }
}

/// Every node has pulled from every other one.
fn all_pull() -> impl Iterator<Item = Step> + Clone {
    let pairs = (0..4).flat_map(|puller| (0..4).map(move |source| (puller, source)));
    pairs
        .filter(|(puller, source)| puller != source)
        .map(|(puller, source)| Step::Pull { puller, source })
}

fn story(writes: Vec<Write>, steps: impl IntoIterator<Item = Step>) -> Story {
    Story { nodes: 4, writes, steps: steps.into_iter().collect() }
}

/// The fates of one write, in the order of [`Rule::ALL`].
fn fates(story: &Story, number: usize) -> [Fate; 6] {
    Rule::ALL.map(|rule| rule.fates(story).swap_remove(number))
}

const LOCATION: Changes = Changes { location: true, health: false, patrol: false };
const HEALTH: Changes = Changes { location: false, health: true, patrol: false };
const ASSIGNED: Changes = Changes { location: true, health: true, patrol: false };

#[test]
fn write_across_a_cut() {
    // Gotham is cut off and writes; Metropolis writes a second later.
    let story = story(
        vec![
            write(3, 20_000, Changes::ALL, ALL),
            write(0, 10_000, ASSIGNED, ALONE),
            write(1, 8_000, LOCATION, WITHOUT_GOTHAM),
        ],
        [Step::Write(0)].into_iter().chain(all_pull()).chain([Step::Write(1), Step::Write(2)]),
    );
    let in_part = Fate::SavedInPart { lost: LOCATION, to: 2 };
    assert_eq!(
        fates(&story, 1),
        [
            Fate::Refused { reached: 1 },
            in_part.clone(),
            Fate::Replaced(2),
            Fate::Saved,
            in_part,
            Fate::Refused { reached: 1 },
        ]
    );
    assert!(fates(&story, 2).iter().all(|fate| *fate == Fate::Saved));
}

#[test]
fn only_copy_and_a_bomb() {
    // Gotham writes and is bombed before anybody has pulled.
    let story = story(
        vec![write(3, 20_000, Changes::ALL, ALL), write(0, 10_000, LOCATION, ALL)],
        [Step::Write(0)].into_iter().chain(all_pull()).chain([Step::Write(1), Step::Forget(0)]),
    );
    assert_eq!(
        fates(&story, 1),
        [
            Fate::Saved,
            Fate::Forgotten,
            Fate::Forgotten,
            Fate::Forgotten,
            Fate::Forgotten,
            Fate::Saved,
        ]
    );
}

#[test]
fn later_write_with_a_slow_clock() {
    // Metropolis writes; Gotham, whose clock is three seconds behind, writes a second later.
    let steps = [Step::Write(0)].into_iter().chain(all_pull());
    let story = story(
        vec![
            write(3, 20_000, Changes::ALL, ALL),
            write(1, 10_000, HEALTH, ALL),
            write(0, 12_000, LOCATION, ALL),
        ],
        steps.chain([Step::Write(1), Step::Write(2)]),
    );
    assert_eq!(
        fates(&story, 2),
        [Fate::Saved, Fate::Saved, Fate::Replaced(1), Fate::Saved, Fate::Saved, Fate::Saved,],
        "the two changed different fields"
    );
}

#[test]
fn received_copy_wins_within_a_second() {
    let base = write(3, 20_000, Changes::ALL, ALL);
    // Stamps count milliseconds; both are of the same second.
    let first = write(0, 9_800, LOCATION, ALL);
    let second = write(1, 9_700, LOCATION, ALL);
    assert_eq!(rules::second(&first), rules::second(&second));
    let both =
        [Step::Write(0)].into_iter().chain(all_pull()).chain([Step::Write(1), Step::Write(2)]);
    let spread = |source: usize| {
        (0..4)
            .filter(move |puller| *puller != source)
            .map(move |puller| Step::Pull { puller, source })
    };
    for (source, kept, lost) in [(0, 1, 2), (1, 2, 1)] {
        let writes = vec![base.clone(), first.clone(), second.clone()];
        let story = story(writes, both.clone().chain(spread(source)));
        let fates = Rule::WholeSeconds.fates(&story);
        assert_eq!((&fates[kept], &fates[lost]), (&Fate::Saved, &Fate::Replaced(kept)));
    }
}

#[test]
fn deletion_that_had_not_seen_a_write() {
    let story = story(
        vec![
            write(3, 20_000, Changes::ALL, ALL),
            write(0, 10_000, HEALTH, ALONE),
            deletion(3, 8_000, WITHOUT_GOTHAM),
        ],
        [Step::Write(0)].into_iter().chain(all_pull()).chain([Step::Write(1), Step::Write(2)]),
    );
    assert_eq!(
        fates(&story, 1),
        [
            Fate::Refused { reached: 1 },
            Fate::Replaced(2),
            Fate::Saved,
            Fate::Saved,
            Fate::Saved,
            Fate::Refused { reached: 1 },
        ],
        "without a tombstone the hero comes back"
    );
}

#[test]
fn majority_forgets_when_all_that_held_a_write_are_bombed() {
    let three = [true, true, false, true];
    let bombs = [0, 1, 3].map(Step::Forget);
    let story =
        story(vec![write(0, 10_000, LOCATION, three)], [Step::Write(0)].into_iter().chain(bombs));
    assert_eq!(Rule::Majority.fates(&story), [Fate::Forgotten]);
    assert_eq!(Rule::Vault.fates(&story), [Fate::Saved], "it is on disk");
}

#[test]
fn outcomes_name_the_winner_and_are_of_this_write_only() {
    let story = story(
        vec![write(0, 10_000, LOCATION, ALONE), write(1, 8_000, LOCATION, WITHOUT_GOTHAM)],
        [Step::Write(0), Step::Write(1)],
    );
    let stamps = [0, 1].map(|number: usize| story.writes[number].entry.stamp);
    let fates = Fates::of(story);
    let outcomes = |number: usize| fates.outcomes(stamps[number]);
    let lost = outcomes(0).unwrap();
    let winner = Winner { node: "metropolis".parse().unwrap(), same_second: false };
    assert_eq!((lost[1].by, lost[1].reached, lost[1].nodes), (Some(winner), 1, 4));
    assert!(outcomes(1).unwrap().iter().all(|outcome| outcome.fate == Fate::Saved));
    assert_eq!(fates.outcomes(stamp("capitol", 1)), None);
}

/// The reference: a copy is the list of the writes that it replaced, the last one is its value.
type Copy = Vec<usize>;

#[derive(Clone, Default)]
struct Node {
    copy: Copy,
    /// Every write that has arrived.
    known: Vec<usize>,
}

/// Runs a register over a story. Returns the copy that all nodes hold in the end, if they agree, and
/// every write that has arrived anywhere.
fn reference(
    story: &Story,
    concerns: impl Fn(&Write) -> bool,
    wins: impl Fn(&Write, &Write) -> bool,
) -> (Option<Copy>, Vec<usize>) {
    let mut nodes = vec![Node::default(); story.nodes];
    let merge = |nodes: &mut Vec<Node>, puller: usize, source: usize| {
        let theirs = nodes[source].clone();
        let mine = &mut nodes[puller];
        mine.known.extend(theirs.known);
        let is_taken = match (theirs.copy.last(), mine.copy.last()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(theirs), Some(mine)) => wins(&story.writes[*theirs], &story.writes[*mine]),
        };
        if is_taken {
            mine.copy = theirs.copy;
        }
    };
    for step in &story.steps {
        match *step {
            Step::Write(number) if concerns(&story.writes[number]) => {
                let node = &mut nodes[story.writes[number].node];
                node.copy.push(number);
                node.known.push(number);
            }
            Step::Write(_) => {}
            Step::Pull { puller, source } => merge(&mut nodes, puller, source),
            Step::Forget(node) => nodes[node] = Node::default(),
        }
    }
    for _ in 0..2 {
        for puller in 0..story.nodes {
            for source in 0..story.nodes {
                merge(&mut nodes, puller, source);
            }
        }
    }
    let known = nodes.iter().flat_map(|node| node.known.clone()).collect();
    let first = nodes[0].copy.clone();
    (nodes.iter().all(|node| node.copy == first).then_some(first), known)
}

fn any_story() -> impl Strategy<Value = Story> {
    let write = (0..4_usize, 0..40_u16, 0..8_u8, any::<[bool; 4]>(), prop::bool::weighted(0.1));
    let step = prop_oneof![
        5 => (0..4_usize, 0..4_usize).prop_map(|(puller, source)| Step::Pull { puller, source }),
        1 => (0..4_usize).prop_map(Step::Forget),
    ];
    let block = (write, prop::collection::vec(step, 0..4));
    prop::collection::vec(block, 1..7).prop_map(|blocks| {
        let (mut writes, mut steps) = (Vec::new(), Vec::new());
        for (number, ((node, ago, changed, mut reached, deletes), more)) in
            blocks.into_iter().enumerate()
        {
            reached[node] = true;
            // The stamps of different writes differ.
            let ago_ms = i64::from(ago) * 300 + number as i64;
            let changes = Changes {
                location: changed & 1 > 0,
                health: changed & 2 > 0,
                patrol: changed & 4 > 0,
            };
            writes.push(if deletes {
                deletion(node, ago_ms, reached)
            } else {
                super::tests::write(node, ago_ms, changes, reached)
            });
            steps.push(Step::Write(number));
            steps.extend(more);
        }
        Story { nodes: 4, writes, steps }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn fates_equal_those_of_the_reference(story in any_story()) {
        let later = |theirs: &Write, mine: &Write| theirs.entry.beats(&mine.entry);
        let (_, arrived) = reference(&story, |_| true, later);
        let seconds = |theirs: &Write, mine: &Write| {
            theirs.entry.stamp.hlc.wall.0 / 1_000 >= mine.entry.stamp.hlc.wall.0 / 1_000
        };
        let (by_second, _) = reference(&story, |write| !write.entry.is_tombstone(), seconds);
        let location = reference(&story, |write| write.changes.location, later).0.unwrap();
        let health = reference(&story, |write| write.changes.health, later).0.unwrap();
        let patrol = reference(&story, |write| write.changes.patrol, later).0.unwrap();
        let moves = |write: &Write| write.changes.location || write.changes.patrol;
        let rest = reference(&story, moves, later).0.unwrap();
        let is_saved = |fate: &Fate| *fate == Fate::Saved;
        for (number, write) in story.writes.iter().enumerate() {
            let [_, fields, whole_seconds, both, counter, _] = fates(&story, number);
            let Changes { location: moved, health: hurt, patrol: patrols } = write.changes;
            prop_assert_eq!(is_saved(&both), arrived.contains(&number));
            if !write.entry.is_tombstone() {
                // Without agreement, a write that every copy includes would be saved all the same.
                if let Some(copy) = &by_second {
                    prop_assert_eq!(is_saved(&whole_seconds), copy.contains(&number));
                }
                prop_assert_eq!(
                    is_saved(&counter),
                    arrived.contains(&number) && (!moves(write) || rest.contains(&number))
                );
            }
            prop_assert_eq!(
                is_saved(&fields),
                (!moved || location.contains(&number))
                    && (!hurt || health.contains(&number))
                    && (!patrols || patrol.contains(&number))
            );
        }
    }

    #[test]
    fn majority_equals_logs_that_are_read_and_written_at_most_nodes(story in any_story()) {
        for (rule, forgets) in [(Rule::Majority, true), (Rule::Vault, false)] {
            let mut logs = vec![BTreeSet::new(); story.nodes];
            let mut refused = BTreeSet::new();
            let mut seen = BTreeSet::new();
            for step in &story.steps {
                match *step {
                    Step::Write(number) => {
                        let reached = &story.writes[number].reached;
                        if reached.iter().filter(|reached| **reached).count() < 3 {
                            refused.insert(number);
                            continue;
                        }
                        for (log, _) in logs.iter().zip(reached).filter(|(_, reached)| **reached) {
                            seen.extend(log.iter().copied());
                        }
                        for (log, _) in logs.iter_mut().zip(reached).filter(|(_, reached)| **reached) {
                            log.insert(number);
                        }
                    }
                    Step::Pull { puller, source } => {
                        let theirs = logs[source].clone();
                        logs[puller].extend(theirs);
                    }
                    Step::Forget(node) if forgets => logs[node].clear(),
                    Step::Forget(_) => {}
                }
            }
            for (number, fate) in rule.fates(&story).into_iter().enumerate() {
                let is_kept = seen.contains(&number) || logs.iter().any(|log| log.contains(&number));
                let is_refused = matches!(fate, Fate::Refused { .. });
                prop_assert_eq!(is_refused, refused.contains(&number));
                prop_assert_eq!(fate == Fate::Saved, is_kept && !is_refused);
            }
        }
    }
}
