//! The charts of the history: one value for each second of the last ten minutes.
//!
//! The library draws with colours of its own; each stands for a colour of the style sheet, so that the
//! charts follow the theme.

use std::collections::BTreeMap;

use askama::Template;
use plotters::prelude::*;

use gossip::NodeName;

use crate::model::history::{KEPT, Sample, Second};
use crate::model::view::View;
use crate::text::{grouped, title};

const SIZE: (u32, u32) = (560, 150);
const LINES: RGBColor = RGBColor(0, 0, 1);
const TEXT: RGBColor = RGBColor(0, 0, 2);
const INK: RGBColor = RGBColor(0, 0, 3);
const BAD: RGBColor = RGBColor(0, 0, 4);
const DISPATCH: RGBColor = RGBColor(0, 0, 5);
const FURTHER: RGBColor = RGBColor(0, 0, 6);
const CITIES: [(&str, RGBColor); 3] = [
    ("gotham", RGBColor(0, 0, 7)),
    ("metropolis", RGBColor(0, 0, 8)),
    ("capitol", RGBColor(0, 0, 9)),
];
/// The colours of the style sheet.
const THEME: [(RGBColor, &str); 9] = [
    (LINES, "line"),
    (TEXT, "mute"),
    (INK, "ink"),
    (BAD, "bad"),
    (DISPATCH, "mute"),
    (FURTHER, "further"),
    (CITIES[0].1, CITIES[0].0),
    (CITIES[1].1, CITIES[1].0),
    (CITIES[2].1, CITIES[2].0),
];

/// The page of the charts.
#[derive(Template)]
#[template(path = "charts.html")]
pub(crate) struct ChartsPage {
    charts: Vec<Chart>,
}

/// One chart.
struct Chart {
    title: &'static str,
    /// The present value, as text.
    now: String,
    /// The keys and names of the lines, if there are several.
    key: Vec<(String, String)>,
    svg: String,
}

/// The values of one line, oldest first: the place of the second, and the value.
type Line = Vec<(f64, f64)>;

impl ChartsPage {
    /// Returns the charts of this view.
    pub(crate) fn of(view: &View) -> Self {
        let history = Series::of(view);
        Self {
            charts: vec![
                history.lag(),
                history.rounds(),
                history.bytes(),
                history.heroes(view),
                history.lost(),
            ],
        }
    }
}

/// The history, second by second, without gaps.
struct Series<'a> {
    /// The first and the last complete second.
    range: (u64, u64),
    seconds: BTreeMap<u64, &'a Second>,
}

impl<'a> Series<'a> {
    fn of(view: &'a View) -> Self {
        let seconds: BTreeMap<u64, &Second> =
            view.history.seconds().map(|second| (second.number, &**second)).collect();
        // The present second is not complete.
        let last = view.at.mono.as_secs().saturating_sub(1);
        let first = last.saturating_sub(KEPT.as_secs()).max(view.tape.began().as_secs());
        Self { range: (first.min(last), last), seconds }
    }

    /// Returns the values of each second; 0 where nothing happened.
    fn happened(&self, value: impl Fn(&Second) -> f64) -> Line {
        let (first, last) = self.range;
        let value = |second: u64| self.seconds.get(&second).map_or(0.0, |second| value(second));
        (first..=last).map(|second| (ago(second, last), value(second))).collect()
    }

    /// Returns the values of each second; the one before where nothing was observed.
    fn lasted(&self, value: impl Fn(&Sample) -> Option<f64>) -> Line {
        let (first, last) = self.range;
        let mut lasting = None;
        let values = (first..=last).filter_map(|number| {
            let sample = self.seconds.get(&number).and_then(|second| second.sample.as_ref());
            if let Some(sample) = sample {
                lasting = value(sample);
            }
            lasting.map(|value| (ago(number, last), value))
        });
        values.collect()
    }

    fn lag(&self) -> Chart {
        let line = self.lasted(|sample| Some(sample.lag.as_secs_f64()));
        let now = format!("{:.1} s now, {:.1} s at most", last(&line), most(&line));
        self.chart("Convergence lag: age of the oldest difference, s", now, &[(INK, line)])
    }

    fn rounds(&self) -> Chart {
        let line = self.happened(|second| second.rounds as f64);
        let now = format!("{} in the last second", last(&line));
        self.chart("Rounds a second", now, &[(INK, line)])
    }

    fn bytes(&self) -> Chart {
        let line = self.happened(|second| second.bytes as f64 / 1_000.0);
        let now = format!("{:.1} kB in the last second", last(&line));
        self.chart("Entries received, kB a second", now, &[(INK, line)])
    }

    fn heroes(&self, view: &View) -> Chart {
        let nodes: Vec<NodeName> =
            view.cities.iter().chain([&view.dispatch]).map(|node| node.name).collect();
        let held = |node: NodeName| {
            self.lasted(move |sample| {
                let mut heroes = sample.heroes.iter();
                heroes.find(|(name, _)| *name == node).map(|(_, heroes)| *heroes as f64)
            })
        };
        let lines: Vec<_> = nodes.iter().map(|node| (colour(view, *node), held(*node))).collect();
        let now = format!("{} in all", grouped(view.status.heroes as u64));
        let key = nodes.iter().map(|node| (node.to_string(), title(*node))).collect();
        Chart { key, ..self.chart("Heroes held by each node", now, &lines) }
    }

    fn lost(&self) -> Chart {
        let line = self.lasted(|sample| Some(sample.lost as f64));
        let now = format!("{} so far", last(&line));
        self.chart("Lost writes, since dispatch started", now, &[(BAD, line)])
    }

    fn chart(&self, title: &'static str, now: String, lines: &[(RGBColor, Line)]) -> Chart {
        Chart { title, now, key: Vec::new(), svg: self.svg(title, lines) }
    }

    fn svg(&self, title: &str, lines: &[(RGBColor, Line)]) -> String {
        let mut svg = String::new();
        self.draw(&mut svg, lines)
            .expect("a string accepts every line, and the range is not empty");
        for (colour, name) in THEME {
            let RGBColor(r, g, b) = colour;
            svg =
                svg.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"var(--{name})\""));
        }
        let (_, body) = svg.split_once("<svg ").expect("the library draws one picture");
        format!("<svg role=\"img\" aria-label=\"{title}\" {body}")
    }

    fn draw(
        &self,
        svg: &mut String,
        lines: &[(RGBColor, Line)],
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let most = lines.iter().map(|(_, line)| most(line)).fold(1.0, f64::max);
        let (first, last) = self.range;
        let first = ago(first, last).min(-1.0);
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(4)
            .margin_right(14)
            .x_label_area_size(20)
            .y_label_area_size(52)
            .build_cartesian_2d(first..0.0, 0.0..most * 1.08)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINES)
            .axis_style(LINES)
            .label_style(("sans-serif", 11, &TEXT))
            .x_labels(6)
            .y_labels(4)
            .x_label_formatter(&|second| time(-second))
            .y_label_formatter(&|value| format!("{value}"))
            .draw()?;
        for (colour, line) in lines {
            let steps = line.iter().copied();
            chart.draw_series(LineSeries::new(steps, colour.stroke_width(2)))?;
        }
        area.present()
    }
}

/// Returns the place of a second on the axis: seconds after the last one, so never positive.
fn ago(second: u64, last: u64) -> f64 {
    -(last.saturating_sub(second) as f64)
}

/// Formats seconds before the present: `2 min ago`.
fn time(seconds: f64) -> String {
    match seconds.round() {
        0.0 => "now".to_owned(),
        seconds if seconds < 120.0 => format!("{seconds} s ago"),
        seconds => format!("{:.1} min ago", seconds / 60.0).replace(".0 ", " "),
    }
}

fn last(line: &Line) -> f64 {
    line.last().map_or(0.0, |(_, value)| *value)
}

fn most(line: &Line) -> f64 {
    line.iter().map(|(_, value)| *value).fold(0.0, f64::max)
}

fn colour(view: &View, node: NodeName) -> RGBColor {
    if node == view.dispatch.name {
        return DISPATCH;
    }
    let own = CITIES.iter().find(|(name, _)| *name == node.as_str());
    own.map_or(FURTHER, |(_, colour)| *colour)
}
