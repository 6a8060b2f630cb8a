//! Recording of operations, observations and actions, by one monotonic clock.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Api, Hero, NodeState, Reply};
use crate::audit::NodeReads;
use crate::history::record::{
    Action, Copy, Effect, Event, LostWrite, LostWrites, Observation, Operation, Outcome, Request,
    Verdict,
};
use crate::load::lock;
use crate::wait::ensure;
use superhero::Stopwatch;

/// The way in which a client reaches dispatch.
pub trait Transport: Sync {
    /// Sends a request with an idempotency key.
    ///
    /// # Errors
    /// The reason why there was no response.
    fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Reply, String>;
}

impl Transport for Api {
    fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Reply, String> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.try_request(method, path, &headers, body.to_string().as_bytes())
    }
}

/// The events recorded so far.
#[derive(Debug)]
pub struct Recorder {
    clock: Stopwatch,
    invoked: AtomicU64,
    completed: AtomicU64,
    events: Mutex<Vec<Event>>,
    lost: Mutex<Collected>,
}

/// The lost writes of one process of dispatch, which itself lists the newest only.
#[derive(Clone, Debug, Default)]
struct Collected {
    dispatch: Option<u64>,
    lost: Vec<LostWrite>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            clock: Stopwatch::start(),
            invoked: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            events: Mutex::default(),
            lost: Mutex::default(),
        }
    }
}

impl Recorder {
    /// Returns the time.
    ///
    /// # Panics
    /// After half a million years.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).expect("a run is short")
    }

    /// Returns the number of completed operations.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.completed.load(Ordering::SeqCst)
    }

    /// Sends a request, and records it with its outcome.
    pub fn perform(
        &self,
        transport: &dyn Transport,
        client: usize,
        key: Option<String>,
        request: Request,
    ) -> Operation {
        let number = self.invoked.fetch_add(1, Ordering::SeqCst);
        let invoked = self.now();
        let outcome = send(transport, key.as_deref(), &request);
        let completed = self.now();
        let operation = Operation { number, client, key, request, invoked, completed, outcome };
        self.push(Event::Operation(operation.clone()));
        self.completed.fetch_add(1, Ordering::SeqCst);
        operation
    }

    /// Reads every node and the verdict, and collects the lost writes.
    ///
    /// # Errors
    /// The request that was not answered as expected, or that dispatch was restarted meanwhile.
    pub fn observe(&self, api: &Api) -> Result<Observation, String> {
        let invoked = self.now();
        let before = api.try_nodes()?;
        let verdict = get::<Verdict>(api, "/api/v1/verdict")?;
        // The verdict lies between the first and the last read, and is compared if these are equal.
        let mut collected = lock(&self.lost).clone();
        let dispatch = before.get("dispatch").and_then(|dispatch| dispatch.incarnation);
        if collected.dispatch != dispatch {
            collected = Collected { dispatch, lost: Vec::new() };
        }
        let since = collected.lost.last().map_or(0, |lost| lost.number);
        collected.lost.extend(get::<LostWrites>(api, &format!("/api/v1/lost?since={since}"))?.lost);
        let nodes = NodeReads { before, ..NodeReads::read(api)? };
        let incarnation = |nodes: &BTreeMap<String, NodeState>| {
            nodes.get("dispatch").and_then(|dispatch| dispatch.incarnation)
        };
        ensure(incarnation(&nodes.before) == incarnation(&nodes.after), || {
            "dispatch was restarted between the reads".into()
        })?;
        *lock(&self.lost) = collected;
        Ok(Observation { invoked, completed: self.now(), nodes, verdict })
    }

    /// Returns the number of lost writes, and those that observations of the running dispatch have
    /// collected.
    ///
    /// # Errors
    /// The request was not answered as expected.
    pub fn lost_writes(&self, api: &Api) -> Result<LostWrites, String> {
        let LostWrites { count, .. } = get(api, "/api/v1/lost")?;
        Ok(LostWrites { count, lost: lock(&self.lost).lost.clone() })
    }

    /// Records an observation.
    pub fn note(&self, observation: Observation) {
        self.push(Event::Observation(Box::new(observation)));
    }

    /// Executes an action of the nemesis, and records it with the words that it returns.
    pub fn act(&self, effect: Effect, action: impl FnOnce() -> String) {
        let began = self.now();
        let what = action();
        self.push(Event::Action(Action { began, ended: self.now(), what, effect }));
    }

    /// Removes and returns the events, in the order of their completion.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        let mut events = std::mem::take(&mut *lock(&self.events));
        events.sort_by_key(|event| match event {
            Event::Operation(operation) => operation.completed,
            Event::Observation(observation) => observation.completed,
            Event::Action(action) => action.ended,
        });
        events
    }

    fn push(&self, event: Event) {
        lock(&self.events).push(event);
    }
}

fn get<T: for<'a> Deserialize<'a>>(api: &Api, path: &str) -> Result<T, String> {
    let reply = api.try_request("GET", path, &[], &[])?;
    ensure(reply.status == 200, || format!("{path}: {reply:?}")).map(|()| reply.parse())
}

fn send(transport: &dyn Transport, key: Option<&str>, request: &Request) -> Outcome {
    let hero = |id: &str| format!("/api/v1/heroes/{id}");
    let reply = match request {
        Request::Create { name } => {
            transport.send("POST", "/api/v1/heroes", key, &json!({ "name": name }))
        }
        Request::Assign { hero: id, to } => {
            transport.send("PUT", &format!("{}/location", hero(id)), key, &json!({"location": to}))
        }
        Request::Delete { hero: id } => transport.send("DELETE", &hero(id), key, &json!({})),
        Request::Read { hero: id } => transport.send("GET", &hero(id), key, &json!({})),
    };
    match reply {
        Ok(reply) => outcome(request, &reply),
        Err(reason) => Outcome::Unknown { reason, is_answer: false },
    }
}

fn outcome(request: &Request, reply: &Reply) -> Outcome {
    #[derive(Deserialize)]
    struct Shown {
        hero: Hero,
        cities: BTreeMap<String, Option<Copy>>,
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match (reply.status, request) {
        (200 | 201, Request::Create { .. } | Request::Assign { .. }) => {
            Outcome::Written { hero: reply.parse() }
        }
        (204, Request::Delete { .. }) => Outcome::Deleted,
        (200, Request::Read { .. }) => {
            let Shown { hero, cities } = reply.parse();
            Outcome::Shown { hero, cities }
        }
        (status, _) => {
            let problem: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            let (kind, detail) = (text(&problem["type"]), text(&problem["detail"]));
            if kind == "outcome_unknown" {
                Outcome::Unknown { reason: detail, is_answer: true }
            } else {
                Outcome::Refused { status, problem: kind, detail }
            }
        }
    }
}
