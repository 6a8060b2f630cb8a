//! The forecast as a curve: the data that the forecast returns and the timeline draws.

/// The expected number of differing heroes over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Predicted {
    /// Ordered by time.
    pub(crate) points: Vec<PredictedPoint>,
    /// The same as a sentence: `Expected to converge in 2 to 5 s (90 %)`. A no-break space precedes
    /// each unit.
    pub(crate) sentence: String,
    /// The seconds within which nine runs of ten converge; `None` if it takes too long, or never does.
    pub(crate) within_s: Option<(f64, f64)>,
}

/// The expected number of heroes that differ at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PredictedPoint {
    /// The time from now, in seconds.
    pub(crate) after_s: f64,
    /// The mean.
    pub(crate) mean: f64,
    /// The lower bound in nine runs of ten.
    pub(crate) low: f64,
    /// The upper bound in nine runs of ten.
    pub(crate) high: f64,
}
