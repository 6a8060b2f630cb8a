//! Nodes that know no address of another, and find each other: the option `--discover`.

use cluster_tests::{
    CITIES, Certificates, Cluster, Discover, HANG_TIMEOUT, Heroes, Options, Process, ensure,
    wait_until,
};

/// Starts a cluster, and waits until its heroes are in all cities.
fn check(mut cluster: Cluster) -> Cluster {
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(20));
    cluster.wait_until_held(&heroes, &CITIES);
    // A restarted node finds the others again, and a bombed one is found.
    cluster.restart("metropolis");
    cluster.bomb("capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    cluster
}

#[test]
fn nodes_find_each_other_by_addresses_without_names() {
    let options = Options { discover: Discover::Addresses, ..Options::default() };
    let mut cluster = Cluster::start(options);
    cluster.wait_converged();
    let log = cluster.process("gotham").log();
    assert!(log.contains("found by static:127."), "{log}");
    assert!(!log.contains("WARN"), "a search is no warning to those that are found: {log}");
    let cluster = check(cluster);

    // A further city knows the address of one member, and a wrong one.
    let files = tempfile::tempdir().expect("a temporary directory can be created");
    let log = files.path().join("log");
    let dispatch = cluster.address("dispatch");
    let discover =
        [format!("--discover=static:{dispatch}"), "--discover=static:127.0.0.1:1".to_owned()];
    let mut arguments = vec!["star-city".to_owned(), format!("--listen={}:0", dispatch.ip())];
    arguments.extend(discover);
    let city = Process::start("location", &arguments, &[], log);
    wait_until("the city is a member", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let is_up = nodes.get("star-city").is_some_and(|node| node.status == "up");
        ensure(is_up, || format!("{nodes:?}\n{}", city.log()))
    });
}

/// A node with a certificate of another authority learns no name, and is told why.
#[test]
fn nodes_find_each_other_with_certificates() {
    let options = Options { discover: Discover::Addresses, ..Options::default() };
    let cluster = check(Cluster::start_encrypted(options));
    let files = tempfile::tempdir().expect("a temporary directory can be created");
    let other = Certificates::at(cluster.address("gotham").ip());
    let mut arguments = vec![
        format!("--listen={}:0", cluster.address("gotham").ip()),
        format!("--discover=static:{}", cluster.address("dispatch")),
    ];
    arguments.extend(other.options("gotham"));
    let log = files.path().join("log");
    let environment = [("RUST_LOG", "gossip=debug")];
    let stranger = Process::start("gotham", &arguments, &environment, log);
    wait_until("the certificate is refused", HANG_TIMEOUT, || {
        let log = stranger.log();
        ensure(log.contains("no node found: TLS handshake failed"), || log)
    });
    assert!(!stranger.log().contains("found by"), "{}", stranger.log());
}
