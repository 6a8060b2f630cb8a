//! Whoever asks is told something, once and in time.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Asks without an answer, and when they were asked.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<u64, Duration>);

impl Open {
    /// Somebody asks.
    pub fn asked(&mut self, ticket: u64, at: Duration) {
        self.0.insert(ticket, at);
    }

    /// The one who was asked died, and so did the line.
    pub fn hang_up(&mut self) {
        self.0.clear();
    }

    /// The one who was asked stood still until now, and cannot be blamed for that time.
    pub fn wait_anew(&mut self, now: Duration) {
        self.0.values_mut().for_each(|asked| *asked = now);
    }

    /// Somebody is told.
    ///
    /// # Errors
    /// Nobody had asked, or was told already.
    pub fn answered(&mut self, ticket: u64) -> Result<(), String> {
        self.0.remove(&ticket).map(drop).ok_or_else(|| format!("answered ticket {ticket}, which nobody holds"))
    }

    /// Looks for somebody who waits too long.
    ///
    /// # Errors
    /// Names the ticket.
    pub fn none_waits_too_long(&self, now: Duration) -> Result<(), String> {
        match self.0.iter().find(|(_, asked)| now.saturating_sub(**asked) > ANSWER_MAX) {
            Some((ticket, asked)) => Err(format!("ticket {ticket}, asked at {asked:?}, has no answer")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_answer_and_a_long_wait_are_caught() {
        let mut open = Open::default();
        open.asked(1, Duration::from_secs(1));
        assert!(open.none_waits_too_long(Duration::from_secs(3)).is_ok());
        assert!(open.none_waits_too_long(Duration::from_millis(3_001)).is_err());
        assert!(open.answered(1).is_ok());
        assert!(open.answered(1).is_err());
    }
}
