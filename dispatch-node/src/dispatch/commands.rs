//! Executing requests: dispatch's own writes, commands to cities, and the cities' answers.
//!
//! Invariant: each request is answered once, whatever its outcome. All bombs complete in
//! `complete_bomb`, whether the city answered or returned in another incarnation.

use std::sync::Arc;
use std::time::Duration;

use gossip::replica::ForgetError;
use gossip::{NodeName, Now, TraceContext};
use shared::hero::{HeroId, HeroName, Location};
use shared::message::{Command, Done, Refusal};
use shared::{Entry, Frame};

use super::Dispatch;
use super::requests::{self, Commanded, Ending, PendingCommand};
use crate::event_log::{EventKind, LoggedWrite, NewEvent};
use crate::model::tables::TypeTable;
use crate::request::{
    AcceptStamps, Action, Ask, Assign, Bomb, CREATE_MAX, CreateMany, Find, Forget, Log, Operation,
    ReadView, Request, RequestError, SetPace, SetQuiet, Stop, TerminateMany, Ticket, Written,
};
use crate::text::isolated;

/// The time after which a city no longer executes a command.
const COMMAND_EXPIRES: Duration = Duration::from_secs(1);

impl Dispatch {
    pub(super) fn on_request(&mut self, now: Now, Request { ticket, action, trace }: Request) {
        match action {
            Action::Create(create) => {
                let name = create.name.unwrap_or_else(|| self.random.hero_name());
                self.create(now, Ticket::<crate::request::Create>::new(ticket), vec![name]);
            }
            Action::CreateMany(CreateMany { count }) => {
                // The API checks the limit, but scenarios send requests without it.
                let names = (0..count.min(CREATE_MAX)).map(|_| self.random.hero_name()).collect();
                self.create(now, Ticket::<CreateMany>::new(ticket), names);
            }
            Action::Assign(assign) => self.assign(now, Ticket::new(ticket), assign, trace),
            Action::Ask(Ask { city, request }) => {
                let ticket = Ticket::<Ask>::new(ticket);
                if self.observer.answers(city) {
                    let commanded = Commanded::Ask { ticket };
                    self.command(now, city, commanded, Command::Ask(request), trace);
                } else {
                    self.reply(ticket, Err(RequestError::NoAnswer { city }));
                }
            }
            Action::Terminate(terminate) => {
                let outcome = self.terminate(now, terminate.hero);
                self.reply(Ticket::<crate::request::Terminate>::new(ticket), outcome);
            }
            Action::TerminateMany(TerminateMany { heroes }) => {
                let outcome = self.terminate_many(now, &heroes);
                self.reply(Ticket::<TerminateMany>::new(ticket), Ok(outcome));
            }
            Action::Bomb(bomb) => self.bomb(now, Ticket::new(ticket), &bomb, trace),
            Action::Forget(Forget { city }) => {
                let outcome = self.forget(now, city);
                self.reply(Ticket::<Forget>::new(ticket), outcome);
            }
            Action::Inject(inject) => self.inject(now, Ticket::new(ticket), inject),
            Action::Heal(heal) => self.heal(now, Ticket::new(ticket), heal),
            Action::SetPace(SetPace { pace }) => {
                self.set_pace(now, pace);
                self.reply(Ticket::<SetPace>::new(ticket), Ok(pace));
            }
            Action::SetQuiet(SetQuiet { quiet }) => {
                self.set_quiet(now, quiet);
                self.reply(Ticket::<SetQuiet>::new(ticket), Ok(quiet));
            }
            Action::AcceptStamps(request) => {
                let acceptance = self.accept_stamps(now, &request);
                self.reply(Ticket::<AcceptStamps>::new(ticket), Ok(acceptance));
            }
            Action::RunExchange(exchange) => {
                self.begin_exchange(now, Ticket::new(ticket), exchange)
            }
            Action::Stop(stop) => {
                self.end_process(now, Ticket::new(ticket), stop.city, Ending::Stop, trace)
            }
            Action::Kill(kill) => {
                self.end_process(now, Ticket::new(ticket), kill.city, Ending::Kill, trace)
            }
            Action::Log(Log { node, kind, text, heard_from }) => {
                self.log_event(now, NewEvent { node, kind, text, write: None, heard_from });
                self.reply(Ticket::<Log>::new(ticket), Ok(()));
            }
            Action::Find(Find { hero }) => {
                let outcome = self.find(hero).map(|entry| Written { hero, entry });
                self.reply(Ticket::<Find>::new(ticket), outcome);
            }
            Action::ReadView(_) => {
                self.catch_up_for_reader(now);
                let view = self.view(now);
                self.reply(Ticket::<ReadView>::new(ticket), Ok(view));
            }
        }
    }

    fn create<O: Operation<Reply = Vec<Written>>>(
        &mut self,
        now: Now,
        ticket: Ticket<O>,
        names: Vec<String>,
    ) {
        let outcome = self.create_heroes(now, names);
        self.reply(ticket, outcome);
    }

    fn assign(
        &mut self,
        now: Now,
        ticket: Ticket<Assign>,
        Assign { hero, to }: Assign,
        trace: Option<TraceContext>,
    ) {
        let Location::City(city) = to else {
            let outcome = self.send_home(now, hero);
            return self.reply(ticket, outcome);
        };
        // The hero is checked first, so that a deleted one is reported even if the city is
        // unreachable.
        match self.copy_for(city, hero) {
            Err(error) => self.reply(ticket, Err(error)),
            Ok(_) if !self.observer.answers(city) => {
                self.reply(ticket, Err(RequestError::NoAnswer { city }))
            }
            Ok(copy) => self.command(
                now,
                city,
                Commanded::Assign { ticket, hero },
                Command::Assign { hero, to, copy },
                trace,
            ),
        }
    }

    fn bomb(
        &mut self,
        now: Now,
        ticket: Ticket<Bomb>,
        Bomb { city }: &Bomb,
        trace: Option<TraceContext>,
    ) {
        let any = |dispatch: &mut Self| {
            dispatch
                .random
                .choose(dispatch.observer.linked_cities().into_iter())
                .map(|city| city.node)
        };
        let Some(city) = city.or_else(|| any(self)) else {
            return self.reply(ticket, Err(RequestError::NoCity));
        };
        if !self.observer.answers(city) {
            return self.reply(ticket, Err(RequestError::NoAnswer { city }));
        }
        // Before the crash: afterwards the rows no longer show what only this city held.
        let at_stake = self.at_stake(now, city);
        self.command(now, city, Commanded::Bomb { ticket, at_stake }, Command::Bomb, trace);
    }

    fn end_process(
        &mut self,
        now: Now,
        ticket: Ticket<Stop>,
        city: NodeName,
        ending: Ending,
        trace: Option<TraceContext>,
    ) {
        if !self.observer.answers(city) || self.faults.faults.is_frozen(city) {
            return self.reply(ticket, Err(RequestError::NoAnswer { city }));
        }
        let command = match ending {
            Ending::Stop => Command::Stop,
            Ending::Kill => Command::Kill,
        };
        self.command(now, city, Commanded::End { ticket, ending }, command, trace);
    }

    /// Completes the ends of a process whose port is closed. Their answers may be lost with the
    /// process.
    pub(super) fn complete_ends(&mut self, now: Now, city: NodeName) {
        for PendingCommand { command, .. } in self.requests.take_ends(city) {
            if let Commanded::End { ticket, ending } = command {
                let city = self.complete_end(now, city, ending);
                self.reply(ticket, Ok(city));
            }
        }
    }

    fn complete_end(&mut self, now: Now, city: NodeName, ending: Ending) -> NodeName {
        let (kind, text) = match ending {
            Ending::Stop => (EventKind::Stopped, format!("{city} was asked to stop")),
            Ending::Kill => (EventKind::Killed, format!("{city} was killed")),
        };
        self.log(now, city, kind, text);
        city
    }

    /// Returns the heroes that no node other than this city holds, as far as has been observed.
    fn at_stake(&mut self, now: Now, city: NodeName) -> Vec<(HeroId, HeroName)> {
        self.catch_up_a_few(now);
        self.observer.index(city).map(|index| self.comparison.only_at(index)).unwrap_or_default()
    }

    fn command(
        &mut self,
        now: Now,
        city: NodeName,
        commanded: Commanded,
        command: Command,
        trace: Option<TraceContext>,
    ) {
        let request = self.requests.begin(now, city, commanded);
        // The city checks the expiry by its own clock, so estimate that clock.
        let wall = self.observer.city(city).map_or(now.wall, |city| city.wall(now));
        self.send(
            city,
            Frame::Command { request, expires: wall.plus(COMMAND_EXPIRES), trace, command },
        );
    }

    fn forget(&mut self, now: Now, city: NodeName) -> Result<NodeName, RequestError> {
        if self.observer.is_linked(city) {
            return Err(RequestError::StillUp { city });
        }
        self.replica.forget(now, city).map_err(|error| match error {
            ForgetError::Joining => RequestError::Joining { node: self.me() },
            ForgetError::OwnName | ForgetError::NotMember => RequestError::NoAnswer { city },
        })?;
        // Before the reply, so that the next reader sees it.
        self.collect_replica_outputs(now);
        Ok(city)
    }

    pub(super) fn on_answer(
        &mut self,
        now: Now,
        from: NodeName,
        request: u64,
        result: Result<Done, Refusal>,
    ) {
        let Some(pending) = self.requests.take(request, from) else { return };
        match pending.command {
            Commanded::Bomb { ticket, at_stake } => {
                let outcome = match result {
                    Ok(Done::Bombed) => {
                        // The loss of its links may be noticed later.
                        if let Some(city) = self.observer.city_mut(from) {
                            city.note_silent(now.mono);
                        }
                        Ok(self.complete_bomb(now, from, at_stake))
                    }
                    // A wrong type of answer proves nothing about the bomb.
                    Ok(Done::Assigned(_) | Done::Asked(_) | Done::Ending) => {
                        Err(RequestError::Unknown { city: from })
                    }
                    Err(refusal) => Err(refused(from, None, refusal)),
                };
                self.reply(ticket, outcome);
            }
            Commanded::End { ticket, ending } => {
                let outcome = match result {
                    Ok(Done::Ending) => Ok(self.complete_end(now, from, ending)),
                    Ok(Done::Assigned(_) | Done::Asked(_) | Done::Bombed) => {
                        Err(RequestError::Unknown { city: from })
                    }
                    Err(refusal) => Err(refused(from, None, refusal)),
                };
                self.reply(ticket, outcome);
            }
            Commanded::Ask { ticket } => {
                let outcome = match result {
                    Ok(Done::Asked(mut writes)) => {
                        // A city answers for no other node.
                        writes.retain(|(_, entry)| entry.stamp.origin.node == from);
                        self.acknowledge_records(now, &writes);
                        self.pull_soon(now, from);
                        Ok(())
                    }
                    Ok(Done::Assigned(_) | Done::Bombed | Done::Ending) => {
                        Err(RequestError::Unknown { city: from })
                    }
                    Err(refusal) => Err(refused(from, None, refusal)),
                };
                self.reply(ticket, outcome);
            }
            Commanded::Assign { ticket, hero } => {
                let outcome = match result {
                    Ok(Done::Assigned(entry)) => {
                        Ok(self.complete_assignment(now, from, Written { hero, entry }))
                    }
                    Ok(Done::Asked(_) | Done::Bombed | Done::Ending) => {
                        Err(RequestError::Unknown { city: from })
                    }
                    Err(refusal) => Err(refused(from, Some(hero), refusal)),
                };
                self.reply(ticket, outcome);
            }
        }
    }

    /// Notes writes to the types that were acknowledged and may be lost later.
    pub(super) fn acknowledge_records(&mut self, now: Now, writes: &[(HeroId, Arc<Entry>)]) {
        let mut writes = writes
            .iter()
            .filter(|(key, _)| TypeTable::of(*key).is_some_and(TypeTable::can_lose_writes))
            .peekable();
        self.refresh.holdings_changed |= writes.peek().is_some();
        writes.for_each(|(key, entry)| self.comparison.acknowledged(now, *key, entry));
    }

    fn complete_assignment(&mut self, now: Now, city: NodeName, written: Written) -> Written {
        let Written { hero, entry } = &written;
        self.comparison.acknowledged(now, *hero, entry);
        self.refresh.holdings_changed = true;
        self.known.acknowledge(*hero, Arc::clone(entry));
        let name = self.known.name(*hero);
        let text = format!("{} was assigned to {city}", isolated(&name));
        self.log_write(now, city, EventKind::Assigned, text, LoggedWrite::of(*hero, entry));
        self.pull_soon(now, city);
        written
    }

    /// Completes the bombs on a city that returned in another incarnation. Their answers may be
    /// lost, but the new incarnation proves that the old one crashed.
    pub(super) fn complete_bombs(&mut self, now: Now, city: NodeName) {
        for PendingCommand { command, .. } in self.requests.take_bombs(city) {
            if let Commanded::Bomb { ticket, at_stake } = command {
                let city = self.complete_bomb(now, city, at_stake);
                self.reply(ticket, Ok(city));
            }
        }
    }

    fn complete_bomb(
        &mut self,
        now: Now,
        city: NodeName,
        only_there: Vec<(HeroId, HeroName)>,
    ) -> NodeName {
        let event = self.record.log_bomb(now, city, only_there);
        self.logged(now, event);
        city
    }

    pub(super) fn give_up_commands(&mut self, now: Now) {
        let expired = self.requests.take_expired(now);
        self.give_up(expired);
    }

    pub(super) fn give_up(&mut self, pending: Vec<PendingCommand>) {
        for pending in pending {
            let event = requests::give_up(&pending);
            self.event(event);
        }
    }
}

/// Returns the error for a city's refusal. Only a command about a hero can be refused as deleted.
fn refused(city: NodeName, hero: Option<HeroId>, refusal: Refusal) -> RequestError {
    match (refusal, hero) {
        (Refusal::Deleted, Some(hero)) => RequestError::Deleted(hero),
        (Refusal::Deleted, None) => RequestError::Unknown { city },
        (Refusal::Joining, _) => RequestError::Joining { node: city },
        (Refusal::UnknownAtCity, _) => RequestError::UnknownAtCity { city },
        (Refusal::Expired, _) => RequestError::TooLate { city },
        (Refusal::Type(error), _) => RequestError::Type(error),
        (Refusal::TooFarAhead, _) => RequestError::TooFarAhead { node: city },
    }
}
