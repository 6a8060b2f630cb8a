//! A hero that was deleted is not live again.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::checker::index::{Incarnation, Index, Sighting};
use crate::history::checker::{Report, Rule};
use crate::history::record::{Operation, Outcome, Request};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    for (hero, operations) in &index.on {
        never_read_again(index, hero, operations, report);
    }
    let tombstones = index.sightings.iter().filter(|sighting| sighting.hero.is_none());
    let deleted: BTreeSet<&str> = tombstones.map(|sighting| sighting.id).collect();
    let mut copies: BTreeMap<(Incarnation<'_>, &str), Vec<&Sighting<'_>>> = BTreeMap::new();
    for sighting in &index.sightings {
        if let Some(at) = sighting.at
            && deleted.contains(sighting.id)
        {
            copies.entry((at, sighting.id)).or_default().push(sighting);
        }
    }
    for ((incarnation, hero), copies) in copies {
        stays_deleted_at(index, incarnation, hero, &copies, report);
    }
}

/// Returns whether the operation shows that dispatch knows the hero to be deleted.
fn shows_deletion(operation: &Operation) -> bool {
    match &operation.outcome {
        Outcome::Deleted => true,
        Outcome::Refused { status, .. } => *status == 410,
        Outcome::Written { .. } | Outcome::Shown { .. } | Outcome::Unknown { .. } => false,
    }
}

/// After a process of dispatch has deleted a hero, or has shown it as deleted, it does not show it
/// as live. It may show the tombstone of a city, which the city may lose.
fn never_read_again(index: &Index<'_>, hero: &str, operations: &[&Operation], report: &mut Report) {
    let deletions: Vec<&Operation> = index.deletions(hero).collect();
    let Some(first) = deletions.iter().map(|deletion| deletion.invoked).min() else {
        return;
    };
    for evidence in operations.iter().filter(|operation| shows_deletion(operation)) {
        let Some(run) = index.run(evidence) else { continue };
        let is_own = evidence.outcome == Outcome::Deleted
            || deletions.iter().all(|deletion| index.run(deletion) == Some(run));
        let reads = operations.iter().filter(|read| {
            matches!(read.request, Request::Read { .. })
                && matches!(read.outcome, Outcome::Shown { .. })
                && read.invoked > evidence.completed
                && index.run(read) == Some(run)
        });
        for read in reads {
            if is_own || !index.may_lose_memory(first, read.completed) {
                let text = format!("hero {hero} was deleted and is read again");
                report.add(Rule::DeletedStaysDeleted, text, [*evidence, *read]);
                return;
            }
        }
    }
    if let Some(live) = index.at_the_end(hero) {
        let acknowledged = deletions.iter().find(|deletion| {
            deletion.outcome == Outcome::Deleted && index.is_of_last_run(deletion)
        });
        if let Some(deletion) = acknowledged {
            let text = format!("the running dispatch deleted hero {}, which is live", live.id);
            report.add(Rule::DeletedStaysDeleted, text, [*deletion]);
        }
    }
}

/// An incarnation that held the tombstone of a hero does not hold the hero again, and if it runs at
/// the end, no node does.
fn stays_deleted_at(
    index: &Index<'_>,
    incarnation: Incarnation<'_>,
    hero: &str,
    copies: &[&Sighting<'_>],
    report: &mut Report,
) {
    let tombstones = copies.iter().filter(|copy| copy.hero.is_none());
    let Some(tombstone) = tombstones.min_by_key(|copy| copy.completed) else { return };
    let again =
        copies.iter().find(|copy| copy.hero.is_some() && copy.invoked > tombstone.completed);
    if let Some(again) = again {
        let text = format!("{incarnation:?} held the tombstone of hero {hero}, and holds it again");
        report.add(Rule::DeletedStaysDeleted, text, tombstone.by.into_iter().chain(again.by));
    } else if index.last.contains(&incarnation) && index.at_the_end(hero).is_some() {
        let text = format!("{incarnation:?} held the tombstone of hero {hero}, which is live");
        report.add(Rule::DeletedStaysDeleted, text, tombstone.by);
    }
}
