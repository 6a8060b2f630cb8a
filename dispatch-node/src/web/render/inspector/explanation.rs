//! The explanation of the outcome: a sentence that names the winner, and the reasons if the outcome
//! is surprising.

use std::time::Duration;

use gossip::NodeName;
use gossip::fault::FaultKind;

use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::title;
use crate::web::render::phrase::Phrase;
use crate::web::render::wording::{self, CLOCK_ERROR_MIN_MS, node, plain, tenths, value, wall};

use super::comparison::{Candidate, Comparison};

/// The least time between two observations that orders their writes. It exceeds the pause of up to
/// 20 ms before a city reports a change, and its way to dispatch.
const ORDER_RESOLUTION: Duration = Duration::from_millis(250);
/// The delay between stamp and observation from which a write counts as delayed, in milliseconds.
const OBSERVED_LATE_MS: i64 = 1_000;
/// The most lost writes that the reasons name.
const LOST_NAMED_MAX: usize = 3;

/// Returns the sentence and the reasons.
pub(super) fn of(view: &View, comparison: &Comparison<'_>) -> (Vec<Phrase>, Vec<String>) {
    let Some(winner) = comparison.winner() else {
        let stopped: Vec<NodeName> = comparison
            .candidates
            .iter()
            .flat_map(|candidate| candidate.stopped.iter().copied())
            .collect();
        let reason = format!("Only stopped nodes held it: {}.", wording::nodes(&stopped, "and"));
        return (vec![plain("No running node holds this hero.")], vec![reason]);
    };
    let later = later_than(comparison, winner);
    let late = later.is_some_and(|loser| is_observed_late(view, loser));
    let mut sentence = head(view, comparison, winner, later.is_some());
    let mut reasons = Vec::new();
    if let Some(loser) = later {
        let ending = if late { "’s write was observed last." } else { " wrote last." };
        sentence.extend([plain(", although "), node(view, loser.writer()), plain(ending)]);
    } else {
        sentence.push(plain("."));
    }
    if winner.entry.is_tombstone() {
        if !comparison.all_cities_hold_it || comparison.unseen().next().is_some() {
            reasons.push("A deletion beats every write, earlier or later.".to_owned());
        }
    } else if let Some(loser) = later {
        reasons.extend(why(view, winner, loser));
    } else if comparison.unseen().any(Candidate::is_held) {
        reasons.push(format!(
            "Its stamp is later; {} had not received the other write.",
            title(winner.writer())
        ));
    } else if !comparison.all_cities_hold_it
        && comparison.candidates.iter().skip(1).any(Candidate::is_held)
    {
        reasons.push("It supersedes the entry that the other nodes still hold.".to_owned());
    }
    let lost: Vec<String> = comparison
        .unseen()
        .filter(|candidate| candidate.is_held())
        .take(LOST_NAMED_MAX)
        .map(|candidate| {
            format!("{}’s write ({})", title(candidate.writer()), value(candidate.entry))
        })
        .collect();
    if !lost.is_empty() {
        let are = if lost.len() == 1 { "is" } else { "are" };
        reasons.push(format!(
            "After the merge, {} {are} lost everywhere.",
            wording::listed(&lost, "and")
        ));
    }
    reasons.extend(holders_unreachable(view, winner));
    (sentence, reasons)
}

/// The sentence up to the surprising part.
fn head(
    view: &View,
    comparison: &Comparison<'_>,
    winner: &Candidate<'_>,
    surprising: bool,
) -> Vec<Phrase> {
    let writer = node(view, winner.writer());
    let deletion = winner.entry.is_tombstone();
    if comparison.all_cities_hold_it {
        let up = view.cities.iter().filter(|city| city.status == NodeStatus::Up).count();
        let all = match (up, view.cities.len()) {
            (0, _) => "All cities agreed when last read",
            (up, cities) if up < cities => "All reachable cities agree",
            (3, _) => "All three agree",
            _ => "All cities agree",
        };
        return match (deletion, surprising) {
            (true, true) => vec![plain(format!("{all} on the deletion by ")), writer],
            (true, false) => vec![plain(format!("{all}: ")), writer, plain(" deleted it")],
            (false, true) => vec![plain(format!("{all} on ")), writer, plain("’s write")],
            (false, false) => {
                vec![plain(format!("{all}: ")), writer, plain(" wrote it last")]
            }
        };
    }
    if deletion {
        return vec![writer, plain("’s deletion will win")];
    }
    let others_are_held = comparison.candidates.iter().skip(1).any(Candidate::is_held);
    match (others_are_held, comparison.unseen().any(Candidate::is_held)) {
        (false, _) if surprising => vec![plain("Only "), writer, plain("’s write still exists")],
        (false, _) => vec![plain("Only "), writer, plain("’s write exists")],
        (true, false) if !surprising => vec![writer, plain(" wrote last, and its write will win")],
        (true, _) => vec![writer, plain("’s write will win")],
    }
}

/// The last of the losing writes that was observed after the winner.
fn later_than<'w, 'a>(
    comparison: &'w Comparison<'a>,
    winner: &Candidate<'_>,
) -> Option<&'w Candidate<'a>> {
    let is_later = |loser: &&Candidate<'_>| match (winner.written_at(), loser.written_at()) {
        (Some(won), Some(lost)) => lost > won + ORDER_RESOLUTION,
        // A deletion also beats a write with a later stamp; that needs no observation.
        _ => winner.entry.is_tombstone() && loser.entry.stamp > winner.entry.stamp,
    };
    comparison.unseen().filter(is_later).max_by_key(|loser| (loser.written_at(), loser.entry.stamp))
}

/// The stamp of the write relative to its observation, in milliseconds; negative if behind.
fn ahead_of_observation(view: &View, candidate: &Candidate<'_>) -> Option<i64> {
    let observed = wall(view, candidate.written_at()?);
    Some(candidate.entry.stamp.hlc.wall.0.cast_signed().saturating_sub_unsigned(observed.0))
}

/// The clock error of the writer in milliseconds, if it is known and explains the stamp, and the
/// verb that describes it: `is` or `was`.
fn clock_off(view: &View, candidate: &Candidate<'_>) -> Option<(i64, &'static str)> {
    let writer = candidate.writer();
    let at = candidate.written_at();
    let skewed = view.history.spans().find_map(|span| {
        let FaultKind::Skew(ms) = span.of.kind else { return None };
        // A skew still in force is covered by the present clock error.
        let then =
            at.is_some_and(|at| span.began <= at && span.ended.is_some_and(|ended| at <= ended));
        (span.of.from == writer && then).then_some((ms, "was"))
    });
    let present = view.city(writer).and_then(|(_, city)| city.clock_ahead_ms).map(|ms| (ms, "is"));
    // An error that began after this write does not explain its stamp. A write is observed with a
    // delay, which reduces the lead of its stamp below the clock error, so half of the error
    // suffices.
    let ahead = ahead_of_observation(view, candidate)?;
    let shows = |ms: i64| ahead.signum() == ms.signum() && ahead.abs() >= ms.abs() / 2;
    skewed.or(present).filter(|(ms, _)| ms.unsigned_abs() >= CLOCK_ERROR_MIN_MS && shows(*ms))
}

/// Returns true if the write was observed long after its stamp, and its writer's clock is not
/// behind.
fn is_observed_late(view: &View, loser: &Candidate<'_>) -> bool {
    let behind = clock_off(view, loser).is_some_and(|(ms, _)| ms < 0);
    !behind && ahead_of_observation(view, loser).is_some_and(|ahead| ahead < -OBSERVED_LATE_MS)
}

/// The reason why the earlier write has the later stamp.
fn why(view: &View, winner: &Candidate<'_>, loser: &Candidate<'_>) -> Option<String> {
    let clock =
        |candidate| clock_off(view, candidate).map(|(ms, is)| (ms, is, tenths(ms.unsigned_abs())));
    let (winner_name, loser_name) = (title(winner.writer()), title(loser.writer()));
    if let Some((1.., is, off)) = clock(winner) {
        return Some(format!(
            "The clock of {winner_name} {is} {off} ahead, so its older write carries the later \
             stamp."
        ));
    }
    if let Some((..0, is, off)) = clock(loser) {
        return Some(format!(
            "The clock of {loser_name} {is} {off} behind, so its newer write carries the earlier \
             stamp."
        ));
    }
    if is_observed_late(view, loser) {
        let late = tenths(ahead_of_observation(view, loser)?.unsigned_abs());
        return Some(format!(
            "{loser_name}’s write was observed {late} after its stamp: only the stamps show \
             which write came first."
        ));
    }
    let ahead = ahead_of_observation(view, winner).filter(|ahead| *ahead > 0)?;
    let drift = view.drift_max_ms;
    let incarnation_start = winner.entry.stamp.origin.incarnation.number();
    let observed = wall(view, winner.written_at()?).0;
    Some(if observed.saturating_sub(incarnation_start) <= drift {
        format!(
            "The stamps of a new incarnation start {} ahead, to exceed those of the previous one: \
             {winner_name} had just started one, so its older write carries the later stamp.",
            tenths(drift)
        )
    } else {
        format!(
            "Its stamp is {} later than its observation: its writer’s clock ran ahead, or \
             received a stamp from one that did.",
            tenths(ahead.unsigned_abs())
        )
    })
}

/// The warning that no holder of the winner is reachable.
fn holders_unreachable(view: &View, winner: &Candidate<'_>) -> Option<String> {
    let is_reachable = |name: &NodeName| {
        view.city(*name).is_none_or(|(_, city)| city.status == NodeStatus::Up || city.frozen)
    };
    if winner.holders.iter().any(is_reachable) {
        return None;
    }
    let holders = wording::nodes(&winner.holders, "and");
    let is = if winner.holders.len() == 1 { "is" } else { "are" };
    Some(format!(
        "Only {holders} {is} known to hold it, and {is} unreachable: the write wins if it still \
         exists."
    ))
}
