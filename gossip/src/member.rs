//! A ready-made machine: a replica that gossips with all linked peers.
//!
//! Invariants: it pulls from one linked peer per interval, in turn; each write of its process gets
//! exactly one answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::crdt::entry::{Entry, Value};
use crate::fault::Pace;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::machine::{Input, Machine, MachineInput, MachineOutput, Output};
use crate::message::{Application, Frame};
use crate::replica::{self, Replica, WriteError};
use crate::time::Now;
use crate::timer::{Timer, earliest};
use crate::types::desk::{Answered, Asked, Desk};
use crate::types::snapshot::Snapshot;

/// A machine that only replicates a map.
///
/// It ignores commands of other nodes and observation requests. An application that needs these
/// implements its own [`Machine`] around a [`Replica`], with this one as an example.
#[derive(Clone, Debug)]
pub struct Member<A: Application> {
    replica: Replica<A::Value>,
    desk: Desk,
    links: BTreeMap<NodeName, Incarnation>,
    /// The source of the latest pull.
    last: Option<NodeName>,
    gossip: Timer,
    /// The end of the lease of the current pace.
    pace_ends: Option<Duration>,
    out: VecDeque<Output<A, MemberEvent<A>>>,
}

/// A write requested by the process of a [`Member`].
#[derive(Clone, Debug)]
pub struct Write<A: Application> {
    /// The process's number for the write, repeated in [`MemberEvent::Written`].
    pub ticket: u64,
    /// The key.
    pub key: Key,
    /// The value, or a tombstone to delete the key.
    pub value: Value<A::Value>,
}

/// A request of the process of a [`Member`].
#[derive(Clone, Debug)]
pub enum MemberCommand<A: Application> {
    /// A write to the application's table.
    Write(Write<A>),
    /// A request to one of the library's [types](crate::types).
    Ask(Asked),
}

impl<A: Application> From<Asked> for MemberCommand<A> {
    fn from(asked: Asked) -> Self {
        Self::Ask(asked)
    }
}

/// A report of a [`Member`] to its process.
#[derive(Clone, Debug)]
pub enum MemberEvent<A: Application> {
    /// A write was executed or refused.
    Written {
        /// The number of the write.
        ticket: u64,
        /// The new entry, or the reason why nothing was changed.
        result: Result<Entry<A::Value>, WriteError>,
    },
    /// A request to one of the types was executed or refused.
    Answered(Answered),
    /// An event of the replica.
    Replica(replica::Event),
}

impl<A: Application> Member<A> {
    /// Returns an empty member at the start of the incarnation `me`, which pulls from one peer per
    /// `gossip_interval`.
    #[must_use]
    pub fn new(me: Origin, config: replica::Config, gossip_interval: Duration, now: Now) -> Self {
        Self {
            replica: Replica::new(me, config, now),
            desk: Desk::new(now),
            links: BTreeMap::new(),
            last: None,
            gossip: Timer::new(Some(gossip_interval), 1.0, now),
            pace_ends: None,
            out: VecDeque::new(),
        }
    }

    /// Returns the replica.
    #[must_use]
    pub fn replica(&self) -> &Replica<A::Value> {
        &self.replica
    }

    /// Returns the part that serves the library's types.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Returns what the member holds of the library's types.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.desk.snapshot(&self.replica)
    }

    fn on_frame(&mut self, now: Now, from: NodeName, frame: Frame<A>) {
        match frame {
            Frame::Round(envelope) => self.replica.handle(now, from, envelope),
            // Listed one by one, so that a new kind of frame is a decision here.
            Frame::Command { .. }
            | Frame::Answer { .. }
            | Frame::Observe { .. }
            | Frame::Observation(_)
            | Frame::Control(_)
            | Frame::Report(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => {}
        }
    }

    /// Pulls from the next peer, in the order of names.
    fn gossip(&mut self, now: Now) {
        let after = self.links.keys().find(|peer| self.last.is_none_or(|last| **peer > last));
        let Some(next) = after.or_else(|| self.links.keys().next()).copied() else { return };
        self.last = Some(next);
        let peer = Origin { node: next, incarnation: self.links[&next] };
        self.replica.pull(now, peer, next, true);
    }

    fn set_pace(&mut self, now: Now, pace: Pace) {
        self.gossip.set_pace(pace, now);
        self.replica.pause(pace == Pace::PAUSED);
    }

    fn take_replica_outputs(&mut self) {
        while let Some(output) = self.replica.poll() {
            self.out.push_back(match output {
                replica::Output::Send { via, envelope } => {
                    Output::Send { to: via, frame: Frame::Round(envelope) }
                }
                replica::Output::Event(event) => Output::Event(MemberEvent::Replica(event)),
            });
        }
    }
}

impl<A: Application> Machine for Member<A> {
    type App = A;
    type Command = MemberCommand<A>;
    type Event = MemberEvent<A>;

    fn handle(&mut self, now: Now, input: MachineInput<Self>) {
        match input {
            Input::LinkUp { peer, incarnation } => {
                let peer = Origin { node: peer, incarnation };
                self.links.insert(peer.node, incarnation);
                self.desk.link_up(peer);
                self.replica.link_up(now, peer);
            }
            Input::LinkDown { peer, cause: _ } => {
                self.links.remove(&peer);
                self.desk.link_down(now, peer);
                self.replica.link_down(peer);
            }
            Input::Refused { running, .. } => self.replica.refused(now, running),
            Input::Frame { from, frame } => self.on_frame(now, from, frame),
            Input::Pace(set) => {
                self.set_pace(now, set.value);
                // Without a renewal the pace ends, so a lost controller does not pause gossip for
                // ever.
                self.pace_ends = set.lease_ends(now.mono);
            }
            // A member writes only when it is asked to.
            Input::Quiet(_) => {}
            Input::Command(MemberCommand::Write(Write { ticket, key, value })) => {
                let result = self.replica.write(now, key, value);
                self.out.push_back(Output::Event(MemberEvent::Written { ticket, result }));
            }
            Input::Command(MemberCommand::Ask(asked)) => {
                let answered = self.desk.execute(&mut self.replica, now, asked);
                self.out.push_back(Output::Event(MemberEvent::Answered(answered)));
            }
        }
        self.take_replica_outputs();
    }

    fn poll(&mut self) -> Option<MachineOutput<Self>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        earliest([
            self.replica.deadline(),
            self.desk.deadline(),
            self.gossip.deadline(),
            self.pace_ends,
        ])
    }

    fn tick(&mut self, now: Now) {
        if self.pace_ends.is_some_and(|at| at <= now.mono) {
            self.pace_ends = None;
            self.set_pace(now, Pace::FREE);
        }
        self.desk.tick(now);
        self.replica.tick(now);
        if self.gossip.is_due(now) {
            self.gossip(now);
        }
        self.take_replica_outputs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Setting;
    use crate::testing::{Text, Texts};
    use crate::time::UnixMillis;

    type Member = super::Member<Texts>;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Now {
        let wall = UnixMillis(1_790_000_000_000 + millis);
        Now::new(Duration::from_millis(millis), wall)
    }

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    /// Two linked members.
    fn pair() -> [Member; 2] {
        let names = ["a", "b"].map(name);
        let member = |node| {
            let config = replica::Config { members: names.into(), ..replica::Config::default() };
            Member::new(Origin { node, incarnation: Incarnation::at(2) }, config, INTERVAL, at(0))
        };
        let mut pair = names.map(member);
        for (member, peer) in pair.iter_mut().zip(["b", "a"].map(name)) {
            member.handle(at(0), Input::LinkUp { peer, incarnation: Incarnation::at(2) });
        }
        pair
    }

    /// Delivers frames until there are none left, and returns the events of both.
    fn exchange(now: Now, pair: &mut [Member; 2]) -> Vec<MemberEvent<Texts>> {
        let mut events = Vec::new();
        loop {
            let mut is_idle = true;
            for sender in 0..2 {
                while let Some(output) = pair[sender].poll() {
                    is_idle = false;
                    match output {
                        Output::Send { frame, .. } => {
                            let from = pair[sender].replica().me().node;
                            pair[1 - sender].handle(now, Input::Frame { from, frame });
                        }
                        Output::Event(event) => events.push(event),
                    }
                }
            }
            if is_idle {
                return events;
            }
        }
    }

    /// Advances time in steps of a tenth of an interval.
    fn run(pair: &mut [Member; 2], millis: std::ops::Range<u64>) -> Vec<MemberEvent<Texts>> {
        let mut events = Vec::new();
        for now in millis.step_by(100).map(at) {
            pair.iter_mut().for_each(|member| member.tick(now));
            events.append(&mut exchange(now, pair));
        }
        events
    }

    #[test]
    fn write_is_answered_once_and_reaches_peer_in_two_intervals() {
        let mut pair = pair();
        run(&mut pair, 0..3_000);
        assert!(pair.iter().all(|member| member.replica().joined()));
        let write = Write { ticket: 7, key: Key::MIN, value: Value::Live(Text::new("hello")) };
        pair[0].handle(at(3_000), Input::Command(MemberCommand::Write(write)));
        let events = run(&mut pair, 3_000..5_100);
        let written = |event: &&MemberEvent<Texts>| {
            matches!(event, MemberEvent::Written { ticket: 7, result: Ok(_) })
        };
        assert_eq!(events.iter().filter(written).count(), 1);
        assert_eq!(pair[0].replica().summary(), pair[1].replica().summary());
        assert_eq!(pair[1].replica().map().live(), 1);
    }

    #[test]
    fn paused_member_begins_no_round_until_lease_ends() {
        let mut pair = pair();
        run(&mut pair, 0..3_000);
        for member in &mut pair {
            let by = "dispatch".parse().unwrap();
            let set = Setting { value: Pace::PAUSED, at: UnixMillis(1), by };
            member.handle(at(3_000), Input::Pace(set));
        }
        let rounds = |pair: &[Member; 2]| -> u64 {
            pair.iter().map(|member| member.replica().pull_log().requests_sent()).sum()
        };
        let before = rounds(&pair);
        run(&mut pair, 3_000..5_900);
        assert_eq!(rounds(&pair), before);
        run(&mut pair, 5_900..8_000);
        assert!(rounds(&pair) > before, "gossip resumes without a controller");
    }
}
