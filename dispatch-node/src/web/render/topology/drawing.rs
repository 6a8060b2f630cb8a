//! The drawn parts of the map: cities, links and their labels, at the positions of the layout.

use gossip::NodeName;
use gossip::fault::FaultKind;

use crate::model::node_state::NodeState;
use crate::model::view::View;
use crate::text::{grouped, title};
use crate::web::render::svg::shape;
use crate::web::render::wording::clock;

use super::condition::{condition, unavailable_ends};
use super::layout::{Curve, Layout, Point};
use super::link_faults::{LinkFault, class, link_faults, words};

/// The most labels at one link. The table contains them all.
const LABELS_MAX: usize = 3;

/// A link between two nodes, drawn.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) class: &'static str,
    /// One end is dispatch.
    pub(super) is_faint: bool,
    pub(super) path: String,
    pub(super) cross: Option<Point>,
    /// The arrowhead, if the fault affects only one direction.
    pub(super) head: Option<String>,
    pub(super) labels: Vec<Label>,
    pub(super) title: String,
    pub(super) ends: (NodeName, NodeName),
}

impl Link {
    /// Returns whether nothing is to be said of it.
    pub(super) fn is_open(&self) -> bool {
        self.class == "open"
    }
}

/// A line of text.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) anchor: &'static str,
    pub(super) is_bad: bool,
    pub(super) text: String,
}

/// A city, drawn.
#[derive(Debug)]
pub(super) struct City {
    pub(super) key: String,
    pub(super) name: Label,
    pub(super) at: Point,
    pub(super) radius: f64,
    pub(super) ring: f64,
    pub(super) class: &'static str,
    /// The share of all heroes that it holds, in percent.
    pub(super) fill: u64,
    pub(super) shape: String,
    pub(super) heroes: Label,
    /// The unit of the number, if there is room for it.
    pub(super) unit: Option<Label>,
    pub(super) states: Vec<Label>,
}

impl Layout {
    /// Draws a city. `most` is the number of heroes that the fullest node holds.
    pub(super) fn city(&self, city: &NodeState, index: usize, most: u64) -> City {
        let (at, radius) = self.place(index);
        let (class, words) = condition(city);
        let is_above = at.y < self.middle.y + 1.0;
        let label = |y: f64, text: String| Label {
            x: at.x,
            y,
            anchor: "middle",
            is_bad: class == "stopped",
            text,
        };
        let words = [clock(city), Some(words.to_owned()).filter(|words| !words.is_empty())]
            .into_iter()
            .flatten();
        // The condition is next to the name, and the clock error further out.
        let beyond = |line: usize| {
            if is_above {
                at.y - radius - 24.0 - 14.0 * line as f64
            } else {
                at.y + radius + 33.0 + 14.0 * line as f64
            }
        };
        let words: Vec<String> = words.collect();
        let is_roomy = radius > 36.0;
        if self.is_crowded {
            return self.city_in_crowd(city, index, most, class, words);
        }
        City {
            key: city.name.to_string(),
            name: label(
                if is_above { at.y - radius - 8.0 } else { at.y + radius + 18.0 },
                title(city.name),
            ),
            at,
            radius,
            ring: radius - 5.0,
            class,
            fill: (city.heroes * 100).checked_div(most).unwrap_or(100),
            shape: shape(city.name, at.x, at.y - if is_roomy { 17.0 } else { 12.0 }, 6.0),
            heroes: label(at.y + if is_roomy { 6.0 } else { 9.0 }, grouped(city.heroes)),
            unit: is_roomy.then(|| {
                label(
                    at.y + 20.0,
                    if city.recovering {
                        format!("of {}", grouped(most))
                    } else {
                        "heroes".to_owned()
                    },
                )
            }),
            states: words
                .into_iter()
                .rev()
                .enumerate()
                .map(|(line, words)| label(beyond(line), words))
                .collect(),
        }
    }

    /// Draws one of many cities: a small disc with the number, and the name and the states beside it.
    fn city_in_crowd(
        &self,
        city: &NodeState,
        index: usize,
        most: u64,
        class: &'static str,
        states: Vec<String>,
    ) -> City {
        let (at, radius) = self.place(index);
        let out = self.outwards(at);
        let anchor = match out.x {
            x if x > 0.3 => "start",
            x if x < -0.3 => "end",
            _ => "middle",
        };
        // Above the circle the lines grow upwards, elsewhere downwards.
        let step = if out.y < -0.3 { -14.0 } else { 14.0 };
        let label = |line: usize, text: String| Label {
            x: at.x + (radius + 7.0) * out.x,
            y: at.y + (radius + 11.0) * out.y + 4.0 + step * line as f64,
            anchor,
            is_bad: class == "stopped",
            text,
        };
        let is_roomy = radius > 22.0;
        City {
            key: city.name.to_string(),
            name: label(0, title(city.name)),
            at,
            radius,
            ring: radius - 4.0,
            class,
            fill: (city.heroes * 100).checked_div(most).unwrap_or(100),
            shape: if is_roomy { shape(city.name, at.x, at.y - 9.0, 5.0) } else { String::new() },
            heroes: Label {
                x: at.x,
                y: at.y + if is_roomy { 10.0 } else { 4.0 },
                anchor: "middle",
                is_bad: false,
                text: grouped(city.heroes),
            },
            unit: None,
            states: states
                .into_iter()
                .rev()
                .enumerate()
                .map(|(line, words)| label(line + 1, words))
                .collect(),
        }
    }

    /// Draws the link between two nodes, given with their indexes.
    pub(super) fn link(
        &self,
        view: &View,
        a: &NodeState,
        from_node: usize,
        b: &NodeState,
        to_node: usize,
    ) -> Link {
        let ((from, from_radius), (to, to_radius)) = (self.place(from_node), self.place(to_node));
        let is_faint = to_node == self.cities.len();
        let curve =
            Curve::between(from, from_radius + 2.0, to, to_radius + 2.0, self.middle, !is_faint);
        let faults = link_faults(view, a.name, b.name);
        let ends = unavailable_ends(a, b);
        let worst = faults.first();
        let half = curve.at(0.5);
        let sentences: Vec<String> = ends
            .into_iter()
            .chain(faults.iter().map(|fault| fault.sentence(a.name, b.name)))
            .collect();
        Link {
            ends: (a.name, b.name),
            class: match worst {
                Some(worst) => class(worst.kind()),
                None if sentences.is_empty() => "open",
                None => "unavailable",
            },
            is_faint,
            path: curve.path(),
            cross: worst.filter(|worst| worst.kind() == FaultKind::Cut).map(|_| half),
            head: worst
                .and_then(|worst| worst.only_to(a.name, b.name))
                .map(|to| curve.head(if to == b.name { 0.82 } else { 0.18 }, to == b.name)),
            labels: if is_faint {
                self.short_labels(&faults, &curve)
            } else {
                self.labels(&faults, half, a.name, b.name)
            },
            title: format!(
                "{} and {}: {}",
                title(a.name),
                title(b.name),
                if sentences.is_empty() { "open".to_owned() } else { sentences.join(", ") }
            ),
        }
    }

    /// The labels at the link between two cities, on the side away from dispatch.
    pub(super) fn labels(
        &self,
        faults: &[LinkFault<'_>],
        half: Point,
        a: NodeName,
        b: NodeName,
    ) -> Vec<Label> {
        let mut lines = Vec::new();
        for fault in faults {
            let is_bad = fault.kind() == FaultKind::Cut;
            match fault.only_to(a, b) {
                None => lines.push((is_bad, words(fault.kind()))),
                Some(to) => {
                    lines.push((is_bad, words(fault.kind())));
                    lines.push((is_bad, format!("to {}", title(to))));
                }
            }
        }
        // The worst faults come first, so the least important labels are omitted.
        lines.truncate(LABELS_MAX);
        let (dx, dy) = (half.x - self.middle.x, half.y - self.middle.y);
        let far = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / far, dy / far);
        let anchor = if ux > 0.35 {
            "start"
        } else if ux < -0.35 {
            "end"
        } else {
            "middle"
        };
        let height = 13.0 * (lines.len() as f64 - 1.0);
        let first = match anchor {
            "middle" if uy < 0.0 => half.y - 12.0 - height,
            "middle" => half.y + 21.0,
            _ => half.y + 8.0 * uy + 4.0 - height / 2.0,
        };
        let label = |(line, (is_bad, text))| Label {
            x: half.x + 13.0 * ux,
            y: first + 13.0 * line as f64,
            anchor,
            is_bad,
            text,
        };
        lines.into_iter().enumerate().map(label).collect()
    }

    /// One short label at a link of dispatch, which has little room.
    pub(super) fn short_labels(&self, faults: &[LinkFault<'_>], curve: &Curve) -> Vec<Label> {
        let Some(worst) = faults.first() else { return Vec::new() };
        let at = curve.at(0.5);
        let is_right = at.x > self.middle.x - 1.0;
        let (text, is_bad) = (class(worst.kind()).to_owned(), worst.kind() == FaultKind::Cut);
        let anchor = if is_right { "start" } else { "end" };
        vec![Label {
            x: at.x + if is_right { 9.0 } else { -6.0 },
            y: at.y + 14.0,
            anchor,
            is_bad,
            text,
        }]
    }
}
