//! `superhero cluster`: the state of each node, the writes that it lacks, and the faults in force.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use api_types::{Fault, Node};
use scenario::span;
use superhero::Api;

use crate::fault::described;
use crate::output::Failure;
use crate::printer::{Printer, json};

const HEADINGS: [&str; 12] = [
    "NODE",
    "STATUS",
    "INCARNATION",
    "CRASHES",
    "HEROES",
    "TOMBSTONES",
    "FINGERPRINT",
    "CLOCK OFFSET",
    "AGE",
    "AHEAD",
    "BEHIND",
    "LACKS WRITES OF",
];

/// The number of digits of a fingerprint on a terminal.
const SHORT_FINGERPRINT: usize = 8;

/// Prints the nodes as a table, and a line for each fault in force. With JSON, prints the answer
/// about the nodes with the faults as a further field.
pub(crate) fn show(api: &Api, print: Printer) -> Result<(), Failure> {
    let cluster = api.cluster()?;
    let faults = api.faults()?.value.faults;
    if print.json {
        return print.out.json(&with_faults(&cluster.body, &faults));
    }
    let lacks = lacks(&cluster.value.nodes);
    // The start tells fingerprints apart, and leaves a terminal room for the other columns.
    let digits = if print.out.is_terminal() { SHORT_FINGERPRINT } else { usize::MAX };
    let rows = cluster.value.nodes.iter().zip(&lacks);
    let rows = rows.map(|(node, lacks)| row(node, digits, lacks));
    print.out.table(&HEADINGS, &rows.collect::<Vec<_>>())?;
    if faults.is_empty() {
        print.remark("No fault is in force.");
    }
    faults.iter().try_for_each(|fault| print.out.line(&described(fault)))
}

/// Returns the answer about the nodes with the faults as a further field.
fn with_faults(body: &str, faults: &[Fault]) -> String {
    // The text of the answer is used, so that fields of a newer dispatch are kept.
    let mut object: Map<String, Value> = serde_json::from_str(body).expect("it was parsed before");
    object.insert("faults".to_owned(), json!(faults));
    json(&object)
}

fn row(node: &Node, digits: usize, lacks: &BTreeSet<&str>) -> Vec<String> {
    let ms = |ms: Option<u64>| {
        ms.map_or_else(String::new, |ms| span::written(Duration::from_millis(ms)))
    };
    let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    let lacks = lacks.iter().map(|writer| {
        let is_refused = node.refuses.iter().any(|refused| refused == writer);
        if is_refused { format!("{writer} (refused)") } else { (*writer).to_owned() }
    });
    vec![
        node.name.clone(),
        if node.frozen { format!("{}, frozen", node.status) } else { node.status.clone() },
        node.incarnation.map_or_else(String::new, |incarnation| incarnation.to_string()),
        node.crashes.to_string(),
        node.heroes.to_string(),
        node.tombstones.to_string(),
        node.fingerprint.chars().take(digits).collect(),
        node.clock_ahead_ms.map_or_else(String::new, span::written_signed),
        ms(node.age_ms),
        count(node.ahead),
        count(node.behind),
        lacks.collect::<Vec<_>>().join(", "),
    ]
}

/// Returns for each node the names of the nodes of which it lacks writes that another node covers,
/// as dispatch last observed them. A process that is not running holds nothing, and is left out.
fn lacks(nodes: &[Node]) -> Vec<BTreeSet<&str>> {
    let runs = |node: &&Node| node.status != "down";
    let mut highest: BTreeMap<&str, Stamp> = BTreeMap::new();
    for (origin, stamp) in nodes.iter().filter(runs).flat_map(|node| &node.version_vector) {
        let Some(stamp) = parse(stamp) else { continue };
        let known = highest.entry(origin).or_insert(stamp);
        *known = (*known).max(stamp);
    }
    let lacks = |node: &Node| -> BTreeSet<&str> {
        if node.status == "down" {
            return BTreeSet::new();
        }
        let behind =
            highest.iter().filter(|(origin, highest)| covers(node, origin, **highest).is_lt());
        behind.filter_map(|(origin, _)| Some(origin.split_once('/')?.0)).collect()
    };
    nodes.iter().map(lacks).collect()
}

/// A stamp of one origin: wall clock in milliseconds, and counter.
type Stamp = (u64, u32);

/// Compares the writes of an origin that a node covers with those up to this stamp.
fn covers(node: &Node, origin: &str, highest: Stamp) -> Ordering {
    let is_closed = || {
        let (name, incarnation) = origin.split_once('/')?;
        Some(incarnation.parse::<u64>().ok()? < *node.closed_before.get(name)?)
    };
    match node.version_vector.get(origin).and_then(|stamp| parse(stamp)) {
        Some(stamp) => stamp.cmp(&highest),
        // All writes of a closed incarnation are covered.
        None if is_closed() == Some(true) => Ordering::Equal,
        None => Ordering::Less,
    }
}

/// Parses the stamp of a version vector: `1790000012345+0`.
fn parse(stamp: &str) -> Option<Stamp> {
    let (wall_ms, logical) = stamp.split_once('+')?;
    Some((wall_ms.parse().ok()?, logical.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(
        name: &str,
        status: &str,
        vector: serde_json::Value,
        closed: serde_json::Value,
    ) -> Node {
        serde_json::from_value(json!({
            "name": name, "role": "city", "status": status, "incarnation": 1, "crashes": 0,
            "heroes": 0, "tombstones": 0, "fingerprint": "0", "version_vector": vector,
            "closed_before": closed, "age_ms": 0, "clock_ahead_ms": null,
        }))
        .expect("a node")
    }

    #[test]
    fn node_lacks_writes_that_another_running_node_covers() {
        let nodes = [
            node("gotham", "up", json!({ "gotham/2": "10+1", "capitol/1": "7+0" }), json!({})),
            node("capitol", "up", json!({ "gotham/2": "10+0" }), json!({ "capitol": 2 })),
            node("metropolis", "unreachable", json!({ "gotham/2": "10+1" }), json!({})),
            node("star-city", "down", json!({ "star-city/1": "99+0" }), json!({})),
        ];
        let lacks: Vec<Vec<&str>> =
            lacks(&nodes).into_iter().map(|lacks| lacks.into_iter().collect()).collect();
        assert_eq!(lacks, [vec![], vec!["gotham"], vec!["capitol"], vec![]]);
    }
}
