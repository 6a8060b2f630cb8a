//! The forecast as a curve: data between the forecast, which makes it, and the timeline, which draws it.

/// What is predicted, from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Predicted {
    /// In the order of time.
    pub(crate) points: Vec<PredictedPoint>,
    /// The same in words: `Agreed in 2 to 5 s, nine runs in ten`.
    pub(crate) sentence: String,
}

/// How many heroes are predicted to differ at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PredictedPoint {
    /// How long from now, in seconds.
    pub(crate) after_s: f64,
    /// In the mean.
    pub(crate) mean: f64,
    /// At least, in most cases.
    pub(crate) low: f64,
    /// At most, in most cases.
    pub(crate) high: f64,
}
