//! How long writes took to reach every city, as dispatch has counted it: a histogram of Prometheus,
//! from which a share of all is known to lie below one of a few bounds.

/// What dispatch calls it.
const NAME: &str = "superhero_convergence_lag_seconds_bucket{";

/// How many writes took at most so many seconds, by rising bounds; the last is infinite, and has
/// them all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lags(Vec<(f64, u64)>);

impl Lags {
    /// Those in a page of metrics; none where it has none.
    pub(super) fn read(metrics: &str) -> Self {
        let mut buckets: Vec<(f64, u64)> = metrics.lines().filter_map(bucket).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(buckets)
    }

    /// Those that came after `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let earlier = |bound: f64| {
            before
                .0
                .iter()
                .find(|(other, _)| other.total_cmp(&bound).is_eq())
                .map_or(0, |(_, count)| *count)
        };
        Self(
            self.0
                .iter()
                .map(|(bound, count)| (*bound, count.saturating_sub(earlier(*bound))))
                .collect(),
        )
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// The least bound in seconds, infinite where it is none of them, below which this share of all
    /// lies. `None` where there are none.
    pub(super) fn at_most(&self, share: f64) -> Option<f64> {
        let all = self.count();
        (all > 0).then(|| {
            self.0
                .iter()
                .find(|(_, count)| *count as f64 >= share * all as f64)
                .map_or(f64::INFINITY, |(bound, _)| *bound)
        })
    }
}

/// `NAME{node="dispatch",le="0.5"} 7`
fn bucket(line: &str) -> Option<(f64, u64)> {
    let (labels, count) = line.strip_prefix(NAME)?.rsplit_once("} ")?;
    let bound =
        labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'))?;
    // Prometheus writes the last as +Inf, which is how an infinite number is read.
    Some((bound.parse().ok()?, count.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(counts: [u64; 3]) -> String {
        let [half, one, all] = counts;
        format!(
            "# TYPE superhero_convergence_lag_seconds histogram\n\
             superhero_convergence_lag_seconds_bucket{{node=\"dispatch\",le=\"0.5\"}} {half}\n\
             superhero_convergence_lag_seconds_bucket{{node=\"dispatch\",le=\"1\"}} {one}\n\
             superhero_convergence_lag_seconds_bucket{{node=\"dispatch\",le=\"+Inf\"}} {all}\n\
             superhero_convergence_lag_seconds_sum{{node=\"dispatch\"}} 7.5\n\
             superhero_convergence_lag_seconds_count{{node=\"dispatch\"}} {all}\n"
        )
    }

    #[test]
    fn a_share_lies_below_a_bound() {
        let lags = Lags::read(&page([50, 99, 100]));
        assert_eq!(
            (lags.count(), lags.at_most(0.5), lags.at_most(0.51), lags.at_most(0.99)),
            (100, Some(0.5), Some(1.0), Some(1.0))
        );
        assert_eq!(lags.at_most(0.999), Some(f64::INFINITY));
    }

    #[test]
    fn what_was_counted_before_is_left_out() {
        let lags = Lags::read(&page([50, 60, 60])).since(&Lags::read(&page([50, 50, 50])));
        assert_eq!((lags.count(), lags.at_most(0.5)), (10, Some(1.0)));
        assert_eq!(
            Lags::read(&page([1, 1, 1])).since(&Lags::default()).count(),
            1,
            "before the first there was nothing"
        );
    }

    #[test]
    fn where_nothing_was_counted_nothing_is_said() {
        assert_eq!(Lags::read("").at_most(0.5), None);
        assert_eq!(
            Lags::read("superhero_convergence_lag_seconds_bucket{le=\"x\"} y\n<html>").count(),
            0
        );
    }
}
