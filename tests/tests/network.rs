//! Four hosts on a real network with faulty, cut, renumbered and unplugged links, and real TCP
//! between them: retransmissions and timeouts are the system's. Meanwhile clients write, and every
//! node is observed and checked by the simulator's checkers.
//!
//! These tests need root and Linux, so they are ignored by default. `make network`, and with it
//! `make test`, runs them where that is possible, and reports it where it is not.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use cluster_tests::{
    AuditCounts, CITIES, Cluster, Discover, Forwarder, HANG_TIMEOUT, Heroes, LinkFaults, Load,
    NODES, Network, NodeSnapshot, Options, PacketCounts, Process, Stopwatch, ensure,
    incarnation_now, read_nodes, wait_until,
};

/// The approximate number of heroes.
const HEROES: u32 = 40;
/// The number of heroes that stay in a city to produce its own writes. No client has their ids, so
/// there are no other writes to them.
const SETTLERS: u32 = 20;
/// Equal seeds in every run: only the timing differs between runs.
const SEED: u64 = 7;
/// The limit for detecting a silent link; three seconds are promised.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(6);
/// The limit for restoring all links. An attempt may have started just before, and the system
/// retransmits for the first time after one second; the longest case is an attempt at an address
/// without a host, two seconds, and a pause of one.
const LINK_TIMEOUT: Duration = Duration::from_secs(6);

/// 20 % loss, with delays that reorder the rest.
const FAULTY: LinkFaults = LinkFaults { delay_ms: 50..=150, loss: 0.2, duplication: 0.05 };

/// A cluster on four hosts with patrolling heroes, and the clients that write there.
struct Fixture {
    network: Arc<Network>,
    cluster: Cluster,
    load: Load,
    settlers: Vec<String>,
}

impl Fixture {
    fn start(network: Network) -> Self {
        let network = Arc::new(network);
        let options = Options { patrol: "1s", ..Options::default() };
        let cluster = Cluster::start_on(Arc::clone(&network) as _, options);
        let load = Load::on(&cluster.api.create(HEROES));
        let mut fixture = Self { network, cluster, load, settlers: Vec::new() };
        fixture.write(100);
        fixture.wait_linked();
        fixture
    }

    /// Runs the clients until this many writes are saved.
    fn write(&self, writes: u64) {
        self.load.during(&self.cluster.api, self.load.requests().saved, || {
            self.load.wait_for_writes(writes)
        });
    }

    /// Assigns heroes to this city, which go on patrol one after the other.
    fn assign_settlers(&mut self, city: &str) {
        let settlers = self.cluster.api.create(SETTLERS);
        for hero in &settlers {
            let _ = self.cluster.api.assign(hero, city).expect(200);
        }
        self.settlers.extend(settlers);
    }

    /// Returns the links between nodes, by the last log line of each node about each other.
    fn links(&mut self) -> BTreeSet<(&'static str, &'static str)> {
        let mut links = BTreeSet::new();
        for node in NODES {
            let log = self.cluster.process(node).log();
            for line in log.lines() {
                let logged = |what: &str, peer: &str| line.contains(&format!("{what} peer={peer}"));
                for peer in NODES {
                    if logged(" linked", peer) {
                        links.insert((node, peer));
                    } else if logged("link lost", peer) {
                        links.remove(&(node, peer));
                    }
                }
            }
        }
        links
    }

    /// Waits until every node is linked to every other, and returns the elapsed time.
    fn wait_linked(&mut self) -> Duration {
        let watch = Stopwatch::start();
        wait_until("all are linked", LINK_TIMEOUT, || {
            let links = self.links();
            ensure(links.len() == NODES.len() * (NODES.len() - 1), || format!("{links:?}"))
        });
        watch.elapsed()
    }

    /// Waits until neither of these nodes has a link to the other.
    fn wait_unlinked(&mut self, one: &'static str, other: &'static str) {
        wait_until(&format!("{one} and {other} are not linked"), NOTICE_TIMEOUT, || {
            let links = self.links();
            ensure(!links.contains(&(one, other)) && !links.contains(&(other, one)), || {
                format!("{links:?}")
            })
        });
    }

    /// Waits until dispatch holds a write of this city after `since`.
    fn wait_for_write_of(&self, city: &str, since: u64) {
        wait_until(
            &format!("dispatch holds a write of {city} after {since}"),
            HANG_TIMEOUT,
            || {
                let snapshots = read_nodes(&self.cluster.api)?;
                let dispatch = snapshots
                    .iter()
                    .find(|snapshot| snapshot.incarnation.node.to_string() == "dispatch")
                    .ok_or("there is no snapshot of dispatch")?;
                let mut stamps = dispatch.map.iter().map(|(_, entry)| entry.stamp);
                let found = stamps
                    .any(|stamp| stamp.origin.node.to_string() == city && stamp.hlc.wall.0 > since);
                ensure(found, || format!("none of {} heroes has such a stamp", dispatch.map.live()))
            },
        );
    }

    fn status(&self, node: &str) -> String {
        self.cluster.node(node).status
    }

    /// Moves all heroes home, waits for quiescence, and asserts that no acknowledged write is lost.
    fn check_quiescent(&mut self) -> (Duration, AuditCounts) {
        self.load.move_all_home(&self.cluster.api);
        for hero in self.settlers.drain(..) {
            let _ = self.cluster.api.assign(&hero, "home").expect(200);
        }
        let watch = Stopwatch::start();
        let snapshots: Vec<NodeSnapshot> = self.load.wait_for_quiescence(&self.cluster);
        let quiescent_after = watch.elapsed();
        let counts = self.load.audit(&snapshots);
        assert_eq!(
            (counts.incarnations, counts.lost, counts.lost_deletions),
            (NODES.len(), 0, 0),
            "without a crash, no write may be lost: {counts:?}"
        );
        assert!(
            counts.acknowledged > 100 && counts.deletions > 0 && counts.with_vector > 0,
            "{counts:?} {:?}",
            self.load.requests()
        );
        for node in NODES {
            let log = self.cluster.process(node).log();
            assert!(!log.contains("panicked") && !log.contains("ERROR"), "{node}");
        }
        (quiescent_after, counts)
    }
}

/// Asserts that packets were dropped in each direction.
#[track_caller]
fn assert_all_dropped(dropped: &[u64], directions: usize) {
    assert!(
        dropped.len() == directions && dropped.iter().all(|packets| *packets > 0),
        "{dropped:?}"
    );
}

#[test]
#[ignore = "needs root: make network"]
fn cluster_converges_over_faulty_links() {
    let network = Network::new();
    let forwarder = Forwarder::between(&network, LinkFaults::NONE, SEED);
    let mut fixture = Fixture::start(network);
    let before = forwarder.counts();
    assert!(
        before.arrived > 0 && before.lost == 0 && before.duplicated == 0,
        "all packets must pass through the forwarder: {before:?}"
    );
    forwarder.set(FAULTY);
    let watch = Stopwatch::start();
    for _ in 0..5 {
        fixture.write(30);
    }
    let written = watch.elapsed();
    // The links are still faulty.
    let (quiescent_after, counts) = fixture.check_quiescent();
    let PacketCounts { arrived, lost, duplicated, reordered } = forwarder.counts();
    assert!(
        lost > arrived / 10 && duplicated > arrived / 100 && reordered > arrived / 100,
        "{:?}",
        forwarder.counts()
    );
    forwarder.set(LinkFaults::NONE);
    let linked = fixture.wait_linked();
    println!(
        "faulty links for {written:?}, quiescent there after {quiescent_after:?}, \
         all linked {linked:?} after they were repaired"
    );
    println!(
        "{arrived} packets arrived, {reordered} of them reordered; {lost} lost, \
         {duplicated} duplicated"
    );
    println!("{:?} {counts:?}", fixture.load.requests());
}

#[test]
#[ignore = "needs root: make network"]
fn city_isolated_for_a_minute_continues_and_reconnects() {
    let mut fixture = Fixture::start(Network::new());
    fixture.assign_settlers("gotham");
    fixture.assign_settlers("metropolis");
    fixture.network.isolate("gotham");
    let (watch, since) = (Stopwatch::start(), incarnation_now());
    fixture.load.during(&fixture.cluster.api, SEED, || {
        // Before and after the failure is detected.
        fixture.cluster.wait_status("gotham", "unreachable", NOTICE_TIMEOUT);
        fixture.load.wait_for_writes(300);
    });
    let noticed = fixture.load.requests();
    wait_until("gotham has been cut off for a minute", HANG_TIMEOUT, || {
        assert_eq!(fixture.status("gotham"), "unreachable");
        ensure(watch.elapsed() > Duration::from_secs(60), || format!("{:?}", watch.elapsed()))
    });
    let links = fixture.links();
    assert!(
        !links.iter().any(|(one, other)| [*one, *other].contains(&"gotham")) && links.len() == 6,
        "{links:?}"
    );
    assert_all_dropped(&fixture.network.heal(), 6);
    let watch = Stopwatch::start();
    let linked = fixture.wait_linked();
    fixture.cluster.wait_status("gotham", "up", LINK_TIMEOUT);
    let up = watch.elapsed();
    // Each side has continued without the other.
    fixture.wait_for_write_of("gotham", since);
    fixture.wait_for_write_of("metropolis", since);
    fixture.write(100);
    let (quiescent_after, counts) = fixture.check_quiescent();
    println!(
        "after a minute: all linked {linked:?} and gotham up {up:?} after healing; \
         quiescent after {quiescent_after:?}"
    );
    println!("{noticed:?} until then, {:?} in total, {counts:?}", fixture.load.requests());
}

#[test]
#[ignore = "needs root: make network"]
fn one_way_cuts_are_noticed_on_both_sides_and_routed_around() {
    let mut fixture = Fixture::start(Network::new());

    // Between two cities: no node is unreachable, and all agree during the cut.
    fixture.network.cut(&[("metropolis", "gotham")]);
    fixture.wait_unlinked("gotham", "metropolis");
    fixture.write(100);
    let (quiescent_after, _) = fixture.check_quiescent();
    let links = fixture.links();
    assert!(links.len() == 10 && !links.contains(&("metropolis", "gotham")), "{links:?}");
    assert_all_dropped(&fixture.network.heal(), 1);
    let linked = fixture.wait_linked();
    println!(
        "gotham receives nothing from metropolis: quiescent after {quiescent_after:?}, \
         all linked {linked:?} after healing"
    );

    // Gotham receives nothing from dispatch, which receives from gotham.
    fixture.assign_settlers("gotham");
    fixture.network.cut(&[("dispatch", "gotham")]);
    fixture.cluster.wait_status("gotham", "unreachable", NOTICE_TIMEOUT);
    fixture.wait_unlinked("gotham", "dispatch");
    let since = incarnation_now();
    fixture.write(100);
    fixture.wait_for_write_of("gotham", since);
    assert_eq!(fixture.status("gotham"), "unreachable");
    assert_all_dropped(&fixture.network.heal(), 1);
    let linked = fixture.wait_linked();
    let (quiescent_after, counts) = fixture.check_quiescent();
    println!(
        "gotham receives nothing from dispatch: all linked {linked:?} after healing, \
         quiescent after {quiescent_after:?}; {counts:?}"
    );
}

#[test]
#[ignore = "needs root: make network"]
fn renumbered_city_is_found_by_its_name() {
    let mut fixture = Fixture::start(Network::new());
    let new = Ipv4Addr::new(10, 0, 0, 101);
    let gotham = fixture.network.host("gotham");
    // Gotham's own dialling is blocked, so the others have to resolve its name.
    gotham.run("nft add table inet shy");
    gotham.run("nft add chain inet shy dialling { type filter hook output priority 0; }");
    gotham.run("nft add rule inet shy dialling oifname eth0 tcp flags & (syn | ack) == syn drop");
    gotham.run("ip addr flush dev eth0");
    gotham.run(&format!("ip addr add {new}/24 dev eth0"));
    fixture.cluster.wait_status("gotham", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    assert_eq!(fixture.status("gotham"), "unreachable", "no node has the new address");
    fixture.network.announce("gotham", new);
    let linked = fixture.wait_linked();
    fixture.cluster.wait_status("gotham", "up", LINK_TIMEOUT);
    fixture.write(100);
    let (quiescent_after, counts) = fixture.check_quiescent();
    println!(
        "all linked {linked:?} after the new address was announced, \
         quiescent after {quiescent_after:?}; {counts:?}"
    );
}

/// The nodes know no address, and announce themselves to a group. An announcement with another cookie
/// is refused, and reported where it arrives.
#[test]
#[ignore = "needs root: make network"]
fn nodes_find_each_other_by_multicast() {
    const GROUP: &str = "239.255.1.1:4000";
    let network = Network::new();
    for node in NODES {
        network.host(node).run("ip route add 239.0.0.0/8 dev eth0");
    }
    let network = Arc::new(network);
    let options = Options { discover: Discover::Multicast(GROUP.to_owned()), ..Options::default() };
    let started = Stopwatch::start();
    let mut cluster = Cluster::start_on(Arc::clone(&network) as _, options);
    for city in CITIES {
        cluster.wait_status(city, "up", HANG_TIMEOUT);
    }
    println!("dispatch reaches all cities {:?} after the start", started.elapsed());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(HEROES));
    cluster.wait_until_held(&heroes, &CITIES);

    let files = tempfile::tempdir().expect("a temporary directory can be created");
    let further = |name: &str, host: &str, address: &str, cookie: &str| {
        let arguments = [
            name.to_owned(),
            format!("--listen=0.0.0.0:{}", address.rsplit(':').next().expect("it has a port")),
            format!("--advertise={address}"),
            format!("--discover=multicast:{GROUP}"),
        ];
        let environment = [("SUPERHERO_COOKIE", cookie), ("SUPERHERO_INSECURE", "true")];
        let log = files.path().join(format!("{name}.log"));
        network.host(host).enter(|| Process::start("location", &arguments, &environment, log))
    };
    let stranger = further("riverdale", "capitol", "10.0.0.4:4950", "a cookie of another cluster");
    wait_until("the wrong cookie is reported", HANG_TIMEOUT, || {
        let log = cluster.process("gotham").log();
        let is_told =
            log.contains("announcement refused: wrong cookie") && log.contains("riverdale");
        ensure(is_told, || log)
    });
    let _star_city = further("star-city", "gotham", "10.0.0.1:4950", Network::COOKIE);
    wait_until("the city is a member", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let is_up = nodes.get("star-city").is_some_and(|node| node.status == "up");
        ensure(is_up, || format!("{nodes:?}"))
    });
    assert!(!cluster.api.nodes().contains_key("riverdale"), "{}", stranger.log());
}

#[test]
#[ignore = "needs root: make network"]
fn unplugged_cable_and_downed_interface_are_recovered_from() {
    let mut fixture = Fixture::start(Network::new());

    fixture.network.unplug("metropolis");
    fixture.cluster.wait_status("metropolis", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    fixture.network.plug("metropolis");
    let plugged = fixture.wait_linked();

    // Here the host itself has no route, so attempts fail at once.
    fixture.network.host("capitol").run("ip link set eth0 down");
    fixture.cluster.wait_status("capitol", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    fixture.network.host("capitol").run("ip link set eth0 up");
    let up = fixture.wait_linked();
    let (quiescent_after, counts) = fixture.check_quiescent();
    println!(
        "all linked {plugged:?} after the cable was plugged in, {up:?} after the interface was up; \
         quiescent after {quiescent_after:?}; {counts:?}"
    );
}
