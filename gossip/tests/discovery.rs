//! Nodes that know no address of another, and find each other.

mod discovery {
    pub(super) mod kubernetes;
    pub(super) mod name_server;
}

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use gossip::NodeName;
use gossip::link::discovery::{AddressList, Discovery, Dns, Kubernetes, Multicast};
use gossip::link::{Builder, MemberState, RunningNode, Secret};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use discovery::kubernetes::{Account, ApiServer, Pod};
use discovery::name_server::{NameServer, Records};

/// The limit of what must happen.
const LIMIT: Duration = Duration::from_secs(30);
/// The time in which what must not happen would happen: two looks of each way, with their probes.
const NEVER: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_millis(20);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn name(text: &str) -> NodeName {
    text.parse().expect("a name")
}

fn secret() -> Secret {
    Secret::new("test", "a secret of this test")
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Starts a node that knows the name of the first member, and no address.
fn start(
    text: &str,
    listener: TcpListener,
    secret: Secret,
    way: impl Discovery + 'static,
) -> RunningNode {
    let builder = Builder::new(name(text), secret).gossip_interval(INTERVAL).discover(way);
    let builder = if text == NAMES[0] {
        builder
    } else {
        let address = listener.local_addr().expect("it is bound").to_string();
        builder.member(name(NAMES[0])).further(address)
    };
    builder.start(listener)
}

/// Waits until all have joined, and each sees all four.
async fn see_each_other(nodes: &[RunningNode]) {
    let started = Instant::now();
    for node in nodes {
        timeout(LIMIT, node.joined()).await.expect("it finds a member and joins");
    }
    for node in nodes {
        let mut changes = node.cluster().membership();
        let sees_all = async {
            loop {
                let members = node.cluster().members();
                let up = members.iter().filter(|member| member.state == MemberState::Up);
                if up.map(|member| member.name.to_string()).eq(NAMES) {
                    return;
                }
                // A new member is no change of a state.
                let _ = timeout(INTERVAL, changes.next()).await;
            }
        };
        let seen = timeout(LIMIT, sees_all).await;
        seen.unwrap_or_else(|_| panic!("sees only {:?}", node.cluster().members()));
    }
    println!("all see each other after {:?}", started.elapsed());
}

#[tokio::test]
async fn static_addresses() {
    let mut bound = Vec::new();
    for _ in NAMES {
        bound.push(bind().await);
    }
    let list = AddressList::new(bound.iter().map(|(_, address)| address.to_string()));
    let nodes = NAMES.into_iter().zip(bound);
    let nodes: Vec<_> =
        nodes.map(|(name, (listener, _))| start(name, listener, secret(), list.clone())).collect();
    see_each_other(&nodes).await;
}

/// All addresses of a name, at one port. They are resolved again: the name is added after the nodes
/// have started, and an empty answer ends no link.
#[cfg(target_os = "linux")] // Others have only one loopback address.
#[tokio::test]
async fn addresses_of_a_name_in_dns() {
    let port = bind().await.1.port();
    let ips = [2, 3, 4, 5].map(|last| Ipv4Addr::new(127, 0, 0, last));
    let server = NameServer::start(Records::default()).await;
    let mut nodes = Vec::new();
    for (name, ip) in NAMES.into_iter().zip(ips) {
        let listener = TcpListener::bind((ip, port)).await.expect("a free port");
        let way = Dns::hosts("heroes.example", port).at(server.address());
        nodes.push(start(name, listener, secret(), way));
    }
    // Each look asks for both kinds of addresses.
    server.answers(3 * 2 * NAMES.len()).await;
    for node in &nodes {
        let others = node.cluster().members().into_iter().filter(|member| member.address.is_some());
        assert_eq!(others.collect::<Vec<_>>(), [], "nobody was found");
    }
    let hosts = vec![("heroes.example.", ips.to_vec())];
    server.set(Records { hosts, ..Records::default() });
    see_each_other(&nodes).await;
    server.set(Records::default());
    server.answers(3 * 2 * NAMES.len()).await;
    see_each_other(&nodes).await;
}

#[tokio::test]
async fn service_in_dns() {
    let mut bound = Vec::new();
    for _ in NAMES {
        bound.push(bind().await);
    }
    let target = "local.heroes.example.";
    let ports = bound.iter().map(|(_, address)| (target, address.port())).collect();
    let server = NameServer::start(Records {
        hosts: vec![(target, vec![Ipv4Addr::LOCALHOST])],
        services: vec![("_gossip._tcp.heroes.example.", ports)],
    })
    .await;
    let way = || Dns::service("_gossip._tcp.heroes.example").at(server.address());
    let nodes = NAMES.into_iter().zip(bound);
    let nodes: Vec<_> =
        nodes.map(|(name, (listener, _))| start(name, listener, secret(), way())).collect();
    see_each_other(&nodes).await;
}

/// A name server that never answers, and one that refuses, stop no other way.
#[tokio::test]
async fn way_that_fails_stops_no_other() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let silent = silent.local_addr().map(|address| (silent, address)).expect("it is bound");
    let (listener, address) = bind().await;
    let a = start("a", listener, secret(), Dns::hosts("heroes.example", 1).at(silent.1));
    let (listener, own) = bind().await;
    let b = Builder::new(name("b"), secret())
        .gossip_interval(INTERVAL)
        .member(name("a"))
        .further(own.to_string())
        .discover(Dns::hosts("heroes.example", 1).at(silent.1))
        .discover(Kubernetes::new("heroes").account("/does/not/exist"))
        .discover(AddressList::new([
            "no address".to_owned(),
            "127.0.0.1:1".to_owned(),
            address.to_string(),
        ]))
        .start(listener);
    timeout(LIMIT, b.joined()).await.expect("it finds the member and joins");
    drop((a, silent.0));
}

/// Something at a configured address takes connections and drops them. The node is found elsewhere, and
/// is linked there.
#[tokio::test]
async fn address_that_drops_connections_starves_no_other() {
    let (dropping, wrong) = bind().await;
    let mut dropped = tokio::task::JoinSet::new();
    dropped.spawn(async move {
        while let Ok((stream, _)) = dropping.accept().await {
            // The upgrade succeeds, and no hello follows.
            let _ = tokio_tungstenite::accept_async(stream).await;
        }
    });
    let (listener, right) = bind().await;
    let a = start("a", listener, secret(), AddressList::new([]));
    let (listener, own) = bind().await;
    let b = Builder::new(name("b"), secret())
        .gossip_interval(INTERVAL)
        .peer(name("a"), wrong.to_string())
        .further(own.to_string())
        .discover(AddressList::new([right.to_string()]))
        .start(listener);
    timeout(LIMIT, b.joined()).await.expect("it finds the member and joins");
    drop((a, dropped));
}

/// Each test of multicast has a group of its own, so that parallel ones do not hear each other.
fn group(last: u8) -> std::net::SocketAddrV4 {
    let port = u16::try_from(20_000 + std::process::id() % 20_000).expect("it is below 40,000");
    std::net::SocketAddrV4::new(Ipv4Addr::new(239, 255, 1, last), port)
}

#[tokio::test]
async fn multicast() {
    let mut nodes = Vec::new();
    for name in NAMES {
        nodes.push(start(name, bind().await.0, secret(), Multicast::to(group(1))));
    }
    see_each_other(&nodes).await;
}

#[tokio::test]
async fn multicast_with_another_secret_finds_nobody() {
    let a = start("a", bind().await.0, secret(), Multicast::to(group(2)));
    let other = Secret::new("test", "another secret");
    let b = start("b", bind().await.0, other, Multicast::to(group(2)));
    assert!(timeout(NEVER, b.joined()).await.is_err());
    assert_eq!(a.cluster().members().len(), 1);
}

#[tokio::test]
async fn kubernetes() {
    let mut bound = Vec::new();
    for _ in NAMES {
        bound.push(bind().await);
    }
    let mut pods: Vec<Pod> =
        bound.iter().map(|(_, address)| Pod { address: *address, is_terminating: false }).collect();
    // One that ends is not probed: it would not answer.
    let (gone, address) = bind().await;
    pods.push(Pod { address, is_terminating: true });
    let account = Account::new("city");
    let server = ApiServer::start(&account, "heroes", pods).await;
    let way =
        || Kubernetes::new("heroes").account(account.path()).server("127.0.0.1", server.port());
    let nodes = NAMES.into_iter().zip(bound);
    let nodes: Vec<_> =
        nodes.map(|(name, (listener, _))| start(name, listener, secret(), way())).collect();
    see_each_other(&nodes).await;
    assert!(timeout(Duration::ZERO, gone.accept()).await.is_err(), "nobody connected");
    // Tokens are read again, since they are replaced.
    let before = server.refused();
    account.replace_token("another token");
    server.refuses(before + 1).await;
    let error = look(way()).await.unwrap_err();
    assert!(error.contains("401 Unauthorized: invalid bearer token"), "{error}");
    see_each_other(&nodes).await;
}

#[tokio::test]
async fn api_server_with_a_certificate_of_another_authority_is_refused() {
    let (account, other) = (Account::new("city"), Account::new("city"));
    let server = ApiServer::start(&other, "heroes", Vec::new()).await;
    let way = Kubernetes::new("heroes").account(account.path()).server("127.0.0.1", server.port());
    let error = look(way).await.unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let way = Kubernetes::new("../secrets").account(account.path());
    assert!(look(way).await.unwrap_err().contains("is not a name of Kubernetes"));
}

/// Looks once, and returns the addresses, or the text of the error.
async fn look(mut way: impl Discovery) -> Result<Vec<String>, String> {
    let own = gossip::link::discovery::Own {
        cluster: name("cluster"),
        name: name("a"),
        listening: SocketAddr::new(LOCAL, 1),
        secret: secret(),
    };
    let found = timeout(LIMIT, way.look(&own)).await.expect("it ends");
    found.map(|found| found.addresses).map_err(|error| format!("{error:#}"))
}
