//! The page in a real browser, operated by its visible texts and accessible names.

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Launched, Options, assert_no_problems, ensure,
    open_page, row, wait_row, wait_until,
};
use serde_json::{Value, json};

/// Precondition of the other browser tests: they would notice errors in the browser.
#[test]
fn browser_problems_are_detected() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    let _ = browser.evaluate(
        "console.error('an error of the console'); \
         const image = document.createElement('img'); \
         image.src = 'http://evil.example/x.png'; \
         document.body.append(image);",
    );
    let problems = wait_until("the violation is reported", HANG_TIMEOUT, || {
        let problems = browser.problems();
        ensure(problems.iter().any(|problem| problem.starts_with("security policy")), || {
            format!("{problems:?}")
        })
        .map(|()| problems)
    });
    assert!(
        problems.iter().any(|problem| problem.contains("an error of the console")),
        "{problems:?}"
    );
}

#[test]
fn superhero_is_created_assigned_and_terminated_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);

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

    // Also with a generated name.
    browser.click("button", "Create superhero");
    wait_until("the second hero exists", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(|heroes| heroes.len() == 2), || {
            heroes.to_string()
        })
    });

    browser.click("button", "Terminate Batman");
    wait_row(&browser, "Batman", "nothing", str::is_empty);
    let _ = cluster.api.hero(batman["id"].as_str().expect("an id")).problem(410, "terminated");
    browser.wait_text("h1", "agreement on one hero", |sentence| {
        sentence.contains("agree") && sentence.contains('1')
    });
    assert_no_problems(&browser, &[]);
}

#[test]
fn bomb_empties_the_card_of_the_city_until_it_has_recovered() {
    let cluster = Cluster::start(Options {
        city_gossip: "1s",
        dispatch_gossip: "1s",
        poll: "2s",
        ..Options::default()
    });
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(120));
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&cluster);
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
    browser.wait_text("#notices", "the destruction", |text| text == "gotham has been destroyed");
    browser.wait_text("#city-gotham .holds b", "120 again", |text| text == "120");
    let counts = wait_until("the count fell and rose again", HANG_TIMEOUT, || {
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
    assert_no_problems(&browser, &[]);
}

#[test]
fn refused_assignment_shows_its_reason_at_the_control() {
    let mut cluster = Cluster::start(Options::default());
    let id = cluster.api.create_named("Batman").id;
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    let browser = open_page(&cluster);
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));
    cluster.wait_converged();
    let before = cluster.api.hero(&id).expect(200).json();

    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    browser.choose("Assign Batman", "capitol");
    browser.wait_text(".act [role=alert]", "the reason", |text| {
        text.contains("capitol does not answer; nothing was changed")
    });
    wait_row(&browser, "Batman", "gotham, unchanged", |row| row.contains("Gotham"));
    browser
        .wait_text("h1", "the stopped city", |sentence| sentence.contains("Capitol has stopped"));
    let after = cluster.api.hero(&id).expect(200).json();
    assert_eq!(after["hero"], before["hero"]);
    // The browser logs every 5xx response.
    assert_no_problems(&browser, &["503"]);
}

#[test]
fn actions_on_one_page_appear_on_another() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    let first = browser.open_window(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.type_into("textbox", "Hero name (optional)", "Robin");
    browser.click("button", "Create superhero");
    wait_row(&browser, "Robin", "home", |row| row.contains("Home"));

    let second = browser.switch_to_window(&first);
    wait_row(&browser, "Robin", "home", |row| row.contains("Home"));
    browser.choose("Assign Robin", "metropolis");
    browser.click("button", "Bomb Capitol");
    browser.wait_text("#notices", "the destruction", |text| {
        text.contains("capitol has been destroyed")
    });
    assert_no_problems(&browser, &[]);

    browser.switch_to_window(&second);
    wait_row(&browser, "Robin", "metropolis", |row| row.contains("Metropolis"));
    browser.wait_text("#notices", "the destruction by the other page", |text| {
        text.contains("capitol has been destroyed")
    });
    browser.click("button", "Terminate Robin");
    browser.switch_to_window(&first);
    wait_row(&browser, "Robin", "nothing", str::is_empty);
    assert_no_problems(&browser, &[]);
}

#[test]
fn lost_contact_is_shown_and_recovered_from_without_reload() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created([cluster.api.create_named("Batman").id]);
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&cluster);
    wait_row(&browser, "Batman", "home", |row| row.contains("Home"));
    let _ = browser.evaluate("window.same = true");
    assert_no_problems(&browser, &[]);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    assert!(
        row(&browser, "Batman").contains("Home"),
        "the last known state must remain on the page"
    );
    browser.wait_text("#verdict-then", "the last known verdict", |text| {
        text.starts_with("At ") && text.ends_with("agreed on 1 hero.")
    });
    let enabled = browser.evaluate("return [...document.querySelectorAll('main form[method=post] button')].some((b) => !b.disabled)");
    assert_eq!(enabled, false, "all buttons must be disabled without dispatch");

    cluster.restart("dispatch");
    browser.wait_text("#contact", "Live", |text| text == "Live");
    assert_eq!(browser.evaluate("return window.same"), true, "the page must not be reloaded");
    browser
        .wait_text("h1", "the current verdict", |sentence| sentence.ends_with("agree on 1 hero."));
    wait_row(&browser, "Batman", "home, agreed", |row| {
        row.contains("Home") && row.contains("Agreed")
    });
    browser.choose("Assign Batman", "gotham");
    wait_row(&browser, "Batman", "gotham", |row| row.contains("Gotham"));
    // While dispatch was down the browser logged every failed connection attempt.
    let others: Vec<String> = browser
        .problems()
        .into_iter()
        .filter(|problem| {
            !["WebSocket connection to", "/frames?"].iter().any(|of| problem.contains(of))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn markup_in_a_name_is_shown_as_text() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
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
    assert_no_problems(&browser, &[]);
}

#[test]
fn forms_work_without_javascript() {
    let cluster = Cluster::start(Options::default());
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script may run");

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
    browser.wait_text("#notice", "the destruction", |text| text == "gotham has been destroyed");
    wait_until("gotham is in its second incarnation", HANG_TIMEOUT, || {
        let gotham = cluster.node("gotham");
        ensure(gotham.crashes == 1 && gotham.status == "up", || format!("{gotham:?}"))
    });
    cluster.wait_converged();

    browser.click("button", "Terminate Batman");
    wait_until("Batman is deleted", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(Vec::is_empty), || heroes.to_string())
    });
    cluster.wait_converged();
    browser.open(&cluster.api.url());
    assert_eq!(row(&browser, "Batman"), "");
    assert_no_problems(&browser, &[]);
}

#[test]
fn refusal_is_shown_at_the_control_without_javascript() {
    let mut cluster = Cluster::start(Options::default());
    let _ = cluster.api.create_named("Batman");
    cluster.wait_converged();
    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let browser = Browser::without_javascript();
    browser.open(&cluster.api.url());
    browser.choose("Assign Batman", "capitol");
    browser.click("button", "Assign");
    browser.wait_text(".act [role=alert]", "the reason", |text| {
        text.contains("capitol does not answer; nothing was changed")
    });
    wait_row(&browser, "Batman", "home, unchanged", |row| row.contains("Home"));
}

/// Kills a city, and rebuilds it with the button on its card.
#[track_caller]
fn rebuild_gotham(launched: &Launched, browser: &Browser, heroes: &Heroes) {
    launched.kill9("gotham");
    browser.wait_text("#city-gotham .doing span", "the stopped city", |text| {
        text.starts_with("has stopped")
    });
    assert!(
        browser.try_find("button", "Bomb Gotham").is_err(),
        "a stopped city must have no bomb button"
    );
    browser.click("button", "Rebuild Gotham");
    launched.cluster.wait_until_held(heroes, &CITIES);
    browser.wait_text("#city-gotham .doing span", "agreement", |text| text == "agrees");
    browser.wait_text("#city-gotham .holds b", "30", |text| text == "30");
    let _ = browser.find("button", "Bomb Gotham");
    assert!(
        browser.try_find("button", "Rebuild Gotham").is_err(),
        "a running city must have no rebuild button"
    );
}

#[test]
fn killed_city_is_rebuilt_from_its_card() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(30));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&launched.cluster);
    rebuild_gotham(&launched, &browser, &heroes);
    let focused =
        browser.evaluate("return document.activeElement.textContent.trim().startsWith('Bomb')");
    assert_eq!(focused, false, "a second Enter must not bomb the rebuilt city");
    assert_no_problems(&browser, &[]);
}

#[test]
fn killed_city_is_rebuilt_without_javascript() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(30));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let browser = Browser::without_javascript();
    browser.open(&launched.cluster.api.url());
    rebuild_gotham(&launched, &browser, &heroes);
    assert_no_problems(&browser, &[]);
}

#[test]
fn killed_city_without_launcher_shows_the_command_to_run() {
    let mut cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    cluster.kill9("gotham");
    browser.wait_text("#city-gotham .by-hand", "the command to run", |text| {
        text == "To start it again, run in a terminal: make gotham."
    });
    assert!(browser.try_find("button", "Rebuild Gotham").is_err());
    cluster.restart("gotham");
    let _ = browser.find("button", "Bomb Gotham");
    assert_eq!(browser.text("#city-gotham .by-hand"), "");
    assert_no_problems(&browser, &[]);
}

/// Submits the form that injects faults, which is collapsed at first.
fn inject_fault(browser: &Browser, kind: &str, from: &str, to: Option<&str>) {
    let _ = browser.evaluate("document.getElementById('fault-forms').open = true");
    browser.choose("Fault", kind);
    browser.choose("Node", from);
    match to {
        Some(to) => browser.choose("To", to),
        // A fault of one node has no other end.
        None => assert!(browser.try_find("combobox", "To").is_err()),
    }
    browser.click("button", "Inject fault");
}

#[test]
fn faults_are_injected_shown_and_healed_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&cluster);
    inject_fault(&browser, "Cut", "Gotham", Some("All other nodes"));
    browser.wait_text(".faults", "the cut", |text| {
        text.contains("Gotham is cut from every other node, both ways") && text.contains("heals in")
    });
    assert_eq!(cluster.api.faults().len(), 1);
    browser.choose("Assign Granite", "gotham");
    wait_row(&browser, "Granite", "a difference", |row| {
        row.contains("Gotham") && row.contains("Home") && row.contains("Only copy")
            || row.contains("Differs")
    });
    browser.wait_text(".faults .effect", "the effect of the cut", |text| text.contains("dropped"));
    browser.click("button", "Heal: Gotham is cut from every other node, both ways");
    browser.wait_text("#faults", "no fault in force", |text| text.contains("No faults in force."));
    heroes.assigned(&id, "gotham");
    cluster.wait_until_held(&heroes, &CITIES);

    inject_fault(&browser, "Delay", "Gotham", Some("Gotham"));
    browser.wait_text("#fault-form [role=alert]", "the reason", |text| {
        text.contains("both are gotham")
    });
    inject_fault(&browser, "Clock skew", "Capitol", None);
    browser.wait_text("#city-capitol .doing span", "the clock", |text| {
        text.contains("clock 3.0 s ahead")
    });
    inject_fault(&browser, "Freeze", "Metropolis", None);
    browser.wait_text("#city-metropolis .doing span", "the frozen city", |text| {
        text == "frozen by a fault"
    });
    browser.wait_text("h1", "the frozen city", |text| text.contains("Metropolis is frozen"));
    browser.click("button", "Heal all");
    browser.wait_text("#city-metropolis .doing span", "agreement", |text| text == "agrees");
    inject_fault(&browser, "Stop the process", "Dispatch", None);
    browser.wait_text("#fault-form [role=alert]", "the reason", |text| {
        text.contains("only the process of a city can be stopped or killed here")
    });
    cluster.wait_until_held(&heroes, &CITIES);
    assert!(cluster.api.faults().is_empty());
    inject_fault(&browser, "Kill the process", "Gotham", None);
    browser.wait_text("#city-gotham .doing span", "the stopped city", |text| {
        text.starts_with("has stopped")
    });
    assert_no_problems(&browser, &["422", "422"]);
}

#[test]
fn gossip_is_paused_stepped_and_resumed_on_the_page() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    browser.click("button", "Pause gossip");
    browser.wait_text("#gossip", "the pause", |text| text.contains("Gossip is paused"));
    let mut heroes = Heroes::default();
    heroes.created([cluster.api.create_named("Granite").id]);
    wait_row(&browser, "Granite", "a hero that no city holds", |row| row.contains("missing"));
    browser.click("button", "One exchange");
    browser.wait_text("#notices", "the exchange", |text| {
        text.contains(" pulled ") && text.contains("bytes")
    });
    browser.click("button", "Resume gossip");
    cluster.wait_until_held(&heroes, &CITIES);
    let _ = browser.find("button", "Pause gossip");
    assert_no_problems(&browser, &[]);
}

#[test]
fn scenario_is_played_on_the_page_to_its_end() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    let _ = browser.evaluate("document.getElementById('fault-forms').open = true");
    browser.choose("Scenario", "Only copy");
    browser.click("button", "Play");
    browser.wait_text(".playing", "the running scenario", |text| {
        text.contains("Only copy") && text.contains("running")
    });
    cluster.api.post("/api/v1/scenarios/split-brain/play", &json!({})).problem(409, "playing");
    cluster.api.post("/api/v1/scenarios/no-such/play", &json!({})).problem(404, "unknown_scenario");
    wait_until("the scenario has passed", HANG_TIMEOUT, || {
        let played = cluster.api.get("/api/v1/scenarios").expect(200).json()["playing"].clone();
        ensure(played["outcome"] == "passed", || played.to_string())
    });
    browser.wait_text(".playing", "the passed scenario", |text| {
        text.contains("passed: every expectation was met")
    });
    assert_eq!(
        cluster.api.get("/api/v1/scenarios").expect(200).json()["scenarios"]
            .as_array()
            .map(Vec::len),
        Some(6)
    );
    assert_no_problems(&browser, &[]);
}

#[test]
fn faults_are_healed_by_forms_without_javascript() {
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
    wait_until("all faults are healed", HANG_TIMEOUT, || {
        ensure(cluster.api.faults().is_empty(), || "faults are in force".into())
    });
    browser.click("button", "Resume gossip");
    assert_no_problems(&browser, &[]);
}

#[test]
fn viewer_sees_buttons_only_after_sign_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "the-token-of-the-host").expect("a temporary file");
    let dispatch = vec![format!("--host-token-file={}", token.display())];
    let cluster = Cluster::start(Options { dispatch, ..Options::default() });
    let browser = open_page(&cluster);
    let buttons = ["Create superhero", "Bomb Gotham", "Pause gossip", "Heal all", "Sign out"];
    for button in buttons {
        assert!(browser.try_find("button", button).is_err(), "a viewer is shown {button}");
    }
    // Requests that bypass the missing buttons are refused as well.
    let refused = browser.evaluate(
        "document.querySelector('#bomb-gotham').requestSubmit(); \
         return document.querySelector('#bomb-gotham').method",
    );
    assert_eq!(refused, "post");
    browser.click("link", "Sign in");
    browser.type_into("textbox", "Token", "the-token-of-the-host");
    browser.click("button", "Sign in");
    wait_until("the buttons are shown", HANG_TIMEOUT, || {
        buttons.iter().try_for_each(|button| browser.try_find("button", button).map(drop))
    });
    browser.click("button", "Create superhero");
    wait_until("the hero exists", HANG_TIMEOUT, || {
        let heroes = cluster.api.get("/api/v1/heroes").expect(200).json();
        ensure(heroes["heroes"].as_array().is_some_and(|heroes| heroes.len() == 1), || {
            heroes.to_string()
        })
    });
    assert_eq!(cluster.api.nodes()["gotham"].crashes, 0, "a viewer's request must have no effect");
    browser.click("button", "Sign out");
    wait_until("the buttons are hidden", HANG_TIMEOUT, || {
        ensure(browser.try_find("button", "Create superhero").is_err(), || {
            "a button is shown".into()
        })
    });
}
