//! The files of deploy/: each node understands all that they tell it, and the four that they start
//! are a cluster. What Docker, Kubernetes and systemd do with the rest of them is theirs.

#[path = "deploy/deployed.rs"]
mod deployed;
#[path = "deploy/told.rs"]
mod told;

use std::collections::BTreeSet;

use cluster_tests::{HANG_TIMEOUT, NODES, Signal, run};

use deployed::Deployed;
use told::{Way, compose, kubernetes, pod, services, strings, systemd, text};

/// The ways of deploying that tell nodes what to do.
const WAYS: [(&str, Way); 3] =
    [("compose", compose), ("kubernetes", kubernetes), ("systemd", systemd)];

/// A cluster comes up, and an upgrade of one node at a time, as deploy/README.md has it, loses
/// nobody.
#[track_caller]
fn agrees_and_outlives_an_upgrade(way: Way) {
    let mut deployed = Deployed::start(way);
    let heroes = deployed.api().create(20).len();
    deployed.wait_until_all_hold(heroes);
    for node in NODES {
        let process = deployed.processes.get_mut(node).expect("it was started");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(HANG_TIMEOUT), Some(0), "{node} stops when asked to");
        assert_eq!(deployed.health(node), Some(1), "nobody answers for {node}");
        deployed.launch(node);
        deployed.wait_healthy(node);
    }
    deployed.wait_until_all_hold(heroes);
}

#[test]
fn what_compose_starts_agrees_and_outlives_an_upgrade() {
    agrees_and_outlives_an_upgrade(compose);
}

#[test]
fn what_kubernetes_starts_agrees_and_outlives_an_upgrade() {
    agrees_and_outlives_an_upgrade(kubernetes);
}

#[test]
fn what_systemd_starts_agrees_and_outlives_an_upgrade() {
    agrees_and_outlives_an_upgrade(systemd);
}

#[test]
fn every_variable_is_one_that_its_node_knows() {
    for node in NODES {
        let help = run(node, &["--help"], &[], HANG_TIMEOUT).stdout;
        for (way, told) in WAYS.map(|(way, told)| (way, told(node))) {
            assert_eq!(told.command, [node], "{way}: everything else is told by the environment");
            let known = |name: &str| {
                help.contains(&format!("[env: {name}=")) || help.contains(&format!("[env: {name}]"))
            };
            let unknown: Vec<&String> =
                told.environment.keys().filter(|name| !known(name)).collect();
            assert!(
                unknown.is_empty(),
                "{way} tells {node} what it does not understand: {unknown:?}"
            );
        }
    }
}

#[test]
fn every_node_dials_all_the_others() {
    for node in NODES {
        for (way, told) in WAYS.map(|(way, told)| (way, told(node))) {
            let peers = told.environment["SUPERHERO_PEER"]
                .split(',')
                .map(|peer| peer.split('=').next().expect("a name").to_owned());
            let others = NODES.into_iter().filter(|other| *other != node).map(str::to_owned);
            assert_eq!(peers.collect::<BTreeSet<_>>(), others.collect(), "{way}: {node}");
        }
    }
}

#[test]
fn the_manifests_of_the_nodes_differ_in_nothing_but_their_names() {
    let anonymous = |node: &str| -> Vec<String> {
        let own = [
            "SUPERHERO_PEER",
            "SUPERHERO_HOST_TOKEN_FILE",
            "SUPERHERO_VIEWER_TOKEN_FILE",
            "SUPERHERO_ALLOW_HOST",
        ];
        let text = text(&format!("deploy/kubernetes/{node}.yaml"));
        let common = text.lines().filter(|line| !own.iter().any(|name| line.contains(name)));
        common.map(|line| line.replace(node, "NODE")).collect()
    };
    for node in &NODES[1..] {
        assert_eq!(anonymous(node), anonymous(NODES[0]), "{node}");
    }
}

#[test]
fn no_container_may_do_more_than_it_must() {
    let services = services();
    for (name, service) in services.as_object().expect("services by name") {
        let seen = format!("{name}: {service}");
        assert_eq!(
            (service["read_only"].as_bool(), service["user"].as_str()),
            (Some(true), Some("65532:65532")),
            "{seen}"
        );
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{seen}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{seen}");
        let open = service["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| port.as_str().expect("a port"));
        assert!(
            open.into_iter().all(|port| name == "dispatch" && port.starts_with("127.0.0.1:")),
            "{seen}"
        );
    }
    for node in NODES {
        let pod = pod(node);
        let (of_pod, of_container) =
            (&pod["securityContext"], &pod["containers"][0]["securityContext"]);
        assert_eq!(of_pod["runAsNonRoot"], true, "{pod}");
        assert_eq!(of_container["readOnlyRootFilesystem"], true, "{pod}");
        assert_eq!(of_container["allowPrivilegeEscalation"], false, "{pod}");
        assert_eq!(strings(&of_container["capabilities"]["drop"]), ["ALL"], "{pod}");
    }
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_project() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .expect("a channel");
    let image = text("deploy/Dockerfile");
    assert!(
        image.contains(&format!("FROM rust:{channel}-")),
        "the Dockerfile does not build with {channel}"
    );
}
