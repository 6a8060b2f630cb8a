//! The processes of the simulated cluster. Each has a machine, a clock and a restart policy.
//!
//! Invariant: a process keeps its number for the whole run, across all of its incarnations. Cities
//! come first, then dispatch, then founded cities and second processes of a city name.

use std::convert::Infallible;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use gossip::{Incarnation, Intensity, NodeName, Origin};
use shared::{Input, Replica};

use crate::machine::Machine;
use crate::wall_clock::WallClock;

/// The phase of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// The process has exited and will be started again.
    Down,
    /// The process has exited permanently; another process runs under its name.
    Halted,
}

/// One process.
pub(crate) struct Process {
    pub(crate) name: NodeName,
    pub(crate) machine: Machine,
    pub(crate) me: Origin,
    pub(crate) state: State,
    /// True for a founded city that has gone for ever.
    pub(crate) has_left: bool,
    pub(crate) crashes: u32,
    pub(crate) intensity: Intensity,
    pub(crate) clock: WallClock,
    pub(crate) frozen_until: Option<Duration>,
    /// Inputs that arrived during a freeze.
    pub(crate) inbox: Vec<Input<Infallible>>,
    pub(crate) tick_at: Option<Duration>,
}

impl Process {
    pub(crate) fn replica(&self) -> &Replica {
        self.machine.replica()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Returns whether the process is running and not frozen.
    pub(crate) fn is_awake(&self) -> bool {
        self.is_running() && self.frozen_until.is_none()
    }

    pub(crate) fn is_city(&self) -> bool {
        matches!(self.machine, Machine::City(_))
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.me.incarnation
    }
}

/// All processes, by number.
#[derive(Default)]
pub(crate) struct Processes(Vec<Process>);

impl Processes {
    /// Adds a process and returns its number.
    pub(crate) fn add(&mut self, process: Process) -> usize {
        self.0.push(process);
        self.0.len() - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Process> {
        self.0.iter()
    }

    /// Returns the running processes.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Process> {
        self.0.iter().filter(|process| process.is_running())
    }

    /// Returns the running processes, without those that cannot join because another process of
    /// their name has joined.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Process> {
        let is_waiting = |process: &Process| {
            let has_joined = |other: &Process| {
                other.name == process.name && other.me != process.me && other.replica().joined()
            };
            !process.replica().joined() && self.running().any(has_joined)
        };
        self.running().filter(move |process| !is_waiting(process))
    }

    /// Returns whether a later incarnation of the same name runs in another process.
    pub(crate) fn is_superseded(&self, process: &Process) -> bool {
        self.running().any(|other| other.name == process.name && other.me > process.me)
    }
}

impl Index<usize> for Processes {
    type Output = Process;

    fn index(&self, number: usize) -> &Process {
        &self.0[number]
    }
}

impl IndexMut<usize> for Processes {
    fn index_mut(&mut self, number: usize) -> &mut Process {
        &mut self.0[number]
    }
}
