//! Three nodes over real sockets in one process. Each writes one entry, and all replicas converge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use gossip::link::{
    self, Cluster, ClusterConfig, Limits, NoHooks, NoTelemetry, NodeConfig, Port, Secret,
    Supervisor,
};
use gossip::replica::{Config, Event};
use gossip::{
    Application, Intensity, Key, Member, MemberCommand, MemberEvent, NodeName, Plain, Roster,
    Value, Write, wire,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Replicates greetings, and sends no commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Greetings {}

impl Application for Greetings {
    type Value = Plain<String>;
    type Command = ();
    type Done = ();
    type Refusal = ();
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names =
        ["ada", "grace", "mary"].map(|name| name.parse::<NodeName>().expect("a valid name"));
    let (mut listeners, mut addresses) = (Vec::new(), BTreeMap::new());
    for name in names {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.insert(name, listener.local_addr()?.to_string());
        listeners.push((name, listener));
    }
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (pulled, mut progress) = mpsc::channel(64);
    let mut nodes = Vec::new();
    for (ticket, (name, listener)) in (0..).zip(listeners) {
        let peers = addresses.iter().filter(|(peer, _)| **peer != name);
        let cluster = ClusterConfig {
            name: "greetings".parse()?,
            roster: Roster::new(name, names),
            advertised: None,
            addresses: peers.map(|(peer, address)| (*peer, address.clone())).collect(),
            controller: None,
            secret: Secret::new("greetings", "a secret that all three share"),
            tls: None,
            frame_bytes_max: wire::FRAME_BYTES_MAX,
        };
        let supervisor = Supervisor::<Member<Greetings>>::new(NodeConfig {
            name,
            cluster,
            intensity: Intensity::new(3, Duration::from_secs(5)),
            seed: ticket,
            stop: stop.clone(),
            tasks: tasks.clone(),
            telemetry: Arc::new(NoTelemetry),
            discovery: Vec::new(),
            listening: listener.local_addr()?,
        });
        let router = supervisor.gate(supervisor.cluster_route());
        let port = Port { listener, tls: None, limits: Limits::default() };
        tasks.spawn(link::serve(port, router, stop.clone(), tasks.clone()));
        let members = names.into_iter().collect();
        let config = Config { members, ..Config::default() };
        let begin = move |me, _crashes, now| {
            Member::new(me, config.clone(), Duration::from_millis(100), now)
        };
        let (commands, inbox) = mpsc::channel(1);
        // The types are not used here.
        let (_, types) = Cluster::new(name, commands.clone());
        let pulled = pulled.clone();
        let on_event = move |event| {
            match event {
                // A node writes as soon as it has joined.
                MemberEvent::Replica(Event::Joined { .. }) => {
                    let greeting = Plain::new(format!("hello from {name}"))
                        .expect("a greeting is below the size limit");
                    let key = Key::from_u128(ticket.into());
                    let write = Write { ticket, key, value: Value::Live(greeting) };
                    commands
                        .try_send(MemberCommand::Write(write))
                        .expect("this is the only command");
                }
                MemberEvent::Replica(Event::Committed { changed, .. }) => {
                    let _ = pulled.try_send((name, changed));
                }
                MemberEvent::Written { .. }
                | MemberEvent::Answered(_)
                | MemberEvent::Replica(_) => {}
            }
            ControlFlow::Continue(())
        };
        nodes.push(tokio::spawn(supervisor.run(inbox, types, begin, |_| NoHooks, on_event)));
    }
    // A node is complete once it has pulled the other two greetings.
    let mut missing: BTreeMap<NodeName, usize> = names.map(|name| (name, names.len() - 1)).into();
    while missing.values().any(|missing| *missing > 0) {
        let (name, changed) = progress.recv().await.expect("the nodes are running");
        println!("{name} pulled {changed}");
        missing.entry(name).and_modify(|missing| *missing = missing.saturating_sub(changed));
    }
    println!("all three nodes hold all three greetings");
    stop.cancel();
    for node in nodes {
        node.await?;
    }
    Ok(())
}
