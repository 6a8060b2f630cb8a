//! Figures, written by hand as SVG: panels one below the other, both axes logarithmic.
//!
//! Invariant: a figure can be read in light and in dark, without its colours, and without being seen: its description holds every number.

use std::fmt::Write as _;

use crate::table::grouped;

const STYLE: &str = "\
  text { font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--mute) }
  svg { --card: #fffefb; --ink: #15171c; --mute: #5b606a; --line: #e4e1d8; --c0: #00695c; --c1: #a4480a; --c2: #8a6100; --c3: #6a4fb3; --c4: #a8276f;
    --c5: #1f62b5; --c6: #3f6f1c; --c7: #b3261e; --c8: #50606e }
  @media (prefers-color-scheme: dark) {
    svg { --card: #151a21; --ink: #eceff3; --mute: #98a2b0; --line: #262d38; --c0: #55d3bf; --c1: #ffb066; --c2: #e3c04f; --c3: #b9a5ff; --c4: #ff8fc6;
      --c5: #7fb8ff; --c6: #a3d977; --c7: #ff8a80; --c8: #b4c0cc }
  }
  .card { fill: var(--card) }
  .head { font-size: 18px; font-weight: 600; fill: var(--ink) }
  .title { font-weight: 600; fill: var(--ink) }
  .grid { stroke: var(--line) }
  .lead { fill: none; stroke: var(--mute); stroke-width: 0.5 }
  .tick { text-anchor: middle; font-variant-numeric: tabular-nums }
  .tick.y { text-anchor: end }
  .ours { font-weight: 600 }
  polyline { fill: none; stroke-width: 1.5 }
  polyline.ours { stroke-width: 3.5 }";

/// The size of a figure, in pixels: its width, its head, and each of its panels.
const WIDTH: f64 = 820.0;
const HEAD: f64 = 76.0;
const PANEL: f64 = 330.0;
/// The edges of the plot in a panel.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 612.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;
/// How far apart the baselines of two labels are at least.
const LEADING: f64 = 19.0;
/// How many colours there are.
const COLOURS: usize = 9;
/// How strokes are broken, so that lines that cross can be told apart without their colours.
const DASHES: [&str; 5] = ["none", "7 4", "2 3", "9 3 2 3", "14 4"];

/// Some panels and what they are of.
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
    /// What the axes say.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// This project's first.
    pub(crate) curves: Vec<Curve>,
}

/// One line in a plot.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Figure {
    pub(crate) fn svg(&self) -> String {
        let (mut numbers, mut panels) = (String::new(), String::new());
        for (place, panel) in self.panels.iter().enumerate() {
            draw(&mut panels, format_args!(r#"<g transform="translate(0 {})">"#, HEAD + PANEL * place as f64));
            panel.draw(&mut panels);
            draw(&mut panels, format_args!("</g>"));
            panel.tell(&mut numbers);
        }
        let height = HEAD + PANEL * self.panels.len() as f64;
        let Self { title, about, .. } = self;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{about}.
{numbers}</desc>
<style>
{STYLE}
</style>
<rect class="card" width="{WIDTH}" height="{height}" rx="10"/>
<text class="head" x="24" y="36">{title}</text>
<text x="24" y="58">{about}; both axes are logarithmic</text>
{panels}</svg>
"#
        )
    }
}

impl Panel {
    /// Every number, in words.
    fn tell(&self, into: &mut String) {
        for Curve { name, points } in &self.curves {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{y:.4} at {x}")).collect();
            draw(into, format_args!("{}, {name}: {} {} {}.", self.title, self.y, points.join(", "), self.x));
        }
    }

    fn draw(&self, into: &mut String) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let (first, last) = limits(points().map(|(x, _)| *x));
        // Whole powers of ten; what is nothing stands at the bottom.
        let (least, most) = limits(points().map(|(_, y)| *y).filter(|y| *y > 0.0));
        let (least, most) = if least <= most { (least, most) } else { (1.0, 1.0) };
        let (low, high) = (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
        let span = (last / first).ln().max(f64::MIN_POSITIVE);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * (value / first).ln() / span;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * ((value.log10() - low) / (high - low)).max(0.0);

        draw(into, format_args!(r#"<text class="title" x="24" y="16">{}, in {}</text>"#, self.title, self.y));
        for power in (0..).map(|step| low + f64::from(step)).take_while(|power| *power <= high) {
            let value = 10_f64.powf(power);
            let y = y(value);
            draw(into, format_args!(r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#));
            draw(into, format_args!(r#"<text class="tick y" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 8.0, y + 5.0, short(value)));
        }
        let mut places: Vec<f64> = points().map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        for place in places {
            draw(into, format_args!(r#"<text class="tick" x="{:.1}" y="{:.1}">{}</text>"#, x(place), BOTTOM + 22.0, short(place)));
        }
        let middle = (LEFT + RIGHT) / 2.0;
        draw(into, format_args!(r#"<text class="tick" x="{middle}" y="{:.1}">{}</text>"#, BOTTOM + 44.0, self.x));

        let mut labels = Vec::new();
        // This project's is drawn last, above the others.
        for (place, Curve { name, points }) in self.curves.iter().enumerate().rev() {
            let Some((end_x, end_y)) = points.last().map(|(at, value)| (x(*at), y(*value))) else { continue };
            let line: Vec<String> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let (class, colour) = (if place == 0 { "ours" } else { "peer" }, place % COLOURS);
            let dashes = DASHES[place % DASHES.len()];
            let stroke = format_args!(r#"style="stroke: var(--c{colour})" stroke-dasharray="{dashes}""#);
            draw(into, format_args!(r#"<polyline class="{class}" {stroke} points="{}"/>"#, line.join(" ")));
            labels.push((end_x, end_y, class, colour, *name));
        }
        // Each label stands where its line ends, and makes room for the one above; all of them stay in the panel.
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut free = f64::NEG_INFINITY;
        let mut below = labels.len() as f64;
        for (end_x, end_y, class, colour, name) in labels {
            below -= 1.0;
            let label = end_y.min(BOTTOM + 10.0 - LEADING * below).max(free);
            free = label + LEADING;
            draw(
                into,
                format_args!(
                    r#"<path class="lead" d="M{:.1} {end_y:.1}H{:.1}L{:.1} {label:.1}"/>"#,
                    end_x + 2.0,
                    RIGHT + 4.0,
                    RIGHT + 16.0
                ),
            );
            let at = format_args!(r#"x="{:.1}" y="{:.1}""#, RIGHT + 20.0, label + 5.0);
            draw(into, format_args!(r#"<text class="{class}" style="fill: var(--c{colour})" {at}>{name}</text>"#));
        }
    }
}

/// The least and the greatest.
fn limits(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
}

/// A number in few characters: a whole one, or a power of ten below one.
fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{} M", number / 1e6),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a million, and whole")]
        1.0.. => grouped(number.round() as u32),
        _ => format!("{}", (number * 1e6).round() / 1e6),
    }
}

fn draw(into: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(into, "{what}").expect("a string takes all that is written to it");
}
