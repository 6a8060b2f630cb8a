//! The forecast as a curve: data between the forecast, which makes it, and the timeline, which
//! draws it.

/// The expected number of differences, from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Predicted {
    /// In the order of time.
    pub(crate) points: Vec<PredictedPoint>,
    /// The same in words: `Agreed in 2 to 5 s, nine runs in ten`.
    pub(crate) sentence: String,
}

/// The expected number of heroes that differ at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PredictedPoint {
    /// The time from now, in seconds.
    pub(crate) after_s: f64,
    /// The mean.
    pub(crate) mean: f64,
    /// The lower bound, in most runs.
    pub(crate) low: f64,
    /// The upper bound, in most runs.
    pub(crate) high: f64,
}
