//! The process of dispatch: options in, exit code out; the machine on one side, the web on the other.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use shared::link::freeze;
use shared::link::process::{self, EXIT_UNUSABLE, Node, Process};
use shared::membership;
use shared::options::{well_known_cities, well_known_name};
use shared::replica::{self, Replica};
use shared::supervise::Intensity;
use shared::telemetry;

use crate::dispatch::{Config, Dispatch, Event};
use crate::happening::Kind;
use crate::options::Options;
use crate::web::{self, Desk, Rebuilder, Stage};

/// Runs dispatch until it is told to stop.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    telemetry::init(options.node.log_format);
    let name = well_known_name(membership::DISPATCH);
    let neighbourhood = match options.node.neighbourhood(name, options.listen) {
        Ok(neighbourhood) => neighbourhood,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(EXIT_UNUSABLE);
        }
    };
    let cities = well_known_cities();
    let members = neighbourhood.roster.members().clone();
    process::block_on(async move {
        let process = Process {
            name,
            listener: process::bind(options.listen).await?,
            neighbourhood,
            intensity: Intensity::new(options.max_restarts, options.max_restart_window),
            stop: CancellationToken::new(),
            seed: options.node.seed(),
        };
        let (addresses, cookie) = (process.neighbourhood.addresses.clone(), Arc::clone(&process.neighbourhood.cookie));
        let config = Config {
            cities: cities.clone(),
            gossip_interval: options.gossip_interval.0,
            poll_interval: options.poll_interval.0,
            replica: replica::Config { members, ..replica::Config::default() },
        };
        let stage = Stage::new(process.listener.local_addr()?, process.stop.clone());
        let (desk, counter, asks) = Desk::new(cities, Rebuilder::of(options.launcher), stage);
        let router = web::router(desk, options.listen.ip().is_loopback(), process.stop.clone());
        // Each life gets a seed of its own, all from the one given.
        let mut seeds = ChaCha8Rng::seed_from_u64(options.node.seed());
        let begin = move |me, _crashes, now| Dispatch::new(me, config.clone(), seeds.random(), now);
        let on_event = move |event| {
            match event {
                Event::Answer { ticket, answer } => counter.answer(ticket, answer),
                Event::View(view) => counter.show(view),
                Event::Happened(happening) if happening.kind == Kind::Alarm => warn!("{}", happening.text),
                Event::Happened(happening) => info!("{}", happening.text),
                Event::Thaw(node, freeze) => {
                    if let Some(address) = addresses.get(&node).cloned() {
                        let cookie = Arc::clone(&cookie);
                        tokio::spawn(async move {
                            if let Err(error) = freeze::thaw(&address, &cookie, freeze).await {
                                warn!(%node, "cannot be woken: {error:#}");
                            }
                        });
                    }
                }
                Event::Replica(_) => {}
            }
            ControlFlow::Continue(())
        };
        process::run(process, router, asks, begin, on_event).await
    })
}

impl Node for Dispatch {
    fn replica(&self) -> &Replica {
        Dispatch::replica(self)
    }

    fn replica_event(event: &Event) -> Option<&replica::Event> {
        match event {
            Event::Replica(event) => Some(event),
            Event::Answer { .. } | Event::View(_) | Event::Happened(_) | Event::Thaw(..) => None,
        }
    }
}
