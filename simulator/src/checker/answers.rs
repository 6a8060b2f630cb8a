//! Every request is answered exactly once, within a deadline.

use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that a request may stay open.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The open requests: ticket and start time.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<u64, Duration>);

impl Open {
    /// Records a request.
    pub fn opened(&mut self, ticket: u64, at: Duration) {
        self.0.insert(ticket, at);
    }

    /// Removes all requests: the process that received them has ended, and its connections with it.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Restarts the deadline of every request, because the process was frozen until `now`.
    pub fn restart_time(&mut self, now: Duration) {
        self.0.values_mut().for_each(|opened| *opened = now);
    }

    /// Records an answer.
    ///
    /// # Errors
    /// Returns an error if the ticket is not open: it is unknown, or was answered before.
    pub fn answered(&mut self, ticket: u64) -> Result<(), String> {
        self.0
            .remove(&ticket)
            .map(drop)
            .ok_or_else(|| format!("ticket {ticket} was answered but is not open"))
    }

    /// Checks that no request is past its deadline.
    ///
    /// # Errors
    /// Returns an overdue ticket.
    pub fn check_deadlines(&self, now: Duration) -> Result<(), String> {
        match self.0.iter().find(|(_, opened)| now.saturating_sub(**opened) > ANSWER_MAX) {
            Some((ticket, opened)) => {
                Err(format!("ticket {ticket}, opened at {opened:?}, has no answer"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_answer_and_missed_deadline_are_rejected() {
        let mut open = Open::default();
        open.opened(1, Duration::from_secs(1));
        assert!(open.check_deadlines(Duration::from_secs(3)).is_ok());
        assert!(open.check_deadlines(Duration::from_millis(3_001)).is_err());
        assert!(open.answered(1).is_ok());
        assert!(open.answered(1).is_err());
    }
}
