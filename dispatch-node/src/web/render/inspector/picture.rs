//! Two lines on one scale of time: when each write was seen, and when its stamp claims that it was made. Where two curves cross, the order that
//! decides is not the order that was seen.

use shared::time::UnixMillis;

use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::CityKey;
use crate::web::render::wording::{moment, says, wall};

use super::comparison::{Candidate, Comparison, Fate};

/// How many writes are drawn.
const DRAWN_MAX: usize = 6;
/// From where to where marks lie, in units of the picture, which is 340 wide: a word has room beside the outermost.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 294.0;
/// How much a label of a time takes.
const LABEL: f64 = 44.0;

/// The picture, and the same as a table.
#[derive(Debug)]
pub(super) struct Picture {
    /// The same in words, for whoever does not see it.
    pub(super) label: String,
    pub(super) marks: Vec<Mark>,
}

/// One write.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) key: CityKey,
    pub(super) writer: String,
    pub(super) says: String,
    /// The outline of its writer's shape, around 0, 0.
    pub(super) shape: &'static str,
    /// Where it was seen, if it was; and how that is labelled, where there is room.
    pub(super) seen_x: Option<String>,
    pub(super) seen_label: String,
    pub(super) stamp_x: String,
    pub(super) stamp_label: String,
    /// `wins`, of the one that does, and where that stands.
    pub(super) wins: &'static str,
    pub(super) wins_x: String,
    pub(super) wins_anchor: &'static str,
    /// The two times in full, for the table.
    pub(super) seen: String,
    pub(super) stamp: String,
}

impl Mark {
    /// The line from where it was seen to where its stamp puts it.
    pub(super) fn curve(&self) -> Option<String> {
        let seen = self.seen_x.as_ref()?;
        Some(format!("M{seen} 44C{seen} 76 {stamp} 68 {stamp} 100", stamp = self.stamp_x))
    }
}

impl Picture {
    /// None, where no write that matters was seen being made.
    pub(super) fn of(view: &View, comparison: &Comparison<'_>) -> Option<Self> {
        let winner = comparison.winner()?;
        let mut drawn: Vec<&Candidate<'_>> = [winner].into_iter().chain(comparison.unseen()).collect();
        if drawn.len() == 1 {
            drawn = comparison.candidates.iter().collect();
        }
        drawn.truncate(DRAWN_MAX);
        let seen_at = |candidate: &Candidate<'_>| candidate.written_at().map(|at| wall(view, at));
        drawn.iter().find_map(|candidate| seen_at(candidate))?;
        let times = || drawn.iter().flat_map(|candidate| [Some(candidate.entry.stamp.hlc.wall), seen_at(candidate)]).flatten();
        let (first, last) = (times().min()?, times().max()?);
        let scale = Scale { first, span: last.0 - first.0 };
        let mut seen_labels = Labels::default();
        let mut stamp_labels = Labels::default();
        // What wins comes first: it is labelled whatever else is.
        let mut mark = |candidate: &Candidate<'_>| {
            let (stamp, seen) = (candidate.entry.stamp.hlc.wall, seen_at(candidate));
            let (stamp_x, seen_x) = (scale.x(stamp), seen.map(|seen| scale.x(seen)));
            let wins = match comparison.fate(candidate) {
                Fate::Wins => "wins",
                Fate::Stands => "stands",
                Fate::BuiltUpon | Fate::SaysTheSame | Fate::WillBeLost | Fate::GoesWith(_) | Fate::IsNowhere | Fate::Stopped => "",
            };
            // On the side from which no curve comes.
            let right = seen_x.is_none_or(|seen_x| seen_x <= stamp_x + 1.0);
            Mark {
                key: candidate.writer().to_string(),
                writer: title(candidate.writer()),
                says: says(candidate.entry),
                shape: shape(candidate.writer().as_str()),
                seen_x: seen_x.map(|x| format!("{x:.1}")),
                seen_label: seen.zip(seen_x).map(|(seen, x)| seen_labels.place(x, scale.label(seen))).unwrap_or_default(),
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
        let told = |mark: &Mark| format!("{} wrote {}, seen {}, stamped {}", mark.writer, mark.says, mark.seen, mark.stamp);
        Some(Self { label: marks.iter().map(told).collect::<Vec<_>>().join("; "), marks })
    }
}

/// Where a time lies.
struct Scale {
    first: UnixMillis,
    span: u64,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "a place on a picture, to a tenth of a unit")]
    fn x(&self, at: UnixMillis) -> f64 {
        let share = if self.span == 0 { 0.5 } else { at.0.saturating_sub(self.first.0) as f64 / self.span as f64 };
        LEFT + share * (RIGHT - LEFT)
    }

    /// As much of a time as tells it from the others.
    fn label(&self, at: UnixMillis) -> String {
        let (text, last) = (moment(at), self.first.0 + self.span);
        match self.span {
            ..60_000 if self.first.0 / 60_000 == last / 60_000 => format!(":{}", &text[6..11]),
            ..600_000 => text[3..11].to_owned(),
            _ => text[..8].to_owned(),
        }
    }
}

/// The labels of one line, none over another.
#[derive(Default)]
struct Labels(Vec<f64>);

impl Labels {
    /// The label, if there is room for it at this place.
    fn place(&mut self, x: f64, label: String) -> String {
        let width = if label.len() > 6 { LABEL + 14.0 } else { LABEL };
        if self.0.iter().any(|other| (other - x).abs() < width) {
            return String::new();
        }
        self.0.push(x);
        label
    }
}

/// A city's shape; a ring for dispatch.
fn shape(key: &str) -> &'static str {
    match key {
        "gotham" => "M0-6.5 6.5 5.5H-6.5z",
        "metropolis" => "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0",
        "capitol" => "M-5-5H5V5H-5z",
        "dispatch" => "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
        _ => "M0-6 6 0 0 6-6 0z",
    }
}
