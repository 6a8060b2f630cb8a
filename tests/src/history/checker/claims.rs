//! The claims of the simulator's checkers, by replaying the history into an [`Audit`].

use crate::audit::{Audit, entry};
use crate::history::checker::index::Index;
use crate::history::checker::{Report, Rule};
use crate::history::record::{Event, Operation, Outcome, Request};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let result = replay(index).and_then(|mut audit| {
        let snapshots = index.history.end.last.nodes.snapshots();
        audit.observe(&snapshots)?;
        audit.check_quiescent(&snapshots, number(index.counts().dispatches - 1)).map(drop)
    });
    if let Err(text) = result {
        report.add(Rule::Claims, text, []);
    }
}

fn replay(index: &Index<'_>) -> Result<Audit, String> {
    let mut audit = Audit::default();
    let mut requested: Vec<(u64, &str)> = index
        .history
        .operations()
        .filter(|operation| matches!(operation.request, Request::Delete { .. }))
        .filter_map(|operation| Some((operation.invoked, operation.request.hero()?)))
        .collect();
    requested.sort_unstable();
    let mut requested = requested.into_iter().peekable();
    for event in &index.history.events {
        let completed = match event {
            Event::Operation(operation) => operation.completed,
            Event::Observation(observation) => observation.completed,
            Event::Action(action) => action.ended,
        };
        while let Some((_, hero)) = requested.next_if(|(invoked, _)| *invoked <= completed) {
            audit.note_deletion_request(hero.parse().expect("the id of a hero"));
        }
        match event {
            Event::Operation(operation) => note(index, &mut audit, operation)?,
            Event::Observation(observation) => audit.observe(&observation.nodes.snapshots())?,
            Event::Action(_) => {}
        }
    }
    Ok(audit)
}

fn note(index: &Index<'_>, audit: &mut Audit, operation: &Operation) -> Result<(), String> {
    match &operation.outcome {
        Outcome::Written { hero } => {
            let (key, entry) = entry(hero);
            audit.note_acknowledged(key, &entry)
        }
        Outcome::Deleted => {
            // The dispatch that answered has this number or a later one.
            let hero = operation.request.hero().unwrap_or_default();
            let key = hero.parse().expect("the id of a hero");
            audit.note_acknowledged_deletion(key, number(index.runs(operation).start));
            Ok(())
        }
        Outcome::Shown { .. } | Outcome::Refused { .. } | Outcome::Unknown { .. } => Ok(()),
    }
}

fn number(run: usize) -> u32 {
    u32::try_from(run).expect("dispatch is started a few times")
}
