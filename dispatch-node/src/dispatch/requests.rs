//! The requests whose replies are due: commands that wait for a city's answer, and the replies
//! remembered by idempotency key.
//!
//! Invariant: each request has one reply. A command that is not answered in time gets the reply
//! that its outcome is unknown; by then it has expired at the city.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::{NodeName, Now};
use shared::hero::{HeroId, HeroName};

use super::event::Event;
use crate::request::{Action, Assign, Bomb, Operation, Outcome, RequestError, Ticket};

/// The time for which a city's answer is waited for. A command that has expired by then was not
/// carried out.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_700);
/// The number of idempotency keys that are remembered.
pub(super) const KEYS_MAX: usize = 1_000;

/// The requests whose replies are due.
#[derive(Debug, Default)]
pub(super) struct Requests {
    newest: u64,
    pending: BTreeMap<u64, PendingCommand>,
    keys: IdempotencyKeys,
}

/// A command that was sent to a city, and waits for the city's answer.
#[derive(Debug)]
pub(super) struct PendingCommand {
    pub(super) city: NodeName,
    pub(super) command: Commanded,
    deadline: Duration,
}

/// The operation that a city was commanded to carry out.
#[derive(Debug)]
pub(super) enum Commanded {
    Assign {
        ticket: Ticket<Assign>,
        hero: HeroId,
    },
    Bomb {
        ticket: Ticket<Bomb>,
        /// The heroes that only this city holds.
        at_stake: Vec<(HeroId, HeroName)>,
    },
}

impl PendingCommand {
    fn is_bomb(&self) -> bool {
        matches!(self.command, Commanded::Bomb { .. })
    }
}

impl Requests {
    /// Returns the outcome of a request that its idempotency key already decides. Otherwise
    /// remembers the key: the request is under way.
    pub(super) fn admit(&mut self, key: Option<&str>, action: &Action) -> Option<Outcome> {
        let key = key?;
        let outcome = self.keys.outcome(key, action);
        if outcome.is_none() {
            self.keys.remember(key.to_owned(), action.clone());
        }
        outcome
    }

    /// Notes a command that is about to be sent. Returns the number that its answer will carry.
    pub(super) fn begin(&mut self, now: Now, city: NodeName, command: Commanded) -> u64 {
        self.newest += 1;
        self.pending.insert(
            self.newest,
            PendingCommand { city, command, deadline: now.mono + ANSWER_TIMEOUT },
        );
        self.newest
    }

    /// Takes the command with this number, if it was sent to `city`.
    pub(super) fn take(&mut self, number: u64, city: NodeName) -> Option<PendingCommand> {
        self.pending.get(&number).filter(|pending| pending.city == city)?;
        self.pending.remove(&number)
    }

    /// Takes the bombs that were sent to `city`.
    pub(super) fn take_bombs(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && pending.is_bomb())
    }

    /// Takes the commands that were lost with the link to `city`. A bomb is none of them: whether
    /// it hit is known when the city is back.
    pub(super) fn take_lost(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && !pending.is_bomb())
    }

    /// Takes the commands that were not answered in time.
    pub(super) fn take_expired(&mut self, now: Now) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.deadline <= now.mono)
    }

    /// Takes all commands.
    pub(super) fn take_all(&mut self) -> Vec<PendingCommand> {
        self.take_if(|_| true)
    }

    fn take_if(&mut self, fits: impl Fn(&PendingCommand) -> bool) -> Vec<PendingCommand> {
        self.pending
            .extract_if(.., |_, pending| fits(pending))
            .map(|(_, pending)| pending)
            .collect()
    }

    /// Returns the reply to a request, and remembers it by the request's key.
    pub(super) fn settle<O: Operation>(
        &mut self,
        ticket: Ticket<O>,
        outcome: Result<O::Reply, RequestError>,
    ) -> Event {
        let reply = outcome.map(O::into_reply);
        if let Some(key) = ticket.key {
            self.keys.settle(&key, &reply);
        }
        Event::Reply { ticket: ticket.number, reply }
    }

    /// Returns the reply to a command whose outcome will not be known.
    pub(super) fn give_up(
        &mut self,
        PendingCommand { city, command, .. }: PendingCommand,
    ) -> Event {
        let unknown = RequestError::Unknown { city };
        match command {
            Commanded::Assign { ticket, .. } => self.settle(ticket, Err(unknown)),
            Commanded::Bomb { ticket, .. } => self.settle(ticket, Err(unknown)),
        }
    }

    /// Returns the time at which the next command is given up.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pending.values().map(|pending| pending.deadline).min()
    }
}

/// The newest idempotency keys, with what was requested and what came of it.
#[derive(Debug, Default)]
struct IdempotencyKeys {
    known: BTreeMap<String, (Action, Option<Outcome>)>,
    by_age: VecDeque<String>,
}

impl IdempotencyKeys {
    fn outcome(&self, key: &str, action: &Action) -> Option<Outcome> {
        let (before, outcome) = self.known.get(key)?;
        if before != action {
            return Some(Err(RequestError::KeyReused));
        }
        Some(outcome.clone().unwrap_or(Err(RequestError::UnderWay)))
    }

    fn remember(&mut self, key: String, action: Action) {
        self.by_age.push_back(key.clone());
        self.known.insert(key, (action, None));
        while self.by_age.len() > KEYS_MAX {
            let oldest = self.by_age.pop_front().expect("more than none are left");
            self.known.remove(&oldest);
        }
    }

    fn settle(&mut self, key: &str, reply: &Outcome) {
        // A request that was refused may be tried again; one that may have been done may not.
        if matches!(reply, Err(error) if !matches!(error, RequestError::Unknown { .. })) {
            self.known.remove(key);
            self.by_age.retain(|other| other != key);
        } else if let Some((_, outcome)) = self.known.get_mut(key) {
            *outcome = Some(reply.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Reply;
    use gossip::UnixMillis;

    fn now(millis: u64) -> Now {
        Now { mono: Duration::from_millis(millis), wall: UnixMillis(millis) }
    }

    fn gotham() -> NodeName {
        "gotham".parse().unwrap()
    }

    fn bomb(key: Option<&str>) -> Commanded {
        Commanded::Bomb { ticket: Ticket::new(1, key.map(str::to_owned)), at_stake: Vec::new() }
    }

    #[test]
    fn a_command_is_taken_once_and_only_by_the_city_that_it_was_sent_to() {
        let mut requests = Requests::default();
        let number = requests.begin(now(0), gotham(), bomb(None));
        assert_eq!(requests.deadline(), Some(ANSWER_TIMEOUT));
        assert!(requests.take(number, "capitol".parse().unwrap()).is_none());
        assert!(requests.take_lost(gotham()).is_empty(), "it may have hit");
        assert!(requests.take_expired(now(1_699)).is_empty());
        assert!(requests.take(number, gotham()).is_some());
        assert!(requests.take(number, gotham()).is_none() && requests.deadline().is_none());
    }

    #[test]
    fn a_key_gives_the_same_reply_again_unless_nothing_was_done() {
        let mut requests = Requests::default();
        let action = Action::from(Bomb { city: Some(gotham()) });
        assert!(requests.admit(Some("k"), &action).is_none());
        assert!(matches!(requests.admit(Some("k"), &action), Some(Err(RequestError::UnderWay))));
        requests.settle(Ticket::<Bomb>::new(1, Some("k".into())), Err(RequestError::NoCity));
        assert!(requests.admit(Some("k"), &action).is_none(), "it was refused");
        requests.settle(Ticket::<Bomb>::new(1, Some("k".into())), Ok(gotham()));
        assert!(matches!(requests.admit(Some("k"), &action), Some(Ok(Reply::Bombed(_)))));
        let other = Action::from(Bomb { city: None });
        assert!(matches!(requests.admit(Some("k"), &other), Some(Err(RequestError::KeyReused))));
    }
}
