//! The page, as people use it: in a real browser, by what is written on it.

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Launched, Options, ensure, no_complaints,
    page_of, row, wait_row, wait_until,
};
use serde_json::{Value, json};

/// What the other tests lean on: had something gone wrong in the browser, they would know.
#[test]
fn the_browsers_complaints_are_heard() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    let _ = browser.evaluate(
        "console.error('an error of the console'); \
         const image = document.createElement('img'); \
         image.src = 'http://evil.example/x.png'; \
         document.body.append(image);",
    );
    let complaints = wait_until("the violation is reported", HANG_TIMEOUT, || {
        let complaints = browser.complaints();
        ensure(complaints.iter().any(|complaint| complaint.starts_with("security policy")), || {
            format!("{complaints:?}")
        })
        .map(|()| complaints)
    });
    assert!(
        complaints.iter().any(|complaint| complaint.contains("an error of the console")),
        "{complaints:?}"
    );
}

#[test]
fn a_superhero_is_created_assigned_and_terminated_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);

    browser.type_into("textbox", "Hero name (optional)", "Batman");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));

    browser.choose("Assign Batman", "gotham");
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));
    let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
    let batman = heroes["heroes"][0].clone();
    assert_eq!(
        (&batman["name"], &batman["location"]),
        (&Value::from("Batman"), &Value::from("gotham"))
    );

    // An invented name, too.
    browser.click("button", "Create superhero");
    wait_until("the second hero is there", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(|heroes| heroes.len() == 2), || {
            heroes.to_string()
        })
    });

    browser.click("button", "Terminate Batman");
    wait_row(&browser, "Batman", "nothing", str::is_empty);
    let _ = cluster.api.hero(batman["id"].as_str().expect("an id")).problem(410, "terminated");
    browser.wait_text("h1", "agreement on one hero", |said| {
        said.contains("agree") && said.contains('1')
    });
    no_complaints(&browser, &[]);
}

#[test]
fn a_bomb_empties_the_citys_card_and_the_others_fill_it_again() {
    let cluster = Cluster::start(Options {
        city_gossip: "1s",
        dispatch_gossip: "1s",
        poll: "2s",
        ..Options::default()
    });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(120));
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = page_of(&cluster);
    browser.wait_text("#city-gotham .holds b", "120", |text| text == "120");
    let _ = browser.evaluate(
        "window.counts = []; \
         const look = () => { \
           const count = document.querySelector('#city-gotham .holds b').textContent; \
           if (window.counts.at(-1) !== count) window.counts.push(count); \
         }; \
         look(); \
         new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });",
    );

    browser.click("button", "Bomb Gotham");
    browser.wait_text("#notices", "what was destroyed", |text| text == "gotham has been destroyed");
    browser.wait_text("#city-gotham .holds b", "120 again", |text| text == "120");
    let counts = wait_until("the count fell and rose", HANG_TIMEOUT, || {
        let counts = browser.evaluate("return window.counts");
        ensure(counts.as_array().is_some_and(|counts| counts.len() >= 3), || counts.to_string())
            .map(|()| counts)
    });
    let counts: Vec<&str> =
        counts.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!((counts.first(), counts.last()), (Some(&"120"), Some(&"120")), "{counts:?}");
    assert!(
        counts[1..counts.len() - 1]
            .iter()
            .all(|count| count.parse::<u32>().is_ok_and(|count| count < 120)),
        "{counts:?}"
    );
    assert_eq!(cluster.node("gotham").crashes, 1);
    cluster.wait_until_held(&heroes, &CITIES);

    browser.click("button", "Destroy city");
    let city = wait_until("a city was destroyed", HANG_TIMEOUT, || {
        let nodes = cluster.api.nodes();
        let crashes: Vec<u32> = CITIES.iter().map(|city| nodes[*city].crashes).collect();
        let hit =
            CITIES.into_iter().find(|city| nodes[*city].crashes > u32::from(*city == "gotham"));
        hit.ok_or_else(|| format!("{crashes:?}"))
    });
    browser.wait_text("#notices", &format!("{city} has been destroyed"), |text| {
        text.contains(&format!("{city} has been destroyed"))
    });
    cluster.wait_until_held(&heroes, &CITIES);
    no_complaints(&browser, &[]);
}

#[test]
fn assigning_to_a_killed_city_shows_the_reason_beside_the_control() {
    let mut cluster = Cluster::start(Options::default());
    let id = cluster.api.create_named("Batman").id;
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    let browser = page_of(&cluster);
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));
    cluster.wait_converged();
    let before = cluster.api.hero(&id).expect(200).json();

    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    browser.choose("Assign Batman", "capitol");
    browser.wait_text(".act [role=alert]", "why", |text| {
        text.contains("capitol does not answer; nothing was changed")
    });
    wait_row(&browser, "Batman", "gotham still", |row| row.contains("Gotham"));
    browser.wait_text("h1", "who stopped", |said| said.contains("Capitol has stopped"));
    let after = cluster.api.hero(&id).expect(200).json();
    assert_eq!(after["hero"], before["hero"]);
    // The browser itself reports every answer of the 500s.
    no_complaints(&browser, &["503"]);
}

#[test]
fn what_one_page_does_another_one_shows() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    let first = browser.open_beside(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.type_into("textbox", "Hero name (optional)", "Robin");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Robin", "home", |row| row.contains("Home"));

    let second = browser.go_to(&first);
    wait_row(&browser, "Robin", "home", |row| row.contains("Home"));
    browser.choose("Assign Robin", "metropolis");
    browser.click("button", "Bomb Capitol");
    browser.wait_text("#notices", "what was destroyed", |text| {
        text.contains("capitol has been destroyed")
    });
    no_complaints(&browser, &[]);

    browser.go_to(&second);
    wait_row(&browser, "Robin", "metropolis", |row| row.contains("Metropolis"));
    browser.wait_text("#notices", "what the other page destroyed", |text| {
        text.contains("capitol has been destroyed")
    });
    browser.click("button", "Terminate Robin");
    browser.go_to(&first);
    wait_row(&browser, "Robin", "nothing", str::is_empty);
    no_complaints(&browser, &[]);
}

#[test]
fn a_page_says_when_contact_is_lost_and_comes_back_to_life_by_itself() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created([cluster.api.create_named("Batman").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = page_of(&cluster);
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));
    let _ = browser.evaluate("window.same = true");
    no_complaints(&browser, &[]);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    assert!(row(&browser, "Batman").contains("Home"), "what was known stays on the page");
    browser.wait_text("#verdict-then", "what was the case", |text| {
        text.starts_with("At ") && text.ends_with("agreed on 1 hero.")
    });
    let can_act = browser.evaluate("return [...document.querySelectorAll('main form[method=post] button')].some((b) => !b.disabled)");
    assert_eq!(can_act, false, "nothing can be commanded without dispatch");

    cluster.restart("dispatch");
    browser.wait_text("#contact", "Live", |text| text == "Live");
    assert_eq!(browser.evaluate("return window.same"), true, "the page was not loaded again");
    browser.wait_text("h1", "what is the case", |said| said.ends_with("agree on 1 hero."));
    wait_row(&browser, "Batman", "home, agreed", |row| {
        row.contains("Home") && row.contains("Agreed")
    });
    browser.choose("Assign Batman", "gotham");
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));
    // While dispatch was away every attempt to reach it was a complaint of the browser.
    let others: Vec<String> = browser
        .complaints()
        .into_iter()
        .filter(|complaint| !complaint.contains("WebSocket connection to"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn markup_in_a_name_is_text_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    let name = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    browser.type_into("textbox", "Hero name (optional)", name);
    browser.click("button", "Create superhero");
    wait_row(&browser, name, "home", |row| row.contains("Home"));
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    wait_row(&browser, name, "home", |row| row.contains("Home"));
    assert_eq!(
        browser.evaluate("return document.querySelectorAll('main img, main script').length"),
        0
    );
    let _ = browser.find("button", &format!("Terminate {name}"));
    no_complaints(&browser, &[]);
}

#[test]
fn without_javascript_everything_works_by_forms() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script has run");

    browser.type_into("textbox", "Hero name (optional)", "Batman");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));

    browser.choose("Assign Batman", "gotham");
    browser.click("button", "Assign");
    wait_until("Batman is in gotham", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"][0]["location"] == "gotham", || heroes.to_string())
    });
    cluster.wait_converged();
    browser.open(&cluster.api.url());
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));

    browser.click("button", "Bomb Gotham");
    browser.wait_text("#told", "what was destroyed", |text| text == "gotham has been destroyed");
    wait_until("gotham is in its second life", HANG_TIMEOUT, || {
        let gotham = cluster.node("gotham");
        ensure(gotham.crashes == 1 && gotham.status == "up", || format!("{gotham:?}"))
    });
    cluster.wait_converged();

    browser.click("button", "Terminate Batman");
    wait_until("Batman is gone", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(Vec::is_empty), || heroes.to_string())
    });
    cluster.wait_converged();
    browser.open(&cluster.api.url());
    assert_eq!(row(&browser, "Batman"), "");
    no_complaints(&browser, &[]);
}

#[test]
fn without_javascript_a_refusal_is_shown_beside_the_control() {
    let mut cluster = Cluster::start(Options::default());
    let _ = cluster.api.create_named("Batman");
    cluster.wait_converged();
    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    browser.choose("Assign Batman", "capitol");
    browser.click("button", "Assign");
    browser.wait_text(".act [role=alert]", "why", |text| {
        text.contains("capitol does not answer; nothing was changed")
    });
    wait_row(&browser, "Batman", "home still", |row| row.contains("Home"));
}

/// A killed city's card offers to rebuild it, and does.
#[track_caller]
fn rebuild_gotham(launched: &Launched, browser: &Browser, heroes: &Heroes) {
    launched.kill9("gotham");
    browser.wait_text("#city-gotham .doing", "that it has stopped", |text| text == "has stopped");
    assert!(browser.try_find("button", "Bomb Gotham").is_err(), "there is nothing to bomb");
    browser.click("button", "Rebuild Gotham");
    launched.cluster.wait_until_held(heroes, &CITIES);
    browser.wait_text("#city-gotham .doing", "that it agrees", |text| text == "agrees");
    browser.wait_text("#city-gotham .holds b", "30", |text| text == "30");
    let _ = browser.find("button", "Bomb Gotham");
    assert!(browser.try_find("button", "Rebuild Gotham").is_err(), "there is nothing to rebuild");
}

#[test]
fn a_city_that_was_killed_is_rebuilt_from_its_card() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(30));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let browser = page_of(&launched.cluster);
    rebuild_gotham(&launched, &browser, &heroes);
    let focused =
        browser.evaluate("return document.activeElement.textContent.trim().startsWith('Bomb')");
    assert_eq!(focused, false, "who presses Enter again does not bomb what has just been rebuilt");
    no_complaints(&browser, &[]);
}

#[test]
fn without_javascript_a_city_is_rebuilt_by_a_form() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(30));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let browser = Browser::without_javascript();
    browser.open(&launched.cluster.api.url());
    rebuild_gotham(&launched, &browser, &heroes);
    no_complaints(&browser, &[]);
}

#[test]
fn a_city_that_nobody_here_can_rebuild_says_how_a_person_does_it() {
    let mut cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    cluster.kill9("gotham");
    browser.wait_text("#city-gotham .by-hand", "how", |text| {
        text == "To start it again, run in a terminal: make gotham."
    });
    assert!(browser.try_find("button", "Rebuild Gotham").is_err());
    cluster.restart("gotham");
    let _ = browser.find("button", "Bomb Gotham");
    assert_eq!(browser.text("#city-gotham .by-hand"), "");
    no_complaints(&browser, &[]);
}

/// Chooses in the form that causes trouble, which is folded away at first.
fn cause(browser: &Browser, kind: &str, from: &str, to: &str) {
    let _ = browser.evaluate("document.getElementById('causes').open = true");
    for (list, choice) in [("Trouble", kind), ("From", from), ("To", to)] {
        browser.choose(list, choice);
    }
    browser.click("button", "Cause trouble");
}

#[test]
fn trouble_is_caused_seen_in_force_and_healed_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = page_of(&cluster);
    cause(&browser, "Cut", "Gotham", "Every other");
    browser.wait_text(".faults", "the cut", |text| {
        text.contains("Gotham is cut from every other node, both ways") && text.contains("heals in")
    });
    assert_eq!(cluster.api.faults().len(), 1);
    browser.choose("Assign Granite", "gotham");
    wait_row(&browser, "Granite", "that they differ", |row| {
        row.contains("Gotham") && row.contains("Home") && row.contains("Only copy")
            || row.contains("Differs")
    });
    browser.wait_text(".faults .did", "what it does", |text| text.contains("lost"));
    browser.click("button", "Heal: Gotham is cut from every other node, both ways");
    browser.wait_text("#trouble", "that nothing is in force", |text| {
        text.contains("No trouble is in force.")
    });
    heroes.assigned(&id, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);

    cause(&browser, "Delay", "Gotham", "Gotham");
    browser.wait_text("#cause [role=alert]", "why not", |text| {
        text.contains("from and to are both gotham")
    });
    cause(&browser, "Wrong clock (from)", "Capitol", "Every other");
    browser
        .wait_text("#city-capitol .doing", "the clock", |text| text.contains("clock 3.0 s ahead"));
    cause(&browser, "Freeze (from)", "Metropolis", "Every other");
    browser.wait_text("#city-metropolis .doing", "that it is frozen", |text| {
        text == "frozen from here"
    });
    browser.wait_text("h1", "what is the case", |text| text.contains("Metropolis gives no answer"));
    browser.click("button", "Heal all");
    browser.wait_text("#city-metropolis .doing", "that it agrees", |text| text == "agrees");
    cause(&browser, "Stop the process (from)", "Dispatch", "Every other");
    browser.wait_text("#cause [role=alert]", "why not", |text| {
        text.contains("only a city's process is ended from here")
    });
    cluster.wait_until_held(&heroes, &CITIES);
    assert!(cluster.api.faults().is_empty());
    cause(&browser, "Kill the process (from)", "Gotham", "Every other");
    browser.wait_text("#city-gotham .doing", "that it has stopped", |text| text == "has stopped");
    no_complaints(&browser, &["422", "422"]);
}

#[test]
fn gossip_is_paused_stepped_and_resumed_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    browser.click("button", "Pause gossip");
    browser.wait_text("#gossip", "that it is paused", |text| text.contains("Gossip is paused"));
    let mut heroes = Heroes::default();
    heroes.created([cluster.api.create_named("Granite").id]);
    wait_row(&browser, "Granite", "nobody has heard", |row| row.contains("not heard of"));
    browser.click("button", "One exchange");
    browser.wait_text("#notices", "what it was", |text| {
        text.contains(" pulled ") && text.contains("bytes")
    });
    browser.click("button", "Resume gossip");
    cluster.wait_until_held(&heroes, &CITIES);
    let _ = browser.find("button", "Pause gossip");
    no_complaints(&browser, &[]);
}

#[test]
fn a_scenario_is_played_on_the_page_to_its_end() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    let _ = browser.evaluate("document.getElementById('causes').open = true");
    browser.choose("Scenario", "Only copy");
    browser.click("button", "Play");
    browser.wait_text(".playing", "that it is played", |text| {
        text.contains("Only copy") && text.contains("is being played")
    });
    cluster.api.post("/api/v1/scenarios/split-brain/play", &json!({})).problem(409, "playing");
    cluster.api.post("/api/v1/scenarios/no-such/play", &json!({})).problem(404, "unknown_scenario");
    wait_until("it has passed", HANG_TIMEOUT, || {
        let played = cluster.api.get("/api/v1/scenarios").expect(200).json()["playing"].clone();
        ensure(played["outcome"] == "passed", || played.to_string())
    });
    browser.wait_text(".playing", "that it has passed", |text| {
        text.contains("passed: everything came about as it says")
    });
    assert_eq!(
        cluster.api.get("/api/v1/scenarios").expect(200).json()["scenarios"]
            .as_array()
            .map(Vec::len),
        Some(6)
    );
    no_complaints(&browser, &[]);
}

#[test]
fn without_javascript_trouble_is_caused_and_healed_by_forms() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    browser.click("button", "Pause gossip");
    wait_until("gossip is paused", HANG_TIMEOUT, || {
        let gossip = cluster.api.get("/api/v1/gossip").expect(200).json();
        ensure(gossip["paused"] == true, || gossip.to_string())
    });
    let _ = cluster
        .api
        .inject(&json!({"kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 120}));
    browser.open(&cluster.api.url());
    browser.wait_text(".faults", "the cut", |text| {
        text.contains("Gotham is cut from every other node")
    });
    browser.click("button", "Heal all");
    wait_until("all is healed", HANG_TIMEOUT, || {
        ensure(cluster.api.faults().is_empty(), || "not yet".into())
    });
    browser.click("button", "Resume gossip");
    no_complaints(&browser, &[]);
}

#[test]
fn a_viewers_page_has_no_buttons_to_press_until_somebody_signs_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "the-token-of-the-host").expect("a file of our own");
    let dispatch = vec![format!("--host-token-file={}", token.display())];
    let cluster = Cluster::start(Options { dispatch, ..Options::default() });
    let browser = page_of(&cluster);
    let buttons = ["Create superhero", "Bomb Gotham", "Pause gossip", "Heal all", "Sign out"];
    for button in buttons {
        assert!(browser.try_find("button", button).is_err(), "a viewer is shown {button}");
    }
    // Who gets round that gets no further.
    let refused = browser.evaluate(
        "document.querySelector('#bomb-gotham').requestSubmit(); \
         return document.querySelector('#bomb-gotham').method",
    );
    assert_eq!(refused, "post");
    browser.click("link", "Sign in");
    browser.type_into("textbox", "Token", "the-token-of-the-host");
    browser.click("button", "Sign in");
    wait_until("the buttons are there", HANG_TIMEOUT, || {
        buttons.iter().try_for_each(|button| browser.try_find("button", button).map(drop))
    });
    browser.click("button", "Create superhero");
    wait_until("there is a hero", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(|heroes| heroes.len() == 1), || {
            heroes.to_string()
        })
    });
    assert_eq!(cluster.api.nodes()["gotham"].crashes, 0, "what a viewer sent was not done");
    browser.click("button", "Sign out");
    wait_until("the buttons are gone", HANG_TIMEOUT, || {
        ensure(browser.try_find("button", "Create superhero").is_err(), || "still there".into())
    });
}
