//! What a city has and others lack, and what it lacks, in words, and until when.

use gossip::NodeName;
use gossip::fault::{Fault, FaultKind, Pace};

use crate::model::gap::Gap;
use crate::model::view::View;
use crate::text::{counted, title};
use crate::web::render::forecast_curve::Predicted;

/// Describes what this city has and lacks, and until when; `None` if it has and lacks nothing.
pub(crate) fn of_city(view: &View, city: usize, predicted: Option<&Predicted>) -> Option<String> {
    let gap = Gap::of(view, city)?;
    let words = words(gap)?;
    let until = until(view, view.cities[city].name, predicted);
    Some(until.map_or_else(|| words.clone(), |until| format!("{words}, {until}")))
}

/// Describes what the city with the widest gap has and lacks, as a sentence; `None` if no city has or
/// lacks anything.
pub(crate) fn widest(view: &View) -> Option<String> {
    let (city, gap) = Gap::widest(view)?;
    Some(format!("{} {}.", title(view.cities[city].name), words(gap)?))
}

fn words(Gap { ahead, behind }: Gap) -> Option<String> {
    let writes = |count| counted(count, "write", "writes");
    match (ahead, behind) {
        (0, 0) => None,
        (_, 0) => Some(format!("has {} that others lack", writes(ahead))),
        (0, _) => Some(format!("lacks {}", writes(behind))),
        _ => Some(format!("lacks {}, has {} that others lack", writes(behind), writes(ahead))),
    }
}

/// The end of the gap: that of the fault that keeps it open, or the forecast.
fn until(view: &View, city: NodeName, predicted: Option<&Predicted>) -> Option<String> {
    if view.pace == Pace::PAUSED {
        return Some("while gossip is paused".to_owned());
    }
    // The forecast knows the links: with a way around a cut there is an end.
    if let Some((from, to)) = predicted.and_then(|predicted| predicted.within_s) {
        return Some(format!("for about {from} to {to}\u{a0}s"));
    }
    let cuts = view.faults.iter().filter(|fault| is_cut_from(&fault.fault, city));
    let last = cuts.map(|cut| cut.remaining).max()?;
    Some(format!("until the cut ends in {}\u{a0}s", last.as_secs() + 1))
}

/// Returns whether this fault cuts links of the city.
fn is_cut_from(fault: &Fault, city: NodeName) -> bool {
    let is_end = fault.from == city || fault.to.is_none_or(|to| to == city);
    fault.kind == FaultKind::Cut && is_end
}
