//! The timeline: a space-time diagram of the recent past. Each node has a lane, and time runs from
//! left to right. Pulls are arrows, writes are shapes, faults are bands. Below the lanes is the
//! number of heroes that differed, and right of the present is the forecast.
//!
//! Updates are cheap, because nothing is drawn twice. Each second of the history is a fragment
//! whose markup does not depend on the present, so only the last few change. The only thing that
//! moves is one transform, which [`moving_transform`] returns for the present and a script
//! continues. A shape that reaches beyond the present (a band, the last step of the curve) is drawn
//! too long and clipped there.

pub(crate) mod bands;
pub(crate) mod differences;
mod layout;
pub(crate) mod outlook;
pub(crate) mod seconds;
pub(crate) mod table;
mod wording;

use std::fmt::Write as _;

use askama::Template;

use gossip::{NodeName, PullOutcome};

use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::html::html;
use crate::web::render::svg::shape;

use layout::{FUTURE_S, Layout, NOW_X, PAST_S, SECOND_WIDTH, WIDTH, lane_y};
use wording::new_entries;

/// The parts of the picture that do not change.
#[derive(Template)]
#[template(path = "timeline.html", whitespace = "minimize")]
struct Skeleton<'a> {
    width: f64,
    height: f64,
    now_x: f64,
    second_width: f64,
    lanes: Vec<Lane>,
    first_lane_y: f64,
    more_y: f64,
    curve_y: f64,
    axis_y: f64,
    /// The positions and labels of the grid lines.
    ticks: Vec<(f64, String)>,
    moving: String,
    pieces: &'a Pieces<'a>,
}

/// The lane of a node.
struct Lane {
    key: String,
    name: String,
    y: f64,
    shape: String,
}

/// The rendered parts that change over time.
pub(crate) struct Pieces<'a> {
    pub(crate) summary: &'a str,
    pub(crate) spans: &'a str,
    pub(crate) differences: &'a str,
    pub(crate) forecast: &'a str,
    pub(crate) seconds: &'a str,
    pub(crate) rows: &'a str,
}

/// Renders the picture with these parts, as the section `timeline`.
pub(crate) fn skeleton(view: &View, pieces: &Pieces) -> String {
    let layout = Layout::of(view);
    let nodes: Vec<NodeName> =
        view.cities.iter().map(|city| city.name).chain([view.dispatch.name]).collect();
    let lane = |node: &NodeName| Lane {
        key: node.to_string(),
        name: title(*node),
        y: layout.y(*node),
        shape: shape(*node, 8.0, layout.y(*node), 5.0),
    };
    // The present has a label of its own, so it gets no tick.
    let ticks =
        (0..=PAST_S + FUTURE_S).step_by(5).filter(|second| *second != PAST_S).map(|second| {
            let words = if second < PAST_S {
                format!("−{} s", PAST_S - second)
            } else {
                format!("+{} s", second - PAST_S)
            };
            (second as f64 * SECOND_WIDTH, words)
        });
    html(&Skeleton {
        width: WIDTH,
        height: layout.curve_y() + 28.0,
        now_x: NOW_X,
        second_width: SECOND_WIDTH,
        lanes: nodes.iter().map(lane).collect(),
        first_lane_y: lane_y(0),
        more_y: layout.more_y(),
        curve_y: layout.curve_y(),
        axis_y: layout.curve_y() + 18.0,
        // A label at the edge would be clipped.
        ticks: ticks.filter(|(x, _)| *x > 0.0 && *x < WIDTH).collect(),
        moving: moving_transform(view),
        pieces,
    })
}

/// The transform of the group `timeline-moving`, which puts the present at its fixed position.
pub(crate) fn moving_transform(view: &View) -> String {
    let x = NOW_X - Layout::of(view).x(view.at.mono);
    format!("translate({x:.2},0)")
}

/// Renders a summary, as the paragraph `timeline-summary`.
pub(crate) fn summary(view: &View) -> String {
    let layout = Layout::of(view);
    let pulls = || layout.seconds().flat_map(|second| &second.pulls);
    let failed = pulls()
        .filter(|pull| matches!(pull.outcome, PullOutcome::Unanswered | PullOutcome::Refused))
        .count();
    let with_entries = pulls().filter(|pull| new_entries(pull).is_some()).count();
    let writes: usize =
        layout.seconds().map(|second| second.writes.len() + second.more_writes).sum();
    let mut text = format!(
        "Last {PAST_S} s: {}, {} with new entries",
        counted(pulls().count(), "pull", "pulls"),
        grouped(with_entries as u64)
    );
    if failed > 0 {
        let _ = write!(text, ", {} failed", grouped(failed as u64));
    }
    let _ = write!(text, "; {}.", counted(writes, "write", "writes"));
    // The curve shows it, and the sentence of the page says it.
    let differ = match view.history.differences() {
        0 => "No hero differs now.".to_owned(),
        1 => "One hero differs now.".to_owned(),
        many => format!("{} heroes differ now.", grouped(many as u64)),
    };
    let _ = write!(text, "<span class=\"vh\"> {differ}</span>");
    format!("<p class=\"sub\" id=\"timeline-summary\">{text}</p>")
}

#[cfg(test)]
mod tests;
