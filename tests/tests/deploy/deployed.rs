//! The four processes that a way of deploying starts, on this machine: addresses and paths are
//! replaced, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use cluster_tests::{
    Api, CITIES, HANG_TIMEOUT, NODES, Process, ensure, own_address, run, wait_until,
};
use tempfile::TempDir;

use crate::told::{FILES, Told, Way};

/// The processes that one way of deploying starts, each on an address of its own, with files of its
/// own.
pub(crate) struct Deployed {
    // First, so that it ends before its log does.
    pub(crate) processes: BTreeMap<&'static str, Process>,
    addresses: BTreeMap<&'static str, Ipv4Addr>,
    directory: TempDir,
    told: BTreeMap<&'static str, Told>,
}

impl Deployed {
    /// Starts all four and waits for their health checks. Who is let in is tested elsewhere, so
    /// neither certificates nor tokens are used.
    pub(crate) fn start(way: Way) -> Self {
        let mut deployed = Self {
            addresses: NODES.map(|node| (node, own_address())).into(),
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
            told: BTreeMap::new(),
            processes: BTreeMap::new(),
        };
        for node in NODES {
            let told = deployed.here(node, way(node));
            deployed.told.insert(node, told);
        }
        for node in NODES {
            deployed.launch(node);
        }
        for node in NODES {
            deployed.wait_healthy(node);
        }
        deployed
    }

    /// The same, on this machine: addresses and paths are replaced, and nothing else.
    fn here(&self, node: &str, mut told: Told) -> Told {
        told.environment.retain(|name, _| !name.contains("_TLS_") && !name.contains("_TOKEN_"));
        let files = self.directory.path().join(node);
        fs::create_dir(&files).expect("a directory of our own");
        let moved = |node: &str, address: &str| {
            let (_, port) = address.rsplit_once(':').expect("HOST:PORT");
            format!("{}:{port}", self.addresses[node])
        };
        for (name, value) in &mut told.environment {
            if name == "SUPERHERO_LISTEN" {
                *value = moved(node, value);
            } else if name == "SUPERHERO_PEER" {
                let peers =
                    value.split(',').map(|peer| peer.split_once('=').expect("NAME=HOST:PORT"));
                *value = peers
                    .map(|(peer, address)| format!("{peer}={}", moved(peer, address)))
                    .collect::<Vec<_>>()
                    .join(",");
            } else if FILES.contains(&name.as_str()) {
                let file = files.join(Path::new(value).file_name().expect("the path of a file"));
                fs::write(&file, "a cookie of this test's own\n").expect("a file of our own");
                *value = file.to_str().expect("a path that is text").to_owned();
            }
        }
        told
    }

    pub(crate) fn launch(&mut self, node: &'static str) {
        let told = &self.told[node];
        let environment: Vec<(&str, &str)> =
            told.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let log = self.directory.path().join(format!("{node}.log"));
        self.processes
            .insert(node, Process::start(&told.command[0], &told.command[1..], &environment, log));
    }

    pub(crate) fn health(&self, node: &str) -> Option<i32> {
        let told = &self.told[node];
        let arguments: Vec<&str> = told.healthcheck[1..].iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            told.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(&told.healthcheck[0], &arguments, &environment, HANG_TIMEOUT).code
    }

    pub(crate) fn wait_healthy(&self, node: &str) {
        wait_until(&format!("{node} is healthy"), HANG_TIMEOUT, || {
            let health = self.health(node);
            ensure(health == Some(0), || format!("its health check ends with {health:?}"))
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
        Api::new(self.told["dispatch"].environment["SUPERHERO_LISTEN"].parse().expect("an address"))
    }
}
