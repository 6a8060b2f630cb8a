//! Figures of costs: panels in a column, with logarithmic axes.
//!
//! Invariant: crossing lines are distinguishable without their colours, and each line has a label
//! at its end.

use benches::svg::{Document, push};
use benches::text::grouped;

const LIGHT: &str = "\
--c0: #00695c; --c1: #a4480a; --c2: #8a6100; --c3: #6a4fb3; --c4: #a8276f;
    --c5: #1f62b5; --c6: #3f6f1c; --c7: #b3261e; --c8: #50606e";
const DARK: &str = "\
--c0: #55d3bf; --c1: #ffb066; --c2: #e3c04f; --c3: #b9a5ff; --c4: #ff8fc6;
      --c5: #7fb8ff; --c6: #a3d977; --c7: #ff8a80; --c8: #b4c0cc";
const RULES: &str = "  .title { font-weight: 600; fill: var(--ink) }
  .lead { fill: none; stroke: var(--mute); stroke-width: 0.5 }
  .ours { font-weight: 600 }
  polyline { fill: none; stroke-width: 1.5 }
  polyline.ours { stroke-width: 3.5 }";

/// The width of a figure and the heights of its head and of each panel, in pixels.
const WIDTH: f64 = 820.0;
const HEAD: f64 = 76.0;
const PANEL: f64 = 330.0;
/// The edges of the plot within a panel.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 612.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;
/// The minimum distance between the baselines of two labels.
const LEADING: f64 = 19.0;
/// The number of colours.
const COLOURS: usize = 9;
/// The dash patterns, which distinguish crossing lines without their colours.
const DASHES: [&str; 5] = ["none", "7 4", "2 3", "9 3 2 3", "14 4"];

/// A title with panels below it.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) title: String,
    pub(crate) about: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// One plot.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// The labels of the axes.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// The curves, this project's first.
    pub(crate) curves: Vec<Curve>,
}

/// One line in a plot.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// The points, in ascending order of x.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Figure {
    pub(crate) fn svg(&self) -> String {
        let Self { title, about, .. } = self;
        let (mut numbers, mut panels) = (String::new(), String::new());
        for (place, panel) in self.panels.iter().enumerate() {
            let y = HEAD + PANEL * place as f64;
            push(&mut panels, format_args!(r#"<g transform="translate(0 {y})">"#));
            panel.draw(&mut panels);
            push(&mut panels, format_args!("</g>"));
            panel.describe(&mut numbers);
        }
        let body = format!(
            r#"<text class="head" x="24" y="36">{title}</text>
<text x="24" y="58">{about}; both axes are logarithmic</text>
{panels}"#
        );
        Document {
            width: WIDTH,
            height: HEAD + PANEL * self.panels.len() as f64,
            title,
            description: &format!("{about}.\n{numbers}"),
            light: LIGHT,
            dark: DARK,
            rules: RULES,
            body: &body,
        }
        .svg()
    }
}

impl Panel {
    /// Appends every value as text.
    fn describe(&self, into: &mut String) {
        for Curve { name, points } in &self.curves {
            let points: Vec<String> =
                points.iter().map(|(x, y)| format!("{y:.4} at {x}")).collect();
            push(
                into,
                format_args!(
                    "{}, {name}: {} {} {}.",
                    self.title,
                    self.y,
                    points.join(", "),
                    self.x
                ),
            );
        }
    }

    fn draw(&self, into: &mut String) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let (first, last) = limits(points().map(|(x, _)| *x));
        // The axis spans whole powers of ten; zero, which has no logarithm, is drawn at the bottom.
        let (least, most) = limits(points().map(|(_, y)| *y).filter(|y| *y > 0.0));
        let (least, most) = if least <= most { (least, most) } else { (1.0, 1.0) };
        let (low, high) =
            (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
        let span = (last / first).ln().max(f64::MIN_POSITIVE);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * (value / first).ln() / span;
        let y =
            |value: f64| BOTTOM - (BOTTOM - TOP) * ((value.log10() - low) / (high - low)).max(0.0);

        push(
            into,
            format_args!(
                r#"<text class="title" x="24" y="16">{}, in {}</text>"#,
                self.title, self.y
            ),
        );
        for power in (0..).map(|step| low + f64::from(step)).take_while(|power| *power <= high) {
            let value = 10_f64.powf(power);
            let y = y(value);
            push(into, format_args!(r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#));
            push(
                into,
                format_args!(
                    r#"<text class="tick y" x="{:.1}" y="{:.1}">{}</text>"#,
                    LEFT - 8.0,
                    y + 5.0,
                    short(value)
                ),
            );
        }
        let mut places: Vec<f64> = points().map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        for place in places {
            push(
                into,
                format_args!(
                    r#"<text class="tick" x="{:.1}" y="{:.1}">{}</text>"#,
                    x(place),
                    BOTTOM + 22.0,
                    short(place)
                ),
            );
        }
        let middle = (LEFT + RIGHT) / 2.0;
        push(
            into,
            format_args!(
                r#"<text class="tick" x="{middle}" y="{:.1}">{}</text>"#,
                BOTTOM + 44.0,
                self.x
            ),
        );

        let mut labels = Vec::new();
        // The first curve, of this project, is drawn last and so above the others.
        for (place, Curve { name, points }) in self.curves.iter().enumerate().rev() {
            let Some((end_x, end_y)) = points.last().map(|(at, value)| (x(*at), y(*value))) else {
                continue;
            };
            let line: Vec<String> = points
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
                .collect();
            let (class, colour) = (if place == 0 { "ours" } else { "peer" }, place % COLOURS);
            let dashes = DASHES[place % DASHES.len()];
            let stroke =
                format_args!(r#"style="stroke: var(--c{colour})" stroke-dasharray="{dashes}""#);
            push(
                into,
                format_args!(r#"<polyline class="{class}" {stroke} points="{}"/>"#, line.join(" ")),
            );
            labels.push((end_x, end_y, class, colour, *name));
        }
        // Each label is placed where its line ends, and moves down to leave room for the one above;
        // all labels stay within the panel.
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut free = f64::NEG_INFINITY;
        let mut below = labels.len() as f64;
        for (end_x, end_y, class, colour, name) in labels {
            below -= 1.0;
            let label = end_y.min(BOTTOM + 10.0 - LEADING * below).max(free);
            free = label + LEADING;
            push(
                into,
                format_args!(
                    r#"<path class="lead" d="M{:.1} {end_y:.1}H{:.1}L{:.1} {label:.1}"/>"#,
                    end_x + 2.0,
                    RIGHT + 4.0,
                    RIGHT + 16.0
                ),
            );
            let at = format_args!(r#"x="{:.1}" y="{:.1}""#, RIGHT + 20.0, label + 5.0);
            push(
                into,
                format_args!(
                    r#"<text class="{class}" style="fill: var(--c{colour})" {at}>{name}</text>"#
                ),
            );
        }
    }
}

/// Returns the minimum and the maximum.
fn limits(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

/// Formats a number in few characters: whole numbers, or powers of ten below one.
fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{} M", number / 1e6),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and below a million"
        )]
        1.0.. => grouped(number.round() as u32),
        _ => format!("{}", (number * 1e6).round() / 1e6),
    }
}
