//! The page of a faulty cluster, in a real browser with real processes. What the page shows of
//! writes, bombs, unreachable and stopped nodes is true; it recovers from a lost frame, a lost
//! socket and a restart of dispatch without a reload; and rows do not move while the view is held,
//! pointed at or typed in.

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, assert_no_problems, ensure, open_page,
    row, wait_row, wait_until,
};
use serde_json::{Value, json};

/// WebDriver's codes for these keys.
const ENTER: char = '\u{E007}';
const ESCAPE: char = '\u{E00C}';

/// Records the messages of the page's sockets, its POST requests and its contact states. Times are
/// those of the browser's clock.
const RECORDER: &str = "
    globalThis.sockets = [];
    globalThis.received = [];
    globalThis.sent = [];
    globalThis.posted = [];
    globalThis.contacts = [];
    const { parse } = JSON;
    globalThis.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            sockets.push(this);
            const socket = sockets.length;
            this.addEventListener('message', ({ data }) => received.push({ at: Date.now(), socket, ...parse(data) }));
        }
        send(text) {
            sent.push({ at: Date.now(), ...parse(text) });
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

/// Opens the page in this window with a recorder, and marks it, so that a reload is detected.
#[track_caller]
fn record(browser: &Browser, cluster: &Cluster) {
    browser.run_first(RECORDER);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    mark_window(browser);
}

#[track_caller]
fn mark_window(browser: &Browser) {
    let _ = browser.evaluate("window.same = true");
}

#[track_caller]
fn open_recorded_page(cluster: &Cluster) -> Browser {
    let browser = Browser::start();
    record(&browser, cluster);
    browser
}

#[track_caller]
fn assert_not_reloaded(browser: &Browser) {
    assert_eq!(browser.evaluate("return window.same"), true, "the page must not be reloaded");
}

/// Returns the recorder's list of this name.
#[track_caller]
fn recorded(browser: &Browser, what: &str) -> Vec<Value> {
    let recorded = browser.evaluate(&format!("return {what}"));
    recorded
        .as_array()
        .cloned()
        .unwrap_or_else(|| panic!("the recorder has no list {what}: {recorded}"))
}

/// Waits until the result of this JavaScript satisfies `wanted`, and returns it.
#[track_caller]
fn wait_for(browser: &Browser, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, HANG_TIMEOUT, || {
        let seen = browser.evaluate(script);
        if wanted(&seen) { Ok(seen) } else { Err(seen.to_string()) }
    })
}

/// Returns the names of the heroes on the page, in order.
#[track_caller]
fn names(browser: &Browser) -> Vec<String> {
    let names = browser.evaluate(
        "return [...document.querySelectorAll('#table-rows th')].map((name) => name.textContent)",
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

/// Returns the whole text of an element, collapsed parts included.
#[track_caller]
fn all_text(browser: &Browser, selector: &str) -> String {
    let text = browser
        .evaluate(&format!("return document.querySelector('{selector}')?.textContent ?? ''"));
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn wait_all_text(browser: &Browser, selector: &str, what: &str, wanted: impl Fn(&str) -> bool) {
    wait_until(&format!("{selector} shows {what}"), HANG_TIMEOUT, || {
        let text = all_text(browser, selector);
        ensure(wanted(&text), || text.clone())
    });
}

/// Creates heroes with these names, waits until all cities hold them, and returns their ids.
#[track_caller]
fn create_heroes<const N: usize>(cluster: &Cluster, names: [&str; N]) -> (Heroes, [String; N]) {
    let mut heroes = Heroes::default();
    let ids = names.map(|name| cluster.api.create_named(name).id);
    heroes.created(ids.clone());
    cluster.wait_until_held(&heroes, &CITIES);
    (heroes, ids)
}

/// Cuts a city off from every other node, for longer than a test takes.
fn cut(cluster: &Cluster, city: &str) {
    cluster.api.inject(&json!({ "kind": "cut", "from": city, "to": "*", "heal_after_s": 600 }));
}

fn gossip(cluster: &Cluster) -> Value {
    cluster.api.get("/api/v1/gossip").expect(200).json()
}

#[test]
fn page_predicts_and_reports_a_lost_write() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [id]) = create_heroes(&cluster, ["Granite"]);
    let browser = open_page(&cluster);
    cut(&cluster, "gotham");
    browser.choose("Assign Granite", "gotham");
    wait_row(&browser, "Granite", "gotham", |row| row.contains("Gotham"));
    browser.choose("Assign Granite", "metropolis");
    wait_row(&browser, "Granite", "the value of each side", |row| {
        row.contains("Gotham") && row.matches("Metropolis").count() == 2 && row.contains("Differs")
    });

    browser.click("link", "Differs : why");
    browser.wait_text("#inspector .ruling", "the future winner", |text| {
        text == "Metropolis’s write will win."
    });
    let text = all_text(&browser, "#inspector");
    for part in [
        "Granite",
        "Its stamp is later; Metropolis had not received the other write.",
        "After the merge, Gotham’s write (Gotham 100",
        "is lost everywhere.",
        "will be lost: the winner’s node had not received it",
        "Gotham cannot receive it before the cut of Gotham expires",
    ] {
        assert!(text.contains(part), "expected {part:?} in {text}");
    }
    assert!(!text.contains("Lost writes"), "{text}");
    assert!(browser.text("#lost-writes").contains("No lost writes found."));
    assert_eq!(cluster.api.get("/api/v1/lost").expect(200).json()["count"], 0);

    browser.click("button", "Heal all");
    heroes.assigned(&id, "metropolis");
    cluster.wait_until_held(&heroes, &CITIES);
    browser.wait_text("#lost-writes summary", "one lost write", |text| text == "Lost writes (1)");
    browser.wait_text("#inspector .ruling", "the winner", |text| {
        text == "All three agree: Metropolis wrote it last."
    });
    let line = all_text(&browser, "#inspector .gone .lost-line");
    assert!(
        line.contains("Gotham wrote “Gotham 100") && line.ends_with("Metropolis had not seen it"),
        "{line}"
    );
    assert!(
        all_text(&browser, "#verdict .stats").contains("Lost writes1"),
        "{}",
        all_text(&browser, "#verdict .stats")
    );
    let cells = browser.evaluate(
        "document.getElementById('lost-writes-list').open = true; \
         return [...document.querySelectorAll('#lost-writes-list tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim().replace(/\\s+/g, ' ')))",
    );
    let [cells] = cells.as_array().expect("rows").as_slice() else {
        panic!("expected one row, got {cells}")
    };
    let cells: Vec<&str> =
        cells.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [saved, hero, shown, writer, winner, why] = cells[..] else { panic!("{cells:?}") };
    assert!(saved.len() == "12:00:00.000".len() && shown.starts_with("Gotham 100"), "{cells:?}");
    assert_eq!(
        (hero, writer, why),
        ("Granite", "Gotham", "Metropolis had not seen it"),
        "{cells:?}"
    );
    assert!(winner.starts_with("Metropolis 100") && winner.ends_with("by Metropolis"), "{cells:?}");

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
    let csv = csv.strip_prefix('\u{feff}').expect("a byte order mark, for Excel");
    let records: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let [names, values] = records.as_slice() else {
        panic!("expected a header and one record, got {csv}")
    };
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
    assert_no_problems(&browser, &[]);
}

#[test]
fn page_predicts_and_reports_the_loss_of_a_bomb() {
    let mut cluster = Cluster::start(Options::default());
    let (heroes, _) = create_heroes(&cluster, ["Ash", "Birch"]);
    // Only gotham holds one hero: it pulls it from dispatch and is cut off, and dispatch loses its
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
    let browser = open_page(&cluster);
    let warning = "Bombing Gotham now would lose 1 hero that no other node holds: Lone Wolf.";
    browser.wait_text("#city-gotham .at-stake", "the hero at stake", |text| text == warning);
    wait_row(&browser, "Lone Wolf", "the only copy", |row| row.contains("Only copy"));
    for city in ["metropolis", "capitol"] {
        assert_eq!(browser.text(&format!("#city-{city} .at-stake")), "");
    }

    browser.click("button", "Pause gossip");
    browser.wait_text("#gossip", "the pause", |text| text.contains("Gossip is paused"));
    browser.click("button", "Bomb Gotham");
    for name in ["Ash", "Birch"] {
        wait_row(&browser, name, "a missing hero in Gotham", |row| {
            row.matches("missing").count() == 1
        });
    }
    wait_row(&browser, "Lone Wolf", "nothing", str::is_empty);
    browser.wait_text("#city-gotham .doing span", "the destruction", |text| {
        text == "destroyed, recovering"
    });
    browser.wait_text("#city-gotham .holds span", "nothing", |text| text == "0 of 2 heroes");
    browser.wait_text("#bomb-reports", "the bomb report", |text| {
        text.ends_with("The one hero that Gotham alone held, Lone Wolf, is gone.")
    });
    assert_eq!(browser.text("#city-gotham .at-stake"), "");

    browser.click("button", "Heal all");
    browser.wait_text("#faults", "no fault in force", |text| text.contains("No faults in force."));
    browser.click("button", "Resume gossip");
    for name in ["Ash", "Birch"] {
        wait_row(&browser, name, "agreement", |row| {
            row.contains("All three:") && row.contains("Agreed")
        });
    }
    browser.wait_text("#city-gotham .doing span", "agreement", |text| text == "agrees");
    cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(cluster.api.hero(&lone).status, 404, "the hero must be lost");
    assert!(
        browser.text("#bomb-reports").contains("Lone Wolf, is gone."),
        "the bomb report must remain visible"
    );
    assert_no_problems(&browser, &[]);
}

/// Starts to record which of the three words the page shows about the current state.
fn record_words(browser: &Browser) {
    let _ = browser.evaluate(
        "window.words = new Set(); \
         const look = () => { \
           const text = ['verdict', 'map', 'cluster'].map((id) => document.getElementById(id).textContent).join(' '); \
           for (const word of ['has stopped', 'is unreachable', 'frozen']) if (text.includes(word)) words.add(word); \
         }; \
         new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });",
    );
}

fn recorded_words(browser: &Browser) -> Value {
    browser.evaluate("return [...words].sort()")
}

#[test]
fn frozen_and_stopped_cities_are_never_confused() {
    let mut cluster = Cluster::start(Options::default());
    let _ = create_heroes(&cluster, ["Granite"]);
    let browser = open_page(&cluster);
    record_words(&browser);
    cluster.api.inject(&json!({ "kind": "freeze", "from": "metropolis", "heal_after_s": 600 }));
    browser.wait_text("h1", "the frozen city", |text| text.contains("Metropolis is frozen."));
    wait_all_text(&browser, "#map .place.metropolis", "the frozen city", |text| {
        text.contains("frozen")
    });
    wait_all_text(&browser, "#map-twin", "the frozen city", |text| {
        text.contains("Metropolis is frozen")
    });
    browser.wait_text("#city-metropolis .doing span", "the frozen city", |text| {
        text == "frozen by a fault"
    });
    assert_eq!(recorded_words(&browser), json!(["frozen"]));
    cluster.api.heal_all();
    browser.wait_text("#city-metropolis .doing span", "agreement", |text| text == "agrees");
    cluster.wait_converged();
    wait_all_text(&browser, "#map", "no frozen city", |text| !text.contains("frozen"));

    record_words(&browser);
    cluster.kill9("capitol");
    browser.wait_text("h1", "the stopped city", |text| text.contains("Capitol has stopped."));
    wait_all_text(&browser, "#map .place.capitol", "the stopped city", |text| {
        text.contains("has stopped")
    });
    wait_all_text(&browser, "#map-twin", "the stopped city", |text| {
        text.contains("Capitol has stopped")
    });
    browser.wait_text("#city-capitol .doing span", "the stopped city", |text| {
        text.starts_with("has stopped")
    });
    let words = recorded_words(&browser);
    assert!(!words.as_array().expect("words").contains(&json!("frozen")), "{words}");
    // The city counts as unreachable until its port has refused a connection.
    record_words(&browser);
    wait_until("the page continues to show the state", HANG_TIMEOUT, || {
        ensure(recorded_words(&browser) != json!([]), || "no word was shown since".to_owned())
    });
    assert_eq!(recorded_words(&browser), json!(["has stopped"]));
    assert_no_problems(&browser, &[]);
}

/// The limit in milliseconds after the last message during which a page may show its state as
/// current: three seconds of silence, plus the lateness of browser timers.
const STALE_WITHIN_MS: u64 = 4_500;

#[test]
fn pages_show_lost_contact_in_time_and_recover_without_reload() {
    let mut cluster = Cluster::start(Options::default());
    let (heroes, _) = create_heroes(&cluster, ["Granite"]);
    let browser = open_recorded_page(&cluster);
    let first = browser.open_window("about:blank");
    record(&browser, &cluster);
    let second = browser.switch_to_window(&first);
    let windows = [&first, &second];
    let epochs = windows.map(|window| {
        browser.switch_to_window(window);
        recorded(&browser, "received.filter((message) => message.t === 'hello')")[0]["epoch"]
            .clone()
    });
    assert_eq!(epochs[0], epochs[1]);

    let running_at = browser.evaluate("return Date.now()").as_u64().expect("a time");
    cluster.kill9("dispatch");
    for window in windows {
        browser.switch_to_window(window);
        browser.wait_text("#contact", "the lost contact", |text| text == "Lost contact");
        let lost = recorded(&browser, "contacts").last().expect("a contact state").clone();
        let last_message =
            recorded(&browser, "received.slice(-1)")[0]["at"].as_u64().expect("a time");
        let at = lost["at"].as_u64().expect("a time");
        assert_eq!(lost["name"], "lost");
        assert!(
            at - running_at <= STALE_WITHIN_MS,
            "contact was lost {} ms after dispatch was last known to run",
            at - running_at
        );
        assert!(
            at - last_message >= 3_000,
            "contact was lost after only {} ms of silence",
            at - last_message
        );
        assert!(browser.text("#lost-what").contains("The page shows the state at that time."));
        let can_act = browser.evaluate("return [...document.querySelectorAll('main form[method=post] button')].some((b) => !b.disabled)");
        assert_eq!(can_act, false, "all buttons must be disabled without dispatch");
    }

    cluster.restart("dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    for (window, before) in windows.into_iter().zip(epochs) {
        browser.switch_to_window(window);
        browser.wait_text("#contact", "Live", |text| text == "Live");
        wait_row(&browser, "Granite", "agreement", |row| row.contains("Agreed"));
        assert_not_reloaded(&browser);
        let hello = recorded(&browser, "received.filter((message) => message.t === 'hello')")
            .pop()
            .expect("a hello");
        assert_ne!(hello["epoch"], before, "a restarted dispatch must have a new epoch");
        assert_eq!(hello["resume"], false);
        assert_eq!(browser.evaluate("return document.getElementById('lost').hidden"), true);
    }
    browser.choose("Assign Granite", "gotham");
    browser.switch_to_window(&first);
    wait_row(&browser, "Granite", "gotham", |row| row.contains("Gotham"));
}

#[test]
fn lost_frame_is_requested_again_on_the_same_socket() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash, birch]) = create_heroes(&cluster, ["Ash", "Birch"]);
    let browser = open_recorded_page(&cluster);
    let _ = browser.evaluate(
        "const { parse } = JSON; \
         JSON.parse = (text) => { \
           const message = parse(text); \
           if (window.dropped || message.t !== 'd' || !message.lists?.['table-rows']) return message; \
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
        wait_for(&browser, "a frame is dropped", "return window.dropped ?? null", Value::is_u64);
    let resync = "return sent.filter((message) => message.t === 'resync')";
    let resync = wait_for(&browser, "the page requests it again", resync, |asked| {
        asked.as_array().is_some_and(|asked| !asked.is_empty())
    });
    assert!(resync[0]["since"].as_u64() < dropped.as_u64(), "{resync} for {dropped}");
    for (name, place) in [("Ash", "Gotham"), ("Birch", "Capitol")] {
        wait_row(&browser, name, place, |row| {
            row.contains(&format!("All three: {place}")) && row.contains("Agreed")
        });
    }
    let answer = "return received.filter((message) => message.t === 'd' && message.s > dropped && message.from < dropped)";
    assert_eq!(
        wait_for(&browser, "the request is answered", answer, |frames| frames != &json!([]))
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(resync.as_array().map(Vec::len), Some(1), "expected one request, got {resync}");
    assert_eq!(browser.evaluate("return sockets.length"), 1);
    assert_not_reloaded(&browser);
    assert_no_problems(&browser, &[]);
}

#[test]
fn lost_socket_is_reopened_and_resumed() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash, ..]) = create_heroes(&cluster, ["Ash", "Birch", "Cedar"]);
    let browser = open_recorded_page(&cluster);
    wait_for(
        &browser,
        "a frame arrives",
        "return received.some((message) => message.t === 'd')",
        |arrived| arrived == true,
    );
    let acknowledged = browser.evaluate(
        "const acknowledged = sent.findLast((message) => message.t === 'ack').s; \
         sockets[0].close(); \
         return acknowledged",
    );
    let _ = cluster.api.assign(&ash, "gotham").expect(200);
    heroes.assigned(&ash, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);
    wait_row(&browser, "Ash", "gotham", |row| {
        row.contains("All three: Gotham") && row.contains("Agreed")
    });
    let second = recorded(
        &browser,
        "received.filter((message) => message.socket === 2 && message.t !== 'k')",
    );
    assert_eq!(
        (&second[0]["t"], &second[0]["resume"]),
        (&json!("hello"), &json!(true)),
        "{}",
        second[0]
    );
    assert_eq!(
        (&second[1]["t"], &second[1]["from"], second[1].get("whole")),
        (&json!("d"), &acknowledged, None)
    );
    let rows =
        second[1..].iter().filter_map(|frame| frame["lists"]["table-rows"]["items"].as_object());
    let rows: Vec<&String> = rows.flat_map(|items| items.keys()).collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| **row == format!("h-{ash}")),
        "only the changed row may be sent, got {rows:?}"
    );
    assert!(second[1]["html"].get("faults").is_none(), "unchanged parts must not be sent again");
    assert_eq!(browser.evaluate("return sockets.length"), 2);
    assert_eq!(
        browser.evaluate("return contacts.filter(({ name }) => name === 'lost').length"),
        0,
        "a short interruption must not be shown"
    );
    assert_not_reloaded(&browser);
    assert_no_problems(&browser, &[]);
}

#[test]
fn held_page_counts_changes_and_shows_them_on_release() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [ash]) = create_heroes(&cluster, ["Ash"]);
    let browser = open_recorded_page(&cluster);
    wait_row(&browser, "Ash", "agreement", |row| row.contains("Agreed"));
    browser.click("button", "Hold view");
    browser.wait_text("#hold", "no waiting changes", |text| text == "Release (0 waiting)");
    let held = browser.evaluate("return Date.now()").as_u64().expect("a time");
    let shown = browser.evaluate("return [document.getElementById('heroes').querySelector('table').innerHTML, document.title]");
    let changes = "return received.findLast((message) => message.t === 'd').changes";
    let before = browser.evaluate(changes).as_u64().expect("a number");

    let _ = cluster.api.assign(&ash, "gotham").expect(200);
    heroes.assigned(&ash, "gotham");
    heroes.created([cluster.api.create_named("Birch").id, cluster.api.create_named("Cedar").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    // For longer than the silence that counts as lost contact.
    let acknowledged = "return sent.findLast((message) => message.t === 'ack').at";
    wait_for(&browser, "frames are still acknowledged", acknowledged, |at| {
        at.as_u64() > Some(held + STALE_WITHIN_MS)
    });
    wait_until("the button shows the number of waiting changes", HANG_TIMEOUT, || {
        let after = browser.evaluate(changes).as_u64().expect("a number");
        let shown = browser.text("#hold");
        ensure(after > before && shown == format!("Release ({} waiting)", after - before), || {
            format!("the button shows {shown}, for {before} to {after}")
        })
    });
    let still = browser.evaluate("return [document.getElementById('heroes').querySelector('table').innerHTML, document.title]");
    assert_eq!(shown, still, "a held page must not change");
    assert_eq!(browser.text("#contact"), "Live");
    assert_eq!(browser.evaluate("return contacts.map(({ name }) => name)"), json!(["live"]));

    browser.click("button", &browser.text("#hold"));
    wait_names(&browser, "the new heroes are shown", &["Ash", "Birch", "Cedar"]);
    wait_row(&browser, "Ash", "gotham", |row| row.contains("Gotham"));
    browser.wait_text("#hold", "the released view", |text| text == "Hold view");
    // The same with the keyboard.
    let _ = browser.evaluate("document.activeElement.blur()");
    browser.press(" ");
    browser.wait_text("#hold", "the held view", |text| text.ends_with(" waiting)"));
    browser.press(" ");
    browser.wait_text("#hold", "the released view", |text| text == "Hold view");
    // Navigation releases the view.
    browser.press(" ");
    browser.wait_text("#hold", "the held view", |text| text.ends_with(" waiting)"));
    browser.click("link", "Terminated 0");
    browser.wait_text("#table-rows", "the empty list", |text| text == "No tombstones are held.");
    assert_eq!(browser.text("#hold"), "Hold view");
    assert_not_reloaded(&browser);
    assert_no_problems(&browser, &[]);
}

#[test]
fn rows_do_not_move_under_the_pointer() {
    let cluster = Cluster::start(Options::default());
    let (mut heroes, [birch, cedar, dogwood]) =
        create_heroes(&cluster, ["Birch", "Cedar", "Dogwood"]);
    let browser = open_recorded_page(&cluster);
    wait_names(&browser, "three heroes", &["Birch", "Cedar", "Dogwood"]);
    let row_of = |id: &str| format!("[id='h-{id}']");
    // A pointer counts as idle after eight seconds without movement.
    let mut right = 0;
    let mut move_pointer = || {
        right = 1 - right;
        browser.point_at(&format!("{} th", row_of(&cedar)), right);
    };
    move_pointer();
    heroes.created([cluster.api.create_named("Ash").id]);
    wait_until("the page pins its rows", HANG_TIMEOUT, || {
        move_pointer();
        let pins = recorded(
            &browser,
            "sent.filter((message) => message.t === 'watch').map((message) => message.pin)",
        );
        ensure(pins == [json!([birch, cedar, dogwood])], || format!("{pins:?}"))
    });
    let _ = cluster.api.assign(&cedar, "gotham").expect(200);
    heroes.assigned(&cedar, "gotham");
    wait_until("a value changes", HANG_TIMEOUT, || {
        move_pointer();
        assert_eq!(names(&browser), ["Birch", "Cedar", "Dogwood"], "rows must not move");
        let row = row(&browser, "Cedar");
        ensure(row.contains("All three: Gotham") && row.contains("Agreed"), || row.clone())
    });

    let _ = browser.evaluate(&format!(
        "const row = document.querySelector(\"{}\"); \
         const look = () => {{ if (!row.isConnected) window.gone ??= Date.now(); }}; \
         new MutationObserver(look).observe(row.parentElement, {{ childList: true }});",
        row_of(&dogwood)
    ));
    let _ = cluster.api.terminate(&dogwood).expect(204);
    heroes.deleted(&dogwood);
    let removed_at = wait_until("the row of the terminated hero disappears", HANG_TIMEOUT, || {
        move_pointer();
        let removed_at = browser.evaluate("return window.gone ?? null");
        removed_at.as_u64().ok_or_else(|| format!("{:?}", names(&browser)))
    });
    let text =
        recorded(&browser, "received.filter((message) => message.lists?.['table-rows']?.order)");
    let without = text.iter().find(|frame| {
        frame["lists"]["table-rows"]["order"] == json!([format!("h-{birch}"), format!("h-{cedar}")])
    });
    let text =
        without.expect("a frame without the terminated hero")["at"].as_u64().expect("a time");
    assert!(
        (1_900..6_000).contains(&(removed_at - text)),
        "the row disappeared after {} ms",
        removed_at - text
    );
    assert_eq!(names(&browser), ["Birch", "Cedar"]);
    cluster.wait_until_held(&heroes, &CITIES);
    move_pointer();
    assert_eq!(names(&browser), ["Birch", "Cedar"], "the new row must not appear yet");

    browser.point_at("h1", 0);
    wait_names(&browser, "the order is updated", &["Ash", "Birch", "Cedar"]);
    assert_not_reloaded(&browser);
    assert_no_problems(&browser, &[]);
}

/// Returns the POST requests since the last call.
#[track_caller]
fn newly_posted(browser: &Browser) -> Value {
    browser.evaluate("return posted.splice(0)")
}

#[test]
fn keys_trigger_buttons_unless_typing_or_disabled() {
    let cluster = Cluster::start(Options::default());
    let _ = create_heroes(&cluster, ["Granite"]);
    let browser = open_recorded_page(&cluster);
    browser.press("g");
    browser.wait_text("#gossip", "the pause", |text| text.contains("Gossip is paused"));
    assert_eq!(gossip(&cluster)["paused"], true);
    browser.press(".");
    browser.wait_text("#notices", "the exchange", |text| text.contains(" pulled "));
    assert_eq!(newly_posted(&browser), json!(["/gossip/pause", "/gossip/step"]));

    // Typed text triggers no command. A command's request starts before the key press returns.
    browser.press("/g.h ?1");
    assert_eq!(
        browser.evaluate("return [document.activeElement.id, document.activeElement.value]"),
        json!(["find", "g.h ?1"])
    );
    assert_eq!(newly_posted(&browser), json!([]));
    assert_eq!(browser.evaluate("return document.getElementById('help').open"), false);
    let _ = browser.evaluate("document.activeElement.blur()");

    browser.press("?");
    browser.wait_text("#help", "the key bindings", |text| {
        text.contains("Keyboard shortcuts") && text.contains("pause or resume gossip")
    });
    browser.press("g");
    assert_eq!(newly_posted(&browser), json!([]), "keys must have no effect while help is open");
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
    // The setting persists.
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.press("g./?");
    assert_eq!(browser.evaluate(off), json!([0, "", false]));
    assert_eq!(gossip(&cluster)["paused"], true);

    browser.click("link", "Help and keys");
    browser.wait_text("#help", "the key bindings", |text| text.contains("Keyboard shortcuts"));
    switch(true);
    browser.press("g");
    wait_until("gossip is resumed", HANG_TIMEOUT, || {
        ensure(gossip(&cluster)["paused"] == false, || "gossip is paused".to_owned())
    });
    assert_eq!(newly_posted(&browser), json!(["/gossip/resume"]));
    assert_no_problems(&browser, &[]);
}

/// Returns the names of all heroes in dispatch's order.
fn all_names(cluster: &Cluster) -> Vec<String> {
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    heroes["heroes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|hero| hero["name"].as_str().map(str::to_owned))
        .collect()
}

/// Waits until the page shows exactly these heroes and this range.
#[track_caller]
fn wait_page(browser: &Browser, foot: &str, wanted: &[String]) {
    wait_until(&format!("the page shows {foot}"), HANG_TIMEOUT, || {
        let (names, shown) = (names(browser), browser.text("#table-foot > span"));
        ensure(names == wanted && shown == foot, || format!("the page shows {shown:?} {names:?}"))
    });
}

/// Navigates through a hundred heroes by links, search and the back button, with or without
/// scripts.
#[track_caller]
fn navigate(cluster: &Cluster, browser: &Browser) {
    browser.click("button", "Add 100");
    browser
        .wait_text("#table-foot > span", "the first fifty rows", |text| text == "1 to 50 of 100");
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

    // One differing hero, which is the last by name.
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
    browser.wait_text("#table-rows", "no match", |text| text == "No hero matches this search.");
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
fn search_filters_paging_and_back_work_without_reload() {
    let cluster = Cluster::start(Options::default());
    let browser = open_recorded_page(&cluster);
    navigate(&cluster, &browser);
    assert_not_reloaded(&browser);
    assert_eq!(browser.evaluate("return sockets.length"), 1, "the page must use one socket");
    let searched = "return document.getElementById('find').value";
    assert_ne!(browser.evaluate(searched), "");
    browser.back();
    wait_for(&browser, "the search field matches the URL", searched, |text| text == "");
    assert_no_problems(&browser, &[]);
}

#[test]
fn search_filters_paging_and_back_work_without_script() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script may run");
    navigate(&cluster, &browser);
    assert_no_problems(&browser, &[]);
}

/// Returns the titles of the shapes of this class on the timeline.
#[track_caller]
fn titles_on_timeline(browser: &Browser, class: &str) -> Vec<String> {
    let script = format!(
        "return [...document.querySelectorAll('#timeline-seconds path.{class} title')].map((title) => title.textContent)"
    );
    serde_json::from_value(browser.evaluate(&script)).expect("titles are text")
}

#[track_caller]
fn wait_drawn(browser: &Browser, class: &str, part: &str) {
    wait_until(&format!("{part:?} is drawn as {class}"), HANG_TIMEOUT, || {
        let titles = titles_on_timeline(browser, class);
        ensure(titles.iter().any(|title| title.contains(part)), || format!("{titles:?}"))
    });
}

/// Waits for a row of the timeline's table.
#[track_caller]
fn wait_timeline_row(browser: &Browser, what: &str, wanted: impl Fn(&[&str]) -> bool) {
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
fn timeline_shows_writes_pulls_and_the_forecast() {
    let cluster =
        Cluster::start(Options { city_gossip: "3s", dispatch_gossip: "3s", ..Options::default() });
    let browser = open_page(&cluster);
    let mut heroes = Heroes::default();
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    wait_all_text(&browser, "#timeline-forecast", "the predicted agreement", |text| {
        text.contains("Expected to converge in")
    });
    wait_drawn(&browser, "write.dispatch", "Granite: created, Home, health 100 at Dispatch");
    cluster.wait_until_held(&heroes, &CITIES);
    wait_all_text(&browser, "#timeline-forecast", "no prediction", |text| {
        !text.contains("Expected")
    });

    let moved = "return document.getElementById('timeline-moving').transform.baseVal.consolidate().matrix.e";
    let before = browser.evaluate(moved).as_f64().expect("a number");
    // A second is 24 pixels wide.
    wait_for(&browser, "the timeline moves", moved, |now| {
        now.as_f64().is_some_and(|now| now <= before - 24.0)
    });

    let _ = cluster.api.assign(&id, "gotham").expect(200);
    heroes.assigned(&id, "gotham");
    wait_drawn(&browser, "write.gotham", "Granite: Gotham, health 100");
    wait_drawn(&browser, "received.gotham", "pulled 1 entry");
    wait_drawn(&browser, "same", "without new entries");
    wait_timeline_row(
        &browser,
        "the table shows the pull with its entries",
        |line| matches!(line, [_, what, "Gotham", _, "1", bytes, "new entries"] if what.starts_with("pull, ") && !bytes.is_empty()),
    );
    wait_timeline_row(
        &browser,
        "the table shows the write",
        |line| matches!(line, [_, "write", "Gotham", "", "", "", shown] if shown.starts_with("Granite: Gotham, health 100")),
    );
    cluster.wait_until_held(&heroes, &CITIES);
    assert!(
        titles_on_timeline(&browser, "failed").is_empty(),
        "no request may remain unanswered: {:?}",
        titles_on_timeline(&browser, "failed")
    );

    cut(&cluster, "capitol");
    let _ = cluster.api.assign(&id, "metropolis").expect(200);
    wait_drawn(&browser, "failed", "Capitol got no answer");
    wait_timeline_row(&browser, "the table shows the cut city's unanswered request", |line| {
        matches!(line, [_, _, _, "Capitol", "", "", "no answer"])
    });
    wait_all_text(&browser, "#timeline-forecast", "the lasting difference", |text| {
        text.contains("1 hero cannot converge over the current links")
    });
    browser
        .wait_text("#timeline-summary", "the unanswered requests", |text| text.contains("failed"));
    wait_all_text(&browser, "#timeline-spans", "the cut", |text| text.contains("Capitol cut off"));
    assert_no_problems(&browser, &[]);
}

#[test]
fn gossip_speed_is_set_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    for (label, percent) in [("½×", 50), ("⅒×", 10), ("1×", 100)] {
        browser.click("button", label);
        wait_until(&format!("gossip runs at {percent} %"), HANG_TIMEOUT, || {
            let gossip = gossip(&cluster);
            ensure(gossip["percent"] == percent && gossip["paused"] == false, || gossip.to_string())
        });
        let chosen = "return [...document.querySelectorAll('#gossip-speed [aria-pressed=true]')].map((button) => button.textContent)";
        wait_for(&browser, "the page shows the speed", chosen, |chosen| *chosen == json!([label]));
    }
    assert_no_problems(&browser, &[]);
}
