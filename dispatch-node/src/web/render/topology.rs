//! The map of the cluster: a disc a city, dispatch in the middle, and each link between two nodes
//! with its faults; and the same as a table.
//!
//! It draws what the nodes report and nothing else: a fault that was requested and is not in force
//! yet is not on the map. Colour alone carries no meaning, and the three conditions *frozen*, *has
//! stopped* and *gives no answer* are never mixed.

use std::f64::consts::PI;

use askama::Template;

use shared::fault::Trouble;
use shared::id::NodeName;

use crate::model::faults::FaultView;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::{grouped, title};
use crate::web::render::svg::{Px, Xy, shape};
use crate::web::render::wording::{clock, time_of_day};

/// The margin around the outermost discs: sideways for words, above and below for a name and two
/// lines.
const SIDE: f64 = 32.0;
const OUTSIDE: f64 = 54.0;
/// The radius of dispatch's disc.
const DISPATCH_RADIUS: f64 = 16.0;
/// The most labels at one link; the table has the rest.
const LABELS_MAX: usize = 3;

/// The picture and its table.
#[derive(Debug, Template)]
#[template(path = "map.html", whitespace = "minimize")]
pub(crate) struct Map {
    width: f64,
    height: f64,
    /// A summary in one sentence.
    essence: String,
    ways: Vec<Way>,
    cities: Vec<City>,
    dispatch: Point,
    /// The pace of gossip, where it is not the normal one.
    pace: String,
    rows: Vec<Row>,
}

/// A position on the map, in its own units.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: f64,
    y: f64,
}

/// A link between two nodes, drawn.
#[derive(Debug)]
struct Way {
    class: &'static str,
    /// One end is dispatch.
    is_faint: bool,
    path: String,
    cross: Option<Point>,
    /// The arrowhead, where the fault affects one direction only.
    head: Option<String>,
    labels: Vec<Label>,
    title: String,
}

/// A line of text.
#[derive(Debug)]
struct Label {
    x: f64,
    y: f64,
    anchor: &'static str,
    is_bad: bool,
    text: String,
}

/// A city, drawn.
#[derive(Debug)]
struct City {
    key: String,
    name: Label,
    at: Point,
    radius: f64,
    ring: f64,
    class: &'static str,
    /// The share of all heroes that it holds, in percent.
    fill: u64,
    shape: String,
    heroes: Label,
    /// The unit of the number, where there is room for it.
    unit: Option<Label>,
    states: Vec<Label>,
}

/// A line of the table.
#[derive(Debug)]
struct Row {
    from: String,
    to: String,
    state: String,
    until: String,
}

/// A fault on the link between two nodes, as the nodes report it.
struct OnWay<'a> {
    fault: &'a FaultView,
    /// The directions that it affects, from the first node to the second and back.
    forth: bool,
    back: bool,
}

impl Map {
    /// Returns the map of this view.
    pub(crate) fn of(view: &View) -> Self {
        let layout = Layout::of(view.cities.len());
        let nodes: Vec<&NodeState> = view.cities.iter().chain([&view.dispatch]).collect();
        let mut pairs = Vec::new();
        for a in 0..nodes.len() {
            pairs.extend((a + 1..nodes.len()).map(|b| (a, b)));
        }
        let most = nodes.iter().map(|node| node.heroes).max().unwrap_or(0);
        Self {
            width: layout.width,
            height: layout.height,
            essence: essence(view, &nodes, &pairs),
            ways: pairs.iter().map(|(a, b)| layout.way(view, nodes[*a], *a, nodes[*b], *b)).collect(),
            cities: view.cities.iter().enumerate().map(|(index, city)| layout.city(city, index, most)).collect(),
            dispatch: layout.middle,
            pace: match view.pace.percent {
                0 => "gossip is paused".to_owned(),
                100 => String::new(),
                percent => format!("gossip at {percent} %"),
            },
            rows: rows(view, &nodes, &pairs),
        }
    }
}

/// The condition of a node and its class; empty words for a node in order.
fn condition(node: &NodeState) -> (&'static str, &'static str) {
    match node.status {
        NodeStatus::Down => ("stopped", "has stopped"),
        NodeStatus::Unreachable if node.age.is_none() => ("silent", "not heard yet"),
        NodeStatus::Unreachable | NodeStatus::Up if node.frozen => ("frozen", "frozen"),
        NodeStatus::Unreachable => ("silent", "gives no answer"),
        NodeStatus::Up if node.recovering => ("recovering", "recovering"),
        NodeStatus::Up if !node.is_read => ("silent", "not heard yet"),
        NodeStatus::Up => ("up", ""),
    }
}

/// The faults on the link between these two, the worst first.
fn on_way(view: &View, a: NodeName, b: NodeName) -> Vec<OnWay<'_>> {
    let is_sent = |fault: &FaultView, sender, receiver| fault.fault.befalls(sender, receiver) && fault.at.contains(&sender);
    let found = |fault| OnWay { fault, forth: is_sent(fault, a, b), back: is_sent(fault, b, a) };
    let mut found: Vec<OnWay<'_>> = view.faults.iter().map(found).filter(|on_way| on_way.forth || on_way.back).collect();
    found.sort_by_key(|on_way| rank(on_way.fault.fault.trouble));
    found
}

fn rank(trouble: Trouble) -> u8 {
    match trouble {
        Trouble::Cut => 0,
        Trouble::Loss(_) => 1,
        Trouble::Throttle(_) => 2,
        Trouble::Delay { .. } => 3,
        Trouble::Reorder(_) => 4,
        Trouble::Duplicate(_) => 5,
        Trouble::Freeze | Trouble::Skew(_) => 6,
    }
}

fn class(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Cut => "cut",
        Trouble::Loss(_) => "loses",
        Trouble::Throttle(_) => "throttled",
        Trouble::Delay { .. } => "slow",
        Trouble::Reorder(_) => "overtakes",
        Trouble::Duplicate(_) => "repeats",
        Trouble::Freeze | Trouble::Skew(_) => "open",
    }
}

/// Describes a fault on a link in a few words, without its direction.
fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::Cut => "cut".to_owned(),
        Trouble::Loss(chance) => format!("loses {} %", chance.percent()),
        Trouble::Throttle(bytes_per_s) => format!("{} bytes/s", grouped(bytes_per_s.into())),
        Trouble::Delay { by, jitter } if jitter.is_zero() => format!("{} ms", grouped(by.as_millis().try_into().unwrap_or(u64::MAX))),
        Trouble::Delay { by, jitter } => format!("{} ± {} ms", by.as_millis(), jitter.as_millis()),
        Trouble::Reorder(chance) => format!("overtakes {} %", chance.percent()),
        Trouble::Duplicate(chance) => format!("repeats {} %", chance.percent()),
        Trouble::Freeze | Trouble::Skew(_) => String::new(),
    }
}

/// Describes the same as a state in a sentence.
fn state(trouble: Trouble) -> String {
    match trouble {
        Trouble::Delay { .. } => format!("slow, {}", words(trouble)),
        Trouble::Throttle(_) => format!("throttled, {}", words(trouble)),
        Trouble::Cut | Trouble::Loss(_) | Trouble::Reorder(_) | Trouble::Duplicate(_) | Trouble::Freeze | Trouble::Skew(_) => {
            words(trouble)
        }
    }
}

impl OnWay<'_> {
    fn trouble(&self) -> Trouble {
        self.fault.fault.trouble
    }

    /// Returns the receiver if only one direction is affected.
    fn only_to(&self, a: NodeName, b: NodeName) -> Option<NodeName> {
        match (self.forth, self.back) {
            (true, false) => Some(b),
            (false, true) => Some(a),
            (true, true) | (false, false) => None,
        }
    }

    /// `cut both ways`, `loses 20 % one way, to Metropolis`.
    fn sentence(&self, a: NodeName, b: NodeName) -> String {
        match self.only_to(a, b) {
            Some(to) => format!("{} one way, to {}", state(self.trouble()), title(to)),
            None => format!("{} both ways", state(self.trouble())),
        }
    }
}

/// The reasons why a link without faults carries nothing: its ends that do not answer.
fn dead_ends(a: &NodeState, b: &NodeState) -> Vec<String> {
    let is_dead = |node: &&&NodeState| matches!(condition(node).0, "stopped" | "frozen" | "silent");
    let told = |node: &&NodeState| match condition(node).1 {
        "frozen" => format!("{} is frozen", title(node.name)),
        "not heard yet" => format!("{} was not heard yet", title(node.name)),
        words => format!("{} {words}", title(node.name)),
    };
    [a, b].iter().filter(is_dead).map(told).collect()
}

fn essence(view: &View, nodes: &[&NodeState], pairs: &[(usize, usize)]) -> String {
    let cities = view.cities.iter().filter_map(|city| {
        let states: Vec<String> = [condition(city).1.to_owned()].into_iter().chain(clock(city)).filter(|words| !words.is_empty()).collect();
        (!states.is_empty()).then(|| format!("{}: {}", title(city.name), states.join(", ")))
    });
    let ways = pairs.iter().flat_map(|(a, b)| {
        let (a, b) = (nodes[*a].name, nodes[*b].name);
        on_way(view, a, b).into_iter().map(move |on_way| format!("{} and {}: {}", title(a), title(b), on_way.sentence(a, b)))
    });
    let told: Vec<String> = cities.chain(ways).collect();
    let shown = format!("Map of {} cities and dispatch. ", view.cities.len());
    if told.is_empty() { shown + "All ways are open." } else { shown + &told.join(". ") + "." }
}

fn rows(view: &View, nodes: &[&NodeState], pairs: &[(usize, usize)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (a, b) in pairs.iter().map(|(a, b)| (nodes[*a], nodes[*b])) {
        let troubles = on_way(view, a.name, b.name);
        let row = |from, to, state, until| Row { from: title(from), to: title(to), state, until };
        let ends = dead_ends(a, b);
        if troubles.is_empty() || !ends.is_empty() {
            let state = if ends.is_empty() { "open both ways".to_owned() } else { ends.join(", ") };
            rows.push(row(a.name, b.name, state, String::new()));
        }
        for on_way in &troubles {
            let until = time_of_day(view.at.wall.plus(on_way.fault.remaining));
            let ways = if on_way.forth && on_way.back { "both ways" } else { "one way" };
            let (from, to) = if on_way.forth { (a.name, b.name) } else { (b.name, a.name) };
            rows.push(row(from, to, format!("{}, {ways}", state(on_way.trouble())), until));
        }
    }
    for fault in view.faults.iter().filter(|fault| !fault.fault.trouble.is_between_nodes() && fault.at.contains(&fault.fault.from)) {
        let state = match fault.fault.trouble {
            Trouble::Skew(ms) if ms > 0 => format!("clock set {ms} ms ahead"),
            Trouble::Skew(ms) => format!("clock set {} ms behind", ms.unsigned_abs()),
            Trouble::Freeze
            | Trouble::Cut
            | Trouble::Delay { .. }
            | Trouble::Loss(_)
            | Trouble::Duplicate(_)
            | Trouble::Reorder(_)
            | Trouble::Throttle(_) => "frozen".to_owned(),
        };
        let until = time_of_day(view.at.wall.plus(fault.remaining));
        rows.push(Row { from: title(fault.fault.from), to: String::new(), state, until });
    }
    rows
}

/// The layout of the map: the cities on a circle around dispatch, the first at the upper left.
struct Layout {
    width: f64,
    height: f64,
    middle: Point,
    radius: f64,
    cities: Vec<Point>,
}

impl Layout {
    fn of(cities: usize) -> Self {
        let (circle, radius) = match cities {
            0..=2 => (105.0, 40.0),
            3 => (110.0, 40.0),
            4 => (125.0, 37.0),
            5 => (135.0, 34.0),
            6 => (145.0, 31.0),
            7 => (160.0, 30.0),
            _ => (175.0, 29.0),
        };
        let count = cities.max(1) as f64;
        let around = |index: usize| {
            let angle = -PI / 2.0 - PI / count + 2.0 * PI * index as f64 / count;
            Point { x: circle * angle.cos(), y: circle * angle.sin() }
        };
        let around: Vec<Point> = (0..cities).map(around).collect();
        let reach = |of: fn(&Point) -> f64| around.iter().map(of).fold(0.0, f64::max);
        let (right, above, below) = (reach(|at| at.x), reach(|at| -at.y), reach(|at| at.y));
        let middle = Point { x: (right + radius + SIDE).max(170.0).round(), y: (above + radius + OUTSIDE).round() };
        // Without a city below, the bottom margin is that of dispatch's label.
        let bottom = if below > 1.0 { below + radius + OUTSIDE } else { radius + SIDE };
        Self {
            width: 2.0 * middle.x,
            height: (middle.y + bottom).round(),
            middle,
            radius,
            cities: around.into_iter().map(|at| Point { x: middle.x + at.x, y: middle.y + at.y }).collect(),
        }
    }

    /// The position and the radius of a node; dispatch comes after the cities.
    fn place(&self, node: usize) -> (Point, f64) {
        self.cities.get(node).map_or((self.middle, DISPATCH_RADIUS), |at| (*at, self.radius))
    }

    fn city(&self, city: &NodeState, index: usize, most: u64) -> City {
        let (at, radius) = self.place(index);
        let (class, words) = condition(city);
        let is_above = at.y < self.middle.y + 1.0;
        let label = |y: f64, text: String| Label { x: at.x, y, anchor: "middle", is_bad: class == "stopped", text };
        let words = [clock(city), Some(words.to_owned()).filter(|words| !words.is_empty())].into_iter().flatten();
        // The state is next to the name, and the clock further out.
        let beyond =
            |line: usize| if is_above { at.y - radius - 24.0 - 14.0 * line as f64 } else { at.y + radius + 33.0 + 14.0 * line as f64 };
        let words: Vec<String> = words.collect();
        let is_roomy = radius > 36.0;
        City {
            key: city.name.to_string(),
            name: label(if is_above { at.y - radius - 8.0 } else { at.y + radius + 18.0 }, title(city.name)),
            at,
            radius,
            ring: radius - 5.0,
            class,
            fill: (city.heroes * 100).checked_div(most).unwrap_or(100),
            shape: shape(city.name, at.x, at.y - if is_roomy { 17.0 } else { 12.0 }, 6.0),
            heroes: label(at.y + if is_roomy { 6.0 } else { 9.0 }, grouped(city.heroes)),
            unit: is_roomy.then(|| label(at.y + 20.0, if city.recovering { format!("of {}", grouped(most)) } else { "heroes".to_owned() })),
            states: words.into_iter().rev().enumerate().map(|(line, words)| label(beyond(line), words)).collect(),
        }
    }

    fn way(&self, view: &View, a: &NodeState, a_place: usize, b: &NodeState, b_place: usize) -> Way {
        let ((from, from_radius), (to, to_radius)) = (self.place(a_place), self.place(b_place));
        let is_faint = b_place == self.cities.len();
        let curve = Curve::between(from, from_radius + 2.0, to, to_radius + 2.0, self.middle, !is_faint);
        let troubles = on_way(view, a.name, b.name);
        let ends = dead_ends(a, b);
        let worst = troubles.first();
        let half = curve.at(0.5);
        let told: Vec<String> = ends.into_iter().chain(troubles.iter().map(|on_way| on_way.sentence(a.name, b.name))).collect();
        Way {
            class: match worst {
                Some(worst) => class(worst.trouble()),
                None if told.is_empty() => "open",
                None => "dead",
            },
            is_faint,
            path: curve.path(),
            cross: worst.filter(|worst| worst.trouble() == Trouble::Cut).map(|_| half),
            head: worst
                .and_then(|worst| worst.only_to(a.name, b.name))
                .map(|to| curve.head(if to == b.name { 0.82 } else { 0.18 }, to == b.name)),
            labels: if is_faint { self.short_labels(&troubles, &curve) } else { self.labels(&troubles, half, a.name, b.name) },
            title: format!(
                "{} and {}: {}",
                title(a.name),
                title(b.name),
                if told.is_empty() { "open".to_owned() } else { told.join(", ") }
            ),
        }
    }

    /// The labels at the link between two cities, on the side away from the middle.
    fn labels(&self, troubles: &[OnWay<'_>], half: Point, a: NodeName, b: NodeName) -> Vec<Label> {
        let mut lines = Vec::new();
        for on_way in troubles {
            let is_bad = on_way.trouble() == Trouble::Cut;
            match on_way.only_to(a, b) {
                None if is_bad => lines.push((is_bad, "cut both ways".to_owned())),
                None => lines.push((is_bad, words(on_way.trouble()))),
                Some(to) => {
                    lines.push((is_bad, words(on_way.trouble())));
                    lines.push((is_bad, format!("to {}", title(to))));
                }
            }
        }
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
        let label = |(line, (is_bad, text))| Label { x: half.x + 13.0 * ux, y: first + 13.0 * line as f64, anchor, is_bad, text };
        lines.into_iter().enumerate().map(label).collect()
    }

    /// One short label at a link of dispatch, where there is little room.
    fn short_labels(&self, troubles: &[OnWay<'_>], curve: &Curve) -> Vec<Label> {
        let Some(worst) = troubles.first() else { return Vec::new() };
        let at = curve.at(0.5);
        let is_right = at.x > self.middle.x - 1.0;
        let (text, is_bad) = (class(worst.trouble()).to_owned(), worst.trouble() == Trouble::Cut);
        let anchor = if is_right { "start" } else { "end" };
        vec![Label { x: at.x + if is_right { 9.0 } else { -6.0 }, y: at.y + 14.0, anchor, is_bad, text }]
    }
}

/// A link: straight, or curved around dispatch.
struct Curve {
    from: Point,
    bend: Point,
    to: Point,
}

impl Curve {
    fn between(from: Point, from_radius: f64, to: Point, to_radius: f64, middle: Point, avoids_middle: bool) -> Self {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy).max(1.0);
        let (nx, ny) = (dy / length, -dx / length);
        let off_middle = (middle.x - from.x) * nx + (middle.y - from.y) * ny;
        let bow = if avoids_middle && off_middle.abs() < 2.0 * DISPATCH_RADIUS { 70.0 } else { 0.0 };
        let bend = Point { x: f64::midpoint(from.x, to.x) + bow * nx, y: f64::midpoint(from.y, to.y) + bow * ny };
        let towards = |at: Point, radius: f64| {
            let (dx, dy) = (bend.x - at.x, bend.y - at.y);
            let length = dx.hypot(dy).max(1.0);
            Point { x: at.x + dx / length * radius, y: at.y + dy / length * radius }
        };
        let (from, to) = (towards(from, from_radius), towards(to, to_radius));
        let bend = if bow > 0.0 { bend } else { Point { x: f64::midpoint(from.x, to.x), y: f64::midpoint(from.y, to.y) } };
        Self { from, bend, to }
    }

    fn at(&self, share: f64) -> Point {
        let (a, b, c) = ((1.0 - share).powi(2), 2.0 * share * (1.0 - share), share.powi(2));
        Point { x: a * self.from.x + b * self.bend.x + c * self.to.x, y: a * self.from.y + b * self.bend.y + c * self.to.y }
    }

    fn path(&self) -> String {
        let Self { from, bend, to } = self;
        format!("M{}Q{} {}", Xy(from.x, from.y), Xy(bend.x, bend.y), Xy(to.x, to.y))
    }

    /// An arrowhead on it.
    fn head(&self, share: f64, forth: bool) -> String {
        let (tip, before) = (self.at(share), self.at(if forth { share - 0.05 } else { share + 0.05 }));
        let (dx, dy) = (tip.x - before.x, tip.y - before.y);
        let length = dx.hypot(dy).max(0.01);
        let (ux, uy) = (dx / length, dy / length);
        let wing = |side: f64| (tip.x - 8.0 * ux + side * 5.0 * uy, tip.y - 8.0 * uy - side * 5.0 * ux);
        let (left, right) = (wing(1.0), wing(-1.0));
        format!("M{}L{}L{}", Xy(left.0, left.1), Xy(tip.x, tip.y), Xy(right.0, right.1))
    }
}

#[cfg(test)]
mod tests;
