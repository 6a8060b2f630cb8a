//! Inputs, deadlines and outputs of the machines.
//!
//! Invariant: after every input and every tick, the oracle observes the replica, all outputs are
//! processed, and the next deadline is in the queue.

use std::convert::Infallible;

use gossip::{Now, replica};
use shared::Input;

use super::Cluster;
use super::incarnations::End;
use super::queue::Event;
use crate::machine::Output;
use dispatch_node::dispatch::CREATED;
use dispatch_node::request::Reply;
use location_node::city::FIGHTS;

impl Cluster {
    /// Returns the monotonic and wall clock readings of a process.
    pub(super) fn clock(&mut self, number: usize) -> Now {
        self.processes[number].clock.read(self.now)
    }

    pub(super) fn input(&mut self, number: usize, input: Input<Infallible>) {
        let process = &mut self.processes[number];
        if !process.is_running() {
            return;
        }
        if process.frozen_until.is_some() {
            process.inbox.push(input);
            return;
        }
        let now = self.clock(number);
        self.processes[number].machine.handle(now, input);
        self.take_outputs(number);
    }

    /// Ticks a machine if it is awake and its deadline has passed.
    pub(super) fn tick(&mut self, number: usize) {
        self.processes[number].tick_at = None;
        if !self.processes[number].is_awake() {
            return;
        }
        let now = self.clock(number);
        let machine = &mut self.processes[number].machine;
        if machine.deadline().is_some_and(|deadline| deadline <= now.mono) {
            machine.tick(now);
            self.take_outputs(number);
        } else {
            self.schedule_tick(number);
        }
    }

    pub(super) fn schedule_tick(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let Some(deadline) = process.machine.deadline() else { return };
        let deadline = deadline.max(self.now);
        // A later deadline needs no event: the pending tick finds nothing due and schedules the
        // next.
        if process.tick_at.is_none_or(|at| deadline < at) {
            process.tick_at = Some(deadline);
            let after = deadline - self.now;
            self.schedule(after, Event::Tick(number));
        }
    }

    /// Lets the oracle observe a machine after a step, and processes the outputs of the machine.
    pub(super) fn take_outputs(&mut self, number: usize) {
        let now = self.clock(number);
        let process = &self.processes[number];
        // First of all: the outputs below may refer to writes that the oracle has to have recorded.
        self.oracle.observe(self.now, number, process, process.clock.was_set_back(now));
        self.tally.writes = self.oracle.writes() as u64;
        let mut ended = None;
        while let Some(output) = self.processes[number].machine.poll() {
            match output {
                Output::Send { to, frame } => self.transmit(number, to, frame),
                Output::Bombed => ended = Some(End::Bombed),
                Output::Replica(event) => {
                    self.log(|cluster| format!("{}: {event:?}", cluster.processes[number].name));
                    self.tally.count(&event);
                    self.oracle.replica_event(self.now, &self.processes, number, &event);
                    ended = ended.or(end_by(&event));
                }
                Output::Reply { ticket, reply } => {
                    let incarnation = self.processes[number].me;
                    if let Ok(Reply::Created(created)) = &reply {
                        let amount = i64::try_from(created.len()).expect("plans create a few");
                        self.oracle.increments.note(CREATED, incarnation, amount);
                    }
                    self.oracle.answered(self.now, incarnation, ticket, &reply);
                    self.on_reply(reply);
                }
                Output::Answered(answered) => self.on_answered(number, &answered),
                Output::Fought => {
                    self.oracle.increments.note(FIGHTS, self.processes[number].me, 1);
                }
                Output::Unused => {}
            }
        }
        self.schedule_tick(number);
        // Last of all: ending the incarnation replaces the machine, and the loop reads its outputs.
        if let Some(end) = ended {
            self.end_incarnation(number, end);
        }
    }
}

/// Returns how the incarnation ends if this event of its replica ends it.
fn end_by(event: &replica::Event) -> Option<End> {
    let replica::Event::Superseded { by, halts } = event else { return None };
    Some(if *halts { End::Halted } else { End::Superseded(*by) })
}
