//! SVG primitives: coordinates in few characters, and the shapes of the nodes.

use gossip::NodeName;

/// A coordinate, to a tenth of a pixel, in the fewest characters.
pub(crate) struct Px(pub(crate) f64);
/// A point.
pub(crate) struct Xy(pub(crate) f64, pub(crate) f64);

impl std::fmt::Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round();
        // Negative zero is written as zero.
        write!(f, "{}", if tenths == 0.0 { 0.0 } else { tenths / 10.0 })
    }
}

impl std::fmt::Display for Xy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let y = Px(self.1).to_string();
        // A minus sign also separates the numbers, so the space is omitted.
        write!(f, "{}{}{y}", Px(self.0), if y.starts_with('-') { "" } else { " " })
    }
}

/// The shape of a node around a point, as a path: a triangle for Gotham, a disc for Metropolis, a
/// square for Capitol, and a diamond for any other.
pub(crate) fn shape(node: NodeName, x: f64, y: f64, size: f64) -> String {
    let (s, r) = (Px(size), Px(2.0 * size));
    match node.as_str() {
        "gotham" => format!("M{}l{}h-{r}z", Xy(x, y - size), Xy(size, 1.85 * size)),
        "metropolis" | "dispatch" => {
            format!("M{}a{s} {s} 0 1 0 {r} 0a{s} {s} 0 1 0-{r} 0z", Xy(x - size, y))
        }
        "capitol" => format!(
            "M{}h{side}v{side}h-{side}z",
            Xy(x - 0.9 * size, y - 0.9 * size),
            side = Px(1.8 * size)
        ),
        _ => format!("M{}l{s} {s}l-{s} {s}l-{s}-{s}z", Xy(x, y - size)),
    }
}
