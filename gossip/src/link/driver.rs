//! The production driver of a machine: it runs the machine and its links for one incarnation.
//!
//! Invariants: one task owns the machine, so no lock is needed. Deadlines are checked before each
//! wait, so a steady flow of input does not starve the timers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, warn};

use crate::call::{Call, CallError};
use crate::fault::Control;
use crate::id::{NodeName, Origin};
use crate::link::calling::{Calling, Finished};
use crate::link::calls::Request as CallRequest;
use crate::link::clock::SystemClock;
use crate::link::config::ClusterConfig;
use crate::link::connection::{self, Reports};
use crate::link::control::Controls;
use crate::link::dialer::Dialers;
use crate::link::discovery::Located;
use crate::link::freeze::freezable;
use crate::link::handlers::Handlers;
use crate::link::handshake::Identity;
use crate::link::listener::Incoming;
use crate::link::log_limit::{Due, LogLimit};
use crate::link::members::{Known, MembersServer};
use crate::link::node::Node;
use crate::link::numbers::{Numbers, Received};
use crate::link::outcome::{ConnectionEvent, End, Ended as ConnectionEnded};
use crate::link::progress::{Progress, STEP_INTERVAL};
use crate::link::table::Links;
use crate::link::telemetry::{Hooks, Telemetry};
use crate::link::topics::{Publish, Subscribers};
use crate::machine::{Input, LinkDown, Machine, MachineInput, Output};
use crate::message::Frame;
use crate::publication::Publication;
use crate::time::Now;
use crate::types::addresses;
use crate::types::desk::Asked;
use crate::types::request::Request;

/// The minimum pause between two ticks while input is waiting, so that a machine that is always due
/// still handles input. Due work is delayed by at most this.
const TICK_PAUSE: Duration = Duration::from_millis(2);
/// The capacity of the queue of connection events. Connections wait when it is full.
const EVENTS_MAX: usize = 1_024;
/// The maximum number of peers that are authenticating at the same time.
const UNAUTHENTICATED_MAX: usize = 64;

/// The environment of one incarnation's machine.
pub(super) struct Environment<'a, M: Machine> {
    /// The cluster configuration.
    pub(super) cluster: &'a ClusterConfig,
    /// The clocks.
    pub(super) clock: &'a SystemClock,
    /// The signal to stop the node.
    pub(super) stop: &'a CancellationToken,
    /// The tasks of the node.
    pub(super) tasks: &'a TaskTracker,
    /// True once the incarnation has joined.
    pub(super) joined: watch::Receiver<bool>,
    /// The progress of the machine.
    pub(super) progress: Progress,
    /// The faults and the pace of the process.
    pub(super) controls: &'a mut Controls<M::App>,
    /// The telemetry of links.
    pub(super) telemetry: Arc<dyn Telemetry>,
    /// The subscribers of topics.
    pub(super) subscribers: &'a Subscribers,
    /// The handlers of calls.
    pub(super) handlers: &'a Handlers,
    /// The members, for readers.
    pub(super) members: &'a MembersServer,
    /// The addresses that were found.
    pub(super) located: watch::Receiver<Located>,
}

/// The sources of input of one incarnation.
pub(super) struct Inputs<'a, M: Machine> {
    /// Incoming connections.
    pub(super) incoming: &'a mut mpsc::Receiver<Incoming>,
    /// Requests of the process to the machine.
    pub(super) commands: &'a mut mpsc::Receiver<M::Command>,
    /// Publications of the process.
    pub(super) publications: &'a mut mpsc::Receiver<Publish>,
    /// Calls of the process.
    pub(super) calls: &'a mut mpsc::Receiver<CallRequest>,
}

/// The reason for which an incarnation ended.
pub(super) enum Ended<B> {
    /// The node was stopped.
    Stopped,
    /// `on_event` broke with this value.
    HandlerStopped(B),
}

/// A machine and its links.
struct Driver<'a, M: Machine, F, H> {
    machine: &'a mut M,
    on_event: F,
    hooks: H,
    me: Origin,
    cluster: &'a ClusterConfig,
    dialers: Dialers<M::App>,
    /// The changes of the replica's roster, and of its map, up to which the roster here is current.
    seen: Option<(u64, u64)>,
    /// The addresses of further nodes in the map, and those that this incarnation has written.
    written_addresses: BTreeMap<NodeName, String>,
    advertised: BTreeMap<NodeName, String>,
    clock: &'a SystemClock,
    stop: &'a CancellationToken,
    tasks: &'a TaskTracker,
    controls: &'a mut Controls<M::App>,
    links: Links<M::App>,
    identity: Identity,
    reports: Reports<M::App>,
    unauthenticated: Arc<Semaphore>,
    /// The ends of incoming connections logged recently, by cause and address.
    logged: Arc<LogLimit<(String, IpAddr)>>,
    /// The senders of refused control frames logged recently.
    refused_frames: LogLimit<(NodeName, &'static str)>,
    subscribers: &'a Subscribers,
    publications: Numbers,
    calling: Calling,
    members: &'a MembersServer,
    located: watch::Receiver<Located>,
    last_tick_ended: Duration,
}

/// Drives `machine` as the incarnation `me` until `on_event` breaks, the node is stopped, or the
/// controller ends the process.
///
/// When it returns or is dropped, the links close after their queued frames are sent.
pub(super) async fn drive<M, B>(
    machine: &mut M,
    me: Origin,
    environment: Environment<'_, M>,
    Inputs { incoming, commands, publications, calls }: Inputs<'_, M>,
    on_event: impl FnMut(&M, M::Event) -> ControlFlow<B>,
    hooks: impl Hooks<M>,
) -> Ended<B>
where
    M: Node,
{
    let (events, mut connection_events) = mpsc::channel(EVENTS_MAX);
    let progress = environment.progress.clone();
    let mut located = environment.located.clone();
    let (mut driver, mut finished) = Driver::new(machine, me, environment, events, on_event, hooks);
    loop {
        progress.note();
        let now = driver.clock.now();
        // First, because expired faults end a freeze and change the clock offset.
        driver.controls.update(now, driver.clock);
        driver.hooks.elapsed(now.mono);
        if driver.controls.is_frozen(now) {
            tokio::select! {
                () = driver.stop.cancelled() => return Ended::Stopped,
                () = driver.controls.sleep(now) => {}
            }
            continue;
        }
        driver.send_delayed(now);
        let has_input = !(connection_events.is_empty() && commands.is_empty());
        driver.tick(now, has_input);
        if let ControlFlow::Break(ended) = driver.do_outputs() {
            return ended;
        }
        driver.update_roster();
        driver.hooks.idle(driver.machine);
        let has_input = !(connection_events.is_empty() && commands.is_empty());
        let deadline = driver.deadline(has_input);
        // Unbiased, so that no source of input starves the others.
        tokio::select! {
            () = driver.stop.cancelled() => return Ended::Stopped,
            () = driver.clock.sleep_until(deadline) => {}
            Some(event) = connection_events.recv() => driver.on_connection_event(event),
            Some(peer) = incoming.recv() => driver.accept(peer),
            Some(command) = commands.recv() => {
                driver.machine.handle(driver.clock.now(), Input::Command(command));
            }
            Some(publish) = publications.recv() => driver.publish(publish),
            Some(request) = calls.recv() => driver.call(request),
            Some(call) = finished.recv() => driver.finish_call(call),
            // An error means that nobody searches.
            Ok(()) = located.changed() => driver.seen = None,
        }
    }
}

impl<'a, M, B, F, H> Driver<'a, M, F, H>
where
    M: Node,
    F: FnMut(&M, M::Event) -> ControlFlow<B>,
    H: Hooks<M>,
{
    /// Starts dialling, and passes the pace in force to the machine.
    fn new(
        machine: &'a mut M,
        me: Origin,
        environment: Environment<'a, M>,
        events: mpsc::Sender<ConnectionEvent<M::App>>,
        on_event: F,
        hooks: H,
    ) -> (Self, mpsc::Receiver<Finished>) {
        let Environment {
            cluster,
            clock,
            stop,
            tasks,
            joined,
            progress,
            controls,
            telemetry,
            subscribers,
            handlers,
            members,
            located,
        } = environment;
        let (secret, frame_bytes_max) = (cluster.secret.clone(), cluster.frame_bytes_max);
        let identity = Identity {
            cluster: cluster.name,
            me,
            secret,
            joined,
            advertised: cluster.advertised.clone(),
            frame_bytes_max,
        };
        let links = Links::new(me, cluster.roster.clone(), Arc::clone(&telemetry));
        let reports = Reports { events, telemetry, progress };
        let mut dialers = Dialers::new(
            identity.clone(),
            cluster.tls.clone(),
            reports.clone(),
            links.linked(),
            controls.frozen(),
        );
        let addresses = addresses_to_dial(&BTreeMap::new(), cluster, &located.borrow());
        dialers.dial(tasks, &addresses);
        let known = Known { addresses: &addresses, controller: cluster.controller };
        members.start(me, links.roster(), &known, clock.now().wall);
        // All links start as down, so that telemetry has a state for each peer.
        for peer in cluster.roster.peers() {
            reports.telemetry.link_changed(peer, Some(LinkDown::Lost));
        }
        // Delayed frames are of the previous incarnation, and their receivers would drop them.
        controls.faults.drop_delayed();
        for setting in controls.settings(clock.now()) {
            machine.handle(clock.now(), setting);
        }
        let (calling, finished) =
            Calling::new(me, handlers.clone(), controls.frozen(), tasks.clone());
        let driver = Self {
            machine,
            on_event,
            hooks,
            me,
            cluster,
            dialers,
            seen: None,
            written_addresses: BTreeMap::new(),
            advertised: BTreeMap::new(),
            clock,
            stop,
            tasks,
            controls,
            links,
            identity,
            reports,
            unauthenticated: Arc::new(Semaphore::new(UNAUTHENTICATED_MAX)),
            logged: Arc::default(),
            refused_frames: LogLimit::default(),
            subscribers,
            publications: Numbers::default(),
            calling,
            members,
            located,
            last_tick_ended: Duration::ZERO,
        };
        (driver, finished)
    }

    /// Takes over the members that the replica knows, and dials those with a known address. Writes the
    /// addresses of this node and of linked ones, once it may write.
    fn update_roster(&mut self) {
        let now = self.clock.now();
        let replica = self.machine.replica();
        let changes = (replica.roster_changes(), replica.map().changes());
        let seen = self.seen.replace(changes);
        if seen == Some(changes) {
            return;
        }
        // Most writes change no address, and there are few.
        let written = addresses::list(replica.map().records());
        let before = std::mem::replace(&mut self.written_addresses, written);
        if seen.is_some_and(|(roster, _)| roster == changes.0) && before == self.written_addresses {
            return;
        }
        let roster = self.links.roster_mut();
        roster.update(replica.members(), replica.names(), replica.has_room());
        let mut written = self.written_addresses.clone();
        written.retain(|name, _| roster.members().contains(name));
        let mut addresses = addresses_to_dial(&written, self.cluster, &self.located.borrow());
        // Those that were found may not be members yet.
        addresses.retain(|name, _| *name != self.me.node && roster.admits(*name));
        // One without an address is kept, too: it may just be between two incarnations.
        self.dialers
            .retain(|peer| roster.members().contains(&peer) || addresses.contains_key(&peer));
        self.dialers.dial(self.tasks, &addresses);
        let known = Known { addresses: &addresses, controller: self.cluster.controller };
        self.members.update(self.links.roster(), &known, now.wall);
        // A new member may have been linked before it was one.
        for linked in self.links.roster().peers().filter_map(|peer| self.links.peer(peer)) {
            self.members.link_up(linked, now.wall);
            self.reports.telemetry.link_changed(linked.node, None);
        }
        if self.machine.replica().joined() {
            self.advertise(now);
        }
    }

    /// Writes the addresses that are missing in the map: those that linked members advertise, and that
    /// of this node. Nodes that have not joined cannot write theirs, and need those of each other.
    fn advertise(&mut self, now: Now) {
        let own = self.cluster.advertised.as_deref().map(|address| (self.me.node, address));
        let members = self.links.roster().members();
        let missing: Vec<(NodeName, String)> = self
            .links
            .advertised()
            .chain(own)
            .filter(|(node, address)| {
                // Once: two members may be linked to two processes of a name.
                let is_known = |known: &BTreeMap<NodeName, String>| {
                    known.get(node).is_some_and(|known| known == address)
                };
                members.contains(node)
                    && !is_known(&self.written_addresses)
                    && !is_known(&self.advertised)
            })
            .map(|(node, address)| (node, address.to_owned()))
            .collect();
        self.advertised.extend(missing.clone());
        for (node, address) in missing {
            // Without room for the record, others reach the node only if they know its address.
            let asked = Asked { ticket: u64::MAX, request: Request::Advertise { node, address } };
            self.machine.handle(now, Input::Command(asked.into()));
        }
    }

    /// Sends the delayed frames that are due.
    fn send_delayed(&mut self, now: Now) {
        while let Some((to, frame)) = self.controls.faults.due(now.mono) {
            if matches!(frame, Frame::Round(_)) {
                self.links.send(to, frame);
            } else {
                self.links.offer(to, frame);
            }
        }
    }

    fn tick(&mut self, now: Now, has_input: bool) {
        let is_due = self.machine.deadline().is_some_and(|deadline| deadline <= now.mono);
        if is_due && (!has_input || self.last_tick_ended + TICK_PAUSE <= now.mono) {
            self.machine.tick(now);
            // Read again, because a tick may take long: the pause starts at its end.
            self.last_tick_ended = self.clock.now().mono;
        }
    }

    /// Returns the time at which to continue if there is no input.
    fn deadline(&self, has_input: bool) -> Option<Duration> {
        let tick = self.machine.deadline();
        let tick = tick
            .map(|due| if has_input { due.max(self.last_tick_ended + TICK_PAUSE) } else { due });
        let now = self.clock.now();
        tick.into_iter().chain(self.controls.deadline(now)).chain([now.mono + STEP_INTERVAL]).min()
    }

    /// Executes the machine's outputs, and reports the links lost by sending, until there are no
    /// more outputs.
    fn do_outputs(&mut self) -> ControlFlow<Ended<B>> {
        loop {
            while let Some(output) = self.machine.poll() {
                match output {
                    // A controller may send control requests to its own process.
                    Output::Send { to, frame: Frame::Control(control) } if to == self.me.node => {
                        self.apply(control);
                    }
                    Output::Send { to, mut frame } => {
                        let now = self.clock.now();
                        self.hooks.sending(now.mono, to, &mut frame);
                        self.links.pass(&mut self.controls.faults, now, to, frame);
                    }
                    Output::Event(event) => {
                        if let ControlFlow::Break(reason) = (self.on_event)(self.machine, event) {
                            return ControlFlow::Break(Ended::HandlerStopped(reason));
                        }
                    }
                }
            }
            // The loss of a link may make the machine produce more outputs before the next wait.
            if let Some(peer) = self.links.take_lost() {
                self.handle(Input::LinkDown { peer, cause: LinkDown::Lost });
            } else if self.cluster.controller.is_some()
                && let Some(report) = self.controls.report(self.clock.now())
            {
                let (me, cluster) = (self.me.node, self.cluster);
                for peer in self.links.peers().into_iter().filter(|it| cluster.is_controller(*it)) {
                    self.links.send(peer, Frame::Report(report.clone()));
                }
                if cluster.is_controller(me) {
                    let frame = Frame::Report(report);
                    self.machine.handle(self.clock.now(), Input::Frame { from: me, frame });
                }
            } else {
                return ControlFlow::Continue(());
            }
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<M::App>) {
        for input in self.links.on_event(event) {
            let cluster = self.cluster;
            match input {
                Input::Frame { from, frame: Frame::Control(control) }
                    if cluster.is_controller(from) =>
                {
                    self.apply(control);
                }
                Input::Frame { from, frame: Frame::Control(_) } => {
                    self.refuse_frame(from, "control");
                }
                Input::Frame { from, frame: Frame::Command { .. } }
                    if cluster.controller.is_some() && !cluster.is_controller(from) =>
                {
                    self.refuse_frame(from, "command");
                }
                Input::Frame { from, frame: Frame::Publication(publication) } => {
                    self.receive(from, publication);
                }
                Input::Frame { from, frame: Frame::Call(call) } => self.execute(from, call),
                Input::Frame { from, frame: Frame::Return(answer) } => {
                    self.calling.returned(from, answer);
                }
                Input::Frame { from, frame: Frame::Cancel { call } } => {
                    if let Some(caller) = self.links.peer(from) {
                        self.calling.cancelled_by(caller, call);
                    }
                }
                input @ (Input::LinkUp { .. }
                | Input::LinkDown { .. }
                | Input::Refused { .. }
                | Input::Frame { .. }
                | Input::Pace(_)
                | Input::Quiet(_)
                | Input::Command(_)) => self.handle(input),
            }
        }
    }

    /// Sends a publication to the linked nodes, and to the subscribers at this one.
    fn publish(&mut self, Publish { topic, body, to, reply }: Publish) {
        let peers: Vec<NodeName> = self.links.roster().peers().collect();
        let mut nodes = 0;
        for peer in peers.into_iter().filter(|peer| to.is_none_or(|to| to == *peer)) {
            // Numbered even without a link, so that the peer knows what it has missed.
            let number = self.publications.next(peer);
            let publication = Publication { number, topic: topic.clone(), body: body.clone() };
            let frame = Frame::Publication(publication);
            let is_linked = self.links.peer(peer).is_some();
            nodes += usize::from(self.offer(peer, frame) && is_linked);
        }
        if to.is_none_or(|to| to == self.me.node) {
            self.subscribers.deliver(self.me, &topic, body);
            nodes += 1;
        }
        // Sending fails only if the caller has given up.
        let _ = reply.send(nodes);
    }

    /// Delivers a publication of a peer to the subscribers at this node.
    fn receive(&mut self, from: NodeName, publication: Publication) {
        let Some(peer) = self.links.peer(from) else { return };
        let Publication { number, topic, body } = publication;
        if let Received::Next { missed } = self.publications.receive(peer, number) {
            if missed > 0 {
                self.subscribers.missed(from, missed);
            }
            self.subscribers.deliver(peer, &topic, body);
        }
    }

    /// Sends a call to its node, or cancels it.
    fn call(&mut self, request: CallRequest) {
        match request {
            CallRequest::Call { to, call, reply } => {
                let Some(call) = self.calling.begin(to, call, reply) else { return };
                let number = call.number;
                if to == self.me.node {
                    if let Some(answer) = self.calling.execute(self.me, call) {
                        self.calling.returned(to, answer);
                    }
                } else if !self.links.roster().members().contains(&to) {
                    self.calling.not_sent(number, CallError::NoMember(to));
                } else if self.links.peer(to).is_none() {
                    self.calling.not_sent(number, CallError::Unreachable(to));
                } else if !self.offer(to, Frame::Call(call)) {
                    self.calling.not_sent(number, CallError::Busy(to));
                }
            }
            CallRequest::Cancel { number } => match self.calling.cancel(number) {
                Some(to) if to == self.me.node => self.calling.cancelled_by(self.me, number),
                Some(to) => {
                    self.offer(to, Frame::Cancel { call: number });
                }
                None => {}
            },
        }
    }

    /// Executes a call of a peer.
    fn execute(&mut self, from: NodeName, call: Call) {
        let Some(caller) = self.links.peer(from) else { return };
        if let Some(answer) = self.calling.execute(caller, call) {
            self.offer(from, Frame::Return(answer));
        }
    }

    /// Answers a call that its handler has ended.
    fn finish_call(&mut self, finished: Finished) {
        let caller = finished.caller;
        match self.calling.finish(finished) {
            Some(answer) if caller == self.me => self.calling.returned(caller.node, answer),
            Some(answer) => {
                self.offer(caller.node, Frame::Return(answer));
            }
            None => {}
        }
    }

    /// Sends a frame that may be dropped, unless the faults in force drop or delay it. Returns `false`
    /// if the queue of the link is full.
    fn offer(&mut self, to: NodeName, frame: Frame<M::App>) -> bool {
        let passed = self.controls.faults.pass(self.clock.now().mono, to, frame);
        passed.is_none_or(|frame| self.links.offer(to, frame))
    }

    fn refuse_frame(&self, from: NodeName, kind: &'static str) {
        if let Some(Due { unlogged }) = self.refused_frames.due((from, kind), Instant::now()) {
            warn!(%from, unlogged, "{kind} frame refused: not sent by a controller");
        }
    }

    /// Passes an input to the machine, and to telemetry, hooks and reports.
    fn handle(&mut self, input: MachineInput<M>) {
        match &input {
            Input::LinkUp { peer, incarnation } => {
                let linked = Origin { node: *peer, incarnation: *incarnation };
                self.members.link_up(linked, self.clock.now().wall);
                // Names of others are no labels of metrics.
                if self.links.roster().members().contains(peer) {
                    self.reports.telemetry.link_changed(*peer, None);
                }
                if self.cluster.is_controller(*peer) {
                    self.controls.report_soon();
                }
            }
            Input::LinkDown { peer, cause } => {
                if self.links.roster().members().contains(peer) {
                    self.reports.telemetry.link_changed(*peer, Some(*cause));
                }
                self.calling.link_down(*peer);
                self.members.link_down(*peer, *cause, self.clock.now().wall);
            }
            Input::Frame { from, frame } => {
                self.hooks.received(self.clock.now().mono, *from, frame);
            }
            Input::Refused { .. } | Input::Pace(_) | Input::Quiet(_) | Input::Command(_) => {}
        }
        self.machine.handle(self.clock.now(), input);
    }

    /// Applies a control request, and passes a new setting to the machine.
    fn apply(&mut self, control: Control) {
        let setting = self.controls.apply(self.clock.now(), self.clock, control);
        self.controls.update(self.clock.now(), self.clock);
        if let Some(setting) = setting {
            self.machine.handle(self.clock.now(), setting);
        }
    }

    /// Runs an incoming connection as a task.
    fn accept(&self, incoming: Incoming) {
        let Incoming { socket, address, certificate, permit } = incoming;
        let Ok(unauthenticated) = Arc::clone(&self.unauthenticated).try_acquire_owned() else {
            self.reports.telemetry.peer_refused("too_many");
            log_too_many(&self.logged, address);
            return;
        };
        let (identity, reports) = (self.identity.clone(), self.reports.clone());
        let logged = Arc::clone(&self.logged);
        let link = async move {
            let _permit = permit;
            let (end, peer) = (End::Listener(certificate), Some(unauthenticated));
            let name = address.to_string();
            let ran = connection::run(socket, end, &identity, &name, &reports, peer).await;
            let ended = ran.ended;
            if let Some(reason) = ended.refusal_text() {
                reports.telemetry.peer_refused(reason);
            }
            log_end(&logged, address, &ended);
        };
        self.tasks.spawn(freezable(self.controls.frozen(), link).in_current_span());
    }
}

/// Returns the addresses at which each node may be, those first that are the most likely: of the
/// configuration, found, written into the map.
fn addresses_to_dial(
    written: &BTreeMap<NodeName, String>,
    cluster: &ClusterConfig,
    located: &Located,
) -> BTreeMap<NodeName, Vec<String>> {
    let mut addresses: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
    let found = located
        .iter()
        .flat_map(|(name, place)| place.addresses.iter().map(move |address| (name, address)));
    for (name, address) in cluster.addresses.iter().chain(found).chain(written) {
        let known = addresses.entry(*name).or_default();
        if !known.contains(address) {
            known.push(address.clone());
        }
    }
    addresses
}

/// Logs the end of an incoming connection: as a warning, unless its cause was logged recently.
fn log_end(logged: &LogLimit<(String, IpAddr)>, address: SocketAddr, ended: &ConnectionEnded) {
    // The table of links logs the peers that it refuses.
    let is_expected = matches!(
        ended,
        ConnectionEnded::Closed | ConnectionEnded::OwnEnd | ConnectionEnded::Refused(_)
    );
    let due = if is_expected {
        None
    } else {
        logged.due((ended.repeated(), address.ip()), Instant::now())
    };
    match due {
        Some(Due { unlogged }) => warn!(%address, unlogged, "link ended: {ended}"),
        None => debug!(%address, "link ended: {ended}"),
    }
}

/// Logs that a connection was dropped, unless that was logged recently.
pub(super) fn log_too_many(logged: &LogLimit<(String, IpAddr)>, address: SocketAddr) {
    let reason = "too many unauthenticated peers";
    if let Some(Due { unlogged }) = logged.due((reason.to_owned(), address.ip()), Instant::now()) {
        warn!(%address, unlogged, "connection refused: {reason}");
    }
}
