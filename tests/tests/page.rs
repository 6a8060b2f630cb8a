//! The page and its cluster under trouble, in a real browser beside real processes: what the page
//! says of writes, bombs, silence and death is the case; a lost frame, a lost socket and a lost
//! dispatch mend themselves without a reload; and the page keeps still for whoever holds it, points
//! at it or types.

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, ensure, no_complaints, page_of, row,
    wait_row, wait_until,
};
use serde_json::{Value, json};

/// How WebDriver writes these keys.
const ENTER: char = '\u{E007}';
const ESCAPE: char = '\u{E00C}';

/// Notes what goes over the page's sockets, what it posts, and what it says of contact. Times are
/// those of the browser's clock.
const RECORDER: &str = "
    globalThis.sockets = [];
    globalThis.heard = [];
    globalThis.said = [];
    globalThis.posted = [];
    globalThis.contacts = [];
    const { parse } = JSON;
    globalThis.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            sockets.push(this);
            const socket = sockets.length;
            this.addEventListener('message', ({ data }) => heard.push({ at: Date.now(), socket, ...parse(data) }));
        }
        send(text) {
            said.push({ at: Date.now(), ...parse(text) });
            super.send(text);
        }
    };
    const send = fetch;
    globalThis.fetch = (address, options) => {
        if (options?.method === 'POST') posted.push(address);
        return send(address, options);
    };
    const look = () => {
        const name = document.documentElement?.dataset.contact;
        if (name && contacts.at(-1)?.name !== name) contacts.push({ at: Date.now(), name });
    };
    new MutationObserver(look).observe(document, { attributes: true, childList: true, subtree: true, attributeFilter: ['data-contact'] });
";

/// Opens the page in this window with a recorder, and marks it, so that a reload would be noticed.
#[track_caller]
fn record(browser: &Browser, cluster: &Cluster) {
    browser.run_first(RECORDER);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    mark(browser);
}

#[track_caller]
fn mark(browser: &Browser) {
    let _ = browser.evaluate("window.same = true");
}

#[track_caller]
fn recorded_page_of(cluster: &Cluster) -> Browser {
    let browser = Browser::start();
    record(&browser, cluster);
    browser
}

#[track_caller]
fn was_not_loaded_again(browser: &Browser) {
    assert_eq!(browser.evaluate("return window.same"), true, "the page was loaded again");
}

/// What the recorder noted under this name.
#[track_caller]
fn recorded(browser: &Browser, what: &str) -> Vec<Value> {
    let recorded = browser.evaluate(&format!("return {what}"));
    recorded.as_array().cloned().unwrap_or_else(|| panic!("{recorded} of the recorder"))
}

/// Waits until this JavaScript returns what is wanted, and returns that.
#[track_caller]
fn wait_for(browser: &Browser, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, HANG_TIMEOUT, || {
        let seen = browser.evaluate(script);
        if wanted(&seen) { Ok(seen) } else { Err(seen.to_string()) }
    })
}

/// The names of the heroes on the page, in their order.
#[track_caller]
fn names(browser: &Browser) -> Vec<String> {
    let names = browser.evaluate(
        "return [...document.querySelectorAll('#heroes-rows th')].map((name) => name.textContent)",
    );
    serde_json::from_value(names).expect("names are text")
}

#[track_caller]
fn wait_names(browser: &Browser, what: &str, wanted: &[&str]) {
    wait_until(what, HANG_TIMEOUT, || {
        let names = names(browser);
        ensure(names == wanted, || format!("{names:?}"))
    });
}

/// What all of an element says, folded away or not.
#[track_caller]
fn all_text(browser: &Browser, selector: &str) -> String {
    let text = browser
        .evaluate(&format!("return document.querySelector('{selector}')?.textContent ?? ''"));
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn wait_all_text(browser: &Browser, selector: &str, what: &str, wanted: impl Fn(&str) -> bool) {
    wait_until(&format!("{selector} says {what}"), HANG_TIMEOUT, || {
        let text = all_text(browser, selector);
        ensure(wanted(&text), || text.clone())
    });
}

/// Creates heroes of these names and waits until all hold them; their ids.
#[track_caller]
fn populate<const N: usize>(cluster: &Cluster, names: [&str; N]) -> (Heroes, [String; N]) {
    let mut heroes = Heroes::default();
    let ids = names.map(|name| cluster.api.create_named(name).id);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    (heroes, ids)
}

/// Cut off from every other node for longer than a test takes.
fn cut(cluster: &Cluster, city: &str) {
    cluster.api.inject(&json!({ "kind": "cut", "from": city, "to": "*", "heal_after_s": 600 }));
}

fn gossip(cluster: &Cluster) -> Value {
    cluster.api.get("/api/v1/gossip").expect(200).json()
}

#[test]
fn of_two_writes_on_two_sides_of_a_cut_the_page_says_which_will_be_lost_and_then_that_it_is() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [id]) = populate(&cluster, ["Granite"]);
    let browser = page_of(&cluster);
    cut(&cluster, "gotham");
    browser.choose("Assign Granite", "gotham");
    wait_row(&browser, "Granite", "gotham", |row| row.contains("Gotham"));
    browser.choose("Assign Granite", "metropolis");
    wait_row(&browser, "Granite", "what each side says", |row| {
        row.contains("Gotham") && row.matches("Metropolis").count() == 2 && row.contains("Differs")
    });

    browser.click("link", "Differs : why");
    browser.wait_text("#inspector .ruling", "who will win", |text| text == "Metropolis will win.");
    let told = all_text(&browser, "#inspector");
    for part in [
        "Granite",
        "Its stamp is the later one, and it had not seen the other.",
        "When they meet, what Gotham wrote (Gotham 100",
        "is gone everywhere.",
        "will be lost: the winner had not seen it",
        "Gotham does not take it before the cut around Gotham heals",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert!(!told.contains("Lost for good"), "{told}");
    assert!(browser.text("#lost-writes").contains("No write that was lost has been found."));
    assert_eq!(cluster.api.get("/api/v1/lost").expect(200).json()["count"], 0);

    browser.click("button", "Heal all");
    heroes.assigned(&id, "metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
    browser.wait_text("#lost-writes summary", "that one is lost", |text| {
        text == "Writes lost for good (1)"
    });
    browser.wait_text("#inspector .ruling", "who has won", |text| {
        text == "All three agree: Metropolis wrote it last."
    });
    let line = all_text(&browser, "#inspector .gone li");
    assert!(
        line.contains("Gotham wrote “Gotham 100")
            && line.ends_with("Metropolis had not heard of it"),
        "{line}"
    );
    assert!(
        all_text(&browser, "#verdict .stats").contains("Writes lost for good1"),
        "{}",
        all_text(&browser, "#verdict .stats")
    );
    let cells = browser.evaluate(
        "document.getElementById('lost-writes-list').open = true; \
         return [...document.querySelectorAll('#lost-writes tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim().replace(/\\s+/g, ' ')))",
    );
    let [cells] = cells.as_array().expect("rows").as_slice() else {
        panic!("one line, not {cells}")
    };
    let cells: Vec<&str> =
        cells.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [saved, hero, said, writer, instead, why] = cells[..] else { panic!("{cells:?}") };
    assert!(saved.len() == "12:00:00.000".len() && said.starts_with("Gotham 100"), "{cells:?}");
    assert_eq!(
        (hero, writer, why),
        ("Granite", "Gotham", "Metropolis had not heard of it"),
        "{cells:?}"
    );
    assert!(
        instead.starts_with("Metropolis 100") && instead.ends_with("by Metropolis"),
        "{cells:?}"
    );

    let lost = cluster.api.get("/api/v1/lost").expect(200).json();
    let write = &lost["lost"][0];
    assert_eq!(
        (&lost["count"], lost["lost"].as_array().map(Vec::len)),
        (&json!(1), Some(1)),
        "{lost}"
    );
    assert_eq!((&write["hero"], &write["name"]), (&json!(id), &json!("Granite")), "{lost}");
    assert_eq!(
        (&write["wrote"]["location"], &write["to"]["location"]),
        (&json!("gotham"), &json!("metropolis")),
        "{lost}"
    );

    let csv = cluster.api.get("/api/v1/lost.csv").expect(200).body;
    let records: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let [names, values] = records.as_slice() else { panic!("a head and a line, not {csv}") };
    let field = |name: &str| {
        values[names
            .iter()
            .position(|other| *other == name)
            .unwrap_or_else(|| panic!("no {name} in {csv}"))]
    };
    assert_eq!((field("hero"), field("name")), (id.as_str(), "Granite"), "{csv}");
    assert_eq!((field("wrote_location"), field("to_location")), ("gotham", "metropolis"), "{csv}");
    assert!(
        field("wrote_origin").starts_with("gotham") && field("to_origin").starts_with("metropolis"),
        "{csv}"
    );
    no_complaints(&browser, &[]);
}

#[test]
fn what_a_bomb_would_take_is_said_before_and_what_became_of_it_after() {
    let mut cluster = Cluster::start(Options::default());
    let (heroes, _) = populate(&cluster, ["Ash", "Birch"]);
    // Gotham alone has heard of one: it pulls from dispatch, is cut off, and dispatch loses its
    // memory.
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    let lone = cluster.api.create_named("Lone Wolf").id;
    let pulled = cluster
        .api
        .post("/api/v1/gossip/step", &json!({ "from": "dispatch", "to": "gotham" }))
        .expect(200)
        .json();
    assert_eq!((&pulled["completed"], &pulled["entries"]), (&json!(true), &json!(1)), "{pulled}");
    cut(&cluster, "gotham");
    cluster.kill9("dispatch");
    cluster.restart("dispatch");
    let browser = page_of(&cluster);
    let at_stake = "Bombing Gotham now would lose 1 hero that nobody else has heard of: Lone Wolf.";
    browser.wait_text("#city-gotham .at-stake", "what is at stake", |text| text == at_stake);
    wait_row(&browser, "Lone Wolf", "that it is the only copy", |row| row.contains("Only copy"));
    for city in ["metropolis", "capitol"] {
        assert_eq!(browser.text(&format!("#city-{city} .at-stake")), "");
    }

    browser.click("button", "Pause gossip");
    browser.wait_text("#gossip", "that it is paused", |text| text.contains("Gossip is paused"));
    browser.click("button", "Bomb Gotham");
    for name in ["Ash", "Birch"] {
        wait_row(&browser, name, "that Gotham has not heard", |row| {
            row.matches("not heard of").count() == 1
        });
    }
    wait_row(&browser, "Lone Wolf", "nothing", str::is_empty);
    browser.wait_text("#city-gotham .doing", "that it was destroyed", |text| {
        text == "destroyed, recovering"
    });
    browser.wait_text("#city-gotham .holds", "nothing", |text| text == "0 of 2 heroes");
    browser.wait_text("#aftermath", "what became of it", |text| {
        text.ends_with("The one hero that Gotham alone held, Lone Wolf, is gone.")
    });
    assert_eq!(browser.text("#city-gotham .at-stake"), "");

    browser.click("button", "Heal all");
    browser.wait_text("#trouble", "that nothing is in force", |text| {
        text.contains("No trouble is in force.")
    });
    browser.click("button", "Resume gossip");
    for name in ["Ash", "Birch"] {
        wait_row(&browser, name, "that all agree", |row| {
            row.contains("All three say") && row.contains("Agreed")
        });
    }
    browser.wait_text("#city-gotham .doing", "that it agrees", |text| text == "agrees");
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.api.hero(&lone).status, 404, "it is gone indeed");
    assert!(browser.text("#aftermath").contains("Lone Wolf, is gone."), "it is still told");
    no_complaints(&browser, &[]);
}

/// Notes from now on which of the three words are said anywhere of what is the case.
fn note_words(browser: &Browser) {
    let _ = browser.evaluate(
        "window.words = new Set(); \
         const look = () => { \
           const text = ['verdict', 'map', 'cluster'].map((id) => document.getElementById(id).textContent).join(' '); \
           for (const word of ['has stopped', 'gives no answer', 'frozen']) if (text.includes(word)) words.add(word); \
         }; \
         new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });",
    );
}

fn noted_words(browser: &Browser) -> Value {
    browser.evaluate("return [...words].sort()")
}

#[test]
fn frozen_is_never_said_to_have_stopped_nor_stopped_to_be_frozen() {
    let mut cluster = Cluster::start(Options::default());
    let _ = populate(&cluster, ["Granite"]);
    let browser = page_of(&cluster);
    note_words(&browser);
    cluster.api.inject(&json!({ "kind": "freeze", "from": "metropolis", "heal_after_s": 600 }));
    browser.wait_text("h1", "no answer", |text| text.contains("Metropolis gives no answer."));
    wait_all_text(&browser, "#map .place.metropolis", "that it is frozen", |text| {
        text.contains("frozen")
    });
    wait_all_text(&browser, "#map-twin", "that it is frozen", |text| {
        text.contains("Metropolis is frozen")
    });
    browser.wait_text("#city-metropolis .doing", "that it is frozen", |text| {
        text == "frozen from here"
    });
    assert_eq!(noted_words(&browser), json!(["frozen", "gives no answer"]));
    cluster.api.heal_all();
    browser.wait_text("#city-metropolis .doing", "that it agrees", |text| text == "agrees");
    cluster.wait_converged();
    wait_all_text(&browser, "#map", "that all ways are open", |text| !text.contains("frozen"));

    note_words(&browser);
    cluster.kill9("capitol");
    browser.wait_text("h1", "that it has stopped", |text| text.contains("Capitol has stopped."));
    wait_all_text(&browser, "#map .place.capitol", "that it has stopped", |text| {
        text.contains("has stopped")
    });
    wait_all_text(&browser, "#map-twin", "that it has stopped", |text| {
        text.contains("Capitol has stopped")
    });
    browser.wait_text("#city-capitol .doing", "that it has stopped", |text| text == "has stopped");
    let noted = noted_words(&browser);
    assert!(!noted.as_array().expect("words").contains(&json!("frozen")), "{noted}");
    // Until its port has refused a connection nobody knows more than that it gives no answer.
    note_words(&browser);
    wait_until("that goes on being said", HANG_TIMEOUT, || {
        ensure(noted_words(&browser) != json!([]), || "nothing new".to_owned())
    });
    assert_eq!(noted_words(&browser), json!(["has stopped"]));
    no_complaints(&browser, &[]);
}

/// How long after the last sign of life a page may show what it knows as the present, in
/// milliseconds: three seconds of silence, and what a browser's timers may be late.
const STALE_WITHIN_MS: u64 = 4_500;

#[test]
fn every_open_page_says_soon_that_dispatch_is_silent_and_comes_back_without_a_reload() {
    let mut cluster = Cluster::start(Options::default());
    let (heroes, _) = populate(&cluster, ["Granite"]);
    let browser = recorded_page_of(&cluster);
    let first = browser.open_beside("about:blank");
    record(&browser, &cluster);
    let second = browser.go_to(&first);
    let windows = [&first, &second];
    let epochs = windows.map(|window| {
        browser.go_to(window);
        recorded(&browser, "heard.filter((message) => message.t === 'hello')")[0]["epoch"].clone()
    });
    assert_eq!(epochs[0], epochs[1]);

    let alive = browser.evaluate("return Date.now()").as_u64().expect("a time");
    cluster.kill9("dispatch");
    for window in windows {
        browser.go_to(window);
        browser.wait_text("#contact", "that contact is lost", |text| text == "Lost contact");
        let lost = recorded(&browser, "contacts").last().expect("an end of contact").clone();
        let heard = recorded(&browser, "heard.slice(-1)")[0]["at"].as_u64().expect("a time");
        let at = lost["at"].as_u64().expect("a time");
        assert_eq!(lost["name"], "lost");
        assert!(
            at - alive <= STALE_WITHIN_MS,
            "{} ms after dispatch was last known to live",
            at - alive
        );
        assert!(at - heard >= 3_000, "{} ms of silence are no reason", at - heard);
        assert!(browser.text("#lost-what").contains("What you see is what was known then."));
        let can_act = browser.evaluate("return [...document.querySelectorAll('main form[method=post] button')].some((b) => !b.disabled)");
        assert_eq!(can_act, false, "nothing can be commanded without dispatch");
    }

    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    for (window, before) in windows.into_iter().zip(epochs) {
        browser.go_to(window);
        browser.wait_text("#contact", "Live", |text| text == "Live");
        wait_row(&browser, "Granite", "that all agree", |row| row.contains("Agreed"));
        was_not_loaded_again(&browser);
        let hello = recorded(&browser, "heard.filter((message) => message.t === 'hello')")
            .pop()
            .expect("a hello");
        assert_ne!(hello["epoch"], before, "another run of dispatch");
        assert_eq!(hello["resume"], false);
        assert_eq!(browser.evaluate("return document.getElementById('lost').hidden"), true);
    }
    browser.choose("Assign Granite", "gotham");
    browser.go_to(&first);
    wait_row(&browser, "Granite", "gotham", |row| row.contains("Gotham"));
}

#[test]
fn a_frame_that_is_lost_is_asked_for_again_on_the_same_socket() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash, birch]) = populate(&cluster, ["Ash", "Birch"]);
    let browser = recorded_page_of(&cluster);
    let _ = browser.evaluate(
        "const { parse } = JSON; \
         JSON.parse = (text) => { \
           const message = parse(text); \
           if (window.dropped || message.t !== 'd' || !message.lists?.['heroes-rows']) return message; \
           window.dropped = message.s; \
           return { t: 'lost' }; \
         };",
    );
    let _ = cluster.api.assign(&ash, "gotham").expect(200);
    let _ = cluster.api.assign(&birch, "capitol").expect(200);
    heroes.assigned(&ash, "gotham");
    heroes.assigned(&birch, "capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    let dropped =
        wait_for(&browser, "a frame is lost", "return window.dropped ?? null", Value::is_u64);
    let resync = "return said.filter((message) => message.t === 'resync')";
    let resync = wait_for(&browser, "the page asks for it", resync, |asked| {
        asked.as_array().is_some_and(|asked| !asked.is_empty())
    });
    assert!(resync[0]["since"].as_u64() < dropped.as_u64(), "{resync} for {dropped}");
    for (name, place) in [("Ash", "Gotham"), ("Birch", "Capitol")] {
        wait_row(&browser, name, place, |row| {
            row.contains(&format!("All three say {place}")) && row.contains("Agreed")
        });
    }
    let answer = "return heard.filter((message) => message.t === 'd' && message.s > dropped && message.from < dropped)";
    assert_eq!(
        wait_for(&browser, "it is answered", answer, |answers| answers != &json!([]))
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(resync.as_array().map(Vec::len), Some(1), "asked once: {resync}");
    assert_eq!(browser.evaluate("return sockets.length"), 1);
    was_not_loaded_again(&browser);
    no_complaints(&browser, &[]);
}

#[test]
fn a_socket_that_is_lost_is_opened_again_and_goes_on_where_it_ended() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash, ..]) = populate(&cluster, ["Ash", "Birch", "Cedar"]);
    let browser = recorded_page_of(&cluster);
    wait_for(&browser, "a frame", "return heard.some((message) => message.t === 'd')", |came| {
        came == true
    });
    let had = browser.evaluate(
        "const had = said.findLast((message) => message.t === 'ack').s; \
         sockets[0].close(); \
         return had",
    );
    let _ = cluster.api.assign(&ash, "gotham").expect(200);
    heroes.assigned(&ash, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    wait_row(&browser, "Ash", "gotham", |row| {
        row.contains("All three say Gotham") && row.contains("Agreed")
    });
    let second =
        recorded(&browser, "heard.filter((message) => message.socket === 2 && message.t !== 'k')");
    assert_eq!(
        (&second[0]["t"], &second[0]["resume"]),
        (&json!("hello"), &json!(true)),
        "{}",
        second[0]
    );
    assert_eq!(
        (&second[1]["t"], &second[1]["from"], second[1].get("whole")),
        (&json!("d"), &had, None)
    );
    let rows =
        second[1..].iter().filter_map(|frame| frame["lists"]["heroes-rows"]["items"].as_object());
    let rows: Vec<&String> = rows.flat_map(|items| items.keys()).collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| **row == format!("h-{ash}")),
        "{rows:?}: only one has changed"
    );
    assert!(second[1]["html"].get("trouble").is_none(), "what has not changed is not sent again");
    assert_eq!(browser.evaluate("return sockets.length"), 2);
    assert_eq!(
        browser.evaluate("return contacts.filter(({ name }) => name === 'lost').length"),
        0,
        "nobody need be told of that"
    );
    was_not_loaded_again(&browser);
    no_complaints(&browser, &[]);
}

#[test]
fn a_page_that_is_held_counts_what_waits_and_shows_it_when_let_go() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash]) = populate(&cluster, ["Ash"]);
    let browser = recorded_page_of(&cluster);
    wait_row(&browser, "Ash", "that all agree", |row| row.contains("Agreed"));
    browser.click("button", "Hold view");
    browser.wait_text("#hold", "that nothing waits", |text| text == "Hold view: 0 changes waiting");
    let held = browser.evaluate("return Date.now()").as_u64().expect("a time");
    let shown = browser.evaluate("return [document.getElementById('heroes').querySelector('table').innerHTML, document.title]");
    let changes = "return heard.findLast((message) => message.t === 'd').changes";
    let before = browser.evaluate(changes).as_u64().expect("a number");

    let _ = cluster.api.assign(&ash, "gotham").expect(200);
    heroes.assigned(&ash, "gotham");
    heroes.created([cluster.api.create_named("Birch").id, cluster.api.create_named("Cedar").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    // For longer than a silence that counts as lost contact.
    let acknowledged = "return said.findLast((message) => message.t === 'ack').at";
    wait_for(&browser, "frames are still acknowledged", acknowledged, |at| {
        at.as_u64() > Some(held + STALE_WITHIN_MS)
    });
    wait_until("the button says how many changes wait", HANG_TIMEOUT, || {
        let after = browser.evaluate(changes).as_u64().expect("a number");
        let said = browser.text("#hold");
        ensure(
            after > before && said == format!("Hold view: {} changes waiting", after - before),
            || format!("{said}, of {before} to {after}"),
        )
    });
    let still = browser.evaluate("return [document.getElementById('heroes').querySelector('table').innerHTML, document.title]");
    assert_eq!(shown, still, "a page that is held does not change");
    assert_eq!(browser.text("#contact"), "Live");
    assert_eq!(browser.evaluate("return contacts.map(({ name }) => name)"), json!(["live"]));

    browser.click("button", &browser.text("#hold"));
    wait_names(&browser, "the new heroes are there", &["Ash", "Birch", "Cedar"]);
    wait_row(&browser, "Ash", "gotham", |row| row.contains("Gotham"));
    browser.wait_text("#hold", "that it may be held", |text| text == "Hold view");
    // And again, by a key.
    let _ = browser.evaluate("document.activeElement.blur()");
    browser.press(" ");
    browser.wait_text("#hold", "that it is held", |text| text.ends_with(" waiting"));
    browser.press(" ");
    browser.wait_text("#hold", "that it may be held", |text| text == "Hold view");
    // Who goes elsewhere lets go.
    browser.press(" ");
    browser.wait_text("#hold", "that it is held", |text| text.ends_with(" waiting"));
    browser.click("link", "Terminated 0");
    browser.wait_text("#heroes-rows", "what was asked for", |text| {
        text == "No hero has been terminated."
    });
    assert_eq!(browser.text("#hold"), "Hold view");
    was_not_loaded_again(&browser);
    no_complaints(&browser, &[]);
}

#[test]
fn no_row_moves_while_somebody_points_at_the_table() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [birch, cedar, dogwood]) = populate(&cluster, ["Birch", "Cedar", "Dogwood"]);
    let browser = recorded_page_of(&cluster);
    wait_names(&browser, "three heroes", &["Birch", "Cedar", "Dogwood"]);
    let row_of = |id: &str| format!("[id='h-{id}']");
    // A pointer that does not stir for eight seconds is not in the way any more.
    let mut right = 0;
    let mut stir = || {
        right = 1 - right;
        browser.point_at(&format!("{} th", row_of(&cedar)), right);
    };
    stir();
    heroes.created([cluster.api.create_named("Ash").id]);
    wait_until("the page asks for rows that stand still", HANG_TIMEOUT, || {
        stir();
        let pins = recorded(
            &browser,
            "said.filter((message) => message.t === 'watch').map((message) => message.pin)",
        );
        ensure(pins == [json!([birch, cedar, dogwood])], || format!("{pins:?}"))
    });
    let _ = cluster.api.assign(&cedar, "gotham").expect(200);
    heroes.assigned(&cedar, "gotham");
    wait_until("a value changes", HANG_TIMEOUT, || {
        stir();
        assert_eq!(names(&browser), ["Birch", "Cedar", "Dogwood"], "nobody moves");
        let row = row(&browser, "Cedar");
        ensure(row.contains("All three say Gotham") && row.contains("Agreed"), || row.clone())
    });

    let _ = browser.evaluate(&format!(
        "const row = document.querySelector(\"{}\"); \
         const look = () => {{ if (!row.isConnected) window.gone ??= Date.now(); }}; \
         new MutationObserver(look).observe(row.parentElement, {{ childList: true }});",
        row_of(&dogwood)
    ));
    let _ = cluster.api.terminate(&dogwood).expect(204);
    heroes.died(&dogwood);
    let gone = wait_until("the row of the dead goes", HANG_TIMEOUT, || {
        stir();
        let gone = browser.evaluate("return window.gone ?? null");
        gone.as_u64().ok_or_else(|| format!("{:?}", names(&browser)))
    });
    let told =
        recorded(&browser, "heard.filter((message) => message.lists?.['heroes-rows']?.order)");
    let without = told.iter().find(|frame| {
        frame["lists"]["heroes-rows"]["order"]
            == json!([format!("h-{birch}"), format!("h-{cedar}")])
    });
    let told = without.expect("a frame without the dead")["at"].as_u64().expect("a time");
    assert!((1_900..6_000).contains(&(gone - told)), "after {} ms", gone - told);
    assert_eq!(names(&browser), ["Birch", "Cedar"]);
    cluster.wait_until_held(&heroes, &CITIES);
    stir();
    assert_eq!(names(&browser), ["Birch", "Cedar"], "not yet");

    browser.point_at("h1", 0);
    wait_names(&browser, "the order comes about", &["Ash", "Birch", "Cedar"]);
    was_not_loaded_again(&browser);
    no_complaints(&browser, &[]);
}

/// What the page has posted since the last time.
#[track_caller]
fn newly_posted(browser: &Browser) -> Value {
    browser.evaluate("return posted.splice(0)")
}

#[test]
fn keys_press_what_is_on_the_page_unless_somebody_types_or_has_switched_them_off() {
    let cluster = Cluster::start(Options::default());
    let _ = populate(&cluster, ["Granite"]);
    let browser = recorded_page_of(&cluster);
    browser.press("g");
    browser.wait_text("#gossip", "that it is paused", |text| text.contains("Gossip is paused"));
    assert_eq!(gossip(&cluster)["paused"], true);
    browser.press(".");
    browser.wait_text("#notices", "what was exchanged", |text| text.contains(" pulled "));
    assert_eq!(newly_posted(&browser), json!(["/gossip/pause", "/gossip/step"]));

    // What is typed is text. A key that commands does so before the key press is over.
    browser.press("/g.h ?1");
    assert_eq!(
        browser.evaluate("return [document.activeElement.id, document.activeElement.value]"),
        json!(["find", "g.h ?1"])
    );
    assert_eq!(newly_posted(&browser), json!([]));
    assert_eq!(browser.evaluate("return document.getElementById('help').open"), false);
    let _ = browser.evaluate("document.activeElement.blur()");

    browser.press("?");
    browser.wait_text("#help", "what the keys do", |text| {
        text.contains("What this is, and its keys") && text.contains("pause or resume gossip")
    });
    browser.press("g");
    assert_eq!(newly_posted(&browser), json!([]), "help lies over the page");
    let switch = |on: bool| {
        let checked = browser.evaluate(
            "const box = document.querySelector('#help .keys-on input'); \
             box.click(); \
             return box.checked",
        );
        assert_eq!(checked, on);
        browser.press(&ESCAPE.to_string());
        wait_for(
            &browser,
            "help is closed",
            "return document.getElementById('help').open",
            |open| open == false,
        );
        let _ = browser.evaluate("document.activeElement.blur()");
    };
    switch(false);
    browser.press("g./?");
    let off =
        "return [posted.length, document.activeElement.id, document.getElementById('help').open]";
    assert_eq!(browser.evaluate(off), json!([0, "", false]));
    // They stay off.
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.press("g./?");
    assert_eq!(browser.evaluate(off), json!([0, "", false]));
    assert_eq!(gossip(&cluster)["paused"], true);

    browser.click("link", "Help and keys");
    browser
        .wait_text("#help", "what the keys do", |text| text.contains("What this is, and its keys"));
    switch(true);
    browser.press("g");
    wait_until("gossip goes on", HANG_TIMEOUT, || {
        ensure(gossip(&cluster)["paused"] == false, || "it is paused".to_owned())
    });
    assert_eq!(newly_posted(&browser), json!(["/gossip/resume"]));
    no_complaints(&browser, &[]);
}

/// The names of all heroes in the order of the page, as dispatch has them.
fn all_names(cluster: &Cluster) -> Vec<String> {
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    heroes["heroes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|hero| hero["name"].as_str().map(str::to_owned))
        .collect()
}

/// Waits until exactly these heroes are on the page, and its foot says which they are.
#[track_caller]
fn wait_page(browser: &Browser, foot: &str, wanted: &[String]) {
    wait_until(&format!("the page shows {foot}"), HANG_TIMEOUT, || {
        let (names, said) = (names(browser), browser.text("#heroes-foot > span"));
        ensure(names == wanted && said == foot, || format!("{said:?} {names:?}"))
    });
}

/// Goes through a hundred heroes by links, search and the button that goes back. With scripts or
/// without.
#[track_caller]
fn go_through(cluster: &Cluster, browser: &Browser) {
    browser.click("button", "Add 100");
    browser.wait_text("#heroes-foot > span", "the first fifty", |text| text == "1 to 50 of 100");
    cluster.wait_converged();
    let all = all_names(cluster);
    wait_page(browser, "1 to 50 of 100", &all[..50]);
    browser.click("link", "Next");
    wait_page(browser, "51 to 100 of 100", &all[50..]);
    browser.click("link", "Previous");
    wait_page(browser, "1 to 50 of 100", &all[..50]);
    browser.click("link", "Show 25 rows");
    wait_page(browser, "1 to 25 of 100", &all[..25]);
    browser.click("link", "Next");
    wait_page(browser, "26 to 50 of 100", &all[25..50]);
    browser.back();
    wait_page(browser, "1 to 25 of 100", &all[..25]);

    // One hero that differs, and that stands last by name.
    cut(cluster, "capitol");
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    let last = heroes["heroes"][99].clone();
    let _ = cluster.api.assign(last["id"].as_str().expect("an id"), "gotham").expect(200);
    let last = &all[99..];
    browser.click("link", "Differing first");
    wait_page(browser, "1 to 25 of 100", &[last, &all[..24]].concat());
    browser.click("link", "Differing 1");
    wait_page(browser, "1 to 1 of 1", last);

    browser.type_into("searchbox", "Find a hero by name or id", &format!("no such hero{ENTER}"));
    browser.wait_text("#heroes-rows", "that there is none", |text| {
        text == "No hero matches this search."
    });
    browser.back();
    wait_page(browser, "1 to 1 of 1", last);
    browser.back();
    wait_page(browser, "1 to 25 of 100", &[last, &all[..24]].concat());
    browser.click("link", "Show 50 rows");
    wait_page(browser, "1 to 50 of 100", &[last, &all[..49]].concat());
    browser.click("link", "Differing first");
    wait_page(browser, "1 to 50 of 100", &all[..50]);
    let _ = browser.evaluate("document.getElementById('find').value = ''");
    browser.type_into(
        "searchbox",
        "Find a hero by name or id",
        &format!("{}{ENTER}", all[99].to_uppercase()),
    );
    let found: Vec<String> = all
        .iter()
        .filter(|name| name.to_lowercase().contains(&all[99].to_lowercase()))
        .cloned()
        .collect();
    wait_page(browser, &format!("1 to {0} of {0}", found.len()), &found);
}

#[test]
fn search_chips_pages_and_the_way_back_need_no_reload() {
    let cluster = Cluster::start(Options::default());
    let browser = recorded_page_of(&cluster);
    go_through(&cluster, &browser);
    was_not_loaded_again(&browser);
    assert_eq!(browser.evaluate("return sockets.length"), 1, "all over one socket");
    let searched = "return document.getElementById('find').value";
    assert_ne!(browser.evaluate(searched), "");
    browser.back();
    wait_for(&browser, "what is searched for is what the address says", searched, |text| {
        text == ""
    });
    no_complaints(&browser, &[]);
}

#[test]
fn search_chips_pages_and_the_way_back_need_no_script() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script has run");
    go_through(&cluster, &browser);
    no_complaints(&browser, &[]);
}

/// The titles of what is drawn on the timeline with this class.
#[track_caller]
fn drawn(browser: &Browser, class: &str) -> Vec<String> {
    let script = format!(
        "return [...document.querySelectorAll('#timeline-seconds path.{class} title')].map((title) => title.textContent)"
    );
    serde_json::from_value(browser.evaluate(&script)).expect("titles are text")
}

#[track_caller]
fn wait_drawn(browser: &Browser, class: &str, part: &str) {
    wait_until(&format!("{part:?} is drawn as {class}"), HANG_TIMEOUT, || {
        let drawn = drawn(browser, class);
        ensure(drawn.iter().any(|title| title.contains(part)), || format!("{drawn:?}"))
    });
}

/// Waits for a line of the timeline's table.
#[track_caller]
fn wait_line(browser: &Browser, what: &str, wanted: impl Fn(&[&str]) -> bool) {
    let script = "return [...document.querySelectorAll('#timeline-rows tr')].map((row) => [...row.cells].map((cell) => cell.textContent))";
    wait_for(browser, what, script, |lines| {
        let mut lines = lines.as_array().into_iter().flatten();
        lines.any(|line| {
            wanted(
                &line
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>(),
            )
        })
    });
}

#[test]
fn the_timeline_shows_writes_pulls_and_what_is_to_come() {
    let cluster =
        Cluster::start(Options { city_gossip: "3s", dispatch_gossip: "3s", ..Options::default() });
    let browser = page_of(&cluster);
    let mut heroes = Heroes::default();
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    wait_all_text(&browser, "#timeline-forecast", "when all will agree", |text| {
        text.contains("Agreed in")
    });
    wait_drawn(&browser, "write.dispatch", "Granite: created, Home, health 100 at Dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    wait_all_text(&browser, "#timeline-forecast", "nothing", |text| !text.contains("Agreed"));

    let moved = "return document.getElementById('timeline-moving').transform.baseVal.consolidate().matrix.e";
    let before = browser.evaluate(moved).as_f64().expect("a number");
    // A second has 24 pixels.
    wait_for(&browser, "time goes on", moved, |now| {
        now.as_f64().is_some_and(|now| now <= before - 24.0)
    });

    let _ = cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    wait_drawn(&browser, "write.gotham", "Granite: Gotham, health 100");
    wait_drawn(&browser, "brought.gotham", "pulled 1 entry");
    wait_drawn(&browser, "same", "brought nothing");
    wait_line(
        &browser,
        "the table has a pull with its entries",
        |line| matches!(line, [_, what, "Gotham", _, "1", bytes, "news"] if what.starts_with("pull, ") && !bytes.is_empty()),
    );
    wait_line(
        &browser,
        "the table has the write",
        |line| matches!(line, [_, "write", "", "Gotham", "", "", said] if said.starts_with("Granite: Gotham, health 100")),
    );
    cluster.wait_until_held(&heroes, &CITIES);
    assert!(
        drawn(&browser, "vain").is_empty(),
        "every question got an answer: {:?}",
        drawn(&browser, "vain")
    );

    cut(&cluster, "capitol");
    let _ = cluster.api.assign(&id, "metropolis").expect(200);
    wait_drawn(&browser, "vain", "Capitol asked");
    wait_line(&browser, "a cut city gets no answer", |line| {
        matches!(line, [_, _, _, "Capitol", "", "", "no answer"])
    });
    wait_all_text(&browser, "#timeline-forecast", "that it stays so", |text| {
        text.contains("1 hero stays apart, as links are")
    });
    browser.wait_text("#timeline-summary", "that questions were in vain", |text| {
        text.contains("in vain")
    });
    wait_all_text(&browser, "#timeline-spans", "the cut", |text| text.contains("Capitol cut off"));
    no_complaints(&browser, &[]);
}

#[test]
fn the_speed_of_gossip_is_set_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    for (label, percent) in [("½×", 50), ("⅒×", 10), ("1×", 100)] {
        browser.click("button", label);
        wait_until(&format!("gossip goes at {percent} %"), HANG_TIMEOUT, || {
            let gossip = gossip(&cluster);
            ensure(gossip["percent"] == percent && gossip["paused"] == false, || gossip.to_string())
        });
        let chosen = "return [...document.querySelectorAll('#gossip-speed [aria-pressed=true]')].map((button) => button.textContent)";
        wait_for(&browser, "the page says so", chosen, |chosen| *chosen == json!([label]));
    }
    no_complaints(&browser, &[]);
}
