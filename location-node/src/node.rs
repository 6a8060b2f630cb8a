//! The process of a city, from its options to its exit code.

use std::ops::ControlFlow;
use std::process::ExitCode;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use gossip::link::{Cluster, ConnectionLimit, IncarnationEnd, Node, Port};
use gossip::types::desk::{Answered, Desk};
use gossip::{Intensity, replica};
use node_api::access::tokens::Tokens;
use node_api::types::{Services, Types};
use shared::node::Start;
use shared::options::Costs;
use shared::process::{HeroNode, Process};
use shared::{Replica, process};

use crate::city::{City, Config, Event};
use crate::civics::{self, Bombs};
use crate::options::Options;
use crate::work;

/// The number of requests that may wait for the city; further ones are refused.
const REQUESTS_MAX: usize = 1_024;
/// The numbers of sockets that track somebody, in all and per address.
const SOCKETS_MAX: usize = 1_000;
const SOCKETS_PER_ADDRESS_MAX: usize = 500;

/// Runs a city until it is stopped, as the program of this name. Returns its exit code.
#[must_use]
pub fn main(program: &'static str) -> ExitCode {
    let tokens = |options: &Options| options.access.tokens();
    shared::node::main(program, Options::of(program), tokens, run)
}

fn run(start: Start<Options, Tokens>) -> ExitCode {
    let Start { name, options, checked: tokens, mut cluster, unsafe_for } = start;
    let members = cluster.roster.configured().clone();
    let bounds = options.node.limits.bounds(Costs::CITY);
    process::block_on(async move {
        bounds.log("");
        let listener = process::bind(options.listen).await?;
        cluster.advertise_if_further(listener.local_addr()?);
        let process = Process {
            name,
            port: Port {
                listener,
                tls: cluster.tls.clone(),
                limits: options.node.limits.connections(&bounds),
            },
            cluster,
            discovery: options.node.discovery(),
            unsafe_for,
            intensity: Intensity::new(options.max_restarts, options.max_restart_window),
            stop: CancellationToken::new(),
            seed: options.node.seed(),
        };
        let config = Config {
            gossip_interval: options.gossip_interval.0,
            patrol_interval: options.patrol_interval.0,
            fight_interval: options.fight_interval.0,
            replica: replica::Config { members, ..options.node.limits.replica(&bounds) },
        };
        // Each incarnation has its own seed, derived from the given one, so a run is reproducible
        // but a crash does not repeat the same random choices.
        let mut seeds = ChaCha8Rng::seed_from_u64(options.node.seed());
        let begin =
            move |me, crashes, now| City::new(me, config.clone(), crashes, seeds.random(), now);
        let (asks, commands) = mpsc::channel(REQUESTS_MAX);
        let (handle, server) = Cluster::new(name, asks);
        work::register(&handle);
        let services = Services::new(&handle);
        let guard = options.access.guard(tokens, options.listen, process.port.tls.is_some());
        let sockets = ConnectionLimit::new(SOCKETS_MAX, SOCKETS_PER_ADDRESS_MAX);
        let bombs = Bombs::default();
        let civics = civics::run(handle.clone(), name, bombs.clone(), process.stop.clone());
        tokio::spawn(civics);
        let types = Types::new(handle, services, guard.clone(), sockets, process.stop.clone());
        let router = node_api::router(types, guard);
        let on_event = move |event| {
            if let Event::Bombed = event {
                bombs.note();
            }
            on_event(event)
        };
        process::run(process, router, commands, server, begin, on_event).await
    })
}

fn on_event(event: Event) -> ControlFlow<IncarnationEnd> {
    match event {
        Event::Bombed => {
            return ControlFlow::Break(IncarnationEnd::Crashed("bombed".into()));
        }
        Event::Ended { at_once } => return ControlFlow::Break(IncarnationEnd::Process { at_once }),
        Event::Assigned { hero } => info!(%hero, "hero assigned"),
        Event::VillainArrived { villain } => info!(villain, "a villain arrived"),
        Event::Patrols { hero } => debug!(%hero, "hero went on patrol"),
        Event::Fought { hero, damage, fell: false } => debug!(%hero, damage, "hero fought"),
        Event::Fought { hero, damage, fell: true } => info!(%hero, damage, "hero fell in a fight"),
        Event::Answered(_) | Event::Replica(_) => {}
    }
    ControlFlow::Continue(())
}

impl HeroNode for City {}

impl Node for City {
    fn replica(&self) -> &Replica {
        City::replica(self)
    }

    fn desk(&self) -> &Desk {
        City::desk(self)
    }

    fn answered(event: &Event) -> Option<&Answered> {
        match event {
            Event::Answered(answered) => Some(answered),
            Event::Bombed
            | Event::Ended { .. }
            | Event::Assigned { .. }
            | Event::Patrols { .. }
            | Event::VillainArrived { .. }
            | Event::Fought { .. }
            | Event::Replica(_) => None,
        }
    }

    fn replica_event(event: &Event) -> Option<&replica::Event> {
        match event {
            Event::Replica(event) => Some(event),
            Event::Bombed
            | Event::Ended { .. }
            | Event::Assigned { .. }
            | Event::Answered(_)
            | Event::Patrols { .. }
            | Event::VillainArrived { .. }
            | Event::Fought { .. } => None,
        }
    }
}
