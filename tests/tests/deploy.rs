//! The files of deploy/: each node understands its whole configuration, and the four nodes that
//! they start form a cluster. Settings of Docker, Kubernetes and systemd themselves are not tested.

#[path = "deploy/deployed.rs"]
mod deployed;
#[path = "deploy/settings.rs"]
mod settings;

use std::collections::BTreeSet;

use cluster_tests::{HANG_TIMEOUT, NODES, Signal, run};

use deployed::Deployed;
use settings::{Method, compose, kubernetes, pod, services, strings, systemd, text};

/// The deployment methods that configure nodes.
const METHODS: [(&str, Method); 3] =
    [("compose", compose), ("kubernetes", kubernetes), ("systemd", systemd)];

/// Asserts that the cluster starts, and that an upgrade of one node at a time, as described in
/// deploy/README.md, loses no hero.
#[track_caller]
fn assert_converges_and_survives_upgrade(method: Method) {
    let mut deployed = Deployed::start(method);
    let heroes = deployed.api().create(20).len();
    deployed.wait_until_all_hold(heroes);
    for node in NODES {
        let process = deployed.processes.get_mut(node).expect("the node was started");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(HANG_TIMEOUT), Some(0), "{node} must stop on SIGTERM");
        assert_eq!(
            deployed.health(node),
            Some(1),
            "the health check of the stopped {node} must fail"
        );
        deployed.launch(node);
        deployed.wait_healthy(node);
    }
    deployed.wait_until_all_hold(heroes);
}

#[test]
fn compose_cluster_converges_and_survives_an_upgrade() {
    assert_converges_and_survives_upgrade(compose);
}

#[test]
fn kubernetes_cluster_converges_and_survives_an_upgrade() {
    assert_converges_and_survives_upgrade(kubernetes);
}

#[test]
fn systemd_cluster_converges_and_survives_an_upgrade() {
    assert_converges_and_survives_upgrade(systemd);
}

#[test]
fn environment_variables_are_all_known_to_their_node() {
    for node in NODES {
        let help = run(node, &["--help"], &[], HANG_TIMEOUT).stdout;
        for (method, settings) in METHODS.map(|(method, settings)| (method, settings(node))) {
            assert_eq!(
                settings.command,
                [node],
                "{method}: all settings must come from the environment"
            );
            let known = |name: &str| {
                help.contains(&format!("[env: {name}=")) || help.contains(&format!("[env: {name}]"))
            };
            let unknown: Vec<&String> =
                settings.environment.keys().filter(|name| !known(name)).collect();
            assert!(
                unknown.is_empty(),
                "{method} sets variables that {node} does not have: {unknown:?}"
            );
        }
    }
}

#[test]
fn nodes_list_all_others_as_peers() {
    for node in NODES {
        for (method, settings) in METHODS.map(|(method, settings)| (method, settings(node))) {
            let peers = settings.environment["SUPERHERO_PEER"]
                .split(',')
                .map(|peer| peer.split('=').next().expect("a name").to_owned());
            let others = NODES.into_iter().filter(|other| *other != node).map(str::to_owned);
            assert_eq!(peers.collect::<BTreeSet<_>>(), others.collect(), "{method}: {node}");
        }
    }
}

#[test]
fn manifests_differ_only_in_node_names() {
    let template = |node: &str| -> Vec<String> {
        let specific = [
            "SUPERHERO_PEER",
            "SUPERHERO_HOST_TOKEN_FILE",
            "SUPERHERO_VIEWER_TOKEN_FILE",
            "SUPERHERO_ALLOW_HOST",
        ];
        let text = text(&format!("deploy/kubernetes/{node}.yaml"));
        let common = text.lines().filter(|line| !specific.iter().any(|name| line.contains(name)));
        common.map(|line| line.replace(node, "NODE")).collect()
    };
    for node in &NODES[1..] {
        assert_eq!(template(node), template(NODES[0]), "{node}");
    }
}

#[test]
fn containers_have_minimal_privileges() {
    let services = services();
    for (name, service) in services.as_object().expect("services by name") {
        let service_text = format!("{name}: {service}");
        assert_eq!(
            (service["read_only"].as_bool(), service["user"].as_str()),
            (Some(true), Some("65532:65532")),
            "{service_text}"
        );
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{service_text}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{service_text}");
        let published = service["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| port.as_str().expect("a port"));
        assert!(
            published.into_iter().all(|port| name == "dispatch" && port.starts_with("127.0.0.1:")),
            "{service_text}"
        );
    }
    for node in NODES {
        let pod = pod(node);
        let (pod_context, container_context) =
            (&pod["securityContext"], &pod["containers"][0]["securityContext"]);
        assert_eq!(pod_context["runAsNonRoot"], true, "{pod}");
        assert_eq!(container_context["readOnlyRootFilesystem"], true, "{pod}");
        assert_eq!(container_context["allowPrivilegeEscalation"], false, "{pod}");
        assert_eq!(strings(&container_context["capabilities"]["drop"]), ["ALL"], "{pod}");
    }
}

#[test]
fn image_is_built_with_the_project_toolchain() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .expect("a channel");
    let image = text("deploy/Dockerfile");
    assert!(
        image.contains(&format!("FROM rust:{channel}-")),
        "the Dockerfile must build with {channel}"
    );
}
