//! A violated claim, with the time of its violation.

use std::fmt;
use std::time::Duration;

/// A violated claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The virtual time of the violation.
    pub at: Duration,
    /// The name of the claim.
    pub claim: &'static str,
    /// The incarnation, and what is wrong.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3}s: {}", self.claim, self.at.as_secs_f64(), self.text)
    }
}
