//! The picture of a hero's writes: the time at which each was observed, and the time in its stamp,
//! on one scale. If two curves cross, the order of the stamps, which decides, is not that of
//! observation.

use gossip::UnixMillis;

use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{moment, value, wall};

use super::comparison::{Candidate, Comparison, Fate};

/// The most writes drawn.
const DRAWN_MAX: usize = 6;
/// The range of marks, in units of the picture, which is 340 wide. The margins leave room for a
/// label next to the outermost mark.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 294.0;
/// The width of a time label.
const LABEL: f64 = 44.0;

/// The picture, and its content for the table.
#[derive(Debug)]
pub(super) struct Picture {
    /// The content in words, for a screen reader.
    pub(super) label: String,
    pub(super) marks: Vec<Mark>,
}

/// One write.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) key: CityKey,
    pub(super) writer: String,
    pub(super) value: String,
    /// The outline of the writer's shape, around 0, 0.
    pub(super) shape: &'static str,
    /// The position of its observation, if there was one, and the label, if it fits.
    pub(super) observed_x: Option<String>,
    pub(super) observed_label: String,
    pub(super) stamp_x: String,
    pub(super) stamp_label: String,
    /// `wins` or `won` for the winner, and its position.
    pub(super) wins: &'static str,
    pub(super) wins_x: String,
    pub(super) wins_anchor: &'static str,
    /// The two times in full, for the table.
    pub(super) observed: String,
    pub(super) stamp: String,
}

impl Mark {
    /// The curve from the observation to the stamp.
    pub(super) fn curve(&self) -> Option<String> {
        let observed = self.observed_x.as_ref()?;
        Some(format!("M{observed} 44C{observed} 76 {stamp} 68 {stamp} 100", stamp = self.stamp_x))
    }
}

impl Picture {
    /// Returns the picture; none if no relevant write was observed.
    pub(super) fn of(view: &View, comparison: &Comparison<'_>) -> Option<Self> {
        let winner = comparison.winner()?;
        let mut drawn: Vec<&Candidate<'_>> =
            [winner].into_iter().chain(comparison.unseen()).collect();
        // Without a conflict there is room for the writes that the winner has superseded.
        if drawn.len() == 1 {
            drawn = comparison.candidates.iter().collect();
        }
        drawn.truncate(DRAWN_MAX);
        let observed_at =
            |candidate: &Candidate<'_>| candidate.written_at().map(|at| wall(view, at));
        drawn.iter().find_map(|candidate| observed_at(candidate))?;
        let times = || {
            drawn
                .iter()
                .flat_map(|candidate| {
                    [Some(candidate.entry.stamp.hlc.wall), observed_at(candidate)]
                })
                .flatten()
        };
        let (first, last) = (times().min()?, times().max()?);
        let scale = Scale { first, span: last.0 - first.0 };
        let mut observed_labels = Labels::default();
        let mut stamp_labels = Labels::default();
        // The winner is first, so that its label is never omitted.
        let mut mark = |candidate: &Candidate<'_>| {
            let (stamp, observed) = (candidate.entry.stamp.hlc.wall, observed_at(candidate));
            let (stamp_x, observed_x) =
                (scale.x(stamp), observed.map(|observed| scale.x(observed)));
            let wins = match comparison.fate(candidate) {
                Fate::Wins => "wins",
                Fate::Won => "won",
                Fate::Superseded
                | Fate::Equivalent
                | Fate::WillBeLost
                | Fate::SupersededByLoser(_)
                | Fate::Lost
                | Fate::Stopped => "",
            };
            // The label is on the side that the curve does not touch.
            let right = observed_x.is_none_or(|observed_x| observed_x <= stamp_x + 1.0);
            Mark {
                key: candidate.writer().to_string(),
                writer: title(candidate.writer()),
                value: value(candidate.entry),
                shape: shape(candidate.writer().as_str()),
                observed_x: observed_x.map(|x| format!("{x:.1}")),
                observed_label: observed
                    .zip(observed_x)
                    .map(|(observed, x)| observed_labels.place(x, scale.label(observed)))
                    .unwrap_or_default(),
                stamp_x: format!("{stamp_x:.1}"),
                stamp_label: stamp_labels.place(stamp_x, scale.label(stamp)),
                wins,
                wins_x: format!("{:.1}", if right { stamp_x + 11.0 } else { stamp_x - 11.0 }),
                wins_anchor: if right { "start" } else { "end" },
                observed: observed.map_or_else(|| "not observed".to_owned(), moment),
                stamp: moment(stamp),
            }
        };
        let marks: Vec<Mark> = drawn.iter().map(|candidate| mark(candidate)).collect();
        let described = |mark: &Mark| {
            format!(
                "{} wrote {}, observed {}, stamped {}",
                mark.writer, mark.value, mark.observed, mark.stamp
            )
        };
        Some(Self { label: marks.iter().map(described).collect::<Vec<_>>().join("; "), marks })
    }
}

/// The scale of the picture.
struct Scale {
    first: UnixMillis,
    span: u64,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "a position in a picture, to a tenth of a unit")]
    fn x(&self, at: UnixMillis) -> f64 {
        let share = if self.span == 0 {
            0.5
        } else {
            at.0.saturating_sub(self.first.0) as f64 / self.span as f64
        };
        LEFT + share * (RIGHT - LEFT)
    }

    /// The part of a time that distinguishes it from the others.
    fn label(&self, at: UnixMillis) -> String {
        let (text, last) = (moment(at), self.first.0 + self.span);
        match self.span {
            ..60_000 if self.first.0 / 60_000 == last / 60_000 => format!(":{}", &text[6..11]),
            ..600_000 => text[3..11].to_owned(),
            _ => text[..8].to_owned(),
        }
    }
}

/// The positions of the labels of one line. No two labels overlap.
#[derive(Default)]
struct Labels(Vec<f64>);

impl Labels {
    /// Returns the label if it fits at this position, and an empty one otherwise.
    fn place(&mut self, x: f64, label: String) -> String {
        let width = if label.len() > 6 { LABEL + 14.0 } else { LABEL };
        if self.0.iter().any(|other| (other - x).abs() < width) {
            return String::new();
        }
        self.0.push(x);
        label
    }
}

/// The shape of a city; a ring for dispatch.
fn shape(key: &str) -> &'static str {
    match key {
        "gotham" => "M0-6.5 6.5 5.5H-6.5z",
        "metropolis" => "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0",
        "capitol" => "M-5-5H5V5H-5z",
        "dispatch" => "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
        _ => "M0-6 6 0 0 6-6 0z",
    }
}
