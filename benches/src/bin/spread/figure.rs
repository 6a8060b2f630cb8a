//! The figure of `spread`: rounds until every node holds a write, by number of nodes.
//!
//! Invariant: the figure is readable without its colours, because each mark has a label at its end.

use benches::svg::{Document, push};
use simulator::spread::Spread;

const LIGHT: &str = "--measured: #00695c; --theory: #a4480a";
const DARK: &str = "--measured: #55d3bf; --theory: #ffb066";
const RULES: &str =
    "  .theory { fill: none; stroke: var(--theory); stroke-width: 2; stroke-dasharray: 7 4 }
  .whisker { fill: none; stroke: var(--measured); stroke-width: 1.5 }
  .dot { fill: var(--measured) }
  .of-theory { fill: var(--theory) }
  .of-measured { fill: var(--measured) }";

/// The size of the figure, in pixels.
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 460.0;
/// The edges of the plot within the figure.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 608.0;
const TOP: f64 = 88.0;
const BOTTOM: f64 = 392.0;
/// The minimum distance between the baselines of two labels.
const LEADING: f64 = 20.0;

/// Returns the figure of the measurements, in order of the number of nodes, with `theory` as a
/// line.
///
/// # Panics
/// Panics if there are no measurements.
pub(crate) fn svg(measured: &[(u32, Spread)], theory: impl Fn(f64) -> f64) -> String {
    let ((first, _), (last, at_last)) = (measured[0], measured[measured.len() - 1]);
    let (first, last) = (f64::from(first), f64::from(last));
    let top = measured
        .iter()
        .map(|(nodes, spread)| f64::from(spread.p99).max(theory((*nodes).into())))
        .fold(1.0, f64::max)
        .ceil();
    let x = |nodes: f64| LEFT + (RIGHT - LEFT) * (nodes / first).ln() / (last / first).ln();
    let y = |rounds: f64| BOTTOM - (BOTTOM - TOP) * rounds / top;

    let (mut numbers, mut grid, mut marks) = (String::new(), String::new(), String::new());
    for rounds in (0..).map(f64::from).take_while(|rounds| *rounds <= top) {
        let y = y(rounds);
        push(&mut grid, format_args!(r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#));
        push(
            &mut grid,
            format_args!(
                r#"<text class="tick y" x="{:.1}" y="{:.1}">{rounds}</text>"#,
                LEFT - 14.0,
                y + 5.0
            ),
        );
    }
    for (nodes, Spread { mean, p99, .. }) in measured {
        let (x, mean_y, p99_y) = (x((*nodes).into()), y(*mean), y((*p99).into()));
        push(
            &mut grid,
            format_args!(
                r#"<text class="tick" x="{x:.1}" y="{:.1}">{nodes}</text>"#,
                BOTTOM + 24.0
            ),
        );
        push(
            &mut marks,
            format_args!(r#"<path class="whisker" d="M{x:.1} {mean_y:.1}V{p99_y:.1}m-5 0h10"/>"#),
        );
        push(
            &mut marks,
            format_args!(r#"<circle class="dot" cx="{x:.1}" cy="{mean_y:.1}" r="5"/>"#),
        );
        let theory = theory((*nodes).into());
        push(
            &mut numbers,
            format_args!(
                "{nodes} nodes: mean {mean:.2}, 99th percentile {p99}, estimate {theory:.2}."
            ),
        );
    }
    let steps = (0..=100).map(|step| first * (last / first).powf(f64::from(step) / 100.0));
    let line: Vec<String> =
        steps.map(|nodes| format!("{:.1},{:.1}", x(nodes), y(theory(nodes)))).collect();

    // Each label is placed where its mark ends, and moves up to leave room for the one below.
    let mean_y = y(at_last.mean) + 5.0;
    let p99_y = (y(at_last.p99.into()) + 5.0).min(mean_y - LEADING);
    let theory_y = (y(theory(last)) + 5.0).min(p99_y - LEADING);
    let (label_x, middle, below) = (RIGHT + 16.0, (LEFT + RIGHT) / 2.0, BOTTOM + 52.0);
    let body = format!(
        r#"<text class="head" x="24" y="38">Rounds until every node holds a new write</text>
<text x="24" y="61">One round is one second; in it, each node starts a mutual pull with one random other node</text>
{grid}<text class="tick" x="{middle}" y="{below}">nodes, on a logarithmic scale</text>
<polyline class="theory" points="{}"/>
{marks}<text class="of-theory" x="{label_x}" y="{theory_y:.1}">theory: log₃ n + ln ln n</text>
<text class="of-measured" x="{label_x}" y="{p99_y:.1}">99th percentile</text>
<text class="of-measured" x="{label_x}" y="{mean_y:.1}">mean, measured</text>
"#,
        line.join(" ")
    );
    let description = format!(
        "Measured with the real core, compared with the classical estimate log3 n + ln ln n, which is \
         not a bound.\n{numbers}"
    );
    Document {
        width: WIDTH,
        height: HEIGHT,
        title: "Rounds until every node holds a new write, by number of nodes",
        description: &description,
        light: LIGHT,
        dark: DARK,
        rules: RULES,
        body: &body,
    }
    .svg()
}
