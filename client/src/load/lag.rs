//! The replication lag of writes: a Prometheus histogram that dispatch exports.
//!
//! A histogram yields no exact quantile, only the bucket bound that a quantile is at most.

/// The start of a bucket's line in dispatch's metrics.
const NAME: &str = "superhero_convergence_lag_seconds_bucket{";

/// The cumulative buckets of the histogram: upper bound in seconds and number of writes, in
/// ascending order. The last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lags(Vec<(f64, u64)>);

impl Lags {
    /// Parses the buckets in a metrics page. The result is empty if the page contains none.
    pub(super) fn read(metrics: &str) -> Self {
        let mut buckets: Vec<(f64, u64)> = metrics.lines().filter_map(bucket).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(buckets)
    }

    /// Returns the counts since `before`.
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

    /// Returns the number of writes.
    pub(super) fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// Returns the lowest bucket bound, in seconds, that at least this share of the writes does not
    /// exceed. Infinite if only the last bucket qualifies; `None` without writes.
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

/// Parses a line such as `NAME{node="dispatch",le="0.5"} 7`.
fn bucket(line: &str) -> Option<(f64, u64)> {
    let (labels, count) = line.strip_prefix(NAME)?.rsplit_once("} ")?;
    let bound =
        labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'))?;
    // Prometheus writes the last bound as +Inf, which `f64` parses as infinity.
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
    fn quantile_is_at_most_a_bucket_bound() {
        let lags = Lags::read(&page([50, 99, 100]));
        assert_eq!(
            (lags.count(), lags.at_most(0.5), lags.at_most(0.51), lags.at_most(0.99)),
            (100, Some(0.5), Some(1.0), Some(1.0))
        );
        assert_eq!(lags.at_most(0.999), Some(f64::INFINITY));
    }

    #[test]
    fn earlier_counts_are_subtracted() {
        let lags = Lags::read(&page([50, 60, 60])).since(&Lags::read(&page([50, 50, 50])));
        assert_eq!((lags.count(), lags.at_most(0.5)), (10, Some(1.0)));
        assert_eq!(
            Lags::read(&page([1, 1, 1])).since(&Lags::default()).count(),
            1,
            "an empty histogram subtracts nothing"
        );
    }

    #[test]
    fn page_without_the_histogram_yields_no_quantile() {
        assert_eq!(Lags::read("").at_most(0.5), None);
        assert_eq!(
            Lags::read("superhero_convergence_lag_seconds_bucket{le=\"x\"} y\n<html>").count(),
            0
        );
    }
}
