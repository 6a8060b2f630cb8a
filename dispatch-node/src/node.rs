//! The process of dispatch: options in, exit code out; the machine on one side, the web on the other.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::CommandFactory as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use shared::configuration::{self, Loaded};
use shared::link::freeze;
use shared::link::listener::Port;
use shared::link::process::{self, Node, Process};
use shared::membership;
use shared::meter::Metric;
use shared::options::{well_known_cities, well_known_name};
use shared::replica::{self, Replica};
use shared::supervise::Intensity;
use shared::telemetry;

use crate::dispatch::{Config, Dispatch, Event};
use crate::event_log::EventKind;
use crate::metrics::{self, Measures};
use crate::options::Options;
use crate::web::{self, AccessPolicy, DispatchHandle, LauncherClient, Limits, Settings, Tokens};

/// Runs dispatch until it is told to stop.
#[must_use]
pub fn main() -> ExitCode {
    let Loaded { options, printout, .. } = configuration::load::<Options>(membership::DISPATCH, Options::command());
    let name = well_known_name(membership::DISPATCH);
    telemetry::init(name, options.node.log_format);
    let known = options.node.neighbourhood(name, options.listen).and_then(|known| {
        let (host, viewer) = options.entrance.tokens()?;
        Ok((known, Tokens::new(host, viewer)?))
    });
    let ((neighbourhood, unsafe_for), tokens) = match known {
        Ok(known) => known,
        Err(error) => return configuration::unusable(&error),
    };
    if let Some(printout) = printout {
        return printout.print();
    }
    if options.node.healthcheck {
        return process::healthcheck(&neighbourhood, name, options.listen);
    }
    if !options.listen.ip().is_loopback() && !tokens.are_required() {
        warn!("whoever reaches {} may press buttons: --host-token-file leaves that to who knows a token", options.listen);
    }
    let _exporting = match options.node.export_traces(name) {
        Ok(exporting) => exporting,
        Err(error) => return configuration::unusable(&error),
    };
    let cities = well_known_cities();
    let members = neighbourhood.roster.members().clone();
    process::block_on(async move {
        let (tls, limits) = (neighbourhood.tls.clone(), options.node.limits.connections());
        let encrypted = tls.is_some();
        let port = Port { listener: process::bind(options.listen).await?, tls, limits };
        let stop = CancellationToken::new();
        let config = Config {
            cities: cities.clone(),
            gossip_interval: options.gossip_interval.0,
            poll_interval: options.poll_interval.0,
            events_max: options.web.max_events,
            replica: replica::Config { members, ..options.node.limits.replica() },
        };
        let (handle, responder, asks) = DispatchHandle::new(options.web.max_requests);
        let on_loopback = options.listen.ip().is_loopback();
        let (hosts, origins) = (options.entrance.allow_hosts, options.entrance.allow_origins);
        let settings = Settings {
            cities,
            access: AccessPolicy { on_loopback, hosts, origins, tokens, encrypted },
            launcher: LauncherClient::of(options.launcher),
            unsafe_for: unsafe_for.clone(),
            limits: Limits {
                name_chars: options.web.max_name_chars,
                browsers: options.web.max_browsers,
                browsers_per_address: options.web.max_browsers_per_address,
            },
        };
        let router = web::router(handle, settings, stop.clone());
        let known = neighbourhood.clone();
        let intensity = Intensity::new(options.max_restarts, options.max_restart_window);
        let process = Process { name, port, neighbourhood, unsafe_for, intensity, stop, seed: options.node.seed() };
        // Each life gets a seed of its own, all from the one given.
        let mut seeds = ChaCha8Rng::seed_from_u64(options.node.seed());
        let begin = move |me, _crashes, now| Dispatch::new(me, config.clone(), seeds.random(), now);
        let mut measures = Measures::default();
        let on_event = move |event| {
            match event {
                Event::Reply { ticket, reply } => responder.reply(ticket, reply),
                Event::View(view) => {
                    measures.look(&view);
                    responder.show(view);
                }
                Event::Arrived(lags) => metrics::arrived(&lags),
                Event::Logged(event) if event.kind == EventKind::Alarm => warn!("{}", event.text),
                Event::Logged(event) => info!("{}", event.text),
                Event::Thaw(node, freeze) => {
                    let known = known.clone();
                    tokio::spawn(async move {
                        if let Err(error) = freeze::thaw(&known, node, freeze).await {
                            warn!(city = %node, "cannot be woken: {error:#}");
                        }
                    });
                }
                Event::Replica(_) => {}
            }
            ControlFlow::Continue(())
        };
        process::run(process, router, asks, begin, on_event).await
    })
}

impl Node for Dispatch {
    const METRICS: &'static [Metric] = metrics::ALL;

    fn replica(&self) -> &Replica {
        Dispatch::replica(self)
    }

    fn replica_event(event: &Event) -> Option<&replica::Event> {
        match event {
            Event::Replica(event) => Some(event),
            Event::Reply { .. } | Event::View(_) | Event::Logged(_) | Event::Arrived(_) | Event::Thaw(..) => None,
        }
    }
}
