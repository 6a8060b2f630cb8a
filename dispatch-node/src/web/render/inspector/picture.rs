//! The picture of a hero's writes: when each was observed, and the time of its stamp, on one scale.
//! Where two curves cross, the order that decides is not the order of observation.

use gossip::UnixMillis;

use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{moment, says, wall};

use super::comparison::{Candidate, Comparison, Fate};

/// The most writes drawn.
const DRAWN_MAX: usize = 6;
/// The range of marks, in units of the picture, which is 340 wide: a word fits next to the
/// outermost.
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
    pub(super) says: String,
    /// The outline of the writer's shape, around 0, 0.
    pub(super) shape: &'static str,
    /// The position of its observation, if there was one, and the label, if it fits.
    pub(super) seen_x: Option<String>,
    pub(super) seen_label: String,
    pub(super) stamp_x: String,
    pub(super) stamp_label: String,
    /// `wins` for the winner, and its position.
    pub(super) wins: &'static str,
    pub(super) wins_x: String,
    pub(super) wins_anchor: &'static str,
    /// The two times in full, for the table.
    pub(super) seen: String,
    pub(super) stamp: String,
}

impl Mark {
    /// The curve from the observation to the stamp.
    pub(super) fn curve(&self) -> Option<String> {
        let seen = self.seen_x.as_ref()?;
        Some(format!("M{seen} 44C{seen} 76 {stamp} 68 {stamp} 100", stamp = self.stamp_x))
    }
}

impl Picture {
    /// Returns the picture; none where no relevant write was observed.
    pub(super) fn of(view: &View, comparison: &Comparison<'_>) -> Option<Self> {
        let winner = comparison.winner()?;
        let mut drawn: Vec<&Candidate<'_>> =
            [winner].into_iter().chain(comparison.unseen()).collect();
        if drawn.len() == 1 {
            drawn = comparison.candidates.iter().collect();
        }
        drawn.truncate(DRAWN_MAX);
        let seen_at = |candidate: &Candidate<'_>| candidate.written_at().map(|at| wall(view, at));
        drawn.iter().find_map(|candidate| seen_at(candidate))?;
        let times = || {
            drawn
                .iter()
                .flat_map(|candidate| [Some(candidate.entry.stamp.hlc.wall), seen_at(candidate)])
                .flatten()
        };
        let (first, last) = (times().min()?, times().max()?);
        let scale = Scale { first, span: last.0 - first.0 };
        let mut seen_labels = Labels::default();
        let mut stamp_labels = Labels::default();
        // The winner comes first, so that it gets its label in any case.
        let mut mark = |candidate: &Candidate<'_>| {
            let (stamp, seen) = (candidate.entry.stamp.hlc.wall, seen_at(candidate));
            let (stamp_x, seen_x) = (scale.x(stamp), seen.map(|seen| scale.x(seen)));
            let wins = match comparison.fate(candidate) {
                Fate::Wins => "wins",
                Fate::Stands => "stands",
                Fate::BuiltUpon
                | Fate::SaysTheSame
                | Fate::WillBeLost
                | Fate::GoesWith(_)
                | Fate::IsNowhere
                | Fate::Stopped => "",
            };
            // On the side where no curve arrives.
            let right = seen_x.is_none_or(|seen_x| seen_x <= stamp_x + 1.0);
            Mark {
                key: candidate.writer().to_string(),
                writer: title(candidate.writer()),
                says: says(candidate.entry),
                shape: shape(candidate.writer().as_str()),
                seen_x: seen_x.map(|x| format!("{x:.1}")),
                seen_label: seen
                    .zip(seen_x)
                    .map(|(seen, x)| seen_labels.place(x, scale.label(seen)))
                    .unwrap_or_default(),
                stamp_x: format!("{stamp_x:.1}"),
                stamp_label: stamp_labels.place(stamp_x, scale.label(stamp)),
                wins,
                wins_x: format!("{:.1}", if right { stamp_x + 11.0 } else { stamp_x - 11.0 }),
                wins_anchor: if right { "start" } else { "end" },
                seen: seen.map_or_else(|| "not seen".to_owned(), moment),
                stamp: moment(stamp),
            }
        };
        let marks: Vec<Mark> = drawn.iter().map(|candidate| mark(candidate)).collect();
        let described = |mark: &Mark| {
            format!(
                "{} wrote {}, seen {}, stamped {}",
                mark.writer, mark.says, mark.seen, mark.stamp
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
    #[expect(clippy::cast_precision_loss, reason = "a place on a picture, to a tenth of a unit")]
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

/// The labels of one line. No two overlap.
#[derive(Default)]
struct Labels(Vec<f64>);

impl Labels {
    /// Returns the label, if it fits at this position.
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
