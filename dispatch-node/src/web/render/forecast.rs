//! The forecast for a view, as a sentence and as a curve. It is computed again only when its inputs
//! change.

use std::time::Duration;

use gossip::NodeName;
use gossip::fault::FaultKind;

use crate::forecast::{Forecast, Gossip, News, Way, forecast};
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::text::counted;
use crate::web::render::forecast_curve::{Predicted, PredictedPoint};

/// The horizon and the step of the forecast.
const HORIZON: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(250);

/// Keeps the last forecast with its inputs.
#[derive(Debug, Default)]
pub(crate) struct Predictor {
    last: Option<(Gossip, Vec<News>, Option<Predicted>)>,
}

impl Predictor {
    /// Returns the expected number of differences over time; `None` where nothing differs, or there
    /// are too many nodes.
    pub(crate) fn predict(&mut self, view: &View) -> Option<Predicted> {
        let news = news(view);
        if news.is_empty() {
            return None;
        }
        let gossip =
            Gossip::of_cities(view.cities.len(), view.intervals, view.pace, |a, b| way(view, a, b));
        if let Some((same_gossip, same_news, predicted)) = &self.last
            && (same_gossip, same_news) == (&gossip, &news)
        {
            return predicted.clone();
        }
        let predicted =
            forecast(&gossip, &news, HORIZON, STEP).map(|forecast| predicted(&forecast));
        self.last = Some((gossip, news, predicted.clone()));
        predicted
    }
}

/// The heroes that differ, by the nodes that hold the newest write: a bit a city, and the last for
/// dispatch.
fn news(view: &View) -> Vec<News> {
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
        let bits = places
            .map(|(place, _)| 1_u8.checked_shl(u32::try_from(place).ok()?))
            .collect::<Option<Vec<u8>>>()?;
        Some(News { holders: bits.into_iter().fold(0, |holders, bit| holders | bit), heroes })
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
    let sentence = match (forecast.out_of_reach, forecast.agreed_within) {
        (0, Some((from, to))) => {
            format!("Agreed in {} to {} s, nine runs in ten", tenths(from), tenths(to))
        }
        (0, None) => format!("Not agreed within {} s", HORIZON.as_secs()),
        (apart, _) => {
            format!("{} apart, as links are", counted(apart, "hero stays", "heroes stay"))
        }
    };
    Predicted { points: forecast.points.iter().map(point).collect(), sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, live, stamp};

    /// A scene in which gotham alone holds the newest of a hero.
    fn apart() -> Fixture {
        let base = live(stamp("dispatch", 9_000), 100, None);
        let newer = live(stamp("gotham", 1_000), 90, Some(&base));
        Fixture::new().held([Some(&newer), Some(&base), Some(&base), Some(&base)])
    }

    fn said(fixture: Fixture) -> Option<String> {
        Predictor::default().predict(&fixture.view).map(|predicted| predicted.sentence)
    }

    #[test]
    fn what_differs_is_predicted_to_be_agreed_on_unless_a_cut_keeps_it_apart() {
        assert_eq!(said(Fixture::new()), None, "nothing differs");
        let sentence = said(apart()).unwrap();
        assert!(
            sentence.starts_with("Agreed in ") && sentence.ends_with(" s, nine runs in ten"),
            "{sentence}"
        );
        let cut = apart().fault(FaultKind::Cut, "gotham", None, 30);
        assert_eq!(said(cut).unwrap(), "1 hero stays apart, as links are");
        // A write that only a stopped city holds reaches no other node.
        assert_eq!(said(apart().status("gotham", NodeStatus::Down)), None);
        let behind = live(stamp("metropolis", 500), 80, None);
        let base = live(stamp("dispatch", 9_000), 100, None);
        let gone = live(stamp("gotham", 100), 70, Some(&base));
        let rest = Fixture::new()
            .held([Some(&gone), Some(&behind), Some(&base), Some(&base)])
            .status("gotham", NodeStatus::Down);
        assert!(
            said(rest).unwrap().starts_with("Agreed in "),
            "those that run agree among themselves"
        );
    }

    #[test]
    fn the_curve_begins_with_what_differs_and_is_made_once_for_the_same() {
        let mut predictor = Predictor::default();
        let fixture = apart();
        let predicted = predictor.predict(&fixture.view).unwrap();
        let (first, last) = (predicted.points[0], *predicted.points.last().unwrap());
        assert!(
            (first.after_s, first.mean) == (0.0, 1.0) && last.mean < 0.01,
            "{first:?} {last:?}"
        );
        let made_of =
            predictor.last.as_ref().map(|(gossip, _, _)| std::ptr::from_ref(&gossip.actors[0]));
        assert_eq!(predictor.predict(&fixture.view), Some(predicted));
        assert_eq!(
            predictor.last.as_ref().map(|(gossip, _, _)| std::ptr::from_ref(&gossip.actors[0])),
            made_of
        );
    }
}
