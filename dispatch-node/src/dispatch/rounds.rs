//! Starting rounds, and carrying those of others.
//!
//! Invariant: a step is carried only if it arrives from its author, and only to a linked
//! incarnation.

use gossip::{NodeName, Now, Origin, replica};
use shared::{Envelope, Frame, Step};

use super::Dispatch;
use super::event::Event;
use super::pending_exchange::PendingExchange;
use crate::event_log::EventKind;
use crate::model::exchange::Exchange;
use crate::request::{RequestError, RunExchange, Ticket};

impl Dispatch {
    /// Starts the rounds that are due: one between two random cities, one from a random node.
    pub(super) fn start_due_rounds(&mut self, now: Now) {
        if self.gossip.carried_is_due(now) {
            let cities = self.observer.linked_cities();
            let pairs = cities
                .iter()
                .flat_map(|source| cities.iter().map(move |puller| (*source, *puller)));
            if let Some((source, puller)) =
                self.random.choose(pairs.filter(|(source, puller)| source != puller))
            {
                self.invite(source, puller);
            }
        }
        if self.gossip.poll_is_due(now) {
            for source in self.polled() {
                self.replica.pull(now, source, source.node, true);
            }
        }
    }

    /// Returns the nodes to pull from: one of the linked cities and other dispatches; as long as this
    /// dispatch waits for some of them before it joins, those.
    fn polled(&mut self) -> Vec<Origin> {
        let others = self.dispatches();
        let others = others.into_iter().filter_map(|dispatch| self.observer.linked(dispatch));
        let linked: Vec<Origin> = self.observer.linked_cities().into_iter().chain(others).collect();
        let awaited = self.replica.awaited_to_join();
        let is_awaited = |source: &&Origin| awaited.contains(&source.node);
        let waits_for: Vec<Origin> = linked.iter().filter(is_awaited).copied().collect();
        if waits_for.is_empty() {
            self.random.choose(linked.into_iter()).into_iter().collect()
        } else {
            waits_for
        }
    }

    fn invite(&mut self, source: Origin, puller: Origin) {
        let invite = Envelope {
            from: self.replica.me(),
            to: puller,
            // The puller numbers the round that follows; an invitation belongs to none.
            round: 0,
            step: Step::Invite { source },
        };
        self.send(puller.node, Frame::Round(invite));
    }

    /// Pulls from a city that has just written, without waiting for the next poll.
    pub(super) fn pull_soon(&mut self, now: Now, city: NodeName) {
        self.write_pulls.schedule(now, city);
        self.pull_from_due_writers(now);
    }

    pub(super) fn pull_from_due_writers(&mut self, now: Now) {
        for city in self.write_pulls.take_due(now) {
            if let Some(origin) = self.observer.linked(city) {
                self.replica.pull(now, origin, city, true);
            }
        }
    }

    pub(super) fn on_round(&mut self, now: Now, from: NodeName, envelope: Envelope) {
        if envelope.to.node != self.me() {
            return self.carry(now, from, envelope);
        }
        self.count_exchange(now, &envelope);
        let before = self.replica.map().changes();
        self.replica.handle(now, from, envelope);
        if self.replica.map().changes() != before {
            self.holdings_changed(now);
        }
    }

    fn carry(&mut self, now: Now, from: NodeName, envelope: Envelope) {
        if envelope.from.node == from && self.observer.linked(envelope.to.node) == Some(envelope.to)
        {
            self.count_exchange(now, &envelope);
            self.send(envelope.to.node, Frame::Round(envelope));
        }
    }

    pub(super) fn collect_replica_outputs(&mut self, now: Now) {
        while let Some(output) = self.replica.poll() {
            match output {
                replica::Output::Send { via, envelope } => {
                    self.count_exchange(now, &envelope);
                    self.send(via, Frame::Round(envelope));
                }
                replica::Output::Event(event) => {
                    if matches!(event, replica::Event::Superseded { .. }) {
                        // This incarnation ends, so no answer will reach it.
                        let pending = self.requests.take_all();
                        self.give_up(pending);
                    }
                    if let Some((node, text)) = self.alarms.on_replica_event(now, &event) {
                        self.log(now, node, EventKind::Alarm, text);
                    }
                    self.note_roster_change(now, &event);
                    self.event(Event::Replica(event));
                }
            }
        }
    }

    pub(super) fn begin_exchange(
        &mut self,
        now: Now,
        ticket: Ticket<RunExchange>,
        RunExchange { source, puller }: RunExchange,
    ) {
        if self.gossip.is_exchanging() {
            return self.reply(ticket, Err(RequestError::ExchangeUnderWay));
        }
        let nodes: Vec<Origin> =
            self.observer.linked_cities().into_iter().chain([self.replica.me()]).collect();
        let pairs =
            nodes.iter().flat_map(|source| nodes.iter().map(move |puller| (*source, *puller)));
        let fits = |wanted: Option<NodeName>, node: Origin| {
            wanted.is_none_or(|wanted| wanted == node.node)
        };
        let fitting =
            pairs.filter(|(from, to)| from != to && fits(source, *from) && fits(puller, *to));
        let Some((source, puller)) = self.random.choose(fitting) else {
            return self.reply(ticket, Err(RequestError::TooFewNodes));
        };
        self.gossip.begin_exchange(PendingExchange::new(ticket, now.mono, source, puller));
        if puller == self.replica.me() {
            // An invitation makes the replica pull even while gossip is paused.
            let invite =
                Envelope { from: source, to: puller, round: 0, step: Step::Invite { source } };
            self.replica.handle(now, source.node, invite);
        } else {
            self.invite(source, puller);
        }
    }

    fn count_exchange(&mut self, now: Now, envelope: &Envelope) {
        if let Some(exchange) = self.gossip.pass(envelope) {
            self.end_exchange(now, exchange);
        }
    }

    pub(super) fn end_overdue_exchange(&mut self, now: Now) {
        if let Some(exchange) = self.gossip.take_overdue_exchange(now) {
            self.end_exchange(now, exchange);
        }
    }

    fn end_exchange(&mut self, now: Now, PendingExchange { ticket, so_far, .. }: PendingExchange) {
        let Exchange { source, puller, completed, bytes, .. } = so_far;
        let transferred = so_far.transferred();
        let text = if completed {
            format!("{puller} pulled {transferred} ({bytes} bytes) from {source}")
        } else {
            format!("{puller} did not finish its pull from {source} in time")
        };
        self.log(now, puller, EventKind::Stepped, text);
        self.reply(ticket, Ok(so_far));
    }
}
