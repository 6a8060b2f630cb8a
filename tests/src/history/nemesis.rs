//! The faults of a plan, caused on a real cluster, and their end.
//!
//! Invariant: a process is stopped, killed or started only by the thread that runs the plan.

use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::cluster::Cluster;
use crate::history::generator::{Fault, Step};
use crate::history::record::Effect;
use crate::history::recorder::Recorder;
use crate::nodes::{CITIES, NODES};
use crate::process::Process;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};
use nix::sys::signal::Signal;

/// The operations that complete while dispatch is suspended: those that were in progress.
const DURING_SUSPENSION: u64 = 2;

/// Causes faults on a cluster, and records them.
#[derive(Debug)]
pub struct Nemesis<'a> {
    /// The cluster.
    pub cluster: &'a mut Cluster,
    /// The record.
    pub recorder: &'a Recorder,
}

impl Nemesis<'_> {
    /// Executes a step.
    pub fn step(&mut self, Step { fault, before, during }: Step) {
        self.wait_for_operations(before);
        match fault {
            Fault::Inject { fault, stays } => self.inject(&fault, stays, during),
            Fault::HealAll => self.call("DELETE", "/api/v1/faults", &json!({})),
            Fault::Pause => {
                self.post("/api/v1/gossip/pause", &json!({}));
                self.wait_for_operations(during);
                self.post("/api/v1/gossip/resume", &json!({}));
            }
            Fault::Speed(percent) => {
                self.post("/api/v1/gossip/speed", &json!({ "percent": percent }));
                self.wait_for_operations(during);
                self.post("/api/v1/gossip/speed", &json!({ "percent": 100 }));
            }
            Fault::Bomb(city) => {
                let api = self.cluster.api.clone();
                self.recorder.act(Effect::MemoryLost(city.to_owned()), || {
                    request(&api, "POST", &format!("/api/v1/cities/{city}/bomb"), &json!({})).0
                });
            }
            Fault::Exit(city, verb) => self.exit(city, verb, during),
            Fault::Kill("dispatch") => self.kill_dispatch(),
            Fault::Kill(city) => {
                let cluster = &mut *self.cluster;
                self.recorder.act(Effect::MemoryLost(city.to_owned()), || {
                    cluster.kill9(city);
                    format!("{city} killed")
                });
                self.wait_for_operations(during);
                self.start(city);
            }
            Fault::Suspend(node) => {
                self.signal(node, Signal::SIGSTOP);
                let operations = if node == "dispatch" { DURING_SUSPENSION } else { during };
                self.wait_for_operations(operations);
                self.signal(node, Signal::SIGCONT);
            }
        }
    }

    /// Ends all faults, and starts each process that has exited.
    pub fn end_all(&mut self) {
        self.recorder.act(Effect::None, || "all faults end".to_owned());
        for node in NODES {
            if self.cluster.process(node).has_ended() {
                self.start(node);
            }
        }
        let api = self.cluster.api.clone();
        wait_until("all faults have ended", HANG_TIMEOUT, || {
            let healed = api.try_request("DELETE", "/api/v1/faults", &[], &[])?;
            ensure(healed.status == 204, || format!("{healed:?}"))?;
            let resumed = request(&api, "POST", "/api/v1/gossip/resume", &json!({}));
            ensure(resumed.1.is_some_and(|reply| reply.status == 200), || resumed.0)?;
            let faults = api.faults();
            ensure(faults.is_empty(), || format!("{faults:?}"))
        });
        for city in CITIES {
            // A city may exit late, if the response to its stop was lost.
            if self.cluster.process(city).has_ended() {
                self.start(city);
            }
        }
        self.cluster.wait_ready(&NODES);
    }

    fn inject(&self, fault: &Value, stays: bool, during: u64) {
        let mut id = None;
        self.recorder.act(Effect::None, || {
            let (what, reply) = request(&self.cluster.api, "POST", "/api/v1/faults", fault);
            id = reply
                .filter(|reply| reply.status == 201)
                .and_then(|reply| reply.json()["id"].as_str().map(str::to_owned));
            format!("{fault}: {what}")
        });
        self.wait_for_operations(during);
        if let Some(id) = id.filter(|_| !stays) {
            self.call("DELETE", &format!("/api/v1/faults/{id}"), &json!({}));
        }
    }

    fn exit(&mut self, city: &'static str, verb: &str, during: u64) {
        let cluster = &mut *self.cluster;
        self.recorder.act(Effect::MemoryLost(city.to_owned()), || {
            let path = format!("/api/v1/cities/{city}/{verb}");
            let (what, reply) = request(&cluster.api, "POST", &path, &json!({}));
            if reply.is_some_and(|reply| reply.status == 202) {
                cluster.process(city).exit_code(HANG_TIMEOUT);
            }
            what
        });
        self.wait_for_operations(during);
        if self.cluster.process(city).has_ended() {
            self.start(city);
        }
    }

    fn kill_dispatch(&mut self) {
        let cluster = &mut *self.cluster;
        self.recorder.act(Effect::DispatchEnded, || {
            cluster.kill9("dispatch");
            "dispatch killed".to_owned()
        });
        self.recorder.act(Effect::DispatchStarted, || {
            cluster.start_again("dispatch");
            "dispatch started".to_owned()
        });
        // No waiting until it has joined: a frozen majority may delay that, and no operation
        // requires it.
        let api = self.cluster.api.clone();
        wait_until("dispatch answers", HANG_TIMEOUT, || {
            api.try_request("GET", "/healthz", &[], &[]).map(drop)
        });
    }

    fn start(&mut self, node: &str) {
        // If it exited later than the request, the memory was lost meanwhile.
        let cluster = &mut *self.cluster;
        self.recorder.act(Effect::MemoryLost(node.to_owned()), || {
            cluster.start_again(node);
            format!("{node} started")
        });
    }

    fn signal(&mut self, node: &str, signal: Signal) {
        let process: &mut Process = self.cluster.process(node);
        self.recorder.act(Effect::None, || {
            process.signal(signal);
            format!("{signal} to {node}")
        });
    }

    fn post(&self, path: &str, body: &Value) {
        self.call("POST", path, body);
    }

    fn call(&self, method: &str, path: &str, body: &Value) {
        self.recorder.act(Effect::None, || request(&self.cluster.api, method, path, body).0);
    }

    fn wait_for_operations(&self, operations: u64) {
        let until = self.recorder.completed() + operations;
        wait_until("clients continue", HANG_TIMEOUT, || {
            let completed = self.recorder.completed();
            ensure(completed >= until, || format!("{completed} of {until} operations"))
        });
    }
}

/// Sends a request, and returns it in words together with its response.
fn request(api: &Api, method: &str, path: &str, body: &Value) -> (String, Option<Reply>) {
    let header = [("content-type", "application/json")];
    let reply = api.try_request(method, path, &header, body.to_string().as_bytes());
    let what = match &reply {
        Ok(reply) => format!("{method} {path}: {} {}", reply.status, reply.body),
        Err(error) => format!("{method} {path}: {error}"),
    };
    (what, reply.ok())
}
