//! One figure, written by hand as SVG: rounds until all have heard, over the number of nodes.
//!
//! Invariant: it can be read in light and in dark, without its colours, and without being seen: its description holds every number.

use std::fmt::Write as _;

use crate::spread::Spread;

const STYLE: &str = "\
  text { font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--mute) }
  svg { --card: #fffefb; --ink: #15171c; --mute: #5b606a; --line: #e4e1d8; --measured: #00695c; --theory: #a4480a }
  @media (prefers-color-scheme: dark) {
    svg { --card: #151a21; --ink: #eceff3; --mute: #98a2b0; --line: #262d38; --measured: #55d3bf; --theory: #ffb066 }
  }
  .card { fill: var(--card) }
  .head { font-size: 18px; font-weight: 600; fill: var(--ink) }
  .grid { stroke: var(--line) }
  .tick { text-anchor: middle; font-variant-numeric: tabular-nums }
  .tick.y { text-anchor: end }
  .theory { fill: none; stroke: var(--theory); stroke-width: 2; stroke-dasharray: 7 4 }
  .whisker { fill: none; stroke: var(--measured); stroke-width: 1.5 }
  .dot { fill: var(--measured) }
  .of-theory { fill: var(--theory) }
  .of-measured { fill: var(--measured) }";

/// The size of the figure, in pixels.
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 460.0;
/// The edges of the plot in it.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 608.0;
const TOP: f64 = 88.0;
const BOTTOM: f64 = 392.0;
/// How far apart the baselines of two labels are at least.
const LEADING: f64 = 20.0;

/// The figure: what was measured at each number of nodes, fewest first, and `theory` as a line.
///
/// # Panics
/// If nothing was measured.
#[must_use]
pub fn svg(measured: &[(u32, Spread)], theory: impl Fn(f64) -> f64) -> String {
    let ((first, _), (last, at_last)) = (measured[0], measured[measured.len() - 1]);
    let (first, last) = (f64::from(first), f64::from(last));
    let top = measured.iter().map(|(nodes, spread)| f64::from(spread.p99).max(theory((*nodes).into()))).fold(1.0, f64::max).ceil();
    let x = |nodes: f64| LEFT + (RIGHT - LEFT) * (nodes / first).ln() / (last / first).ln();
    let y = |rounds: f64| BOTTOM - (BOTTOM - TOP) * rounds / top;

    let (mut numbers, mut grid, mut marks) = (String::new(), String::new(), String::new());
    for rounds in (0..).map(f64::from).take_while(|rounds| *rounds <= top) {
        let y = y(rounds);
        draw(&mut grid, format_args!(r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#));
        draw(&mut grid, format_args!(r#"<text class="tick y" x="{:.1}" y="{:.1}">{rounds}</text>"#, LEFT - 14.0, y + 5.0));
    }
    for (nodes, Spread { mean, p99, .. }) in measured {
        let (x, mean_y, p99_y) = (x((*nodes).into()), y(*mean), y((*p99).into()));
        draw(&mut grid, format_args!(r#"<text class="tick" x="{x:.1}" y="{:.1}">{nodes}</text>"#, BOTTOM + 24.0));
        draw(&mut marks, format_args!(r#"<path class="whisker" d="M{x:.1} {mean_y:.1}V{p99_y:.1}m-5 0h10"/>"#));
        draw(&mut marks, format_args!(r#"<circle class="dot" cx="{x:.1}" cy="{mean_y:.1}" r="5"/>"#));
        let theory = theory((*nodes).into());
        draw(&mut numbers, format_args!("{nodes} nodes: mean {mean:.2}, 99th percentile {p99}, estimate {theory:.2}."));
    }
    let steps = (0..=100).map(|step| first * (last / first).powf(f64::from(step) / 100.0));
    let line: Vec<String> = steps.map(|nodes| format!("{:.1},{:.1}", x(nodes), y(theory(nodes)))).collect();

    // Each label stands where its mark ends, and makes room for the one below.
    let mean_y = y(at_last.mean) + 5.0;
    let p99_y = (y(at_last.p99.into()) + 5.0).min(mean_y - LEADING);
    let theory_y = (y(theory(last)) + 5.0).min(p99_y - LEADING);
    let (label_x, middle, below) = (RIGHT + 16.0, (LEFT + RIGHT) / 2.0, BOTTOM + 52.0);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title desc">
<title id="title">Rounds until every node has heard, by number of nodes</title>
<desc id="desc">Measured with the real core, beside the classical estimate log3 n + ln ln n, which is not a bound.
{numbers}</desc>
<style>
{STYLE}
</style>
<rect class="card" width="{WIDTH}" height="{HEIGHT}" rx="10"/>
<text class="head" x="24" y="38">Rounds until every node has heard</text>
<text x="24" y="61">One round is one second, in which each node begins a mutual pull with one random other</text>
{grid}<text class="tick" x="{middle}" y="{below}">nodes, on a logarithmic scale</text>
<polyline class="theory" points="{}"/>
{marks}<text class="of-theory" x="{label_x}" y="{theory_y:.1}">theory: log₃ n + ln ln n</text>
<text class="of-measured" x="{label_x}" y="{p99_y:.1}">99th percentile</text>
<text class="of-measured" x="{label_x}" y="{mean_y:.1}">mean, measured</text>
</svg>
"#,
        line.join(" ")
    )
}

fn draw(into: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(into, "{what}").expect("a string takes all that is written to it");
}
