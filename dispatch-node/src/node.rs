//! The dispatch process: reads options, connects the machine to the web, returns the exit code.
//!
//! Invariant: events of the machine are delivered in order, and delivery never blocks.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::CommandFactory as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use gossip::link::{
    self, Cluster, ClusterConfig, News, Node, Port, Subscription, TopicHandle, shortened,
};
use gossip::services::tracker::Tracker;
use gossip::types::desk::{Answered, Desk};
use gossip::{Intensity, NodeName, replica};
use node_api::access::tokens::Tokens;
use node_api::types::Services;
use shared::meter::Metric;
use shared::node::Start;
use shared::options::{Costs, is_dispatch, well_known_cities};
use shared::process::{HeroNode, Process};
use shared::{Replica, process, well_known};

use crate::dispatch::{Config, Dispatch, Event};
use crate::event_log::{EVENTS, EventKind, LoggedEvent};
use crate::metrics::{self, ViewMetrics};
use crate::options::Options;
use crate::request::Log;
use crate::web::{
    self, DispatchHandle, LauncherClient, Limits, Responder, Settings, representation,
};

/// The size limit of the text of an event of another dispatch, in characters.
const HEARD_CHARS_MAX: usize = 300;

/// Runs dispatch until it is asked to stop.
#[must_use]
pub fn main() -> ExitCode {
    let tokens = |options: &Options| options.access.tokens();
    shared::node::main(well_known::DISPATCH, Options::command(), tokens, run)
}

fn run(start: Start<Options, Tokens>) -> ExitCode {
    let Start { name, options, checked: tokens, mut cluster, unsafe_for } = start;
    let cities = well_known_cities();
    let members = cluster.roster.configured().clone();
    let mut bounds = options.node.limits.bounds(Costs::DISPATCH);
    let (browsers, browsers_per_address) = options.web.browsers(&mut bounds);
    process::block_on(async move {
        bounds.log(&format!(", {browsers} live sockets ({browsers_per_address} per address)"));
        let (tls, limits) = (cluster.tls.clone(), options.node.limits.connections(&bounds));
        let encrypted = tls.is_some();
        let listener = process::bind(options.listen).await?;
        cluster.advertise_if_further(listener.local_addr()?);
        let port = Port { listener, tls, limits };
        let stop = CancellationToken::new();
        let config = Config {
            cities: cities.clone(),
            gossip_interval: options.gossip_interval.0,
            poll_interval: options.poll_interval.0,
            events_max: options.web.max_events,
            replica: replica::Config { members, ..options.node.limits.replica(&bounds) },
        };
        let (handle, responder, asks) = DispatchHandle::new(options.web.max_requests);
        let (handle_to_types, types) = Cluster::new(name, handle.commands());
        let log = handle_to_types.topic(EVENTS);
        let known = Known { cluster: cluster.clone(), members: handle_to_types.clone() };
        let services = Services::new(&handle_to_types);
        let tracker = services.tracker.clone();
        let settings = Settings {
            cities,
            guard: options.access.allowing(options.web.others.clone()).guard(
                tokens,
                options.listen,
                encrypted,
            ),
            cluster: handle_to_types,
            services,
            launcher: LauncherClient::of(options.launcher),
            unsafe_for: unsafe_for.clone(),
            limits: Limits {
                name_chars: options.web.max_name_chars,
                browsers,
                browsers_per_address,
                commands: options.web.max_commands,
            },
            others: options.web.others,
        };
        let heard = hear(log.subscribe(), name, handle.clone(), stop.clone());
        tokio::spawn(heard);
        let router = web::router(handle, settings, stop.clone());
        let intensity = Intensity::new(options.max_restarts, options.max_restart_window);
        let process = Process {
            name,
            port,
            cluster,
            discovery: options.node.discovery(),
            unsafe_for,
            intensity,
            stop,
            seed: options.node.seed(),
        };
        // Each incarnation gets its own seed, derived from the given one.
        let mut seeds = ChaCha8Rng::seed_from_u64(options.node.seed());
        let begin = move |me, _crashes, now| Dispatch::new(me, config.clone(), seeds.random(), now);
        let mut view_metrics = ViewMetrics::default();
        let on_event = move |event| {
            if let Event::Logged(event) = &event
                && event.heard_from.is_none()
            {
                publish(&log, &tracker, event);
            }
            deliver(event, &responder, &mut view_metrics, &known);
            ControlFlow::Continue(())
        };
        process::run(process, router, asks, types, begin, on_event).await
    })
}

/// Publishes an event of the log to those who listen at any node, and counts it.
fn publish(log: &TopicHandle, tracker: &Tracker, event: &LoggedEvent) {
    let event = representation::event(event);
    tracker.track(EVENTS, &format!("{}: {}", event.node, event.kind));
    let event = serde_json::to_vec(&event).expect("the types of the API are JSON");
    // Without room in the queue it is not published, as any message may be lost.
    let _ = log.post(&event);
}

/// Logs what users have asked of other dispatches, as those publish it.
async fn hear(
    mut log: Subscription,
    me: NodeName,
    dispatch: DispatchHandle,
    stop: CancellationToken,
) {
    while let Some(Some(news)) = stop.run_until_cancelled(log.next()).await {
        let News::Message { from, body } = news else { continue };
        if from.node != me
            && is_dispatch(from.node)
            && let Some(event) = heard(from.node, &body)
        {
            dispatch.log(event).await;
        }
    }
}

/// Returns the event in this message of another dispatch, if it is one that this one cannot observe.
fn heard(from: NodeName, message: &[u8]) -> Option<Log> {
    let event: api_types::Event = serde_json::from_slice(message).ok()?;
    let (node, kind) = (event.node.parse().ok()?, EventKind::of_request(&event.kind)?);
    let text = shortened(&event.text, HEARD_CHARS_MAX);
    Some(Log { node, kind, text: format!("{text} (at {from})"), heard_from: Some(from) })
}

/// What is known of the other processes.
#[derive(Clone)]
struct Known {
    cluster: ClusterConfig,
    members: Cluster,
}

/// Passes an event of the machine to the web, the metrics or the log.
fn deliver(event: Event, responder: &Responder, view_metrics: &mut ViewMetrics, known: &Known) {
    match event {
        Event::Reply { ticket, reply } => responder.reply(ticket, reply),
        Event::View(view) => {
            view_metrics.measure(&view);
            responder.show(view);
        }
        Event::Arrived(lags) => metrics::arrived(&lags),
        Event::Logged(event) if event.kind == EventKind::Alarm => warn!("{}", event.text),
        Event::Logged(event) => info!("{}", event.text),
        Event::Thaw(node, freeze) => {
            let Known { cluster, members } = known.clone();
            // Not awaited: a frozen process may take long to answer, and delivery must not block.
            tokio::spawn(async move {
                let members = members.members().into_iter();
                let addresses = members.filter(|member| member.name == node);
                let mut failed = anyhow::anyhow!("its address is not known");
                for address in addresses.flat_map(|member| member.addresses) {
                    match link::thaw(&cluster, node, &address, freeze).await {
                        Ok(()) => return,
                        Err(error) => failed = error,
                    }
                }
                warn!(city = %node, "cannot be thawed: {failed:#}");
            });
        }
        Event::Answered(_) | Event::Replica(_) => {}
    }
}

impl HeroNode for Dispatch {
    const METRICS: &'static [Metric] = metrics::ALL;
}

impl Node for Dispatch {
    fn replica(&self) -> &Replica {
        Dispatch::replica(self)
    }

    fn desk(&self) -> &Desk {
        Dispatch::desk(self)
    }

    fn answered(event: &Event) -> Option<&Answered> {
        match event {
            Event::Answered(answered) => Some(answered),
            Event::Reply { .. }
            | Event::View(_)
            | Event::Logged(_)
            | Event::Arrived(_)
            | Event::Thaw(..)
            | Event::Replica(_) => None,
        }
    }

    fn replica_event(event: &Event) -> Option<&replica::Event> {
        match event {
            Event::Replica(event) => Some(event),
            Event::Reply { .. }
            | Event::View(_)
            | Event::Logged(_)
            | Event::Arrived(_)
            | Event::Answered(_)
            | Event::Thaw(..) => None,
        }
    }
}
