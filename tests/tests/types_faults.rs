//! Counters and chat rooms on real processes under bombs, kills and cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cluster_tests::{Api, CITIES, Cluster, HANG_TIMEOUT, NODES, Options, ensure, wait_until};
use serde_json::{Value, json};

/// The number of increments, and of clients that make them.
const INCREMENTS: usize = 10_000;
const CLIENTS: usize = 12;

fn at(cluster: &Cluster, node: &str) -> Api {
    Api::new(cluster.address(node))
}

/// Sends a change once. Returns the answer; `None` if none arrived.
fn send(api: &Api, path: &str, body: &Value) -> Option<(u16, Value)> {
    let headers = [("content-type", "application/json")];
    let reply = api.try_request("POST", path, &headers, body.to_string().as_bytes()).ok()?;
    Some((reply.status, reply.json()))
}

/// Counts the increments that were answered as done, and those whose outcome is unknown.
#[derive(Default)]
struct Tally {
    sent: AtomicUsize,
    done: AtomicI64,
    unknown: AtomicI64,
}

impl Tally {
    /// Increments at one node until all increments are sent.
    fn increment(&self, api: &Api) {
        while self.sent.fetch_add(1, Ordering::Relaxed) < INCREMENTS {
            loop {
                match send(api, "/api/v1/counters/visits", &json!({ "add": 1 })) {
                    Some((200, _)) => self.done.fetch_add(1, Ordering::Relaxed),
                    // Nothing was changed.
                    Some((status, problem)) if problem["type"] != "outcome_unknown" => {
                        assert!(matches!(status, 429 | 503), "{status} {problem}");
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    Some(_) | None => self.unknown.fetch_add(1, Ordering::Relaxed),
                };
                break;
            }
        }
    }
}

/// Returns the total of a counter at a node, 0 if the node does not know it.
fn total(api: &Api, counter: &str) -> Result<i64, String> {
    let reply = api.get(&format!("/api/v1/counters/{counter}"));
    match reply.status {
        200 => Ok(reply.json()["total"].as_i64().expect("a total")),
        404 => Ok(0),
        _ => Err(format!("{reply:?}")),
    }
}

#[test]
fn total_is_what_was_answered_as_done_less_what_is_told_as_lost() {
    let mut cluster = Cluster::start(Options::default());
    let tally = Tally::default();
    let apis: Vec<Api> = CITIES.iter().map(|city| at(&cluster, city)).collect();
    let wait_sent = |part: usize| {
        wait_until(&format!("{part} increments"), HANG_TIMEOUT, || {
            let sent = tally.sent.load(Ordering::Relaxed);
            ensure(sent >= part, || format!("{sent} of {part}"))
        });
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (api, tally) = (&apis[client % apis.len()], &tally);
            scope.spawn(move || tally.increment(api));
        }
        for step in 1..10 {
            wait_sent(step * INCREMENTS / 10);
            match step % 3 {
                0 => drop(cluster.api.inject(
                    &json!({ "kind": "cut", "from": "metropolis", "to": "capitol", "heal_after_s": 1 }),
                )),
                1 => cluster.bomb("gotham"),
                _ => cluster.bomb("capitol"),
            }
        }
    });
    cluster.api.heal_all();
    cluster.wait_converged();
    // A killed process cannot tell what was lost, so it is killed when others have everything.
    wait_until("others have all of metropolis", HANG_TIMEOUT, || {
        let counter = at(&cluster, "metropolis").get("/api/v1/counters/visits").expect(200).json();
        ensure(counter["unheard"] == 0, || counter.to_string())
    });
    cluster.kill9("metropolis");
    cluster.restart("metropolis");
    cluster.wait_converged();
    let (done, unknown) =
        (tally.done.load(Ordering::Relaxed), tally.unknown.load(Ordering::Relaxed));
    assert!(done > 0);
    wait_until("every total is accounted for", HANG_TIMEOUT, || {
        for node in NODES {
            let api = at(&cluster, node);
            let (total, lost) = (total(&api, "visits")?, total(&api, "lost:%20visits")?);
            let expected = done..=done + unknown;
            ensure(expected.contains(&(total + lost)), || {
                format!("{node}: {total} and {lost} lost, of {done} done and {unknown} unknown")
            })?;
        }
        Ok(())
    });
    let totals: BTreeSet<i64> =
        NODES.iter().map(|node| total(&at(&cluster, node), "visits").unwrap()).collect();
    assert_eq!(totals.len(), 1, "{totals:?}");
}

/// What one client of a room has seen and sent.
struct Talk {
    node: &'static str,
    room: String,
    sender: String,
}

impl Talk {
    /// Sends messages, each a reply to the newest that the node shows, and checks what it reads.
    fn run(&self, api: &Api, messages: usize) {
        let path = format!("/api/v1/rooms/{}", self.room);
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for number in 0..messages {
            let shown = self.read(api, &path, &mut seen);
            let mut body = json!({ "sender": self.sender, "text": format!("{number}") });
            if let Some(newest) = shown.last() {
                body["reply_to"] = newest["id"].clone();
            }
            // A refused message, or one of unknown outcome, is not repeated: the next one follows.
            if let Some((status, answer)) = send(api, &path, &body) {
                assert!(matches!(status, 201 | 422 | 429 | 503), "{status} {answer}");
            }
            // A sender may send ten messages a second at one node.
            thread::sleep(Duration::from_millis(110));
        }
    }

    /// Reads the room. Returns the messages, oldest first.
    fn read(&self, api: &Api, path: &str, seen: &mut BTreeMap<String, Value>) -> Vec<Value> {
        let Ok(reply) = api.try_request("GET", &format!("{path}?limit=100"), &[], &[]) else {
            return Vec::new();
        };
        if reply.status != 200 {
            return Vec::new();
        }
        let shown = reply.json()["messages"].as_array().expect("a list").clone();
        let id = |message: &Value| message["id"].as_str().expect("an id").to_owned();
        let ids: Vec<String> = shown.iter().map(id).collect();
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{} shows a message twice", self.node);
        for (place, message) in shown.iter().enumerate() {
            if let Some(question) = message["reply_to"].as_str()
                && let Some(at) = ids.iter().position(|id| id == question)
            {
                assert!(at < place, "{} shows {message} before its question", self.node);
            }
            let before = seen.insert(ids[place].clone(), message.clone());
            assert!(before.is_none_or(|before| before == *message), "{message} has changed");
        }
        shown
    }
}

#[test]
fn rooms_under_faults_show_no_message_twice_or_before_its_question() {
    let cluster = Cluster::start(Options::default());
    let apis: BTreeMap<&str, Api> = NODES.iter().map(|node| (*node, at(&cluster, node))).collect();
    thread::scope(|scope| {
        for client in 0..20_usize {
            let node = NODES[client % NODES.len()];
            let talk = Talk {
                node,
                room: format!("room {}", client % 5).replace(' ', "%20"),
                sender: format!("client {client}"),
            };
            let api = &apis[node];
            scope.spawn(move || talk.run(api, 60));
        }
        for round in 0..3 {
            cluster.api.inject(
                &json!({ "kind": "cut", "from": "gotham", "to": "metropolis", "heal_after_s": 1 }),
            );
            cluster.bomb(CITIES[round % CITIES.len()]);
            cluster.wait_status(CITIES[round % CITIES.len()], "up", HANG_TIMEOUT);
        }
    });
    cluster.api.heal_all();
    cluster.wait_converged();
    for room in 0..5 {
        let path = format!("/api/v1/rooms/room%20{room}?limit=50");
        wait_until(&format!("room {room} is equal everywhere"), HANG_TIMEOUT, || {
            let shown = NODES.map(|node| apis[node].get(&path).expect(200).json());
            let count = shown[0]["messages"].as_array().map_or(0, Vec::len);
            ensure(count == 50 && shown.iter().all(|each| *each == shown[0]), || {
                format!("{:?}", shown.map(|each| each["messages"].as_array().map(Vec::len)))
            })
        });
    }
}
