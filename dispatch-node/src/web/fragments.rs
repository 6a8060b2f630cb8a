//! Fragments: the pieces of HTML that a page consists of, panels and lists of items. The root
//! element of each has its own id, and each fragment carries the number of the frame in which it
//! last changed. One query therefore serves an up-to-date page, one that lost contact and a new
//! one: the fragments newer than its frame.
//!
//! Invariant: a page that has frame n and applies [`since`](Fragments::since) n has the current
//! state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

/// The number of a frame. Frames start at 1; 0 is the state of a new page.
pub(crate) type Number = u64;

/// All fragments at one moment. Clones share the HTML.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    panels: BTreeMap<&'static str, Fragment>,
    lists: BTreeMap<&'static str, List>,
}

/// A piece of HTML, and the frame in which it last changed.
#[derive(Clone, Debug)]
struct Fragment {
    html: Arc<str>,
    changed: Number,
}

/// A list of fragments, and the frame in which its order last changed.
#[derive(Clone, Debug, Default)]
struct List {
    order: Arc<[Arc<str>]>,
    reordered: Number,
    items: BTreeMap<Arc<str>, Fragment>,
}

/// The fragments that are newer than a frame.
#[derive(Debug, Default, Serialize, PartialEq)]
pub(crate) struct Newer<'a> {
    /// Panels by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    html: BTreeMap<&'a str, &'a str>,
    /// Lists by the id of the element that contains their items.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    lists: BTreeMap<&'a str, NewerItems<'a>>,
}

/// The newer part of a list.
#[derive(Debug, Default, Serialize, PartialEq)]
struct NewerItems<'a> {
    /// The ids of all items, if the set or the order changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<&'a str>>,
    /// The items that changed or were added.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    items: BTreeMap<&'a str, &'a str>,
}

impl Fragments {
    /// Sets a panel as of frame `number`. The root element of `html` has the id of the panel.
    pub(crate) fn panel(&mut self, number: Number, id: &'static str, html: impl Into<Arc<str>>) {
        let html = html.into();
        if self.panels.get(id).is_none_or(|panel| panel.html != html) {
            self.panels.insert(id, Fragment { html, changed: number });
        }
    }

    /// Sets a list as of frame `number`, as pairs of id and HTML of each item.
    pub(crate) fn list(
        &mut self,
        number: Number,
        id: &'static str,
        items: Vec<(Arc<str>, Arc<str>)>,
    ) {
        let list = self.lists.entry(id).or_default();
        let order: Arc<[Arc<str>]> = items.iter().map(|(key, _)| Arc::clone(key)).collect();
        if list.order != order {
            (list.order, list.reordered) = (order, number);
        }
        let mut before = std::mem::take(&mut list.items);
        let item = |(key, html): (Arc<str>, Arc<str>)| {
            // An unchanged item keeps its frame number, so that up-to-date pages do not receive it
            // again.
            let same = before.remove(&key).filter(|item| item.html == html);
            (key, same.unwrap_or(Fragment { html, changed: number }))
        };
        list.items = items.into_iter().map(item).collect();
    }

    /// Returns the HTML of a panel.
    pub(crate) fn html(&self, id: &str) -> &str {
        self.panels.get(id).map_or("", |panel| &panel.html)
    }

    /// Returns the HTML of all items of a list.
    pub(crate) fn list_html(&self, id: &str) -> String {
        let list = self.lists.get(id);
        let items = list
            .into_iter()
            .flat_map(|list| list.order.iter().filter_map(|key| list.items.get(key)));
        items.map(|item| &*item.html).collect()
    }

    /// Adds the fragments newer than frame `number` to `newer`.
    pub(crate) fn since<'a>(&'a self, number: Number, newer: &mut Newer<'a>) {
        newer.html.extend(
            self.panels
                .iter()
                .filter(|(_, panel)| panel.changed > number)
                .map(|(id, panel)| (*id, &*panel.html)),
        );
        for (id, list) in &self.lists {
            let order =
                (list.reordered > number).then(|| list.order.iter().map(|key| &**key).collect());
            let changed = list.items.iter().filter(|(_, item)| item.changed > number);
            let items: BTreeMap<&str, &str> =
                changed.map(|(key, item)| (&**key, &*item.html)).collect();
            if order.is_some() || !items.is_empty() {
                newer.lists.insert(id, NewerItems { order, items });
            }
        }
    }
}

impl Newer<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.html.is_empty() && self.lists.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(items: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
        items.iter().map(|(key, html)| ((*key).into(), (*html).into())).collect()
    }

    fn newer(fragments: &Fragments, number: Number) -> serde_json::Value {
        let mut newer = Newer::default();
        fragments.since(number, &mut newer);
        serde_json::to_value(newer).unwrap()
    }

    #[test]
    fn since_returns_fragments_newer_than_a_frame() {
        let mut fragments = Fragments::default();
        fragments.panel(1, "verdict", "agree");
        fragments.list(1, "rows", items(&[("a", "A"), ("b", "B")]));
        fragments.panel(2, "verdict", "agree");
        fragments.list(2, "rows", items(&[("a", "A2"), ("b", "B")]));
        fragments.list(3, "rows", items(&[("b", "B"), ("c", "C")]));
        // An item that was removed and added again counts as new: a page may have dropped it.
        fragments.list(4, "rows", items(&[("a", "A2"), ("b", "B"), ("c", "C")]));
        let all = serde_json::json!({
            "html": {"verdict": "agree"},
            "lists": {
                "rows": {"order": ["a", "b", "c"], "items": {"a": "A2", "b": "B", "c": "C"}},
            },
        });
        assert_eq!(newer(&fragments, 0), all);
        assert_eq!(
            newer(&fragments, 2),
            serde_json::json!({
                "lists": {"rows": {"order": ["a", "b", "c"], "items": {"a": "A2", "c": "C"}}},
            })
        );
        assert_eq!(
            newer(&fragments, 3),
            serde_json::json!({"lists": {"rows": {"order": ["a", "b", "c"], "items": {"a": "A2"}}}})
        );
        assert_eq!(newer(&fragments, 4), serde_json::json!({}));
        assert_eq!(
            (
                fragments.html("verdict"),
                fragments.list_html("rows").as_str(),
                fragments.html("none")
            ),
            ("agree", "A2BC", "")
        );
    }

    /// A model of the page's script.
    #[derive(Default)]
    struct Page {
        has: Number,
        panel: String,
        order: Vec<String>,
        items: BTreeMap<String, String>,
    }

    impl Page {
        fn take(&mut self, fragments: &Fragments, number: Number) {
            let newer = newer(fragments, self.has);
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            if let Some(html) = newer.pointer("/html/p") {
                self.panel = text(html);
            }
            for (key, html) in newer
                .pointer("/lists/l/items")
                .and_then(|items| items.as_object())
                .into_iter()
                .flatten()
            {
                self.items.insert(key.clone(), text(html));
            }
            if let Some(order) = newer.pointer("/lists/l/order").and_then(|order| order.as_array())
            {
                self.order = order.iter().map(text).collect();
                self.items.retain(|key, _| self.order.contains(key));
            }
            self.has = number;
        }
    }

    proptest! {
        /// A page that misses frames is complete after the next one that it applies.
        #[test]
        fn page_that_skips_frames_catches_up(
            frames in proptest::collection::vec(
                (0..3_u8, proptest::collection::vec((0..4_u8, 0..3_u8), 0..4), any::<bool>()),
                1..20,
            ),
        ) {
            let (mut fragments, mut page) = (Fragments::default(), Page::default());
            for (number, (panel, list, arrives)) in (1..).zip(frames) {
                let list: BTreeMap<u8, u8> = list.into_iter().collect();
                fragments.panel(number, "p", panel.to_string());
                let item = |(key, html): (&u8, &u8)| {
                    (key.to_string().into(), html.to_string().into())
                };
                fragments.list(number, "l", list.iter().map(item).collect());
                if arrives {
                    page.take(&fragments, number);
                    prop_assert_eq!(&page.panel, &panel.to_string());
                    let order: Vec<String> = list.keys().map(u8::to_string).collect();
                    prop_assert_eq!(&page.order, &order);
                    let text = |(key, html): (&u8, &u8)| (key.to_string(), html.to_string());
                    let expected: BTreeMap<String, String> = list.iter().map(text).collect();
                    prop_assert_eq!(&page.items, &expected);
                }
            }
        }
    }
}
