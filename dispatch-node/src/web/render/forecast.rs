//! The forecast for a view, as a sentence and as a curve. It is computed again only if its inputs
//! have changed.

use std::time::Duration;

use gossip::NodeName;
use gossip::fault::{FaultKind, Pace};

use crate::forecast::{Forecast, Gossip, HeroClass, Way, forecast};
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::counted;
use crate::web::render::forecast_curve::{Predicted, PredictedPoint};

/// The horizon and the step of the forecast.
const HORIZON: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(250);

/// The last forecast with its inputs.
#[derive(Debug, Default)]
pub(crate) struct Predictor {
    last: Option<(Gossip, Vec<HeroClass>, Option<Predicted>)>,
}

impl Predictor {
    /// Returns the expected number of differing heroes over time; `None` if nothing differs, or
    /// there are too many nodes.
    pub(crate) fn predict(&mut self, view: &View) -> Option<Predicted> {
        let differing = differing(view);
        if differing.is_empty() {
            return None;
        }
        let gossip =
            Gossip::of_cities(view.cities.len(), view.intervals, view.pace, |a, b| way(view, a, b));
        let heroes = differing.iter().map(|class| class.heroes).sum();
        let mut predicted = match &self.last {
            Some((same_gossip, same_differing, predicted))
                if (same_gossip, same_differing) == (&gossip, &differing) =>
            {
                predicted.clone()
            }
            Some(_) | None => {
                let predicted = forecast(&gossip, &differing, HORIZON, STEP)
                    .map(|forecast| predicted(&forecast));
                self.last = Some((gossip, differing, predicted.clone()));
                predicted
            }
        };
        // Not part of what is kept: without any interval, paused gossip equals running gossip.
        if let Some(predicted) = predicted.as_mut().filter(|_| view.pace == Pace::PAUSED) {
            let differ = counted(heroes, "hero differs", "heroes differ");
            predicted.sentence = format!("{differ}; gossip is paused");
            predicted.within_s = None;
        }
        predicted
    }
}

/// The numbers of differing heroes by the nodes that hold their newest write: a bit for each city,
/// and the last bit for dispatch.
fn differing(view: &View) -> Vec<HeroClass> {
    let cities = view.cities.len();
    let differing =
        view.rows.patterns().filter(|(pattern, _)| pattern.state(&view.counted).differs());
    let holders = differing.filter_map(|(pattern, heroes)| {
        // Dispatch is first in a pattern, and last in a forecast.
        let holds = pattern.newest_at(&view.counted);
        // A city that does not answer neither receives the write nor passes it on.
        let counts = std::iter::once(true).chain(view.counted.iter().copied());
        let is_done = holds.zip(counts).map(|(holds, counts)| holds || !counts);
        let places =
            [cities].into_iter().chain(0..cities).zip(is_done).filter(|(_, is_done)| *is_done);
        // A ninth node does not fit into the mask; `forecast` returns `None` for so many nodes.
        let bits = places
            .map(|(place, _)| 1_u8.checked_shl(u32::try_from(place).ok()?))
            .collect::<Option<Vec<u8>>>()?;
        Some(HeroClass { holders: bits.into_iter().fold(0, |holders, bit| holders | bit), heroes })
    });
    holders.collect()
}

/// The state of the link between two nodes, for the forecast.
fn way(view: &View, a: usize, b: usize) -> Way {
    let node = |place: usize| view.cities.get(place).unwrap_or(&view.dispatch);
    let (a, b) = (node(a), node(b));
    let is_cut = |from: NodeName, to: NodeName| {
        view.faults
            .iter()
            .any(|fault| fault.fault.kind == FaultKind::Cut && fault.fault.affects(from, to))
    };
    if a.frozen || b.frozen || is_cut(a.name, b.name) || is_cut(b.name, a.name) {
        Way::Cut
    } else if a.status != NodeStatus::Up || b.status != NodeStatus::Up {
        Way::Unlinked
    } else {
        Way::Open
    }
}

/// Formats a forecast.
fn predicted(forecast: &Forecast) -> Predicted {
    let point = |point: &crate::forecast::Point| PredictedPoint {
        after_s: point.after.as_secs_f64(),
        mean: point.mean,
        low: point.low as f64,
        high: point.high as f64,
    };
    let tenths = |span: Duration| (span.as_secs_f64() * 10.0).round() / 10.0;
    let within_s = forecast
        .agreed_within
        .filter(|_| forecast.out_of_reach == 0)
        .map(|(from, to)| (tenths(from), tenths(to)));
    let sentence = match (forecast.out_of_reach, within_s) {
        (0, Some((from, to))) => {
            format!("Expected to converge in {from} to {to}\u{a0}s (90\u{a0}%)")
        }
        (0, None) => format!("Not expected to converge within {}\u{a0}s", HORIZON.as_secs()),
        (out_of_reach, _) => {
            let heroes = counted(out_of_reach, "hero", "heroes");
            format!("{heroes} cannot converge over the current links")
        }
    };
    Predicted { points: forecast.points.iter().map(point).collect(), sentence, within_s }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, live, stamp};
    use crate::forecast::Intervals;

    /// Only Gotham holds the newest write of a hero.
    fn only_gotham() -> Fixture {
        let base = live(stamp("dispatch", 9_000), 100, None);
        let newer = live(stamp("gotham", 1_000), 90, Some(&base));
        Fixture::new().held([Some(&newer), Some(&base), Some(&base), Some(&base)])
    }

    fn forecast_text(fixture: Fixture) -> Option<String> {
        Predictor::default().predict(&fixture.view).map(|predicted| predicted.sentence)
    }

    #[test]
    fn differing_hero_is_expected_to_converge_unless_cut_off() {
        assert_eq!(forecast_text(Fixture::new()), None, "nothing differs");
        let sentence = forecast_text(only_gotham()).unwrap();
        assert!(
            sentence.starts_with("Expected to converge in ")
                && sentence.ends_with("\u{a0}s (90\u{a0}%)"),
            "{sentence}"
        );
        let cut = only_gotham().fault(FaultKind::Cut, "gotham", None, 30);
        assert_eq!(forecast_text(cut).unwrap(), "1 hero cannot converge over the current links");
        let mut paused = only_gotham();
        paused.view.pace = Pace::PAUSED;
        assert_eq!(forecast_text(paused).unwrap(), "1 hero differs; gossip is paused");
        // A write that only a stopped city holds reaches no other node.
        assert_eq!(forecast_text(only_gotham().status("gotham", NodeStatus::Down)), None);
        let behind = live(stamp("metropolis", 500), 80, None);
        let base = live(stamp("dispatch", 9_000), 100, None);
        let stopped = live(stamp("gotham", 100), 70, Some(&base));
        let rest = Fixture::new()
            .held([Some(&stopped), Some(&behind), Some(&base), Some(&base)])
            .status("gotham", NodeStatus::Down);
        assert!(
            forecast_text(rest).unwrap().starts_with("Expected to converge in "),
            "the running nodes converge without it"
        );
    }

    #[test]
    fn pause_is_named_even_if_the_forecast_is_cached() {
        let mut predictor = Predictor::default();
        let mut fixture = only_gotham();
        fixture.view.intervals = Intervals { city: None, carried: None, poll: None };
        let mut sentence = |pace| {
            fixture.view.pace = pace;
            predictor.predict(&fixture.view).unwrap().sentence
        };
        let running = sentence(Pace::FREE);
        assert!(!running.contains("paused"), "{running}");
        assert_eq!(sentence(Pace::PAUSED), "1 hero differs; gossip is paused");
        assert_eq!(sentence(Pace::FREE), running);
    }

    #[test]
    fn forecast_starts_at_the_differences_and_is_cached() {
        let mut predictor = Predictor::default();
        let fixture = only_gotham();
        let predicted = predictor.predict(&fixture.view).unwrap();
        let (first, last) = (predicted.points[0], *predicted.points.last().unwrap());
        assert!(
            (first.after_s, first.mean) == (0.0, 1.0) && last.mean < 0.01,
            "{first:?} {last:?}"
        );
        let inputs =
            predictor.last.as_ref().map(|(gossip, _, _)| std::ptr::from_ref(&gossip.actors[0]));
        assert_eq!(predictor.predict(&fixture.view), Some(predicted));
        assert_eq!(
            predictor.last.as_ref().map(|(gossip, _, _)| std::ptr::from_ref(&gossip.actors[0])),
            inputs
        );
    }
}
