//! A harness that runs a machine step by step, like its driver, with simulated clocks and links.
//!
//! Claims after each step: nothing panics; every sent frame decodes to itself and is within the
//! size limit of a link; the number of ticks at one time and the number of sent frames are bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_node::dispatch::{self, Dispatch};
use gossip::wire::FRAME_BYTES_MAX;
use gossip::{Incarnation, LinkDown, NodeName, Now, Origin, UnixMillis, replica, wire};
use location_node::city::{self, City};
use shared::options::{well_known_cities, well_known_name};
use shared::process::HeroNode;
use shared::{Frame, Input, Output};

use crate::step::{PEERS, Step};

/// The nodes by their numbers in steps.
pub const NAMES: [&str; PEERS] = ["gotham", "metropolis", "capitol", "dispatch"];
/// The number of dispatch in [`NAMES`].
pub const DISPATCH: usize = 3;
/// The clocks at the start.
pub const BEGIN: Now = Now::new(Duration::from_secs(1), UnixMillis(1_795_217_670_000));
/// The number of the first incarnation of every node.
pub const FIRST_INCARNATION: u8 = 16;

/// The most ticks at one time. A machine that needs more would keep its driver busy forever.
const TICKS_MAX: usize = 64;
/// The most frames sent in one step: a window of chunks to each peer, and some others.
const FRAMES_MAX: usize = 64;

/// A machine, its clocks and its links.
#[derive(Debug)]
pub struct Harness<M> {
    /// The machine under test.
    pub machine: M,
    /// The clocks; only [`Step::Wait`] advances them.
    pub now: Now,
    me: Origin,
    links: BTreeMap<NodeName, Incarnation>,
}

/// Returns the name of the node with this number.
///
/// # Panics
/// When the number is not below [`PEERS`].
#[must_use]
pub fn named(index: usize) -> NodeName {
    well_known_name(NAMES[index])
}

/// Returns the incarnation with this number.
fn incarnation(number: u8) -> Incarnation {
    Incarnation::at(BEGIN.wall.0 - 2 * u64::from(FIRST_INCARNATION) + 2 * u64::from(number))
}

fn replica_config() -> replica::Config {
    replica::Config {
        members: NAMES.map(well_known_name).into(),
        carriers: [well_known_name("dispatch")].into(),
        ..replica::Config::default()
    }
}

impl Harness<City> {
    /// Returns the city with this number in [`NAMES`].
    #[must_use]
    pub fn city(index: usize) -> Self {
        let second = Some(Duration::from_secs(1));
        let config = city::Config {
            gossip_interval: second,
            patrol_interval: second,
            fight_interval: second,
            replica: replica_config(),
        };
        Self::new(index, |me| City::new(me, config, 0, 7, BEGIN))
    }
}

impl Harness<Dispatch> {
    /// Returns dispatch.
    #[must_use]
    pub fn dispatch() -> Self {
        let second = Some(Duration::from_secs(1));
        let config = dispatch::Config {
            cities: well_known_cities(),
            gossip_interval: second,
            poll_interval: second,
            events_max: 4_000,
            replica: replica_config(),
        };
        Self::new(DISPATCH, |me| Dispatch::new(me, config, 7, BEGIN))
    }
}

impl<M: HeroNode> Harness<M> {
    fn new(index: usize, begin: impl FnOnce(Origin) -> M) -> Self {
        let me = Origin { node: named(index), incarnation: incarnation(FIRST_INCARNATION) };
        Self { machine: begin(me), now: BEGIN, me, links: BTreeMap::new() }
    }

    /// Executes one step. Returns the sent frames, each with its receiver, and the reported events.
    /// `command` returns the command of a [`Step::Command`].
    ///
    /// # Panics
    /// When a claim does not hold.
    pub fn step(
        &mut self,
        step: Step,
        command: impl FnOnce(&M, u8, u8) -> Option<M::Command>,
    ) -> (Vec<(NodeName, Frame)>, Vec<M::Event>) {
        match step {
            Step::LinkUp(peer, number) if named(peer) != self.me.node => {
                self.link_up(named(peer), incarnation(number));
            }
            Step::LinkUp(..) => {}
            Step::LinkDown(peer) => self.link_down(named(peer)),
            Step::Wait(ms) => self.wait(Duration::from_millis(ms.into())),
            Step::Command(verb, subject) => {
                if let Some(command) = command(&self.machine, verb, subject) {
                    self.machine.handle(self.now, Input::Command(command));
                }
            }
            Step::Frame { from, readdressed, bytes } => {
                self.receive(named(from), readdressed, &bytes);
            }
        }
        self.drain()
    }

    fn link_up(&mut self, peer: NodeName, incarnation: Incarnation) {
        if self.links.insert(peer, incarnation).is_some() {
            self.machine.handle(self.now, Input::LinkDown { peer, cause: LinkDown::Lost });
        }
        self.machine.handle(self.now, Input::LinkUp { peer, incarnation });
    }

    fn link_down(&mut self, peer: NodeName) {
        if self.links.remove(&peer).is_some() {
            self.machine.handle(self.now, Input::LinkDown { peer, cause: LinkDown::TimedOut });
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = Now::new(self.now.mono + span, self.now.wall.plus(span));
        for _ in 0..TICKS_MAX {
            if self.machine.deadline().is_none_or(|deadline| deadline > self.now.mono) {
                return;
            }
            self.machine.tick(self.now);
        }
        panic!("a deadline is still due after {TICKS_MAX} ticks at one time");
    }

    fn receive(&mut self, from: NodeName, readdressed: bool, bytes: &[u8]) {
        let Some(incarnation) = self.links.get(&from).copied() else { return };
        let Ok(mut frame) = wire::decode(bytes) else { return self.link_down(from) };
        if let (true, Frame::Round(envelope)) = (readdressed, &mut frame) {
            (envelope.from, envelope.to) = (Origin { node: from, incarnation }, self.me);
        }
        match frame {
            // The process handles these; its machine never receives them.
            Frame::Control(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => {}
            Frame::Round(_)
            | Frame::Command { .. }
            | Frame::Answer { .. }
            | Frame::Observe { .. }
            | Frame::Observation(_)
            | Frame::Report(_) => {
                self.machine.handle(self.now, Input::Frame { from, frame });
            }
        }
    }

    fn drain(&mut self) -> (Vec<(NodeName, Frame)>, Vec<M::Event>) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { to, frame } => {
                    let bytes = wire::encode(&frame);
                    assert!(bytes.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", bytes.len());
                    let read = wire::decode(&bytes);
                    assert_eq!(read.as_ref(), Ok(&frame), "a sent frame does not decode to itself");
                    sent.push((to, frame));
                }
                Output::Event(event) => events.push(event),
            }
        }
        assert!(sent.len() <= FRAMES_MAX, "{} frames for one step", sent.len());
        (sent, events)
    }
}
