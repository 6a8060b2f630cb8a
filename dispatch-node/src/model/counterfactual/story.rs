//! The story of one hero, from the recorded history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, PullOutcome, Stamp};
use shared::Entry;
use shared::hero::HeroId;

use super::{Changes, Step, Story, Write};
use crate::model::arrival::Way;
use crate::model::history::History;

impl Story {
    /// Returns the story of this hero among these nodes, as far as it is recorded.
    #[must_use]
    pub fn of(history: &History, hero: HeroId, nodes: &[NodeName]) -> Self {
        let place = |node: NodeName| nodes.iter().position(|other| *other == node);
        let entries: BTreeMap<Stamp, &Arc<Entry>> =
            history.trail(hero).map(|step| (step.stamp, &step.entry)).collect();
        let mut writes: Vec<Write> = Vec::new();
        let mut steps: Vec<(Duration, Step)> = Vec::new();
        for step in history.trail(hero) {
            let writer = step.stamp.origin.node;
            let Some(node) = place(writer) else { continue };
            if writes.iter().all(|write| write.entry.stamp != step.stamp) {
                let base = step.entry.seen.newest().and_then(|base| entries.get(&base));
                let reached = nodes.iter().map(|to| history.reached(step.at, writer, *to));
                steps.push((step.at, Step::Write(writes.len())));
                writes.push(Write {
                    node,
                    entry: Arc::clone(&step.entry),
                    changes: Changes::between(base.map(|base| &***base), &step.entry),
                    reached: reached.collect(),
                });
            }
            // The pull may be missing in the history, or may be reported before the write.
            let source = match step.way {
                Way::Written => None,
                Way::Received(from) => place(from),
                Way::Unknown => Some(node),
            };
            if let (Some(source), Some(puller)) = (source, place(step.node)) {
                steps.push((step.at, Step::Pull { puller, source }));
            }
        }
        let began = steps.first().map_or(Duration::MAX, |(at, _)| *at);
        let seconds = history.seconds().filter(|second| second.number + 1 >= began.as_secs());
        for second in seconds {
            let pulls = second.pulls.iter().filter(|pull| {
                matches!(pull.outcome, PullOutcome::Same | PullOutcome::Merged { .. })
            });
            steps.extend(pulls.filter_map(|pull| {
                let (puller, source) = (place(pull.puller)?, place(pull.source)?);
                Some((pull.ended, Step::Pull { puller, source }))
            }));
            let forgotten = second.restarts.iter();
            steps.extend(
                forgotten.filter_map(|(at, node)| Some((*at, Step::Forget(place(*node)?)))),
            );
        }
        // Stable: a write stays before the pull of the same time that has transferred it.
        steps.sort_by_key(|(at, _)| *at);
        Self {
            nodes: nodes.len(),
            writes,
            steps: steps.into_iter().map(|(_, step)| step).collect(),
        }
    }
}
