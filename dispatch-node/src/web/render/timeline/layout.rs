//! The layout of the timeline: time from left to right, a lane for each node from top to bottom.
//!
//! The x coordinate of a second is [`SECOND_WIDTH`] times its number since the start of the current
//! hour of dispatch's uptime. Coordinates therefore stay below a hundred thousand, where the single
//! precision of renderers is far finer than a pixel. Once an hour all fragments are rendered again.

use std::sync::Arc;
use std::time::Duration;

use gossip::NodeName;
use shared::hero::HeroId;

use crate::model::history::Second;
use crate::model::view::View;
use crate::text::isolated;

/// The width of a second, in pixels.
pub(super) const SECOND_WIDTH: f64 = 24.0;
/// The seconds that the picture shows: past and future.
pub(super) const PAST_S: u64 = 50;
pub(super) const FUTURE_S: u64 = 10;
pub(super) const NOW_X: f64 = PAST_S as f64 * SECOND_WIDTH;
pub(super) const WIDTH: f64 = (PAST_S + FUTURE_S) as f64 * SECOND_WIDTH;
/// The seconds after which coordinates start at 0 again.
pub(super) const HOUR_S: u64 = 3_600;

/// The position of the first lane, and the distance between lanes.
const LANE_Y: f64 = 44.0;
const LANE_HEIGHT: f64 = 26.0;
/// The height of a line of text.
pub(super) const WORDS_HEIGHT: f64 = 14.0;
/// The greatest height of the curve of differences.
pub(super) const CURVE_HEIGHT: f64 = 30.0;

/// The layout for one view: times across, nodes down.
pub(super) struct Layout<'a> {
    pub(super) view: &'a View,
    /// The second at x = 0.
    origin: u64,
}

impl<'a> Layout<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        Self { view, origin: view.at.mono.as_secs() / HOUR_S * HOUR_S }
    }

    /// The x coordinate of a time, within the moving group.
    pub(super) fn x(&self, at: Duration) -> f64 {
        (at.as_secs_f64() - self.origin as f64) * SECOND_WIDTH
    }

    /// The x coordinate of the start of a second.
    pub(super) fn second_x(&self, number: u64) -> f64 {
        self.x(Duration::from_secs(number))
    }

    /// The lane of a node, counted from the top; dispatch has the last one.
    pub(super) fn lane(&self, node: NodeName) -> usize {
        self.view.city(node).map_or(self.view.cities.len(), |(lane, _)| lane)
    }

    /// The y coordinate of a node's lane.
    pub(super) fn y(&self, node: NodeName) -> f64 {
        lane_y(self.lane(node))
    }

    /// The y coordinate of the counts of writes that are not drawn.
    pub(super) fn more_y(&self) -> f64 {
        lane_y(self.view.cities.len()) + 24.0
    }

    /// The baseline of the curve.
    pub(super) fn curve_y(&self) -> f64 {
        self.more_y() + 20.0 + CURVE_HEIGHT
    }

    /// The first second of the picture.
    pub(super) fn first(&self) -> u64 {
        self.view.at.mono.as_secs().saturating_sub(PAST_S)
    }

    /// The x coordinates left of the picture, just inside of it, and right of it. They change only
    /// every ten seconds, so that shapes that reach them are not rendered again for each frame. The
    /// parts outside of the picture are clipped.
    pub(super) fn edges(&self) -> (f64, f64, f64) {
        let inside = (self.first() / 10 + 1) * 10;
        (
            self.second_x(inside.saturating_sub(20)),
            self.second_x(inside),
            self.second_x(inside + PAST_S + FUTURE_S),
        )
    }

    /// The seconds of the picture, oldest first.
    pub(super) fn seconds(&self) -> impl DoubleEndedIterator<Item = &'a Arc<Second>> {
        let first = self.first();
        self.view.history.seconds().filter(move |second| second.number >= first)
    }

    /// The name of a hero, or the start of its id.
    pub(super) fn hero(&self, hero: HeroId) -> String {
        self.view.rows.get(hero).map_or_else(
            || format!("Hero {}", hero.to_string().chars().take(8).collect::<String>()),
            |row| isolated(&row.name).into_owned(),
        )
    }
}

/// The y coordinate of a lane.
pub(super) fn lane_y(lane: usize) -> f64 {
    LANE_Y + LANE_HEIGHT * lane as f64
}
