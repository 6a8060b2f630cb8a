//! A recorded exchange between two cities and dispatch: real frames in the order of their arrival.
//! The seeds of the other targets are taken from it.
//!
//! Invariant: every recording is identical, since machines, clocks and commands are deterministic.

use std::collections::VecDeque;
use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use gossip::wire::Hello;
use gossip::{Incarnation, NodeName, Origin, wire};
use location_node::city::City;
use shared::Frame;
use shared::options::well_known_name;

use crate::command;
use crate::harness::{DISPATCH, FIRST_INCARNATION, Harness, NAMES, named};
use crate::step::Step;

const GOTHAM: usize = 0;
const METROPOLIS: usize = 1;

/// The length of the recording, enough for rounds, commands, a fault and a deletion.
const LENGTH: Duration = Duration::from_secs(8);
/// The time between two steps of all clocks.
const STEP_MS: u16 = 100;
/// The commands of dispatch as (step, verb, subject), each executed after its step: create, assign,
/// cut, heal, pause, resume, exchange, terminate, bomb, view.
const COMMANDS: [(u32, u8, u8); 12] = [
    (12, 0, 0),
    (13, 0, 0),
    (15, 10, 0),
    (25, 1, 0),
    (30, 6, 1),
    (40, 7, 0),
    (45, 8, 0),
    (47, 8, 1),
    (50, 9, 1),
    (55, 3, 0),
    (60, 4, 1),
    (70, 10, 0),
];
/// The number of seeds kept of each kind of frame.
const OF_EACH_KIND: usize = 6;

/// A recorded exchange.
#[derive(Debug)]
pub struct Exchange {
    /// The steps of gotham.
    pub gotham: Vec<Step>,
    /// The steps of dispatch.
    pub dispatch: Vec<Step>,
    frames: Vec<Frame>,
}

impl Exchange {
    /// Records the exchange of gotham, metropolis and dispatch without faulty input.
    ///
    /// # Panics
    /// When no frame was sent.
    #[must_use]
    pub fn record() -> Self {
        let mut recorder = Recorder::new();
        for (one, other) in [(GOTHAM, METROPOLIS), (GOTHAM, DISPATCH), (METROPOLIS, DISPATCH)] {
            recorder.step(one, Step::LinkUp(other, FIRST_INCARNATION));
            recorder.step(other, Step::LinkUp(one, FIRST_INCARNATION));
        }
        let steps = LENGTH.as_millis() / u128::from(STEP_MS);
        for step in 0..u32::try_from(steps).expect("seconds fit") {
            for node in [GOTHAM, METROPOLIS, DISPATCH] {
                recorder.step(node, Step::Wait(STEP_MS));
            }
            for (_, verb, subject) in COMMANDS.into_iter().filter(|(at, ..)| *at == step) {
                recorder.step(DISPATCH, Step::Command(verb, subject));
            }
        }
        assert!(!recorder.exchange.frames.is_empty(), "no frame was sent");
        recorder.exchange
    }

    /// Returns some frames of each kind, the longest first.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames: Vec<Vec<u8>> = self.frames.iter().map(wire::encode).collect();
        frames.sort_by_key(|bytes| std::cmp::Reverse(bytes.len()));
        frames.dedup();
        // The first byte is the kind of frame. The kind of step in a round follows the two origins
        // of variable length, so the frame length is used to distinguish steps; that is good
        // enough.
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for bytes in frames {
            let alike = |other: &&Vec<u8>| other[0] == bytes[0] && other.len() == bytes.len();
            if kept.iter().filter(alike).count() < OF_EACH_KIND {
                kept.push(bytes);
            }
        }
        kept
    }
}

/// Returns the hello of gotham.
#[must_use]
pub fn hello() -> Hello {
    let incarnation = Incarnation::at(1_795_217_670_917);
    let node = Origin { node: named(GOTHAM), incarnation };
    Hello {
        cluster: "superhero".parse().expect("a valid name"),
        node,
        joined: true,
        advertised: None,
        nonce: [7; 32],
    }
}

/// Three machines, the frames between them, and the recording.
struct Recorder {
    gotham: Harness<City>,
    metropolis: Harness<City>,
    dispatch: Harness<Dispatch>,
    in_flight: VecDeque<InFlight>,
    exchange: Exchange,
}

/// A frame that was sent but not received yet.
struct InFlight {
    from: usize,
    to: usize,
    frame: Frame,
}

impl Recorder {
    fn new() -> Self {
        Self {
            gotham: Harness::city(GOTHAM),
            metropolis: Harness::city(METROPOLIS),
            dispatch: Harness::dispatch(),
            in_flight: VecDeque::new(),
            exchange: Exchange { gotham: Vec::new(), dispatch: Vec::new(), frames: Vec::new() },
        }
    }

    /// Executes a step at a node, then delivers frames until none is in flight.
    fn step(&mut self, node: usize, step: Step) {
        self.step_alone(node, step);
        while let Some(InFlight { from, to, frame }) = self.in_flight.pop_front() {
            let step = Step::Frame { from, readdressed: false, bytes: wire::encode(&frame) };
            self.exchange.frames.push(frame);
            self.step_alone(to, step);
        }
    }

    fn step_alone(&mut self, node: usize, step: Step) {
        let sent = match node {
            GOTHAM => {
                self.exchange.gotham.push(step.clone());
                self.gotham.step(step, |_, _, _| None).0
            }
            METROPOLIS => self.metropolis.step(step, |_, _, _| None).0,
            _ => {
                self.exchange.dispatch.push(step.clone());
                let command = |dispatch: &Dispatch, verb, subject| {
                    Some(command::numbered(dispatch, verb, subject))
                };
                self.dispatch.step(step, command).0
            }
        };
        self.in_flight.extend(
            sent.into_iter().filter_map(|(name, frame)| {
                Some(InFlight { from: node, to: present(name)?, frame })
            }),
        );
    }
}

/// Returns the number of a node in the exchange; `None` for capitol, which is not part of it.
fn present(name: NodeName) -> Option<usize> {
    [GOTHAM, METROPOLIS, DISPATCH].into_iter().find(|index| well_known_name(NAMES[*index]) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn exchange_contains_frames_of_every_kind() {
        let kinds: BTreeSet<u8> =
            Exchange::record().frames().iter().map(|bytes| bytes[0]).collect();
        // All kinds except reports, which processes send, not machines.
        assert_eq!(kinds, (0..=5).collect());
    }
}
