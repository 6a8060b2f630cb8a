//! The live socket of a page, message by message: the first messages, resumption and catching up;
//! the limit of unacknowledged frames; and that no message of one page affects the other pages or
//! the cluster.

use cluster_tests::{
    CITIES, Cluster, Disconnect, HANG_TIMEOUT, Heroes, Link, NODES, Options, ensure, wait_until,
};
use serde_json::{Value, json};

/// The maximum number of unacknowledged frames in flight to a page.
const CREDIT: usize = 8;

/// The socket of a page.
struct Page {
    link: Link,
    hello: Value,
    /// The number of `skips` messages received.
    skips: usize,
}

impl Page {
    /// Opens a live socket with this query, and receives the first message.
    #[track_caller]
    fn open(cluster: &Cluster, query: &str) -> Self {
        let link = Link::open(cluster.address("dispatch"), &format!("/live?{query}"), &[]);
        let mut page =
            Self { link: link.expect("a permit for a page"), hello: Value::Null, skips: 0 };
        page.hello = page.message();
        assert_eq!(page.hello["t"], "hello", "{}", page.hello);
        page
    }

    #[track_caller]
    fn bytes(&mut self) -> Vec<u8> {
        self.link
            .receive()
            .unwrap_or_else(|disconnect| panic!("the socket was closed: {disconnect:?}"))
    }

    #[track_caller]
    fn message(&mut self) -> Value {
        parsed(&self.bytes())
    }

    /// Receives the next frame as raw bytes, skipping other messages.
    #[track_caller]
    fn frame_bytes(&mut self) -> Vec<u8> {
        loop {
            let bytes = self.bytes();
            let message = parsed(&bytes);
            match message["t"].as_str() {
                Some("d") => return bytes,
                Some("skips") => self.skips += 1,
                Some("k") => {}
                _ => panic!("unexpected message to a page: {message}"),
            }
        }
    }

    /// Receives the next frame.
    #[track_caller]
    fn frame(&mut self) -> Value {
        parsed(&self.frame_bytes())
    }

    fn send(&mut self, message: &Value) {
        self.link.send(message.to_string());
    }

    fn acknowledge(&mut self, frame: &Value) {
        self.send(&json!({ "t": "ack", "s": number(frame) }));
    }

    /// Receives and acknowledges frames until one satisfies `wanted`, and returns it.
    #[track_caller]
    fn receive_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, HANG_TIMEOUT, || {
            let frame = self.frame();
            self.acknowledge(&frame);
            if wanted(&frame) { Ok(frame) } else { Err(format!("frame {}", frame["s"])) }
        })
    }

    /// Receives and acknowledges frames until one contains the row of this hero.
    #[track_caller]
    fn receive_until_shown(&mut self, id: &str) {
        self.receive_until(&format!("a frame contains the row of {id}"), |frame| {
            items(frame).iter().any(|item| item == &row(id))
        });
    }

    /// Reads until the other side closes the socket.
    #[track_caller]
    fn read_to_close(self) -> Disconnect {
        self.link.read_to_close()
    }
}

#[track_caller]
fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("messages are JSON")
}

/// Returns the number of a frame.
#[track_caller]
fn number(frame: &Value) -> u64 {
    frame["s"].as_u64().expect("a frame has a number")
}

/// Returns the id of this hero's row.
fn row(id: &str) -> String {
    format!("h-{id}")
}

/// Returns the ids of the rows in a frame.
fn items(frame: &Value) -> Vec<String> {
    frame["lists"]["table-rows"]["items"]
        .as_object()
        .into_iter()
        .flat_map(|items| items.keys().cloned())
        .collect()
}

/// Returns the order of the rows, if the frame contains it.
fn order(frame: &Value) -> Option<Vec<String>> {
    let order = frame["lists"]["table-rows"]["order"].as_array()?;
    Some(order.iter().map(|id| id.as_str().expect("ids are text").to_owned()).collect())
}

/// Starts a cluster that agrees on three heroes; returns their ids in the order of their names.
fn cluster() -> (Cluster, Heroes, [String; 3]) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = ["Ash", "Birch", "Cedar"].map(|name| cluster.api.create_named(name).id);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    refresh_frames(&cluster);
    (cluster, heroes, ids)
}

/// Ensures that frames are as recent as dispatch's state: a page load is never rendered from older
/// state than its request.
#[track_caller]
fn refresh_frames(cluster: &Cluster) {
    let _ = cluster.api.get("/").expect(200);
}

#[test]
fn page_receives_hello_then_whole_state_then_changes() {
    let (cluster, _, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    let hello = page.hello.clone();
    assert_eq!(
        (&hello["proto"], &hello["resume"], &hello["hz"]),
        (&json!(1), &json!(false), &json!(4)),
        "{hello}"
    );
    assert!(hello["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()), "{hello}");
    let first = page.frame();
    assert!(number(&first) >= hello["head"].as_u64().expect("a number"), "{hello} {first}");
    assert_eq!((&first["from"], &first["whole"]), (&json!(0), &json!(true)), "{first}");
    assert_eq!(order(&first), Some(ids.iter().map(|id| row(id)).collect()));
    assert_eq!(items(&first).len(), 3, "the first frame must contain every row");
    let html = cluster.api.get("/").expect(200).body;
    let panels = first["html"].as_object().expect("panels");
    for panel in panels.keys().filter(|panel| *panel != "title") {
        assert!(html.contains(&format!("id=\"{panel}\"")), "the page has no panel {panel}");
    }
    assert!(
        ["verdict", "cluster", "map", "faults", "inspector", "table-foot"]
            .iter()
            .all(|panel| panels.contains_key(*panel))
    );

    // The next frame contains only the changes since.
    page.acknowledge(&first);
    let next = page.frame();
    assert_eq!((&next["from"], next.get("whole")), (&first["s"], None), "{next}");
    assert!(
        items(&next).is_empty() && next["html"].get("faults").is_none(),
        "unchanged parts must not be sent: {next}"
    );
}

#[test]
fn unacknowledged_frames_are_limited_to_eight_per_page() {
    let (cluster, mut heroes, ids) = cluster();
    let mut slow = Page::open(&cluster, "");
    // Changes that make every frame non-empty.
    let mut changes = ["gotham", "home"].into_iter().cycle();
    let mut change = |heroes: &mut Heroes| {
        let place = changes.next().expect("a cycle has no end");
        let _ = cluster.api.assign(&ids[0], place).expect(200);
        heroes.assigned(&ids[0], place);
    };
    let mut sent = Vec::new();
    for _ in 0..CREDIT {
        change(&mut heroes);
        sent.push(slow.frame());
    }
    assert!(
        sent.windows(2).all(|pair| pair[1]["from"] == pair[0]["s"]),
        "each frame must be based on the one before"
    );
    let mut other = Page::open(&cluster, "");
    for _ in 0..CREDIT + 2 {
        change(&mut heroes);
        let frame = other.frame();
        other.acknowledge(&frame);
    }
    let hero = cluster.api.create_named("Dogwood");
    heroes.created([hero.id.clone()]);
    other.receive_until_shown(&hero.id);
    cluster.wait_until_held(&heroes, &CITIES);
    let newest = other.receive_until("a frame after all changes", |_| true);

    // One acknowledgement permits one frame. It contains all changes since, and was created only
    // then.
    slow.acknowledge(&sent[0]);
    let caught_up = slow.frame();
    assert_eq!(caught_up["from"], sent[CREDIT - 1]["s"], "no frame may be sent in between");
    assert_eq!(
        (slow.skips, other.skips),
        (1, 0),
        "only the slow page must receive a skips message"
    );
    assert!(
        number(&caught_up) >= number(&newest),
        "frame {} is older than {}",
        caught_up["s"],
        newest["s"]
    );
    assert!(items(&caught_up).contains(&row(&hero.id)), "{caught_up}");
    other.receive_until("three more frames", |frame| number(frame) > number(&caught_up) + 3);
    slow.acknowledge(&caught_up);
    let next = slow.frame();
    assert_eq!(next["from"], caught_up["s"]);
    assert!(
        number(&next) > number(&caught_up) + 3,
        "the frame was sent before the acknowledgement: {} after {}",
        next["s"],
        caught_up["s"]
    );
}

#[test]
fn resync_sends_all_changes_since_a_frame() {
    let (cluster, _, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    let base = page.receive_until("a frame", |_| true);
    let _ = cluster.api.assign(&ids[1], "gotham").expect(200);
    page.receive_until_shown(&ids[1]);
    cluster.wait_converged();
    refresh_frames(&cluster);
    let missed = page.receive_until("a frame without rows", |frame| items(frame).is_empty());

    page.send(&json!({ "t": "resync", "since": base["s"] }));
    let again = page.receive_until("the requested frame", |frame| {
        number(frame) >= number(&missed) && frame["from"] == base["s"]
    });
    assert_eq!(
        (items(&again), again.get("whole")),
        (vec![row(&ids[1])], None),
        "the frame must contain only the changes since"
    );

    page.send(&json!({ "t": "resync", "since": 0 }));
    let all = page.receive_until("everything", |frame| frame["from"] == 0);
    assert_eq!((items(&all).len(), &all["whole"]), (3, &json!(true)));
}

#[test]
fn reconnected_page_resumes_from_its_last_frame() {
    let (mut cluster, _, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    let epoch = page.hello["epoch"].as_str().expect("text").to_owned();
    let base = page.receive_until("a frame", |_| true);
    page.link.close();
    let _ = cluster.api.assign(&ids[2], "capitol").expect(200);
    cluster.wait_converged();
    refresh_frames(&cluster);

    let mut resumed = Page::open(&cluster, &format!("epoch={epoch}&since={}", base["s"]));
    assert_eq!((&resumed.hello["resume"], &resumed.hello["epoch"]), (&json!(true), &json!(epoch)));
    let frame = resumed.frame();
    assert_eq!((&frame["from"], frame.get("whole")), (&base["s"], None));
    assert_eq!(items(&frame), [row(&ids[2])], "the frame must contain only the changes since");

    let others = [
        ("the epoch of another dispatch", format!("epoch=0000000&since={}", base["s"])),
        ("no epoch", format!("since={}", base["s"])),
        ("a future frame number", format!("epoch={epoch}&since={}", number(&base) + 1_000_000)),
        ("not a number", format!("epoch={epoch}&since=yesterday")),
        ("a number too large", format!("epoch={epoch}&since=99999999999999999999")),
    ];
    let everything = |page: &mut Page, what: &str| {
        let frame = page.frame();
        assert_eq!(
            (&page.hello["resume"], &frame["from"], &frame["whole"]),
            (&json!(false), &json!(0), &json!(true)),
            "{what}"
        );
        assert_eq!(items(&frame).len(), 3, "{what}");
    };
    for (what, query) in &others {
        everything(&mut Page::open(&cluster, query), what);
    }

    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    let mut after = Page::open(&cluster, &format!("epoch={epoch}&since={}", base["s"]));
    assert_ne!(after.hello["epoch"], json!(epoch), "a restarted dispatch must have a new epoch");
    everything(&mut after, "a frame number of the previous dispatch");
}

#[test]
fn page_can_watch_another_view_and_pin_rows() {
    let (cluster, mut heroes, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    page.receive_until("a frame", |_| true);

    page.send(&json!({ "t": "watch", "view": "q=birch&rows=25" }));
    let found = page.receive_until("the search", |frame| frame["whole"] == true);
    assert_eq!(order(&found), Some(vec![row(&ids[1])]));
    assert!(
        found["html"].get("table-chips").is_some() && found["html"].get("faults").is_none(),
        "parts common to all views must not be sent again: {found}"
    );
    assert_ne!(found["from"], 0);

    let pinned = [row(&ids[2]), row(&ids[0])];
    page.send(&json!({ "t": "watch", "view": "", "pin": [ids[2], ids[0]] }));
    let pinned_frame = page.receive_until("the pinned rows", |frame| frame["whole"] == true);
    assert_eq!(
        order(&pinned_frame),
        Some(pinned.to_vec()),
        "the rows must be in the requested order"
    );
    let new_hero = cluster.api.create_named("Aspen").id;
    heroes.created([new_hero.clone()]);
    let _ = cluster.api.assign(&ids[0], "metropolis").expect(200);
    heroes.assigned(&ids[0], "metropolis");
    let changed = page.receive_until("a changed value", |frame| !items(frame).is_empty());
    assert_eq!(
        (items(&changed), order(&changed)),
        (vec![row(&ids[0])], None),
        "values must change without moving rows"
    );

    page.send(&json!({ "t": "watch", "view": "" }));
    let default_view = page.receive_until("the default view", |frame| frame["whole"] == true);
    assert_eq!(
        order(&default_view),
        Some([&ids[0], &new_hero, &ids[1], &ids[2]].map(|id| row(id)).to_vec())
    );
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn pages_in_step_receive_equal_bytes() {
    let (cluster, _, _) = cluster();
    let mut pages = [Page::open(&cluster, ""), Page::open(&cluster, "")];
    // The received frames, each with its base and number, and its bytes.
    let mut received = [Vec::new(), Vec::new()];
    wait_until("both pages received the same frames", HANG_TIMEOUT, || {
        for (page, received) in pages.iter_mut().zip(&mut received) {
            let bytes = page.frame_bytes();
            let frame = parsed(&bytes);
            page.acknowledge(&frame);
            received.push(((frame["from"].as_u64(), number(&frame)), bytes));
        }
        let [first, second] = &received;
        let pairs = first.iter().filter_map(|(step, bytes)| {
            Some((bytes, &second.iter().find(|(other, _)| other == step)?.1))
        });
        let pairs: Vec<_> = pairs.collect();
        assert!(pairs.iter().all(|(one, other)| one == other), "equal steps must have equal bytes");
        ensure(pairs.len() >= 10, || format!("{} of {}", pairs.len(), first.len()))
    });
}

/// Asserts that nothing crashed or was lost, and that changes still reach the cities and the page
/// that stayed open.
#[track_caller]
fn assert_others_unaffected(
    cluster: &mut Cluster,
    heroes: &mut Heroes,
    bystander: &mut Page,
    after: &str,
) {
    let id = cluster.api.create_named(&format!("After {after}")).id;
    heroes.created([id.clone()]);
    bystander.receive_until_shown(&id);
    cluster.wait_until_held(heroes, &CITIES);
    for node in NODES {
        assert!(!cluster.process(node).has_ended(), "{node} has exited");
        assert!(
            !cluster.process(node).log().contains("panicked"),
            "{node}: {}",
            cluster.process(node).log()
        );
    }
}

#[test]
fn invalid_messages_close_only_their_page_with_a_reason() {
    let (mut cluster, mut heroes, ids) = cluster();
    let mut bystander = Page::open(&cluster, "");
    let unknown = [
        r#"{"t":"bomb","city":"gotham"}"#.to_owned(),
        r#"{"t":"hello","proto":1}"#.to_owned(),
        r#"{"s":1}"#.to_owned(),
        r#"{"t":"ack"}"#.to_owned(),
        r#"{"t":"ack","s":-1}"#.to_owned(),
        r#"{"t":"ack","s":"1"}"#.to_owned(),
        r#"{"t":"ack","s":1,"city":"gotham"}"#.to_owned(),
        r#"{"t":"ack","s":1} {"t":"ack","s":1}"#.to_owned(),
        r#"{"t":"watch","pin":[]}"#.to_owned(),
        r#"{"t":"watch","view":"","pin":["batman"]}"#.to_owned(),
        r#"{"t":"ack","s":1"#.to_owned(),
        "null".to_owned(),
        String::new(),
        "bomb gotham".to_owned(),
        "[".repeat(8_000),
    ];
    for text in unknown {
        let mut page = Page::open(&cluster, "");
        page.link.send(text.clone());
        assert_eq!(
            page.read_to_close(),
            Disconnect::Closed(1008, "unknown message; send commands through forms".to_owned()),
            "{text}"
        );
    }
    assert_others_unaffected(&mut cluster, &mut heroes, &mut bystander, "nonsense");

    let mut binary = Page::open(&cluster, "");
    binary.link.send(br#"{"t":"ack","s":1}"#.to_vec());
    assert_eq!(
        binary.read_to_close(),
        Disconnect::Closed(1003, "this socket accepts text only".to_owned())
    );

    // The socket is closed during sending, so the close frame may be lost.
    for text in [true, false] {
        let mut large = Page::open(&cluster, "");
        if text {
            large.link.send("x".repeat(1 << 20))
        } else {
            large.link.send(vec![b'x'; 1 << 20])
        }
        let disconnect = large.read_to_close();
        assert!(
            matches!(disconnect, Disconnect::Closed(1009, _) | Disconnect::Dropped),
            "{disconnect:?}"
        );
    }
    let pins: Vec<&String> = ids.iter().cycle().take(150).collect();
    let mut most = Page::open(&cluster, "");
    most.send(&json!({ "t": "watch", "view": format!("q={}", "x".repeat(2_000)), "pin": pins }));
    assert!(
        most.receive_until("the view", |frame| frame["whole"] == true)["s"].is_u64(),
        "a message at the limits must be accepted"
    );
    assert_others_unaffected(&mut cluster, &mut heroes, &mut bystander, "too much");

    let mut acknowledging = Page::open(&cluster, "");
    for _ in 0..100 {
        acknowledging.send(&json!({ "t": "ack", "s": 1 }));
    }
    assert_eq!(
        acknowledging.read_to_close(),
        Disconnect::Closed(1008, "too many messages".to_owned())
    );
    let mut watching = Page::open(&cluster, "");
    for number in 0..100 {
        watching.send(&json!({ "t": "watch", "view": format!("q={number}") }));
    }
    assert_eq!(watching.read_to_close(), Disconnect::Closed(1008, "too many messages".to_owned()));
    assert_others_unaffected(&mut cluster, &mut heroes, &mut bystander, "haste");
}

#[test]
fn foreign_origins_and_hosts_are_refused() {
    let (mut cluster, mut heroes, _) = cluster();
    let mut bystander = Page::open(&cluster, "");
    let dispatch = cluster.address("dispatch");
    let status = |headers: &[(&str, &str)]| Link::open(dispatch, "/live", headers).err();
    let own = format!("http://{dispatch}");
    assert_eq!(status(&[("origin", &own)]), None, "the page's own origin must be accepted");
    for origin in
        ["http://evil.example", "null", "", "http://127.0.0.1:1", &format!("{own}.evil.example")]
    {
        assert_eq!(status(&[("origin", origin)]), Some(403), "{origin}");
    }
    // A foreign host name that resolves to this address.
    for host in ["evil.example", "evil.example:4900", "127.0.0.1.evil.example", ""] {
        assert_eq!(status(&[("host", host)]), Some(421), "{host}");
        assert_eq!(
            status(&[("host", host), ("origin", &format!("http://{host}"))]),
            Some(421),
            "{host}"
        );
    }
    assert_others_unaffected(&mut cluster, &mut heroes, &mut bystander, "strangers");
}
