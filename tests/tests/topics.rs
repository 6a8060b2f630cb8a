//! Topics and owners over HTTP, on real processes: listeners at every node, gaps under a fault, bad
//! input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use cluster_tests::raw::ANSWER_TIMEOUT;
use cluster_tests::{Api, Cluster, HANG_TIMEOUT, Link, NODES, Options, ensure, wait_until};
use serde_json::{Value, json};

fn api(cluster: &Cluster, node: &str) -> Api {
    Api::new(cluster.address(node))
}

/// A socket that listens to the topic `news`.
fn listen(cluster: &Cluster, node: &str) -> Link {
    Link::open(cluster.address(node), "/api/v1/topics/news/listen", &[]).expect("a permit")
}

#[track_caller]
fn next(link: &mut Link) -> Value {
    serde_json::from_slice(&link.receive().expect("a message")).expect("JSON")
}

/// Publishes at a node whose links to all others are up.
#[track_caller]
fn publish(cluster: &Cluster, node: &str, message: &Value) {
    wait_until(&format!("{node} publishes to all nodes"), HANG_TIMEOUT, || {
        let reply = api(cluster, node).get("/api/v1/owners/key").expect(200).json();
        ensure(reply["order"].as_array().is_some_and(|all| all.len() == 4), || reply.to_string())
    });
    let sent = api(cluster, node).post("/api/v1/topics/news", message).expect(202).json();
    assert_eq!(sent, json!({ "nodes": 4 }));
}

#[test]
fn message_reaches_the_listeners_at_every_node_in_order() {
    let cluster = Cluster::start(Options::default());
    let mut links = NODES.map(|node| listen(&cluster, node));
    for number in 0..20 {
        publish(&cluster, "gotham", &json!({ "number": number }));
    }
    for link in &mut links {
        for number in 0..20 {
            let expected = json!({ "from": "gotham", "body": { "number": number } });
            assert_eq!(next(link), expected);
        }
    }
    // To one node only.
    let to_one = api(&cluster, "gotham").post("/api/v1/topics/news?to=capitol", &json!("psst"));
    assert_eq!(to_one.expect(202).json(), json!({ "nodes": 1 }));
    publish(&cluster, "gotham", &json!("all"));
    for (node, link) in NODES.iter().zip(&mut links) {
        if *node == "capitol" {
            assert_eq!(next(link)["body"], json!("psst"));
        }
        assert_eq!(next(link)["body"], json!("all"), "{node}");
    }
}

#[test]
fn message_is_streamed_as_a_server_sent_event() {
    let cluster = Cluster::start(Options::default());
    let address = cluster.address("capitol");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout above zero");
    let request = format!("GET /api/v1/topics/news/listen HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    assert!(lines.by_ref().any(|line| line == "content-type: text/event-stream"));
    publish(&cluster, "gotham", &json!(["a", 1]));
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    assert_eq!(data.as_deref(), Some(r#"{"from":"gotham","body":["a",1]}"#));
}

#[test]
fn listener_behind_a_cut_is_told_how_many_messages_it_missed() {
    let cluster = Cluster::start(Options::default());
    let mut capitol = listen(&cluster, "capitol");
    publish(&cluster, "gotham", &json!(1));
    assert_eq!(next(&mut capitol)["body"], json!(1));
    let cut = json!({ "kind": "cut", "from": "gotham", "to": "capitol", "heal_after_s": 120 });
    cluster.api.inject(&cut);
    let mut metropolis = listen(&cluster, "metropolis");
    for number in 2..=4 {
        publish(&cluster, "gotham", &json!(number));
        assert_eq!(next(&mut metropolis)["body"], json!(number));
    }
    cluster.api.heal_all();
    publish(&cluster, "gotham", &json!(5));
    assert_eq!(next(&mut capitol), json!({ "from": "gotham", "missed": 3 }));
    assert_eq!(next(&mut capitol)["body"], json!(5));
    // Another publisher is not affected.
    publish(&cluster, "metropolis", &json!(6));
    assert_eq!(next(&mut capitol), json!({ "from": "metropolis", "body": 6 }));
}

/// What happens is published by dispatch, and heard at any node.
#[test]
fn events_of_the_log_are_published() {
    let cluster = Cluster::start(Options::default());
    let mut link = Link::open(cluster.address("metropolis"), "/api/v1/topics/events/listen", &[])
        .expect("a permit");
    cluster.api.bomb("gotham").expect(202);
    let event = loop {
        let event = next(&mut link);
        if event["body"]["kind"] == "destroyed" {
            break event;
        }
    };
    assert_eq!((&event["from"], &event["body"]["node"]), (&json!("dispatch"), &json!("gotham")));
    let number = &event["body"]["number"];
    let logged = cluster.api.get("/api/v1/events").expect(200).json();
    let logged = logged["events"].as_array().expect("a list").clone();
    assert!(logged.iter().any(|logged| logged["number"] == *number), "{logged:?}");
}

#[test]
fn nodes_agree_on_the_owner_of_a_key() {
    let cluster = Cluster::start(Options::default());
    let order = |node: &str| {
        let owner = api(&cluster, node).get("/api/v1/owners/joker").expect(200).json();
        assert_eq!(owner["owner"], owner["order"][0]);
        owner["order"].clone()
    };
    let expected = json!(["gotham", "dispatch", "capitol", "metropolis"]);
    for node in NODES {
        wait_until(&format!("{node} reaches all nodes"), HANG_TIMEOUT, || {
            let order = order(node);
            ensure(order == expected, || order.to_string())
        });
    }
}

#[test]
fn bad_publications_are_refused() {
    let cluster = Cluster::start(Options::default());
    let gotham = api(&cluster, "gotham");
    let long = format!("/api/v1/topics/{}", "x".repeat(101));
    gotham.post(&long, &json!(1)).problem(422, "invalid_name");
    gotham.get(&format!("{long}/listen")).problem(422, "invalid_name");
    let large = json!("x".repeat(5_000));
    gotham.post("/api/v1/topics/news", &large).problem(413, "too_large");
    gotham.post("/api/v1/topics/news?to=Not%20A%20Name", &json!(1)).problem(422, "invalid_name");
    let unknown = gotham.post("/api/v1/topics/news?to=smallville", &json!(1)).expect(202);
    assert_eq!(unknown.json(), json!({ "nodes": 0 }));
    let foreign = [("origin", "http://evil.example")];
    let refused = Link::open(cluster.address("gotham"), "/api/v1/topics/news/listen", &foreign);
    assert_eq!(refused.map(drop), Err(403));
    gotham.get("/api/v1/owners/%00").problem(422, "invalid_name");
}
