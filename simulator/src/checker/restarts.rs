//! Restart intensity: no window of the given length contains more restarts than allowed.

use std::time::Duration;

/// The restarts of one process after crashes.
#[derive(Clone, Debug, Default)]
pub struct Restarts(Vec<Duration>);

impl Restarts {
    /// Records a restart.
    ///
    /// # Errors
    /// Returns an error if the window that ends at `at` contains more than `max` restarts.
    pub fn note(&mut self, at: Duration, max: usize, window: Duration) -> Result<(), String> {
        self.0.push(at);
        let within = self.0.iter().filter(|restart| at - **restart <= window).count();
        if within > max { Err(format!("{within} restarts within {window:?}")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_above_intensity_is_rejected() {
        let (mut restarts, second) = (Restarts::default(), Duration::from_secs(1));
        assert!(restarts.note(second, 2, second).is_ok());
        assert!(restarts.note(second * 2, 2, second).is_ok());
        assert!(restarts.note(second * 2, 2, second).is_err());
        assert!(restarts.note(second * 4, 2, second).is_ok());
    }
}
