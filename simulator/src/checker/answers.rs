//! Every request is answered, once and in time.

use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The requests without an answer, by ticket, with their times.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<u64, Duration>);

impl Open {
    /// Notes a request.
    pub fn asked(&mut self, ticket: u64, at: Duration) {
        self.0.insert(ticket, at);
    }

    /// Drops all requests: the process that took them has ended, and its connections with it.
    pub fn hang_up(&mut self) {
        self.0.clear();
    }

    /// Restarts the time of all requests: the process was frozen until now.
    pub fn restart_time(&mut self, now: Duration) {
        self.0.values_mut().for_each(|asked| *asked = now);
    }

    /// Notes an answer.
    ///
    /// # Errors
    /// When there is no such request, or it was answered already.
    pub fn answered(&mut self, ticket: u64) -> Result<(), String> {
        self.0
            .remove(&ticket)
            .map(drop)
            .ok_or_else(|| format!("answered ticket {ticket}, which nobody holds"))
    }

    /// Looks for a request that waits too long.
    ///
    /// # Errors
    /// Names the ticket.
    pub fn none_waits_too_long(&self, now: Duration) -> Result<(), String> {
        match self.0.iter().find(|(_, asked)| now.saturating_sub(**asked) > ANSWER_MAX) {
            Some((ticket, asked)) => {
                Err(format!("ticket {ticket}, asked at {asked:?}, has no answer"))
            }
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
