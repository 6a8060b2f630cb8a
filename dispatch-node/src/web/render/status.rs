//! The heading of the page: the status of the cluster as a sentence, the reason for it, and a few
//! numbers.

use std::time::Duration;

use askama::Template;

use gossip::fault::{FaultKind, Pace};

use crate::model::faults::describe;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::status::{self, ClusterStatus};
use crate::model::view::View;
use crate::text::{counted, grouped, title};
use crate::web::render::forecast_curve::Predicted;
use crate::web::render::gaps;
use crate::web::render::phrase::{Phrase, Tone};
use crate::web::render::wording::{CLOCK_ERROR_MIN_MS, capitalised, tenths, time_of_day, wall};

/// The heading: one or two sentences that are always true, and the numbers behind them.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "verdict.html")]
pub(crate) struct VerdictPanel {
    /// The sentence in pieces. They are set one after the other, so each includes its own spaces.
    pub(crate) sentence: Vec<Phrase>,
    /// The sentence in the past tense, for a page that has lost contact.
    pub(crate) past: String,
    /// All nodes hold the same entries. The page then shows the names without colour.
    pub(crate) converged: bool,
    /// A second, quieter sentence: the reason, or the next step. May be empty.
    pub(crate) detail: String,
    /// The offer to accept stamps that nodes refuse.
    pub(crate) offer: Option<AcceptOffer>,
    /// A few numbers, in reading order.
    pub(crate) stats: Vec<Stat>,
}

/// The offer to accept stamps that are ahead of the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcceptOffer {
    /// The value of the form's field.
    pub(crate) ahead_ms: u64,
    /// The same as text: `60 min`.
    pub(crate) ahead: String,
}

/// One number of the heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The label: `Heroes agreed on`.
    pub(crate) label: &'static str,
    /// The number: `9 986`.
    pub(crate) value: String,
    /// The suffix in small type: `of 10 000`, `s`. May be empty.
    pub(crate) unit: String,
    /// The number counts a loss.
    pub(crate) bad: bool,
}

impl VerdictPanel {
    /// The heading for this view.
    pub(crate) fn of(view: &View, predicted: Option<&Predicted>) -> Self {
        let verdict = &view.status;
        let phrase = |phrase: &status::Phrase| Phrase {
            text: phrase.to_string(),
            tone: match phrase {
                status::Phrase::Plain(_) => Tone::Plain,
                status::Phrase::City(name) => Tone::City(name.to_string()),
                status::Phrase::Difference(_) => Tone::Mark,
                status::Phrase::Bad(_) => Tone::Bad,
            },
        };
        let (oldest, oldest_unit) = match verdict.oldest_difference {
            None => ("none".to_owned(), ""),
            Some(age) => (age.as_secs().to_string(), "s"),
        };
        let stat = |label, value, unit: String, bad| Stat { label, value, unit, bad };
        Self {
            sentence: verdict.phrases.iter().map(phrase).collect(),
            past: verdict.past.clone(),
            converged: verdict.converged,
            detail: detail(view, predicted),
            offer: offer(view),
            stats: vec![
                stat(
                    "Heroes agreed on",
                    grouped(verdict.agreed_on as u64),
                    format!("of {}", grouped(verdict.heroes as u64)),
                    false,
                ),
                stat("Oldest difference", oldest, oldest_unit.to_owned(), false),
                stat(
                    "Heroes at one node only",
                    grouped(verdict.only_copies as u64),
                    String::new(),
                    verdict.only_copies > 0,
                ),
                stat(
                    "Lost writes",
                    grouped(verdict.lost_writes),
                    // A dispatch that was restarted counts anew.
                    format!("since {}", &time_of_day(wall(view, Duration::ZERO))[..5]),
                    verdict.lost_writes > 0,
                ),
            ],
        }
    }
}

/// The second sentence.
fn detail(view: &View, predicted: Option<&Predicted>) -> String {
    let ClusterStatus { converged, heroes_converged, differences, only_copies, heroes, .. } =
        view.status;
    let widest = gaps::widest(view);
    let case = if !view.joined {
        "Dispatch has just started and is joining the cluster.".into()
    } else if converged && heroes == 0 {
        "Create some heroes, assign them to cities, then bomb a city and watch the others restore \
         it."
        .into()
    } else if converged {
        "Dispatch holds the same. Bomb a city and watch the others restore it.".into()
    } else if heroes_converged {
        "All nodes hold the same heroes.".into()
    } else if only_copies > 0 {
        let one = "hero is held by only one node, and is lost if that node crashes";
        let many = "heroes are held by only one node each, and are lost if that node crashes";
        format!("{}.", counted(only_copies, one, many))
    } else if let Some(widest) = &widest {
        widest.clone()
    } else if differences > 0 {
        format!("{} between nodes.", counted(differences, "hero differs", "heroes differ"))
    } else if view.cities.iter().any(|city| city.status != NodeStatus::Up) {
        "Cities that do not answer are shown in their last known state.".into()
    } else {
        "Dispatch's own copy is not up to date yet.".into()
    };
    [case]
        .into_iter()
        .chain(widest.filter(|_| only_copies > 0 && !converged))
        .chain(hindrance(view, differences > 0 || !converged && heroes_converged))
        .chain(expected(view, predicted))
        .chain(view.cities.iter().filter_map(|city| fast_clock(city, view.drift_max_ms)))
        .chain(early_stamps(view))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The reason for which the differences persist; or that gossip is running, if nothing known stops
/// it.
fn hindrance(view: &View, differs: bool) -> Option<String> {
    let cut =
        view.faults.iter().map(|fault| &fault.fault).find(|fault| fault.kind == FaultKind::Cut);
    match (view.pace == Pace::PAUSED, cut) {
        (true, _) => Some("Gossip is paused.".into()),
        (false, Some(cut)) => Some(format!("{}.", capitalised(&describe(cut)))),
        (false, None) => (differs && view.cities.iter().all(|city| city.status == NodeStatus::Up))
            .then(|| "Gossip is running.".into()),
    }
}

/// The time that convergence is expected to take. A fault or a pause is named instead.
fn expected(view: &View, predicted: Option<&Predicted>) -> Option<String> {
    let predicted = predicted.filter(|_| view.pace != Pace::PAUSED)?;
    Some(format!("{}.", predicted.sentence))
}

/// The consequence of a city's clock that is ahead: the other nodes refuse stamps more than
/// `drift_max_ms` ahead of their own clocks.
fn fast_clock(city: &NodeState, drift_max_ms: u64) -> Option<String> {
    let ahead = city
        .clock_ahead_ms
        .and_then(|ahead| u64::try_from(ahead).ok())
        .filter(|ahead| *ahead >= CLOCK_ERROR_MIN_MS)?;
    // The clock error of a city that is not up is outdated.
    let is_known = city.status == NodeStatus::Up;
    let consequence = if ahead > drift_max_ms {
        "the other nodes refuse its writes"
    } else {
        "its writes can beat later ones"
    };
    is_known
        .then(|| format!("{}'s clock is {} ahead: {consequence}.", title(city.name), tenths(ahead)))
}

/// The lead of the latest stamp over dispatch's clock, rounded up to a time that does not change
/// each second. `None` if no stamp is beyond the accepted drift.
fn latest_stamp_ahead(view: &View) -> Option<Duration> {
    let nodes = view
        .cities
        .iter()
        .filter(|city| city.status == NodeStatus::Up && city.stamps_ahead_ms > view.drift_max_ms);
    let ahead_ms = nodes
        .map(|city| city.stamps_ahead_ms.saturating_add_signed(city.clock_ahead_ms.unwrap_or(0)))
        .chain([view.dispatch.stamps_ahead_ms])
        .max()?;
    let seconds = ahead_ms.div_ceil(1_000);
    let step = if seconds > 120 { 60 } else { 1 };
    (ahead_ms > view.drift_max_ms + CLOCK_ERROR_MIN_MS)
        .then(|| Duration::from_secs(seconds.next_multiple_of(step)))
}

/// Returns whether the clock of a node that answers exceeds the accepted difference.
fn a_clock_is_off(view: &View) -> bool {
    let is_off = |city: &NodeState| {
        city.status == NodeStatus::Up
            && city.clock_ahead_ms.is_some_and(|ahead| ahead.unsigned_abs() > view.drift_max_ms)
    };
    view.cities.iter().any(is_off)
}

/// The reason for stamps beyond the accepted drift, and what to do if nodes refuse them.
fn early_stamps(view: &View) -> Option<String> {
    let ahead = span(latest_stamp_ahead(view)?);
    Some(match (status::any_refuses(&view.dispatch, &view.cities), a_clock_is_off(view)) {
        (_, true) => format!("Stamps are up to {ahead} ahead. Set the clocks right first."),
        (true, false) => format!(
            "The clocks are right, but some writes are stamped up to {ahead} ahead of them: they \
             were made while a clock was ahead. They can be accepted now, or in {ahead}."
        ),
        (false, false) => format!(
            "Stamps are up to {ahead} ahead of the clocks, since a clock was ahead. All nodes \
             accept them."
        ),
    })
}

/// The offer to accept stamps, once the clocks are right.
fn offer(view: &View) -> Option<AcceptOffer> {
    let ahead = latest_stamp_ahead(view)?;
    (status::any_refuses(&view.dispatch, &view.cities) && !a_clock_is_off(view)).then(|| {
        AcceptOffer {
            ahead_ms: u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
            ahead: span(ahead),
        }
    })
}

/// Formats a whole number of seconds or minutes.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..=120 => format!("{seconds} s"),
        seconds @ ..=172_800 => format!("{} min", grouped(seconds / 60)),
        seconds => format!("{} days", grouped(seconds.div_ceil(86_400))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Fixture;

    #[test]
    fn clock_beyond_the_accepted_drift_is_refused() {
        let text = |ahead_ms| {
            let fixture =
                Fixture::new().city("metropolis", |city| city.clock_ahead_ms = Some(ahead_ms));
            VerdictPanel::of(&fixture.view, None).detail
        };
        let beats = "Metropolis's clock is 2.0 s ahead: its writes can beat later ones.";
        assert!(text(2_000).ends_with(beats), "{}", text(2_000));
        let refused = "Metropolis's clock is 3.0 s ahead: the other nodes refuse its writes.";
        assert!(text(3_000).ends_with(refused), "{}", text(3_000));
        assert!(!text(400).contains("clock"), "{}", text(400));
    }

    #[test]
    fn refused_stamps_of_right_clocks_can_be_accepted() {
        let panel = |refuses: &[&str], clock_ahead_ms| {
            let ahead = crate::fixtures::stamp("gotham", 9);
            let fixture = Fixture::new().city("gotham", |city| city.vector.advance(ahead));
            let fixture = fixture.city("metropolis", |city| {
                city.stamps_ahead_ms = 3_597_001;
                city.clock_ahead_ms = Some(clock_ahead_ms);
                city.refuses = refuses.iter().map(|name| name.parse().unwrap()).collect();
            });
            VerdictPanel::of(&fixture.view, None)
        };
        let refused = panel(&["gotham"], 0);
        assert!(refused.detail.contains("stamped up to 60 min ahead"), "{}", refused.detail);
        assert_eq!(
            refused.offer,
            Some(AcceptOffer { ahead_ms: 3_600_000, ahead: "60 min".into() })
        );
        let accepted = panel(&[], 0);
        assert!(accepted.offer.is_none() && accepted.detail.contains("All nodes accept them"));
        let wrong = panel(&["gotham"], 3_600_000);
        assert!(wrong.offer.is_none() && wrong.detail.contains("Set the clocks right first"));
    }
}
