//! The curve of the timeline: the number of heroes that differed, on the scale that it shares with
//! the forecast.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::view::View;
use crate::web::render::forecast_curve::Predicted;
use crate::web::render::svg::{Px, Xy};

use super::layout::{CURVE_HEIGHT, Layout};

/// The shortest step of the curve.
const STEP: Duration = Duration::from_millis(100);

/// The greatest number that the curve contains.
pub(super) fn peak(layout: &Layout<'_>, predicted: Option<&Predicted>) -> f64 {
    let measured = layout.seconds().flat_map(|second| {
        second.differences.iter().map(|(_, count)| *count).chain([second.differences_before])
    });
    let measured = measured.chain([layout.view.history.differences()]).max().unwrap_or(0) as f64;
    let predicted = predicted
        .into_iter()
        .flat_map(|predicted| &predicted.points)
        .map(|point| point.high.max(point.mean));
    predicted.fold(measured, f64::max)
}

/// The height of the curve above its baseline.
pub(super) fn up(count: f64, peak: f64) -> f64 {
    if peak > 0.0 { CURVE_HEIGHT * count / peak } else { 0.0 }
}

/// Renders the number of heroes that differed, as the group `timeline-differences` within the
/// moving one. Its scale also fits `predicted`.
pub(crate) fn differences(view: &View, predicted: Option<&Predicted>) -> String {
    let layout = Layout::of(view);
    let peak = peak(&layout, predicted);
    let y = |count: usize| layout.curve_y() - up(count as f64, peak);
    let (start, _, end) = layout.edges();
    let now = view.history.differences();
    let before = layout.seconds().next().map_or(now, |second| second.differences_before);
    let mut path = format!("M{}", Xy(start, y(before)));
    let mut steps: Vec<(Duration, usize)> = Vec::new();
    for (at, count) in layout.seconds().flat_map(|second| &second.differences) {
        match steps.last_mut() {
            // Changes within one step are merged, which bounds the size of the path.
            Some((last, height)) if at.saturating_sub(*last) < STEP => *height = *count,
            Some(_) | None => steps.push((*at, *count)),
        }
    }
    for (at, count) in steps {
        let _ = write!(path, "H{}V{}", Px(layout.x(at)), Px(y(count)));
    }
    let _ = write!(path, "H{}", Px(end));
    let (start, base) = (Px(start), Px(layout.curve_y()));
    format!(
        r#"<g id="timeline-differences"><path class="area" d="{path}V{base}H{start}z"/><path class="curve" d="{path}"/></g>"#
    )
}
