//! Execution of plan steps, and the end of all faults.
//!
//! Invariant: every fault except clock drift expires or ends with `heal`. After `heal` the network
//! is perfect and all clocks are correct.

use std::time::Duration;

use dispatch_node::request;
use gossip::{LinkDown, UnixMillis};
use shared::hero::HeroId;

use super::Cluster;
use super::links::SILENCE_TIMEOUT;
use super::queue::Event;
use crate::plan::{Action, Noise};
use crate::process::State;
use crate::wall_clock::WallClock;

impl Cluster {
    pub(super) fn carry_out(&mut self, action: Action) {
        self.log(|_| format!("-- {action}"));
        if let Some(kind) = action.fault() {
            self.tally.faults[kind] += 1;
        }
        let Some(action) = self.on_processes(action) else { return };
        match action {
            Action::Found { city, stays } => self.found(city, stays),
            Action::Request(request) => {
                let action = self.action(&request);
                self.ask(action);
            }
            Action::Ask { node, ask } => self.ask_type(node, &ask),
            Action::Bomb(city) => {
                let city = Some(self.processes[city].name);
                self.ask(request::Bomb { city });
            }
            Action::Cut { a, b, both, silent, lasts } => self.cut(a, b, both, silent, lasts),
            Action::Split { side, lasts } => self.split(side, lasts),
            Action::Flap { a, b, period, times } => {
                (0..times).for_each(|time| self.schedule(period * time, Event::Break { a, b }));
            }
            Action::Freeze { node, lasts } => self.freeze(node, lasts),
            Action::Reset(node) => self.unlink_all(node),
            Action::Kill { node, down } => {
                if self.processes[node].is_running() {
                    self.stop(node, down);
                }
            }
            Action::Jump { node, by_ms, lasts } => {
                let nodes = node.map_or(0..self.processes.len(), |node| node..node + 1);
                for node in nodes {
                    self.processes[node].clock.jump_ms += by_ms;
                    self.schedule(lasts, Event::SetRight { node, by_ms });
                }
            }
            Action::Forget { city, keep_running, away } => self.forget(city, keep_running, away),
            Action::Double { city, side, lasts } => {
                let clock = self.draw_clock();
                self.double(city, clock, side, lasts);
            }
            Action::Clone { city, side, lasts } => {
                if self.processes[city].is_running() {
                    self.stop(city, Duration::ZERO);
                    self.start(city);
                    let clock = self.processes[city].clock.clone();
                    self.double(city, clock, side, lasts);
                }
            }
            Action::Lose { node, keys } => {
                let lost = |key: HeroId| keys >> (key.as_bytes()[0] % 128) & 1 == 1;
                self.processes[node].machine.lose_entries(lost);
            }
            Action::Lie { city } => self.liar = Some(city),
        }
    }

    /// Replaces the number of a founded city by that of its process. `None` before it is founded.
    fn on_processes(&self, mut action: Action) -> Option<Action> {
        match &mut action {
            Action::Bomb(node)
            | Action::Cut { a: node, .. }
            | Action::Freeze { node, .. }
            | Action::Reset(node)
            | Action::Kill { node, .. }
            | Action::Forget { city: node, .. }
            | Action::Double { city: node, .. }
            | Action::Ask { node, .. } => *node = self.process_of(*node)?,
            Action::Request(_)
            | Action::Split { .. }
            | Action::Flap { .. }
            | Action::Jump { .. }
            | Action::Clone { .. }
            | Action::Found { .. }
            | Action::Lose { .. }
            | Action::Lie { .. } => {}
        }
        if let Action::Cut { b, .. } = &mut action {
            *b = self.process_of(*b)?;
        }
        Some(action)
    }

    fn cut(&mut self, a: usize, b: usize, both: bool, silent: bool, lasts: Duration) {
        self.network.block(a, b, self.now + lasts);
        if both {
            self.network.block(b, a, self.now + lasts);
        }
        if silent {
            self.schedule(SILENCE_TIMEOUT, Event::Silence { a, b });
        } else {
            self.unlink(a, b, LinkDown::Lost);
        }
    }

    fn split(&mut self, side: u128, lasts: Duration) {
        for b in 0..=self.configured {
            for a in (0..b).filter(|a| is_on(side, *a) != is_on(side, b)) {
                self.cut(a, b, true, false, lasts);
            }
        }
    }

    fn freeze(&mut self, node: usize, lasts: Duration) {
        if !self.processes[node].is_running() {
            return;
        }
        self.processes[node].frozen_until = Some(self.now + lasts);
        self.schedule(lasts, Event::Thaw(node));
        // The links stay up: the peers detect a freeze only by its silence.
        for peer in self.network.peers(node) {
            self.schedule(SILENCE_TIMEOUT, Event::Silence { a: node, b: peer });
        }
    }

    fn forget(&mut self, city: usize, keep_running: bool, away: Duration) {
        if keep_running {
            let founded: Vec<usize> = self.founded.values().copied().collect();
            let others = (0..=self.configured).chain(founded).filter(|other| *other != city);
            for other in others {
                self.cut(city, other, true, false, away);
            }
        } else if self.processes[city].is_running() {
            self.stop(city, away);
        }
        // During the absence, so that the city returns after it was forgotten.
        self.schedule(away / 2, Event::Forget(city));
    }

    fn double(&mut self, city: usize, clock: WallClock, side: u128, lasts: Duration) {
        if self.processes[city].has_left {
            return;
        }
        let double = self.add_process(self.processes[city].name, clock);
        let others = (0..self.processes.len()).filter(|other| ![city, double].contains(other));
        for other in others {
            let hidden = if is_on(side, other) { city } else { double };
            self.cut(hidden, other, true, false, lasts);
        }
    }

    /// Ends all faults. If a vector contains stamps beyond the accepted drift, they are accepted, as
    /// the documentation advises an operator to do.
    pub(crate) fn heal(&mut self) {
        self.steps.clear();
        // Deliveries, silences and starts stay in the queue: they are effects that may still
        // arrive.
        self.queue.retain(|event| {
            !matches!(
                event,
                Event::Step(_)
                    | Event::Break { .. }
                    | Event::Forget(_)
                    | Event::Leave(_)
                    | Event::SetRight { .. }
            )
        });
        let Noise { fights, city_gossip, .. } = self.noise;
        self.noise = Noise { fights, city_gossip, ..Noise::none() };
        self.network.unblock_all();
        if let Some(liar) = self.liar.take()
            && self.processes[liar].is_running()
        {
            self.stop(liar, Duration::ZERO);
        }
        for city in self.founded.clone().into_values() {
            if self.processes[city].has_left {
                self.forget_repeatedly(city);
            }
        }
        self.accept_latest();
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            process.clock.set_right();
            // Due at once, for the `thaw` below.
            process.frozen_until = process.frozen_until.map(|_| self.now);
            if process.state == State::Down {
                self.start(number);
            }
            self.thaw(number);
            if self.processes[number].is_running() {
                self.dial_all(number);
            }
        }
    }

    /// Accepts all stamps at all processes, as the documentation advises an operator to do. A command
    /// in flight during [`heal`](Self::heal) may still bring an earlier one to a city, so it is
    /// repeated.
    pub(crate) fn accept_latest(&mut self) {
        self.accepted = self.latest_stamp();
        for number in 0..self.processes.len() {
            self.processes[number].clock.accept(self.accepted);
        }
    }

    /// Returns the latest wall time in any stamp that a running process covers.
    fn latest_stamp(&self) -> UnixMillis {
        let running = || self.processes.iter().filter(|process| process.is_running());
        let stamps = running().flat_map(|process| process.replica().vector().iter());
        let times = stamps.map(|stamp| stamp.hlc.wall.0.max(stamp.origin.incarnation.number()));
        // An incarnation without a slot yet will get one.
        let started = running().map(|process| process.incarnation().number());
        times.chain(started).max().map_or(UnixMillis::default(), UnixMillis)
    }
}

/// Returns whether the bit of this node is set.
fn is_on(side: u128, node: usize) -> bool {
    side >> (node % 128) & 1 == 1
}
