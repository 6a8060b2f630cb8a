//! The requests that wait for a city's answer, and the replies stored by idempotency key.
//!
//! Invariant: each request has one reply. A command that is not answered in time is answered with
//! an unknown outcome; by then it has expired at the city.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::{NodeName, Now};
use shared::hero::{HeroId, HeroName};

use super::event::Event;
use crate::request::{Action, Assign, Bomb, Operation, Outcome, RequestError, Ticket};

/// The time to wait for a city's answer. It is longer than `COMMAND_EXPIRES`, so a command that was
/// not executed by then never is.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_700);
/// The number of idempotency keys that are stored.
pub(super) const KEYS_MAX: usize = 1_000;

/// The requests that wait for a reply.
#[derive(Debug, Default)]
pub(super) struct Requests {
    newest: u64,
    pending: BTreeMap<u64, PendingCommand>,
    keys: IdempotencyKeys,
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
    Bomb {
        ticket: Ticket<Bomb>,
        /// The heroes that no other node holds.
        at_stake: Vec<(HeroId, HeroName)>,
    },
}

impl PendingCommand {
    fn is_bomb(&self) -> bool {
        matches!(self.command, Commanded::Bomb { .. })
    }
}

impl Requests {
    /// Returns the outcome of a request if its idempotency key already decides it. Otherwise stores
    /// the key: the request is in progress.
    pub(super) fn admit(&mut self, key: Option<&str>, action: &Action) -> Option<Outcome> {
        let key = key?;
        let outcome = self.keys.outcome(key, action);
        if outcome.is_none() {
            self.keys.remember(key.to_owned(), action.clone());
        }
        outcome
    }

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

    /// Removes and returns the commands that were lost with the link to `city`. Bombs stay: the
    /// next incarnation of the city shows whether they took effect.
    pub(super) fn take_lost(&mut self, city: NodeName) -> Vec<PendingCommand> {
        self.take_if(|pending| pending.city == city && !pending.is_bomb())
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

    /// Returns the reply to a request, and stores it under the request's key.
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

    /// Returns the reply to a command whose outcome stays unknown.
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

    /// Returns the time at which the next command times out.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pending.values().map(|pending| pending.deadline).min()
    }
}

/// The newest idempotency keys, with the operation and its outcome.
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
            let oldest = self.by_age.pop_front().expect("the queue is longer than KEYS_MAX");
            self.known.remove(&oldest);
        }
    }

    fn settle(&mut self, key: &str, reply: &Outcome) {
        // A refused request may be repeated; one with an unknown outcome may have been executed.
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
    fn command_is_answered_once_and_only_by_its_city() {
        let mut requests = Requests::default();
        let number = requests.begin(now(0), gotham(), bomb(None));
        assert_eq!(requests.deadline(), Some(ANSWER_TIMEOUT));
        assert!(requests.take(number, "capitol".parse().unwrap()).is_none());
        assert!(requests.take_lost(gotham()).is_empty(), "a bomb may have hit");
        assert!(requests.take_expired(now(1_699)).is_empty());
        assert!(requests.take(number, gotham()).is_some());
        assert!(requests.take(number, gotham()).is_none() && requests.deadline().is_none());
    }

    #[test]
    fn key_repeats_the_reply_unless_nothing_was_done() {
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
