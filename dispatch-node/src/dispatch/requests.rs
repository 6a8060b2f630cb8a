//! The requests that wait for a city's answer.
//!
//! Invariant: each request has one reply. A command that is not answered in time is answered with
//! an unknown outcome; by then it has expired at the city.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip::{NodeName, Now};
use shared::hero::{HeroId, HeroName};

use super::event::Event;
use crate::request::{Ask, Assign, Bomb, Operation, RequestError, Stop, Ticket};

/// The time to wait for a city's answer. It is longer than `COMMAND_EXPIRES`, so a command that was
/// not executed by then never is.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_700);

/// The requests that wait for a reply.
#[derive(Debug, Default)]
pub(super) struct Requests {
    newest: u64,
    pending: BTreeMap<u64, PendingCommand>,
}

/// A command that was sent to a city and is not answered yet.
#[derive(Debug)]
pub(super) struct PendingCommand {
    pub(super) city: NodeName,
    pub(super) command: Commanded,
    deadline: Duration,
}

/// The operation that a city was commanded to execute.
#[derive(Debug)]
pub(super) enum Commanded {
    Assign {
        ticket: Ticket<Assign>,
        hero: HeroId,
    },
    Ask {
        ticket: Ticket<Ask>,
    },
    Bomb {
        ticket: Ticket<Bomb>,
        /// The heroes that no other node holds.
        at_stake: Vec<(HeroId, HeroName)>,
    },
    /// The end of the city's process.
    End {
        /// Of a stop or a kill, which have the same reply.
        ticket: Ticket<Stop>,
        ending: Ending,
    },
}

/// The way in which a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Stop,
    Kill,
}

impl PendingCommand {
    fn is_bomb(&self) -> bool {
        matches!(self.command, Commanded::Bomb { .. })
    }

    fn is_end(&self) -> bool {
        matches!(self.command, Commanded::End { .. })
    }
}

impl Requests {
    /// Registers a command that is about to be sent. Returns the number that its answer will carry.
    pub(super) fn begin(&mut self, now: Now, city: NodeName, command: Commanded) -> u64 {
        self.newest += 1;
        self.pending.insert(
            self.newest,
            PendingCommand { city, command, deadline: now.mono + ANSWER_TIMEOUT },
        );
        self.newest
    }

    /// Removes and returns the command with this number, if it was sent to `city`.
    pub(super) fn take(&mut self, number: u64, city: NodeName) -> Option<PendingCommand> {
        self.pending.get(&number).filter(|pending| pending.city == city)?;
        self.pending.remove(&number)
    }

    /// Removes and returns the bombs that were sent to `city`.
    pub(super) fn take_bombs(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && pending.is_bomb())
    }

    /// Removes and returns the ends of the process of `city`.
    pub(super) fn take_ends(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && pending.is_end())
    }

    /// Removes and returns the commands that were lost with the link to `city`. Bombs and ends of
    /// the process stay: the next incarnation of the city shows whether a bomb took effect, its
    /// closed port whether its process has ended.
    pub(super) fn take_lost(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && !pending.is_bomb() && !pending.is_end())
    }

    /// Removes and returns the commands that were not answered in time.
    pub(super) fn take_expired(&mut self, now: Now) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.deadline <= now.mono)
    }

    /// Removes and returns all commands.
    pub(super) fn take_all(&mut self) -> Vec<PendingCommand> {
        self.take_if(|_| true)
    }

    fn take_if(&mut self, fits: impl Fn(&PendingCommand) -> bool) -> Vec<PendingCommand> {
        self.pending
            .extract_if(.., |_, pending| fits(pending))
            .map(|(_, pending)| pending)
            .collect()
    }

    /// Returns the time at which the next command times out.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pending.values().map(|pending| pending.deadline).min()
    }
}

/// Returns the reply to a request.
pub(super) fn answer<O: Operation>(
    ticket: &Ticket<O>,
    outcome: Result<O::Reply, RequestError>,
) -> Event {
    Event::Reply { ticket: ticket.number, reply: outcome.map(O::into_reply) }
}

/// Returns the reply to a command whose outcome stays unknown.
pub(super) fn give_up(PendingCommand { city, command, .. }: &PendingCommand) -> Event {
    let unknown = RequestError::Unknown { city: *city };
    match command {
        Commanded::Assign { ticket, .. } => answer(ticket, Err(unknown)),
        Commanded::Ask { ticket } => answer(ticket, Err(unknown)),
        Commanded::Bomb { ticket, .. } => answer(ticket, Err(unknown)),
        Commanded::End { ticket, .. } => answer(ticket, Err(unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;

    fn now(millis: u64) -> Now {
        Now::new(Duration::from_millis(millis), UnixMillis(millis))
    }

    fn gotham() -> NodeName {
        "gotham".parse().unwrap()
    }

    fn bomb() -> Commanded {
        Commanded::Bomb { ticket: Ticket::new(1), at_stake: Vec::new() }
    }

    #[test]
    fn command_is_answered_once_and_only_by_its_city() {
        let mut requests = Requests::default();
        let number = requests.begin(now(0), gotham(), bomb());
        assert_eq!(requests.deadline(), Some(ANSWER_TIMEOUT));
        assert!(requests.take(number, "capitol".parse().unwrap()).is_none());
        assert!(requests.take_lost(gotham()).is_empty(), "a bomb may have hit");
        assert!(requests.take_expired(now(1_699)).is_empty());
        assert!(requests.take(number, gotham()).is_some());
        assert!(requests.take(number, gotham()).is_none() && requests.deadline().is_none());
    }
}
