//! The geometry of the map: positions of the nodes, and the curves of the links.

use std::f64::consts::PI;

use crate::web::render::svg::Xy;

/// The margins around the outermost discs: sideways for labels, above and below for a name and two
/// lines.
const SIDE: f64 = 32.0;
const OUTSIDE: f64 = 54.0;
/// The number of cities from which the map is crowded: the discs are smaller, names are beside them, and
/// open links are not drawn.
const CROWD: usize = 9;
/// The sideways margin of a crowded map, for names.
const SIDE_OF_CROWD: f64 = 142.0;
/// The radius of the circle of a crowd, and the range of the radius of its discs.
const CIRCLE_OF_CROWD: f64 = 230.0;
const RADIUS_OF_CROWD: std::ops::RangeInclusive<f64> = 12.0..=27.0;
/// The radius of dispatch's disc.
pub(super) const DISPATCH_RADIUS: f64 = 16.0;

/// A position on the map, in its own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The layout of the map: the cities on a circle around dispatch, the first at the upper left.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) middle: Point,
    pub(super) radius: f64,
    pub(super) is_crowded: bool,
    pub(super) cities: Vec<Point>,
}

impl Layout {
    /// Returns the layout for this number of cities.
    pub(super) fn of(cities: usize) -> Self {
        let is_crowded = cities >= CROWD;
        let (circle, radius) = match cities {
            0..=2 => (105.0, 40.0),
            3 => (110.0, 40.0),
            4 => (125.0, 37.0),
            5 => (135.0, 34.0),
            6 => (145.0, 31.0),
            7 => (160.0, 30.0),
            8 => (175.0, 29.0),
            _ => {
                let room = 2.0 * PI * CIRCLE_OF_CROWD / cities as f64;
                let radius = (0.42 * room).clamp(*RADIUS_OF_CROWD.start(), *RADIUS_OF_CROWD.end());
                (CIRCLE_OF_CROWD, radius.round())
            }
        };
        let side = if is_crowded { SIDE_OF_CROWD } else { SIDE };
        let count = cities.max(1) as f64;
        let around = |index: usize| {
            // Half a step left of the top, so that the first city is at the upper left.
            let angle = -PI / 2.0 - PI / count + 2.0 * PI * index as f64 / count;
            Point { x: circle * angle.cos(), y: circle * angle.sin() }
        };
        let around: Vec<Point> = (0..cities).map(around).collect();
        let reach = |of: fn(&Point) -> f64| around.iter().map(of).fold(0.0, f64::max);
        let (right, above, below) = (reach(|at| at.x), reach(|at| -at.y), reach(|at| at.y));
        let middle = Point {
            x: (right + radius + side).max(170.0).round(),
            y: (above + radius + OUTSIDE).round(),
        };
        // Without a city below, the bottom margin is that of dispatch's label.
        let bottom = if below > 1.0 { below + radius + OUTSIDE } else { radius + SIDE };
        Self {
            width: 2.0 * middle.x,
            height: (middle.y + bottom).round(),
            middle,
            radius,
            is_crowded,
            cities: around
                .into_iter()
                .map(|at| Point { x: middle.x + at.x, y: middle.y + at.y })
                .collect(),
        }
    }

    /// The direction from the middle to a city.
    pub(super) fn outwards(&self, at: Point) -> Point {
        let (dx, dy) = (at.x - self.middle.x, at.y - self.middle.y);
        let far = dx.hypot(dy).max(1.0);
        Point { x: dx / far, y: dy / far }
    }

    /// The position and the radius of a node; dispatch comes after the cities.
    pub(super) fn place(&self, node: usize) -> (Point, f64) {
        self.cities.get(node).map_or((self.middle, DISPATCH_RADIUS), |at| (*at, self.radius))
    }
}

/// A link: straight, or curved around dispatch.
pub(super) struct Curve {
    from: Point,
    bend: Point,
    to: Point,
}

impl Curve {
    /// Returns the curve between two discs, around the middle if it is in the way.
    pub(super) fn between(
        from: Point,
        from_radius: f64,
        to: Point,
        to_radius: f64,
        middle: Point,
        avoids_middle: bool,
    ) -> Self {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy).max(1.0);
        let (nx, ny) = (dy / length, -dx / length);
        let off_middle = (middle.x - from.x) * nx + (middle.y - from.y) * ny;
        // A straight link that would touch the disc of dispatch is bent around it.
        let bow =
            if avoids_middle && off_middle.abs() < 2.0 * DISPATCH_RADIUS { 70.0 } else { 0.0 };
        let bend = Point {
            x: f64::midpoint(from.x, to.x) + bow * nx,
            y: f64::midpoint(from.y, to.y) + bow * ny,
        };
        let towards = |at: Point, radius: f64| {
            let (dx, dy) = (bend.x - at.x, bend.y - at.y);
            let length = dx.hypot(dy).max(1.0);
            Point { x: at.x + dx / length * radius, y: at.y + dy / length * radius }
        };
        let (from, to) = (towards(from, from_radius), towards(to, to_radius));
        let bend = if bow > 0.0 {
            bend
        } else {
            Point { x: f64::midpoint(from.x, to.x), y: f64::midpoint(from.y, to.y) }
        };
        Self { from, bend, to }
    }

    /// The point at this share of the curve.
    pub(super) fn at(&self, share: f64) -> Point {
        let (a, b, c) = ((1.0 - share).powi(2), 2.0 * share * (1.0 - share), share.powi(2));
        Point {
            x: a * self.from.x + b * self.bend.x + c * self.to.x,
            y: a * self.from.y + b * self.bend.y + c * self.to.y,
        }
    }

    /// The curve as an SVG path.
    pub(super) fn path(&self) -> String {
        let Self { from, bend, to } = self;
        format!("M{}Q{} {}", Xy(from.x, from.y), Xy(bend.x, bend.y), Xy(to.x, to.y))
    }

    /// An arrowhead at this share of the curve, pointing forth or back.
    pub(super) fn head(&self, share: f64, forth: bool) -> String {
        let (tip, before) =
            (self.at(share), self.at(if forth { share - 0.05 } else { share + 0.05 }));
        let (dx, dy) = (tip.x - before.x, tip.y - before.y);
        let length = dx.hypot(dy).max(0.01);
        let (ux, uy) = (dx / length, dy / length);
        let wing =
            |side: f64| (tip.x - 8.0 * ux + side * 5.0 * uy, tip.y - 8.0 * uy - side * 5.0 * ux);
        let (left, right) = (wing(1.0), wing(-1.0));
        format!("M{}L{}L{}", Xy(left.0, left.1), Xy(tip.x, tip.y), Xy(right.0, right.1))
    }
}
