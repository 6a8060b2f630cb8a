//! The forecast of the timeline, right of the present, and the scale of the curve.

use askama::Template;

use crate::model::view::View;
use crate::text::grouped;
use crate::web::render::forecast_curve::{Predicted, PredictedPoint};
use crate::web::render::html::html;
use crate::web::render::svg::Xy;

use super::differences::{peak, up};
use super::layout::{CURVE_HEIGHT, FUTURE_S, Layout, NOW_X, SECOND_WIDTH, WIDTH, WORDS_HEIGHT};

/// The most characters of a line of text right of the present. On a narrow page such a line is
/// visible without scrolling.
const LINE_CHARS_MAX: usize = 26;

#[derive(Template)]
#[template(path = "timeline_forecast.html")]
struct Outlook {
    band: String,
    mean: String,
    /// The lines of the sentence, with the position of each.
    lines: Vec<(f64, f64, String)>,
    top: f64,
    width: f64,
    /// The number of heroes at the top of the curve. Empty if no hero differs.
    scale: String,
}

/// Renders the forecast and the scale, as the group `timeline-forecast` next to the moving one.
pub(crate) fn forecast(view: &View, predicted: Option<&Predicted>) -> String {
    let layout = Layout::of(view);
    let peak = peak(&layout, predicted);
    let at = |after_s: f64, count: f64| {
        Xy(NOW_X + after_s * SECOND_WIDTH, layout.curve_y() - up(count, peak)).to_string()
    };
    let points: Vec<PredictedPoint> = predicted
        .into_iter()
        .flat_map(|predicted| predicted.points.iter().copied())
        // The forecast reaches further than the picture.
        .filter(|point| (0.0..=FUTURE_S as f64).contains(&point.after_s))
        .collect();
    let lines = predicted.map(|predicted| wrapped(&predicted.sentence)).unwrap_or_default();
    let top = layout.curve_y() - CURVE_HEIGHT;
    let first = top - 10.0 - WORDS_HEIGHT * (lines.len() as f64 - 1.0);
    let high = points.iter().map(|point| at(point.after_s, point.high));
    let low = points.iter().rev().map(|point| at(point.after_s, point.low));
    let path = |points: Vec<String>| {
        if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
    };
    let outlook = Outlook {
        band: path(high.chain(low).collect()),
        mean: path(points.iter().map(|point| at(point.after_s, point.mean)).collect()),
        lines: lines
            .into_iter()
            .enumerate()
            .map(|(line, text)| (NOW_X + 10.0, first + WORDS_HEIGHT * line as f64, text))
            .collect(),
        top,
        width: WIDTH,
        scale: if peak > 0.0 { grouped(peak.ceil() as u64) } else { String::new() },
    };
    html(&outlook)
}

/// Wraps a sentence at its spaces into lines that fit right of the present.
fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // Not at any whitespace: a no-break space keeps a number and its unit on one line.
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
