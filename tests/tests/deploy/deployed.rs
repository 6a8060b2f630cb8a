//! The four processes that a deployment method starts, on this machine: only addresses and paths
//! are replaced.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use cluster_tests::{
    Api, CITIES, HANG_TIMEOUT, NODES, Process, ensure, own_address, run, wait_until,
};
use tempfile::TempDir;

use super::settings::{FILES, Method, NodeSettings};

/// The processes that one deployment method starts, each with an address and files of its own.
pub(crate) struct Deployed {
    // First, so that processes stop before their logs are removed.
    pub(crate) processes: BTreeMap<&'static str, Process>,
    addresses: BTreeMap<&'static str, Ipv4Addr>,
    directory: TempDir,
    settings: BTreeMap<&'static str, NodeSettings>,
}

impl Deployed {
    /// Starts all four, and waits for their health checks. Admission and authorization are tested
    /// elsewhere, so neither certificates nor tokens are used.
    pub(crate) fn start(method: Method) -> Self {
        let mut deployed = Self {
            addresses: NODES.map(|node| (node, own_address())).into(),
            directory: tempfile::tempdir().expect("a temporary directory can be created"),
            settings: BTreeMap::new(),
            processes: BTreeMap::new(),
        };
        for node in NODES {
            let settings = deployed.adapt(node, method(node));
            deployed.settings.insert(node, settings);
        }
        for node in NODES {
            deployed.launch(node);
        }
        for node in NODES {
            deployed.wait_healthy(node);
        }
        deployed
    }

    /// Adapts the settings to this machine: only addresses and paths are replaced.
    fn adapt(&self, node: &str, mut settings: NodeSettings) -> NodeSettings {
        settings.environment.retain(|name, _| !name.contains("_TLS_") && !name.contains("_TOKEN_"));
        let files = self.directory.path().join(node);
        fs::create_dir(&files).expect("a temporary directory");
        let replaced = |node: &str, address: &str| {
            let (_, port) = address.rsplit_once(':').expect("HOST:PORT");
            format!("{}:{port}", self.addresses[node])
        };
        for (name, value) in &mut settings.environment {
            if name == "SUPERHERO_LISTEN" {
                *value = replaced(node, value);
            } else if name == "SUPERHERO_PEER" {
                let peers =
                    value.split(',').map(|peer| peer.split_once('=').expect("NAME=HOST:PORT"));
                *value = peers
                    .map(|(peer, address)| format!("{peer}={}", replaced(peer, address)))
                    .collect::<Vec<_>>()
                    .join(",");
            } else if FILES.contains(&name.as_str()) {
                let file = files.join(Path::new(value).file_name().expect("the path of a file"));
                fs::write(&file, "the cookie of this test\n").expect("a temporary file");
                *value = file.to_str().expect("a path that is text").to_owned();
            }
        }
        settings
    }

    pub(crate) fn launch(&mut self, node: &'static str) {
        let settings = &self.settings[node];
        let environment: Vec<(&str, &str)> = settings
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let log = self.directory.path().join(format!("{node}.log"));
        self.processes.insert(
            node,
            Process::start(&settings.command[0], &settings.command[1..], &environment, log),
        );
    }

    pub(crate) fn health(&self, node: &str) -> Option<i32> {
        let settings = &self.settings[node];
        let arguments: Vec<&str> = settings.healthcheck[1..].iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> = settings
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        run(&settings.healthcheck[0], &arguments, &environment, HANG_TIMEOUT).code
    }

    pub(crate) fn wait_healthy(&self, node: &str) {
        wait_until(&format!("{node} is healthy"), HANG_TIMEOUT, || {
            let health = self.health(node);
            ensure(health == Some(0), || format!("the health check exits with {health:?}"))
        });
    }

    pub(crate) fn wait_until_all_hold(&self, heroes: usize) {
        let api = self.api();
        wait_until(&format!("all hold {heroes} heroes"), HANG_TIMEOUT, || {
            let held: Vec<usize> = CITIES.iter().map(|city| api.city(city).heroes.len()).collect();
            ensure(held == [heroes; 3], || format!("{held:?}"))?;
            let verdict = api.get("/api/v1/verdict").expect(200).json();
            ensure(verdict["converged"] == true, || verdict.to_string())
        });
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(
            self.settings["dispatch"].environment["SUPERHERO_LISTEN"].parse().expect("an address"),
        )
    }
}
