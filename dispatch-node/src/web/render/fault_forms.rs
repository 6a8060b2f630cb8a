//! The forms that inject faults and play scenarios. They depend only on the names of the nodes.

use askama::Template;

use gossip::NodeName;
use scenario::shipped;

use crate::text::title;

/// The forms that inject faults and play scenarios.
#[derive(Debug, Template)]
#[template(path = "fault_forms.html", whitespace = "minimize")]
pub(crate) struct FaultForms {
    kinds: Vec<Kind>,
    /// Key and name.
    nodes: Vec<(String, String)>,
    /// Name, title and description.
    scenarios: Vec<(String, String, String)>,
}

#[derive(Debug)]
struct Kind {
    value: &'static str,
    label: &'static str,
}

impl FaultForms {
    pub(crate) fn of(nodes: &[NodeName]) -> Self {
        let kinds = [
            ("cut", "Cut"),
            ("delay", "Delay"),
            ("loss", "Loss"),
            ("duplicate", "Duplicate"),
            ("reorder", "Reorder"),
            ("throttle", "Throttle"),
            ("freeze", "Freeze"),
            ("skew", "Clock skew"),
            ("stop", "Stop the process"),
            ("kill", "Kill the process"),
        ];
        let node = |name: &NodeName| (name.to_string(), title(*name));
        Self {
            kinds: kinds.map(|(value, label)| Kind { value, label }).into(),
            nodes: nodes.iter().map(node).collect(),
            scenarios: shipped()
                .into_iter()
                .map(|scenario| (scenario.name, scenario.title, scenario.about))
                .collect(),
        }
    }
}
