//! Supervision keeps to its intensity: no window, wherever it begins, has more restarts than
//! allowed.

use std::time::Duration;

/// The restarts of one process after crashes.
#[derive(Clone, Debug, Default)]
pub struct Restarts(Vec<Duration>);

impl Restarts {
    /// Notes a restart.
    ///
    /// # Errors
    /// When it was one too many.
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
    fn one_restart_too_many_is_caught() {
        let (mut restarts, second) = (Restarts::default(), Duration::from_secs(1));
        assert!(restarts.note(second, 2, second).is_ok());
        assert!(restarts.note(second * 2, 2, second).is_ok());
        assert!(restarts.note(second * 2, 2, second).is_err());
        assert!(restarts.note(second * 4, 2, second).is_ok());
    }
}
