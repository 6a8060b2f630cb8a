//! Owns a machine and its links for one life: feeds it what happens, does what it asks.
//!
//! Invariants: one task owns the machine, so there is no lock; a deadline is compared with the clock before every wait, so
//! steady input never starves the timers; a peer has at most one link here, and of two made at once both ends keep the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, info, warn};

use crate::fault::Control;
use crate::id::{Incarnation, NodeName, Origin};
use crate::link::connection::{self, Admitted, End, Event};
use crate::link::controls::{self, Controls};
use crate::link::dialer::{self, Dialler};
use crate::link::faults::Faults;
use crate::link::freeze::freezable;
use crate::link::handshake::Identity;
use crate::link::listener::Incoming;
use crate::link::secret::Secret;
use crate::link::tls::Tls;
use crate::link::traced::Traced;
use crate::machine::{Input, LinkDown, Machine, Output};
use crate::membership::{DISPATCH, LinkRefusal, Roster};
use crate::message::Frame;
use crate::meter::{counter, gauge, node};
use crate::time::{Now, UnixMillis};

/// How long what comes in may keep a machine from what is due. One that has much to catch up with, and is always due, hears everybody in between.
const TICK_PAUSE: Duration = Duration::from_millis(2);
/// How many happenings on links may wait for the machine; more make their links wait.
const EVENTS_MAX: usize = 1_024;

/// How many peers may be introducing themselves at once.
const STRANGERS_MAX: usize = 64;

/// The real clocks. The wall clock goes back where somebody sets it back; stamps do not (`clock`).
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// How far the wall clock is made to be off, in milliseconds.
    skew_ms: AtomicI64,
}

#[expect(clippy::disallowed_methods, reason = "this is where the core's `Now` comes from")]
impl SystemClock {
    /// Clocks that start now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), skew_ms: AtomicI64::new(0) }
    }

    /// From now on the wall clock is this far off; 0 mends it.
    pub(super) fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }

    /// One reading of both. A wall clock before 1970 reads 0.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let wall = u64::try_from(wall).unwrap_or(u64::MAX).saturating_add_signed(self.skew_ms.load(Ordering::Relaxed));
        Now { mono: self.started.elapsed(), wall: UnixMillis(wall) }
    }

    /// The moment that a machine calls `mono`; none where the system cannot tell one so far away.
    fn at(&self, mono: Duration) -> Option<Instant> {
        self.started.checked_add(mono)
    }
}

/// What a life knows of its cluster.
#[derive(Clone)]
pub struct Neighbourhood {
    /// Who belongs to it.
    pub roster: Roster,
    /// Where to dial whom.
    pub addresses: BTreeMap<NodeName, String>,
    /// What all of them share.
    pub secret: Secret,
    /// What links are encrypted by, if they are.
    pub tls: Option<Tls>,
    /// The largest frame that is read, in bytes.
    pub frame_bytes_max: usize,
}

/// What a life needs around its machine.
pub struct Surroundings<'a> {
    /// Its cluster.
    pub neighbourhood: &'a Neighbourhood,
    /// The clocks it reads.
    pub clock: &'a SystemClock,
    /// Ends it from outside.
    pub stop: &'a CancellationToken,
    /// Where its tasks are counted.
    pub tasks: &'a TaskTracker,
    /// Whether this life has joined.
    pub joined: watch::Receiver<bool>,
    /// What dispatch has asked of the process.
    pub(super) controls: &'a mut Controls,
}

/// How a life came to its end.
pub enum Ended<B> {
    /// It was told to stop.
    Stopped,
    /// Its process was told to end at once.
    Killed,
    /// Its own event said so.
    Broke(B),
}

/// A link that stands.
struct Link {
    connection: u64,
    peer: Origin,
    dialled_by: NodeName,
    address: String,
    outgoing: mpsc::Sender<Frame>,
}

/// Drives `machine` in the life `me` until `on_event` breaks, `stop` is cancelled, or dispatch ends the process.
///
/// Before each wait, `look` is shown the machine.
///
/// When it returns, or is dropped, its links close after what was sent before.
pub async fn drive<M, B>(
    machine: &mut M,
    me: Origin,
    surroundings: Surroundings<'_>,
    door: &mut mpsc::Receiver<Incoming>,
    commands: &mut mpsc::Receiver<M::Command>,
    mut on_event: impl FnMut(&M, M::Event) -> ControlFlow<B>,
    mut look: impl FnMut(&M),
) -> Ended<B>
where
    M: Machine,
{
    let Surroundings { neighbourhood, clock, stop, tasks, joined, controls } = surroundings;
    let dispatch = neighbourhood.roster.members().iter().copied().find(|member| member.as_str() == DISPATCH);
    let (events, mut happened) = mpsc::channel(EVENTS_MAX);
    let mut links = Links {
        me,
        roster: neighbourhood.roster.clone(),
        links: BTreeMap::new(),
        giving_way: BTreeMap::new(),
        linked: watch::Sender::default(),
        lost: Vec::new(),
        next_connection: 1,
    };
    let mut traced = Traced::new(me);
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let identity = Identity { me, secret: neighbourhood.secret.clone(), joined, frame_bytes_max: neighbourhood.frame_bytes_max };
    for (peer, address) in &neighbourhood.addresses {
        let (address, identity, tls, events) = (address.clone(), identity.clone(), neighbourhood.tls.clone(), events.clone());
        let dialling = dialer::keep_dialling(Dialler { peer: *peer, address, identity, tls, events }, links.linked.subscribe());
        tasks.spawn(freezable(controls.frozen(), dialling).in_current_span());
    }
    neighbourhood.roster.peers().for_each(|peer| note_link(peer, Some(LinkDown::Lost)));
    controls.faults.forget_waiting();
    if let Some(pace) = controls.pace(clock.now()) {
        machine.handle(clock.now(), Input::Pace(pace));
    }
    let mut ticked = Duration::ZERO;
    loop {
        let now = clock.now();
        controls.update(now, clock);
        traced.expire(now.mono);
        if controls.is_frozen(now) {
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = controls.sleep(now) => {}
            }
            continue;
        }
        while let Some((to, frame)) = controls.faults.due(now.mono) {
            links.send(to, frame);
        }
        let is_asked = !(happened.is_empty() && commands.is_empty());
        if machine.deadline().is_some_and(|deadline| deadline <= now.mono) && (!is_asked || ticked + TICK_PAUSE <= now.mono) {
            machine.tick(now);
            ticked = clock.now().mono;
        }
        loop {
            while let Some(output) = machine.poll() {
                match output {
                    // Dispatch asks itself, too.
                    Output::Send { to, frame: Frame::Control(control) } if to == me.node => {
                        if let ControlFlow::Break(end) = obey(controls, clock, machine, control) {
                            return end_of(end, stop);
                        }
                    }
                    Output::Send { to, mut frame } => {
                        traced.sends(now.mono, to, &mut frame);
                        links.pass(&mut controls.faults, now, to, frame);
                    }
                    Output::Event(event) => {
                        if let ControlFlow::Break(reason) = on_event(machine, event) {
                            return Ended::Broke(reason);
                        }
                    }
                }
            }
            // Sending may have cost links; what the machine says to that is taken before anything is waited for.
            if let Some(peer) = links.lost.pop() {
                note_link(peer, Some(LinkDown::Lost));
                machine.handle(clock.now(), Input::LinkDown { peer, cause: LinkDown::Lost });
            } else if let Some(dispatch) = dispatch
                && let Some(report) = controls.report(clock.now())
            {
                let report = Frame::Report(report);
                if dispatch == me.node {
                    machine.handle(clock.now(), Input::Frame { from: dispatch, frame: report });
                } else {
                    links.send(dispatch, report);
                }
            } else {
                break;
            }
        }
        look(machine);
        let is_asked = !(happened.is_empty() && commands.is_empty());
        let tick = machine.deadline().map(|deadline| if is_asked { deadline.max(ticked + TICK_PAUSE) } else { deadline });
        let deadline = tick.into_iter().chain(controls.deadline(clock.now())).min();
        let due = async {
            match deadline.and_then(|deadline| clock.at(deadline)) {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            () = due => {}
            Some(event) = happened.recv() => {
                for input in links.on_event(event) {
                    if let Input::Frame { from, frame: Frame::Control(control) } = input {
                        if Some(from) != dispatch {
                            warn!(%from, "asks for what only dispatch may ask for");
                        } else if let ControlFlow::Break(end) = obey(controls, clock, machine, control) {
                            return end_of(end, stop);
                        }
                        continue;
                    }
                    if let Input::LinkUp { peer, .. } = &input {
                        note_link(*peer, None);
                        if Some(*peer) == dispatch {
                            controls.report_soon();
                        }
                    } else if let Input::LinkDown { peer, cause } = &input {
                        note_link(*peer, Some(*cause));
                    }
                    if let Input::Frame { from, frame } = &input {
                        traced.hears(clock.now().mono, *from, frame);
                    }
                    machine.handle(clock.now(), input);
                }
            }
            Some(Incoming { socket, address, certificate, place: seat }) = door.recv() => {
                let Ok(place) = Arc::clone(&strangers).try_acquire_owned() else {
                    counter!(node::STRANGERS.name, "reason" => "too_many").increment(1);
                    warn!(%address, "too many strangers at once");
                    continue;
                };
                let (identity, events) = (identity.clone(), events.clone());
                let link = async move {
                    let _seat = seat;
                    let ended = connection::run(socket, End::Listener(certificate), &identity, &address, &events, Some(place)).await;
                    if let Some(reason) = ended.turned_away() {
                        counter!(node::STRANGERS.name, "reason" => reason).increment(1);
                    }
                    if matches!(ended, connection::Ended::Closed | connection::Ended::OwnEnd) {
                        debug!(%address, "link ended: {ended}");
                    } else {
                        warn!(%address, "link ended: {ended}");
                    }
                };
                tasks.spawn(freezable(controls.frozen(), link).in_current_span());
            }
            Some(command) = commands.recv() => machine.handle(clock.now(), Input::Command(command)),
        }
    }
}

/// Takes note of the state of the link to `peer`: why there is none, if so.
fn note_link(peer: NodeName, down: Option<LinkDown>) {
    let state = match down {
        None => "linked",
        Some(LinkDown::Refused) => "down",
        Some(LinkDown::Lost | LinkDown::Silent) => "unreachable",
    };
    for other in ["linked", "unreachable", "down"] {
        gauge!(node::LINK_STATE.name, "peer" => peer.to_string(), "state" => other).set(f64::from(u8::from(other == state)));
    }
}

/// Does what dispatch asks of the process, and tells the machine what concerns it.
fn obey<M: Machine>(controls: &mut Controls, clock: &SystemClock, machine: &mut M, control: Control) -> ControlFlow<controls::End> {
    let pace = controls.obey(clock.now(), control)?;
    controls.update(clock.now(), clock);
    if let Some(pace) = pace {
        machine.handle(clock.now(), Input::Pace(pace));
    }
    ControlFlow::Continue(())
}

fn end_of<B>(end: controls::End, stop: &CancellationToken) -> Ended<B> {
    match end {
        controls::End::Stop => {
            info!("asked to stop");
            stop.cancel();
            Ended::Stopped
        }
        controls::End::Kill => Ended::Killed,
    }
}

/// The table of links.
struct Links {
    me: Origin,
    roster: Roster,
    links: BTreeMap<NodeName, Link>,
    /// Connections that gave way to another of the same two lives. What they still bring is heard until they end.
    giving_way: BTreeMap<u64, NodeName>,
    linked: watch::Sender<BTreeSet<NodeName>>,
    /// Links dropped here, of which the machine has not been told.
    lost: Vec<NodeName>,
    next_connection: u64,
}

impl Links {
    /// Sends what the faults in force let through.
    fn pass(&mut self, faults: &mut Faults, now: Now, to: NodeName, frame: Frame) {
        if let Some(frame) = faults.pass(now.mono, to, frame) {
            self.send(to, frame);
        }
    }

    fn send(&mut self, to: NodeName, frame: Frame) {
        let Some(link) = self.links.get(&to) else { return };
        match link.outgoing.try_send(frame) {
            Ok(()) => {}
            // The connection has ended, and its end is among the events that wait, behind what the peer said last.
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                counter!(node::OVERFLOWS.name).increment(1);
                warn!(peer = %to, "too slow for what it is sent: link dropped");
                self.remove(to);
                self.lost.push(to);
            }
        }
    }

    fn on_event<C>(&mut self, event: Event) -> Vec<Input<C>> {
        match event {
            Event::Introduced { peer, joined, end, address, decision } => {
                let (answer, inputs) = match self.admit(peer, joined, end, address) {
                    Ok((admitted, inputs)) => (Ok(admitted), inputs),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                // A connection that is gone already reports its end by a closed queue.
                let _ = decision.send(answer);
                inputs
            }
            Event::Frame { connection, frame } => {
                let from = self.peer_of(connection).or_else(|| self.giving_way.get(&connection).copied());
                from.map(|from| Input::Frame { from, frame }).into_iter().collect()
            }
            Event::Ended { connection, cause } => {
                self.giving_way.remove(&connection);
                let Some(peer) = self.peer_of(connection) else { return Vec::new() };
                self.remove(peer);
                info!(%peer, "link lost");
                vec![Input::LinkDown { peer, cause }]
            }
            Event::AliveElsewhere { peer, alive } => vec![Input::Refused { peer, alive }],
            Event::NotReached { peer, cause } if !self.links.contains_key(&peer) => vec![Input::LinkDown { peer, cause }],
            Event::NotReached { .. } => Vec::new(),
        }
    }

    fn peer_of(&self, connection: u64) -> Option<NodeName> {
        self.links.iter().find(|(_, link)| link.connection == connection).map(|(peer, _)| *peer)
    }

    fn admit<C>(&mut self, peer: Origin, joined: bool, end: End, address: String) -> Result<(Admitted, Vec<Input<C>>), LinkRefusal> {
        let lives: BTreeMap<NodeName, Incarnation> = self.links.iter().map(|(name, link)| (*name, link.peer.incarnation)).collect();
        self.roster.admit(peer, joined, &lives).inspect_err(|refusal| match (refusal, self.links.get(&peer.node)) {
            (LinkRefusal::AliveElsewhere { .. }, Some(link)) => warn!(%address, %peer, held_by = %link.address, "refused: {refusal}"),
            _ => warn!(%address, %peer, "refused: {refusal}"),
        })?;
        let dialled_by = match end {
            End::Dialer(_) => self.me.node,
            End::Listener(_) => peer.node,
        };
        let connection = self.next_connection;
        self.next_connection += 1;
        let (outgoing, queue) = mpsc::channel(connection::OUTGOING_MAX);
        let up = Input::LinkUp { peer: peer.node, incarnation: peer.incarnation };
        let inputs = match self.links.get(&peer.node) {
            // A later life that has joined takes the place of an earlier one.
            Some(link) if link.peer != peer => vec![Input::LinkDown { peer: peer.node, cause: LinkDown::Lost }, up],
            // Both dialled at once. Both ends keep the one that the lesser name dialled; for the machines it is one link.
            Some(link) if link.dialled_by < dialled_by => {
                self.giving_way.insert(connection, peer.node);
                return Ok((Admitted { connection, outgoing: queue }, Vec::new()));
            }
            Some(link) if link.dialled_by > dialled_by => {
                self.giving_way.insert(link.connection, peer.node);
                Vec::new()
            }
            // Who dials again has lost the link that this end still believes in.
            Some(_) => vec![Input::LinkDown { peer: peer.node, cause: LinkDown::Lost }, up],
            None => vec![up],
        };
        info!(%peer, %address, "linked");
        self.links.insert(peer.node, Link { connection, peer, dialled_by, address, outgoing });
        self.publish();
        Ok((Admitted { connection, outgoing: queue }, inputs))
    }

    fn remove(&mut self, peer: NodeName) {
        self.links.remove(&peer);
        self.publish();
    }

    fn publish(&self) {
        self.linked.send_replace(self.links.keys().copied().collect());
    }
}
