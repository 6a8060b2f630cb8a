//! The live socket of a page, message by message: how a page begins, goes on from where it was and
//! catches up; how many frames it is sent unacknowledged; and that whatever one page says, the
//! others are shown what happens and the cluster agrees.

use cluster_tests::{
    CITIES, Cluster, Ending, HANG_TIMEOUT, Heroes, Link, NODES, Options, ensure, wait_until,
};
use serde_json::{Value, json};

/// How many frames a page may have under way unacknowledged.
const CREDIT: usize = 8;

/// A page, as far as its socket goes.
struct Page {
    link: Link,
    hello: Value,
    /// How often it was told that it skips frames.
    skips: usize,
}

impl Page {
    /// Opens a live socket with this query, and takes the first message.
    #[track_caller]
    fn open(cluster: &Cluster, query: &str) -> Self {
        let link = Link::open(cluster.address("dispatch"), &format!("/live?{query}"), &[]);
        let mut page =
            Self { link: link.expect("a place for a page"), hello: Value::Null, skips: 0 };
        page.hello = page.message();
        assert_eq!(page.hello["t"], "hello", "{}", page.hello);
        page
    }

    #[track_caller]
    fn bytes(&mut self) -> Vec<u8> {
        self.link.receive().unwrap_or_else(|ending| panic!("the socket was closed: {ending:?}"))
    }

    #[track_caller]
    fn message(&mut self) -> Value {
        parsed(&self.bytes())
    }

    /// The next frame, as it came. What else a page is told is passed over.
    #[track_caller]
    fn frame_bytes(&mut self) -> Vec<u8> {
        loop {
            let bytes = self.bytes();
            let message = parsed(&bytes);
            match message["t"].as_str() {
                Some("d") => return bytes,
                Some("skips") => self.skips += 1,
                Some("k") => {}
                _ => panic!("nothing that a page is told: {message}"),
            }
        }
    }

    /// The next frame.
    #[track_caller]
    fn frame(&mut self) -> Value {
        parsed(&self.frame_bytes())
    }

    fn say(&mut self, message: &Value) {
        self.link.send(message.to_string());
    }

    fn acknowledge(&mut self, frame: &Value) {
        self.say(&json!({ "t": "ack", "s": number(frame) }));
    }

    /// Takes and acknowledges frames until one is as wanted, and returns it.
    #[track_caller]
    fn take_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, HANG_TIMEOUT, || {
            let frame = self.frame();
            self.acknowledge(&frame);
            if wanted(&frame) { Ok(frame) } else { Err(format!("frame {}", frame["s"])) }
        })
    }

    /// Takes and acknowledges frames until it is shown this hero.
    #[track_caller]
    fn take_until_shown(&mut self, id: &str) {
        self.take_until(&format!("the page is shown {id}"), |frame| {
            items(frame).iter().any(|item| item == &row(id))
        });
    }

    /// How the other side ended it.
    #[track_caller]
    fn ending(self) -> Ending {
        self.link.ending()
    }
}

#[track_caller]
fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("messages are JSON")
}

/// The number of a frame.
#[track_caller]
fn number(frame: &Value) -> u64 {
    frame["s"].as_u64().expect("a frame has a number")
}

/// The id of the row of this hero.
fn row(id: &str) -> String {
    format!("h-{id}")
}

/// The rows that a frame brings.
fn items(frame: &Value) -> Vec<String> {
    frame["lists"]["heroes-rows"]["items"]
        .as_object()
        .into_iter()
        .flat_map(|items| items.keys().cloned())
        .collect()
}

/// Which rows there are, and in which order, where a frame says so.
fn order(frame: &Value) -> Option<Vec<String>> {
    let order = frame["lists"]["heroes-rows"]["order"].as_array()?;
    Some(order.iter().map(|id| id.as_str().expect("ids are text").to_owned()).collect())
}

/// A cluster that agrees on three heroes: their ids by name, in the order of their names.
fn cluster() -> (Cluster, Heroes, [String; 3]) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = ["Ash", "Birch", "Cedar"].map(|name| cluster.api.create_named(name).id);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    shown(&cluster);
    (cluster, heroes, ids)
}

/// Makes sure that what dispatch knows by now is in the frames too: what a page is sent when it is
/// loaded is never older than the request.
#[track_caller]
fn shown(cluster: &Cluster) {
    let _ = cluster.api.get("/").expect(200);
}

#[test]
fn a_page_is_told_who_speaks_and_then_everything() {
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
    assert_eq!(items(&first).len(), 3, "each row is there");
    let html = cluster.api.get("/").expect(200).body;
    let panels = first["html"].as_object().expect("panels");
    for panel in panels.keys().filter(|panel| *panel != "title") {
        assert!(html.contains(&format!("id=\"{panel}\"")), "the page has no panel {panel}");
    }
    assert!(
        ["verdict", "cluster", "map", "trouble", "inspector", "heroes-foot"]
            .iter()
            .all(|panel| panels.contains_key(*panel))
    );

    // The next one is told only what changed since.
    page.acknowledge(&first);
    let next = page.frame();
    assert_eq!((&next["from"], next.get("whole")), (&first["s"], None), "{next}");
    assert!(
        items(&next).is_empty() && next["html"].get("trouble").is_none(),
        "nothing of this has changed: {next}"
    );
}

#[test]
fn a_page_that_acknowledges_nothing_gets_eight_frames_and_holds_nobody_up() {
    let (cluster, mut heroes, ids) = cluster();
    let mut slow = Page::open(&cluster, "");
    // So that there is something to tell.
    let mut changes = ["gotham", "home"].into_iter().cycle();
    let mut change = |heroes: &mut Heroes| {
        let place = changes.next().expect("there is no end to them");
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
        "each goes on from the one before"
    );
    let mut other = Page::open(&cluster, "");
    for _ in 0..CREDIT + 2 {
        change(&mut heroes);
        let frame = other.frame();
        other.acknowledge(&frame);
    }
    let hero = cluster.api.create_named("Dogwood");
    heroes.created([hero.id.clone()]);
    other.take_until_shown(&hero.id);
    cluster.wait_until_held(&heroes, &CITIES);
    let newest = other.take_until("a frame of after all that", |_| true);

    // One acknowledged, so one more: it tells all since, and came into being only now.
    slow.acknowledge(&sent[0]);
    let caught_up = slow.frame();
    assert_eq!(caught_up["from"], sent[CREDIT - 1]["s"], "nothing was sent in between");
    assert_eq!((slow.skips, other.skips), (1, 0), "the slow one is told that it skipped");
    assert!(
        number(&caught_up) >= number(&newest),
        "{} is older than {}",
        caught_up["s"],
        newest["s"]
    );
    assert!(items(&caught_up).contains(&row(&hero.id)), "{caught_up}");
    other.take_until("three more frames", |frame| number(frame) > number(&caught_up) + 3);
    slow.acknowledge(&caught_up);
    let next = slow.frame();
    assert_eq!(next["from"], caught_up["s"]);
    assert!(
        number(&next) > number(&caught_up) + 3,
        "it was sent before it was acknowledged: {} after {}",
        next["s"],
        caught_up["s"]
    );
}

#[test]
fn a_page_that_missed_something_is_told_all_since() {
    let (cluster, _, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    let had = page.take_until("a frame", |_| true);
    let _ = cluster.api.assign(&ids[1], "gotham").expect(200);
    page.take_until_shown(&ids[1]);
    cluster.wait_converged();
    shown(&cluster);
    let missed = page.take_until("a frame without rows", |frame| items(frame).is_empty());

    page.say(&json!({ "t": "resync", "since": had["s"] }));
    let again = page.take_until("an answer", |frame| {
        number(frame) >= number(&missed) && frame["from"] == had["s"]
    });
    assert_eq!(
        (items(&again), again.get("whole")),
        (vec![row(&ids[1])], None),
        "what changed since, and nothing else"
    );

    page.say(&json!({ "t": "resync", "since": 0 }));
    let all = page.take_until("everything", |frame| frame["from"] == 0);
    assert_eq!((items(&all).len(), &all["whole"]), (3, &json!(true)));
}

#[test]
fn a_page_that_comes_back_goes_on_from_the_frame_it_has() {
    let (mut cluster, _, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    let epoch = page.hello["epoch"].as_str().expect("text").to_owned();
    let had = page.take_until("a frame", |_| true);
    page.link.close();
    let _ = cluster.api.assign(&ids[2], "capitol").expect(200);
    cluster.wait_converged();
    shown(&cluster);

    let mut back = Page::open(&cluster, &format!("epoch={epoch}&since={}", had["s"]));
    assert_eq!((&back.hello["resume"], &back.hello["epoch"]), (&json!(true), &json!(epoch)));
    let frame = back.frame();
    assert_eq!((&frame["from"], frame.get("whole")), (&had["s"], None));
    assert_eq!(items(&frame), [row(&ids[2])], "what changed meanwhile, and nothing else");

    let others = [
        ("an epoch of another dispatch", format!("epoch=0000000&since={}", had["s"])),
        ("no epoch", format!("since={}", had["s"])),
        (
            "a frame that is still to come",
            format!("epoch={epoch}&since={}", number(&had) + 1_000_000),
        ),
        ("a number that is none", format!("epoch={epoch}&since=yesterday")),
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
    let mut after = Page::open(&cluster, &format!("epoch={epoch}&since={}", had["s"]));
    assert_ne!(after.hello["epoch"], json!(epoch), "another run of dispatch");
    everything(&mut after, "a frame of the dispatch before");
}

#[test]
fn a_page_may_ask_for_another_view_and_for_rows_that_stand_still() {
    let (cluster, mut heroes, ids) = cluster();
    let mut page = Page::open(&cluster, "");
    page.take_until("a frame", |_| true);

    page.say(&json!({ "t": "watch", "view": "q=birch&rows=25" }));
    let found = page.take_until("the search", |frame| frame["whole"] == true);
    assert_eq!(order(&found), Some(vec![row(&ids[1])]));
    assert!(
        found["html"].get("heroes-chips").is_some() && found["html"].get("trouble").is_none(),
        "what all pages show it has: {found}"
    );
    assert_ne!(found["from"], 0);

    let pinned = [row(&ids[2]), row(&ids[0])];
    page.say(&json!({ "t": "watch", "view": "", "pin": [ids[2], ids[0]] }));
    let standing = page.take_until("the rows that stand still", |frame| frame["whole"] == true);
    assert_eq!(order(&standing), Some(pinned.to_vec()), "in the order that was asked for");
    let newcomer = cluster.api.create_named("Aspen").id;
    heroes.created([newcomer.clone()]);
    let _ = cluster.api.assign(&ids[0], "metropolis").expect(200);
    heroes.assigned(&ids[0], "metropolis");
    let changed = page.take_until("a value that changed", |frame| !items(frame).is_empty());
    assert_eq!(
        (items(&changed), order(&changed)),
        (vec![row(&ids[0])], None),
        "values change, and nobody moves"
    );

    page.say(&json!({ "t": "watch", "view": "" }));
    let free = page.take_until("the usual view", |frame| frame["whole"] == true);
    assert_eq!(
        order(&free),
        Some([&ids[0], &newcomer, &ids[1], &ids[2]].map(|id| row(id)).to_vec())
    );
    cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn pages_in_step_get_the_very_same_bytes() {
    let (cluster, _, _) = cluster();
    let mut pages = [Page::open(&cluster, ""), Page::open(&cluster, "")];
    // From what to what a frame goes, and how it came.
    let mut taken = [Vec::new(), Vec::new()];
    wait_until("both got the same frames", HANG_TIMEOUT, || {
        for (page, taken) in pages.iter_mut().zip(&mut taken) {
            let bytes = page.frame_bytes();
            let frame = parsed(&bytes);
            page.acknowledge(&frame);
            taken.push(((frame["from"].as_u64(), number(&frame)), bytes));
        }
        let [first, second] = &taken;
        let pairs = first.iter().filter_map(|(step, bytes)| {
            Some((bytes, &second.iter().find(|(other, _)| other == step)?.1))
        });
        let pairs: Vec<_> = pairs.collect();
        assert!(pairs.iter().all(|(one, other)| one == other), "the same step, in other bytes");
        ensure(pairs.len() >= 10, || format!("{} of {}", pairs.len(), first.len()))
    });
}

/// Nothing crashed or was lost, and what happens comes to the cities and to the page that was there
/// all the while.
#[track_caller]
fn others_go_on(cluster: &mut Cluster, heroes: &mut Heroes, bystander: &mut Page, after: &str) {
    let id = cluster.api.create_named(&format!("After {after}")).id;
    heroes.created([id.clone()]);
    bystander.take_until_shown(&id);
    cluster.wait_until_held(heroes, &CITIES);
    for node in NODES {
        assert!(!cluster.process(node).has_ended(), "{node} has ended");
        assert!(
            !cluster.process(node).log().contains("panicked"),
            "{node}: {}",
            cluster.process(node).log()
        );
    }
}

#[test]
fn whatever_a_page_says_it_alone_is_closed_and_told_why() {
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
            page.ending(),
            Ending::Closed(1008, "unknown message; send commands as forms".to_owned()),
            "{text}"
        );
    }
    others_go_on(&mut cluster, &mut heroes, &mut bystander, "nonsense");

    let mut binary = Page::open(&cluster, "");
    binary.link.send(br#"{"t":"ack","s":1}"#.to_vec());
    assert_eq!(binary.ending(), Ending::Closed(1003, "this socket takes text only".to_owned()));

    // It is cut off while we send, so its last words may be lost.
    for text in [true, false] {
        let mut large = Page::open(&cluster, "");
        if text {
            large.link.send("x".repeat(1 << 20))
        } else {
            large.link.send(vec![b'x'; 1 << 20])
        }
        let ending = large.ending();
        assert!(matches!(ending, Ending::Closed(1009, _) | Ending::Gone), "{ending:?}");
    }
    let pins: Vec<&String> = ids.iter().cycle().take(150).collect();
    let mut most = Page::open(&cluster, "");
    most.say(&json!({ "t": "watch", "view": format!("q={}", "x".repeat(2_000)), "pin": pins }));
    assert!(
        most.take_until("what that amounts to", |frame| frame["whole"] == true)["s"].is_u64(),
        "long, and allowed"
    );
    others_go_on(&mut cluster, &mut heroes, &mut bystander, "too much");

    let mut hasty = Page::open(&cluster, "");
    for _ in 0..100 {
        hasty.say(&json!({ "t": "ack", "s": 1 }));
    }
    assert_eq!(hasty.ending(), Ending::Closed(1008, "too many messages".to_owned()));
    let mut greedy = Page::open(&cluster, "");
    for number in 0..100 {
        greedy.say(&json!({ "t": "watch", "view": format!("q={number}") }));
    }
    assert_eq!(greedy.ending(), Ending::Closed(1008, "too many messages".to_owned()));
    others_go_on(&mut cluster, &mut heroes, &mut bystander, "haste");
}

#[test]
fn a_foreign_page_is_not_let_in() {
    let (mut cluster, mut heroes, _) = cluster();
    let mut bystander = Page::open(&cluster, "");
    let dispatch = cluster.address("dispatch");
    let status = |headers: &[(&str, &str)]| Link::open(dispatch, "/live", headers).err();
    let own = format!("http://{dispatch}");
    assert_eq!(status(&[("origin", &own)]), None, "the page's own socket");
    for origin in
        ["http://evil.example", "null", "", "http://127.0.0.1:1", &format!("{own}.evil.example")]
    {
        assert_eq!(status(&[("origin", origin)]), Some(403), "{origin}");
    }
    // A foreign name that was made to point here.
    for host in ["evil.example", "evil.example:4900", "127.0.0.1.evil.example", ""] {
        assert_eq!(status(&[("host", host)]), Some(421), "{host}");
        assert_eq!(
            status(&[("host", host), ("origin", &format!("http://{host}"))]),
            Some(421),
            "{host}"
        );
    }
    others_go_on(&mut cluster, &mut heroes, &mut bystander, "strangers");
}
