//! Reads of one incarnation are monotonic, and the verdict is true.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Hero, NodeState};
use crate::history::checker::index::{Incarnation, Index, Sighting};
use crate::history::checker::{Report, Rule};
use crate::history::record::{Observation, shown};
use crate::nodes::{CITIES, NODES};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let mut copies: BTreeMap<(Incarnation<'_>, &str), Vec<(Sighting<'_>, &Hero)>> = BTreeMap::new();
    for sighting in &index.sightings {
        if let (Some(at), Some(hero)) = (sighting.at, sighting.hero) {
            copies.entry((at, sighting.id)).or_default().push((*sighting, hero));
        }
    }
    let incarnations: BTreeSet<Incarnation<'_>> = copies.keys().map(|(at, _)| *at).collect();
    report.counts.incarnations = incarnations.len();
    for ((incarnation, _), copies) in copies {
        never_goes_back(incarnation, copies, report);
    }
    index.history.observations().for_each(|observation| verdict_is_true(observation, report));
}

fn never_goes_back(
    incarnation: Incarnation<'_>,
    mut copies: Vec<(Sighting<'_>, &Hero)>,
    report: &mut Report,
) {
    let mut by_completion = copies.clone();
    by_completion.sort_by_key(|(sighting, _)| sighting.completed);
    copies.sort_by_key(|(sighting, _)| sighting.invoked);
    let mut earlier = by_completion.into_iter().peekable();
    let mut newest: Option<(Sighting<'_>, &Hero)> = None;
    for (sighting, hero) in copies {
        while let Some(read) = earlier.next_if(|(earlier, _)| earlier.completed < sighting.invoked)
        {
            newest = newest.into_iter().chain([read]).max_by_key(|(_, hero)| &hero.stamp);
        }
        if let Some((before, newer)) = newest.filter(|(_, newer)| newer.stamp > hero.stamp) {
            let text =
                format!("{incarnation:?} held {}, and holds {} later", shown(newer), shown(hero));
            report.add(Rule::MonotonicReads, text, before.by.into_iter().chain(sighting.by));
        }
    }
}

/// A verdict between two equal reads of all nodes describes these nodes.
fn verdict_is_true(observation: &Observation, report: &mut Report) {
    let Observation { nodes, verdict, invoked, completed } = observation;
    let state = |nodes: &BTreeMap<String, NodeState>, node: &str| {
        let node = nodes.get(node)?;
        Some((node.fingerprint.clone(), node.incarnation, node.status.clone()))
    };
    let unchanged =
        NODES.iter().all(|node| state(&nodes.before, node) == state(&nodes.after, node));
    if !unchanged || !verdict.converged {
        return;
    }
    let states: Vec<_> = NODES.iter().map(|node| state(&nodes.after, node)).collect();
    let prints: BTreeSet<_> = states.iter().flatten().map(|(print, ..)| print).collect();
    let all_up = states.iter().flatten().all(|(.., status)| status == "up");
    let lists: Vec<Option<BTreeMap<&str, &Hero>>> = CITIES
        .iter()
        .map(|city| {
            let list = nodes.lists.get(*city)?;
            Some(list.heroes.iter().map(|hero| (hero.id.as_str(), hero)).collect())
        })
        .collect();
    let agree = lists.windows(2).all(|pair| pair[0] == pair[1]);
    if prints.len() > 1 || !all_up || !agree {
        let text = format!(
            "between {invoked} and {completed} us the verdict is converged, and the nodes are \
             {states:?}, their lists {}",
            if agree { "equal" } else { "differ" }
        );
        report.add(Rule::VerdictIsTrue, text, []);
    }
}
