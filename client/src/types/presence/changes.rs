//! Changes of a topic: as a node sends them, and between two lists of those who are present.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use api_types::{Presence, Present};

/// A message of the WebSocket that tracks somebody. Unknown kinds are ignored, since a newer node
/// may send more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum Push {
    Present(Presence),
    Joined(Change),
    Updated(Change),
    Left(Change),
    #[serde(other)]
    Unknown,
}

/// The key that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    key: String,
    node: String,
    meta: Value,
    /// The reason why somebody has left, if the node gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Push {
    /// Returns the lines to print, as cells.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let one = |kind: &str, Change { key, node, meta, why }: &Change| {
            let cells = [kind.to_owned(), key.clone(), node.clone(), meta.to_string()];
            vec![cells.into_iter().chain(why.clone()).collect()]
        };
        match self {
            Self::Present(Presence { present }) => {
                present.iter().flat_map(|present| one("present", &Change::of(present))).collect()
            }
            Self::Joined(change) => one("joined", change),
            Self::Updated(change) => one("updated", change),
            Self::Left(change) => one("left", change),
            Self::Unknown => Vec::new(),
        }
    }
}

impl Change {
    fn of(Present { key, node, meta, .. }: &Present) -> Self {
        Self { key: key.clone(), node: node.clone(), meta: meta.clone(), why: None }
    }
}

/// Returns the changes from one list to a later one: who left, then who joined or was updated.
///
/// Somebody is the same if key, node and time are. A key may be tracked several times at one node.
pub(super) fn changes(before: &[Present], after: &[Present]) -> Vec<Push> {
    let mut gone: BTreeMap<_, Vec<&Present>> = BTreeMap::new();
    for present in before {
        gone.entry(identity(present)).or_default().push(present);
    }
    let mut changed = Vec::new();
    for present in after {
        let same = gone.get_mut(&identity(present)).filter(|same| !same.is_empty());
        match same.map(|same| (same.iter().position(|old| old.meta == present.meta), same)) {
            Some((Some(unchanged), same)) => drop(same.remove(unchanged)),
            Some((None, _)) | None => changed.push(present),
        }
    }
    // Those who are equal are paired first, so that two who share a key and a time are not swapped.
    let mut news = Vec::new();
    for present in changed {
        match gone.get_mut(&identity(present)).and_then(Vec::pop) {
            Some(_) => news.push(Push::Updated(Change::of(present))),
            None => news.push(Push::Joined(Change::of(present))),
        }
    }
    let left = gone.into_values().flatten().map(|present| Push::Left(Change::of(present)));
    left.chain(news).collect()
}

fn identity(present: &Present) -> (&str, &str, u64) {
    (&present.key, &present.node, present.since)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn present(key: &str, node: &str, since: u64, meta: Value) -> Present {
        Present { key: key.to_owned(), meta, node: node.to_owned(), since }
    }

    fn lines(before: &[&Present], after: &[&Present]) -> Vec<String> {
        let [before, after] =
            [before, after].map(|list| list.iter().copied().cloned().collect::<Vec<_>>());
        changes(&before, &after).iter().flat_map(Push::rows).map(|row| row.join(" ")).collect()
    }

    #[test]
    fn lists_differ_by_those_who_left_joined_and_were_updated() {
        let ada = &present("ada", "gotham", 1, json!(null));
        let bob = &present("bob", "gotham", 1, json!(1));
        assert_eq!(lines(&[], &[]), [""; 0]);
        assert_eq!(lines(&[ada], &[ada]), [""; 0]);
        assert_eq!(lines(&[], &[ada]), ["joined ada gotham null"]);
        assert_eq!(lines(&[ada], &[]), ["left ada gotham null"]);
        let away = &Present { meta: json!("away"), ..bob.clone() };
        assert_eq!(lines(&[ada, bob], &[ada, away]), ["updated bob gotham \"away\""]);
        // Tracked elsewhere, or again: another entry.
        let elsewhere = &Present { node: "capitol".to_owned(), ..ada.clone() };
        assert_eq!(
            lines(&[ada], &[elsewhere]),
            ["left ada gotham null", "joined ada capitol null"]
        );
        let again = &Present { since: 2, ..ada.clone() };
        assert_eq!(lines(&[ada], &[again]), ["left ada gotham null", "joined ada gotham null"]);
    }

    #[test]
    fn key_that_is_tracked_several_times_is_counted() {
        let [a, b, c] = &["a", "b", "c"].map(|meta| present("ada", "gotham", 1, json!(meta)));
        assert_eq!(lines(&[a, b], &[b, a]), [""; 0]);
        assert_eq!(lines(&[a, b], &[b]), ["left ada gotham \"a\""]);
        assert_eq!(lines(&[a, b], &[c, b]), ["updated ada gotham \"c\""]);
        assert_eq!(lines(&[a, a], &[a]), ["left ada gotham \"a\""]);
        assert_eq!(lines(&[a, b], &[a, b, c]), ["joined ada gotham \"c\""]);
    }

    #[test]
    fn message_of_an_unknown_kind_has_no_lines() {
        let push: Push =
            serde_json::from_value(json!({ "t": "renamed", "key": 7 })).expect("valid");
        assert_eq!((push.rows(), push), (Vec::new(), Push::Unknown));
    }
}
