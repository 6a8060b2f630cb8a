//! Four hosts on a real network that is bad, cut, renumbered and unplugged, with real TCP between:
//! what it sends again, and when it gives up, is the system's. While that lasts clients write and
//! somebody looks at every node, held to what the simulator checks.
//!
//! These tests need root and Linux, so they are ignored unless asked for. `make network`, and with
//! it `make test`, asks where that can be done, and says so where it cannot.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use cluster_tests::{
    Cluster, Done, Fates, Faults, Forwarder, HANG_TIMEOUT, Load, Look, NODES, Network, Options,
    Stopwatch, ensure, incarnation_now, look, wait_until,
};

/// How many heroes there are, about.
const HEROES: u32 = 40;
/// How many heroes settle where a city is to have something to tell. No client knows them, so
/// nobody else writes of them.
const SETTLERS: u32 = 20;
/// The same choices in every run; what differs from run to run is timing.
const SEED: u64 = 7;
/// How long it may take to notice a link on which nothing is heard any more: three seconds are
/// promised.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(6);
/// How long it may take until all links stand again. An attempt may have begun just before, and the
/// system repeats what it sent after one second for the first time; the longest is an attempt at an
/// address where nobody is, two seconds, and a pause of one.
const LINK_TIMEOUT: Duration = Duration::from_secs(6);

/// A fifth of the packets lost, and the rest late and out of order.
const BAD: Faults = Faults { delay_ms: 50..=150, loss: 0.2, duplication: 0.05 };

/// A cluster on four hosts, with heroes who patrol, and the clients who write there.
struct Fixture {
    network: Arc<Network>,
    cluster: Cluster,
    load: Load,
    settlers: Vec<String>,
}

impl Fixture {
    fn on(network: Network) -> Self {
        let network = Arc::new(network);
        let options = Options { patrol: "1s", ..Options::default() };
        let cluster = Cluster::start_on(Arc::clone(&network) as _, options);
        let load = Load::on(&cluster.api.create(HEROES));
        let mut fixture = Self { network, cluster, load, settlers: Vec::new() };
        fixture.write(100);
        fixture.wait_linked();
        fixture
    }

    /// So many writes.
    fn write(&self, writes: u64) {
        self.load.during(&self.cluster.api, self.load.requests().saved, || {
            self.load.wait_for_writes(writes)
        });
    }

    /// Heroes settle in this city, who will go on patrol one after the other.
    fn settle(&mut self, city: &str) {
        let settlers = self.cluster.api.create(SETTLERS);
        for hero in &settlers {
            let _ = self.cluster.api.assign(hero, city).expect(200);
        }
        self.settlers.extend(settlers);
    }

    /// Who has a link to whom, by what each node has logged last of each other.
    fn links(&mut self) -> BTreeSet<(&'static str, &'static str)> {
        let mut links = BTreeSet::new();
        for node in NODES {
            let log = self.cluster.process(node).log();
            for line in log.lines() {
                let said = |what: &str, peer: &str| line.contains(&format!("{what} peer={peer}"));
                for peer in NODES {
                    if said(" linked", peer) {
                        links.insert((node, peer));
                    } else if said("link lost", peer) {
                        links.remove(&(node, peer));
                    }
                }
            }
        }
        links
    }

    /// Waits until everybody has a link to everybody; how long that took.
    fn wait_linked(&mut self) -> Duration {
        let watch = Stopwatch::start();
        wait_until("all are linked", LINK_TIMEOUT, || {
            let links = self.links();
            ensure(links.len() == NODES.len() * (NODES.len() - 1), || format!("{links:?}"))
        });
        watch.elapsed()
    }

    /// Waits until neither of these knows a link to the other.
    fn wait_parted(&mut self, one: &'static str, other: &'static str) {
        wait_until(&format!("{one} and {other} have parted"), NOTICE_TIMEOUT, || {
            let links = self.links();
            ensure(!links.contains(&(one, other)) && !links.contains(&(other, one)), || {
                format!("{links:?}")
            })
        });
    }

    /// Waits until dispatch itself holds what this city wrote after `since`.
    fn wait_for_news(&self, city: &str, since: u64) {
        wait_until(
            &format!("dispatch holds what {city} wrote after {since}"),
            HANG_TIMEOUT,
            || {
                let looks = look(&self.cluster.api)?;
                let dispatch = looks
                    .iter()
                    .find(|look| look.incarnation.node.to_string() == "dispatch")
                    .ok_or("dispatch shows nothing")?;
                let mut stamps = dispatch.map.iter().map(|(_, entry)| entry.stamp);
                let news = stamps
                    .any(|stamp| stamp.origin.node.to_string() == city && stamp.hlc.wall.0 > since);
                ensure(news, || format!("{} heroes, none of whom tells of it", dispatch.map.live()))
            },
        );
    }

    fn status(&self, node: &str) -> String {
        self.cluster.node(node).status
    }

    /// All go home, the cluster comes to rest, and nothing that was promised is missing.
    fn rest(&mut self) -> (Duration, Fates) {
        self.load.call_home(&self.cluster.api);
        for hero in self.settlers.drain(..) {
            let _ = self.cluster.api.assign(&hero, "home").expect(200);
        }
        let watch = Stopwatch::start();
        let looks: Vec<Look> = self.load.wait_for_rest(&self.cluster);
        let rested = watch.elapsed();
        let fates = self.load.fates(&looks);
        assert_eq!(
            (fates.incarnations, fates.lost, fates.undone),
            (NODES.len(), 0, 0),
            "nobody died, so nothing is lost: {fates:?}"
        );
        assert!(
            fates.told > 100 && fates.ended > 0 && fates.whole > 0,
            "{fates:?} {:?}",
            self.load.requests()
        );
        for node in NODES {
            let log = self.cluster.process(node).log();
            assert!(!log.contains("panicked") && !log.contains("ERROR"), "{node}");
        }
        (rested, fates)
    }
}

/// Each of these lost some.
#[track_caller]
fn all_bite(dropped: &[u64], directions: usize) {
    assert!(
        dropped.len() == directions && dropped.iter().all(|packets| *packets > 0),
        "{dropped:?}"
    );
}

#[test]
#[ignore = "needs root: make network"]
fn all_converge_over_lines_that_lose_delay_repeat_and_reorder() {
    let network = Network::new();
    let lines = Forwarder::between(&network, Faults::NONE, SEED);
    let mut fixture = Fixture::on(network);
    let before = lines.done();
    assert!(
        before.arrived > 0 && before.lost == 0 && before.repeated == 0,
        "nothing else carries what they say: {before:?}"
    );
    lines.set(BAD);
    let watch = Stopwatch::start();
    for _ in 0..5 {
        fixture.write(30);
    }
    let written = watch.elapsed();
    // Still on bad lines.
    let (rested, fates) = fixture.rest();
    let Done { arrived, lost, repeated, overtaken } = lines.done();
    assert!(
        lost > arrived / 10 && repeated > arrived / 100 && overtaken > arrived / 100,
        "{:?}",
        lines.done()
    );
    lines.set(Faults::NONE);
    let linked = fixture.wait_linked();
    println!(
        "bad lines for {written:?}, at rest there after {rested:?}, all linked {linked:?} after they were mended"
    );
    println!(
        "{arrived} packets arrived, {overtaken} of them overtaken; {lost} lost, {repeated} repeated"
    );
    println!("{:?} {fates:?}", fixture.load.requests());
}

#[test]
#[ignore = "needs root: make network"]
fn a_city_cut_off_for_a_minute_goes_on_and_is_heard_of_seconds_after() {
    let mut fixture = Fixture::on(Network::new());
    fixture.settle("gotham");
    fixture.settle("metropolis");
    fixture.network.isolate("gotham");
    let (watch, since) = (Stopwatch::start(), incarnation_now());
    fixture.load.during(&fixture.cluster.api, SEED, || {
        // Before and after it is known.
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
    all_bite(&fixture.network.heal(), 6);
    let watch = Stopwatch::start();
    let linked = fixture.wait_linked();
    fixture.cluster.wait_status("gotham", "up", LINK_TIMEOUT);
    let up = watch.elapsed();
    // Each side went on without the other.
    fixture.wait_for_news("gotham", since);
    fixture.wait_for_news("metropolis", since);
    fixture.write(100);
    let (rested, fates) = fixture.rest();
    println!(
        "after a minute: all linked {linked:?} and gotham up {up:?} after healing; at rest after {rested:?}"
    );
    println!("{noticed:?} by then, {:?} in the end, {fates:?}", fixture.load.requests());
}

#[test]
#[ignore = "needs root: make network"]
fn what_one_side_cannot_hear_finds_its_way_and_the_other_side_notices_too() {
    let mut fixture = Fixture::on(Network::new());

    // Two cities: nobody is unreachable, and all agree while it lasts.
    fixture.network.cut(&[("metropolis", "gotham")]);
    fixture.wait_parted("gotham", "metropolis");
    fixture.write(100);
    let (rested, _) = fixture.rest();
    let links = fixture.links();
    assert!(links.len() == 10 && !links.contains(&("metropolis", "gotham")), "{links:?}");
    all_bite(&fixture.network.heal(), 1);
    let linked = fixture.wait_linked();
    println!(
        "gotham deaf to metropolis: at rest after {rested:?}, all linked {linked:?} after healing"
    );

    // Gotham hears nothing of dispatch, which hears gotham.
    fixture.settle("gotham");
    fixture.network.cut(&[("dispatch", "gotham")]);
    fixture.cluster.wait_status("gotham", "unreachable", NOTICE_TIMEOUT);
    fixture.wait_parted("gotham", "dispatch");
    let since = incarnation_now();
    fixture.write(100);
    fixture.wait_for_news("gotham", since);
    assert_eq!(fixture.status("gotham"), "unreachable");
    all_bite(&fixture.network.heal(), 1);
    let linked = fixture.wait_linked();
    let (rested, fates) = fixture.rest();
    println!(
        "gotham deaf to dispatch: all linked {linked:?} after healing, at rest after {rested:?}; {fates:?}"
    );
}

#[test]
#[ignore = "needs root: make network"]
fn a_city_that_moves_to_another_address_is_found_by_its_name() {
    let mut fixture = Fixture::on(Network::new());
    let new = Ipv4Addr::new(10, 0, 0, 101);
    let gotham = fixture.network.host("gotham");
    // Gotham itself dials nobody any more, so it is for the others to look it up.
    gotham.run("nft add table inet shy");
    gotham.run("nft add chain inet shy dialling { type filter hook output priority 0; }");
    gotham.run("nft add rule inet shy dialling oifname eth0 tcp flags & (syn | ack) == syn drop");
    gotham.run("ip addr flush dev eth0");
    gotham.run(&format!("ip addr add {new}/24 dev eth0"));
    fixture.cluster.wait_status("gotham", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    assert_eq!(fixture.status("gotham"), "unreachable", "nobody knows where it is");
    fixture.network.announce("gotham", new);
    let linked = fixture.wait_linked();
    fixture.cluster.wait_status("gotham", "up", LINK_TIMEOUT);
    fixture.write(100);
    let (rested, fates) = fixture.rest();
    println!(
        "all linked {linked:?} after the new address was known, at rest after {rested:?}; {fates:?}"
    );
}

#[test]
#[ignore = "needs root: make network"]
fn a_cable_that_was_pulled_and_an_interface_that_was_down_are_got_over() {
    let mut fixture = Fixture::on(Network::new());

    fixture.network.pull("metropolis");
    fixture.cluster.wait_status("metropolis", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    fixture.network.plug("metropolis");
    let plugged = fixture.wait_linked();

    // Here the host itself knows, and has no way to anybody: attempts fail at once.
    fixture.network.host("capitol").run("ip link set eth0 down");
    fixture.cluster.wait_status("capitol", "unreachable", NOTICE_TIMEOUT);
    fixture.write(100);
    fixture.network.host("capitol").run("ip link set eth0 up");
    let up = fixture.wait_linked();
    let (rested, fates) = fixture.rest();
    println!(
        "all linked {plugged:?} after the cable was back, {up:?} after the interface was; at rest after {rested:?}; {fates:?}"
    );
}
