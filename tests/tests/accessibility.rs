//! Accessibility of the page: axe-core reports no violation in any state, theme or width; the page
//! fits into 320 px; it respects the user's colours and reduced motion.

use std::collections::BTreeMap;

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, assert_no_problems, axe, ensure,
    open_page, wait_settled, wait_until, wait_verdict,
};
use serde_json::{Value, json};

const THEMES: [&str; 2] = ["light", "dark"];
/// A phone, a tablet and a desktop.
const WIDTHS: [u32; 3] = [390, 1024, 1440];
/// The narrowest width without horizontal scrolling (WCAG 2.2, 1.4.10).
const WIDTH_MIN: u32 = 320;
const HEIGHT: u32 = 1000;
/// WebDriver's code for the key.
const ENTER: char = '\u{E007}';

/// The violations found, each with the states of the page in which it occurred.
#[derive(Default)]
struct Findings(BTreeMap<String, Vec<String>>);

impl Findings {
    fn note(&mut self, browser: &Browser, state: &str) {
        for violation in axe::violations(browser) {
            self.0.entry(violation).or_default().push(state.to_owned());
        }
    }

    /// Checks the page in its current state, in every theme and width.
    fn check(&mut self, browser: &Browser, state: &str) {
        // Typing and clicking may have scrolled the page; sticky elements then cover others by
        // chance.
        let _ = browser.evaluate("scrollTo(0, 0)");
        for theme in THEMES {
            browser.emulate_media(&[("prefers-color-scheme", theme)]);
            for width in WIDTHS {
                browser.resize(width, HEIGHT);
                wait_settled(browser);
                self.note(browser, &format!("{state}, {theme}, {width} px"));
            }
            browser.resize(WIDTH_MIN, HEIGHT);
            let size = browser.evaluate("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]");
            if size[0].as_u64() > size[1].as_u64() {
                self.0
                    .entry(format!("page wider than the window: {size}"))
                    .or_default()
                    .push(format!("{state}, {theme}, {WIDTH_MIN} px"));
            }
        }
    }

    /// Removes the findings of a rule with a known false positive; there must be at least one.
    #[track_caller]
    fn remove_false_positives(&mut self, rule: &str) {
        let before = self.0.len();
        self.0.retain(|violation, _| !violation.starts_with(rule));
        assert!(self.0.len() < before, "{rule} has no findings: remove its exception");
    }

    #[track_caller]
    fn assert_none(self) {
        let descriptions: Vec<String> = self
            .0
            .iter()
            .map(|(what, states)| format!("{what}\n  seen in: {}", states.join("; ")))
            .collect();
        assert!(descriptions.is_empty(), "{}", descriptions.join("\n\n"));
    }
}

/// Opens all collapsed elements.
fn open_all(browser: &Browser) {
    let opened = browser.evaluate(
        "const folded = [...document.querySelectorAll('details:not([open])')]; \
         for (const one of folded) one.open = true; \
         return folded.length",
    );
    assert!(opened.as_u64() > Some(0), "some elements must be collapsed at first");
}

/// Searches for heroes, and waits until one row is shown: the only match, or the message that there
/// is none.
fn search(browser: &Browser, text: &str) {
    browser.type_into("searchbox", "Find a hero by name or id", &format!("{text}{ENTER}"));
    wait_until("one row is shown", HANG_TIMEOUT, || {
        let rows = browser.evaluate("return document.querySelectorAll('#heroes tbody tr').length");
        ensure(rows == 1, || format!("{rows} rows"))
    });
}

fn converged(verdict: &Value) -> bool {
    verdict["converged"] == true
}

/// Creates heroes, assigns some of them to each city, and waits until all agree.
fn create_heroes(cluster: &Cluster, count: u32) -> Vec<String> {
    let mut heroes = Heroes::default();
    heroes.created([cluster.api.create_named("Silver Kestrel").id]);
    let ids = cluster.api.create(count - 1);
    heroes.created(ids.clone());
    for (id, city) in ids.iter().zip(CITIES.iter().cycle()).take(12) {
        let _ = cluster.api.assign(id, city).expect(200);
        heroes.assigned(id, city);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    ids
}

/// Cuts a city off, so that it receives nothing from the others.
fn cut(cluster: &Cluster, city: &str) {
    cluster.api.inject(&json!({ "kind": "cut", "from": city, "to": "*", "heal_after_s": 600 }));
}

#[test]
fn axe_detects_violations() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    assert_eq!(axe::violations(&browser), [""; 0]);
    let _ = browser.evaluate(
        "const button = document.createElement('button'); \
         const pale = document.createElement('p'); \
         pale.id = 'pale'; \
         pale.textContent = 'hardly to be read'; \
         pale.style.color = '#777'; \
         pale.style.background = '#888'; \
         document.querySelector('main').append(button, pale)",
    );
    let found = axe::violations(&browser).join("\n");
    for expected in [
        "button-name (critical)",
        "main > button",
        "color-contrast (serious)",
        "#pale",
        "Expected contrast ratio of 4.5:1",
    ] {
        assert!(found.contains(expected), "expected {expected:?} in\n{found}");
    }
    assert_no_problems(&browser, &[]);
}

#[test]
fn page_of_a_healthy_cluster_has_no_violations() {
    let cluster = Cluster::start(Options::default());
    let mut findings = Findings::default();
    let browser = open_page(&cluster);
    wait_verdict(&cluster, &browser, "agreement on an empty cluster", converged);
    findings.check(&browser, "no heroes yet");

    create_heroes(&cluster, 120);
    wait_verdict(&cluster, &browser, "agreement", converged);
    findings.check(&browser, "all agree");

    search(&browser, "no such name");
    findings.check(&browser, "a search without a match");

    open_all(&browser);
    findings.check(&browser, "all forms open");
    assert_no_problems(&browser, &[]);
    findings.assert_none();
}

#[test]
fn replay_and_charts_have_no_violations() {
    let cluster = Cluster::start(Options::default());
    create_heroes(&cluster, 20);
    let mut findings = Findings::default();
    let browser = open_page(&cluster);
    wait_verdict(&cluster, &browser, "agreement", converged);
    browser.open(&format!("{}charts", cluster.api.url()));
    findings.check(&browser, "the charts");
    browser.open(&format!("{}replay?empty", cluster.api.url()));
    findings.check(&browser, "a player without a recording");
    browser.open(&format!("{}replay", cluster.api.url()));
    browser.wait_text("#about", "the recording", |text| text.starts_with("This cluster: "));
    // The moment at which the heroes were created, so that rows are shown.
    browser.click("button", "Next event");
    browser.click("button", "Next event");
    findings.check(&browser, "a recording");
    assert_no_problems(&browser, &[]);
    findings.assert_none();
}

#[test]
fn page_of_a_faulty_cluster_has_no_violations() {
    let cluster = Cluster::start(Options::default());
    let ids = create_heroes(&cluster, 30);
    let mut findings = Findings::default();
    let browser = open_page(&cluster);
    cut(&cluster, "capitol");
    for id in &ids[20..28] {
        let _ = cluster.api.assign(id, "gotham").expect(200);
    }
    wait_verdict(&cluster, &browser, "eight differences", |verdict| verdict["differences"] == 8);
    findings.check(&browser, "one behind");

    // The last of them is also written on the other side of the cut.
    let _ = cluster.api.assign(&ids[27], "capitol").expect(200);
    cluster.api.heal_all();
    wait_verdict(&cluster, &browser, "agreement with one lost write", |verdict| {
        converged(verdict) && verdict["lost_writes"] == 1
    });
    findings.check(&browser, "a write was lost");

    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    cluster.bomb("gotham");
    wait_verdict(&cluster, &browser, "the loss of one city's heroes", |verdict| {
        verdict["differences"] == 30
    });
    findings.check(&browser, "just destroyed");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    wait_verdict(&cluster, &browser, "agreement", converged);

    cluster.api.inject(&json!({ "kind": "freeze", "from": "metropolis", "heal_after_s": 600 }));
    cluster.wait_status("metropolis", "unreachable", HANG_TIMEOUT);
    wait_verdict(&cluster, &browser, "the unreachable city", |verdict| !converged(verdict));
    findings.check(&browser, "a city is unreachable");
    assert_no_problems(&browser, &[]);
    findings.assert_none();
}

#[test]
fn page_of_a_stopping_cluster_has_no_violations() {
    let mut cluster = Cluster::start(Options::default());
    create_heroes(&cluster, 20);
    let mut findings = Findings::default();
    let browser = open_page(&cluster);
    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    wait_verdict(&cluster, &browser, "the stopped city", |verdict| !converged(verdict));
    findings.check(&browser, "a city has stopped");

    browser.choose("Assign Silver Kestrel", "capitol");
    browser.wait_text(".act [role=alert]", "the reason", |text| {
        text.contains("capitol does not answer")
    });
    findings.check(&browser, "a command failed");

    for city in ["gotham", "metropolis"] {
        cluster.kill9(city);
        cluster.wait_status(city, "down", HANG_TIMEOUT);
    }
    wait_verdict(&cluster, &browser, "the stopped cities", |verdict| !converged(verdict));
    findings.check(&browser, "every city is down");
    // The browser logs every 5xx response.
    assert_no_problems(&browser, &["503"]);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    findings.check(&browser, "contact is lost");
    let others: Vec<String> = browser
        .problems()
        .into_iter()
        .filter(|problem| {
            !["WebSocket connection to", "/frames?"].iter().any(|of| problem.contains(of))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
    findings.assert_none();
}

/// Checks a page on which no script has run.
fn check_without_scripts(findings: &mut Findings, browser: &Browser, state: &str) {
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script may run");
    // Stops the periodic reload, so that the page can be checked.
    let _ = browser.evaluate("window.stop()");
    browser.allow_scripts(true);
    findings.check(browser, &format!("no scripts, {state}"));
    browser.allow_scripts(false);
}

#[test]
fn page_without_scripts_has_no_violations() {
    let mut cluster = Cluster::start(Options::default());
    let mut findings = Findings::default();
    let browser = Browser::start();
    browser.allow_scripts(false);
    browser.open(&cluster.api.url());
    check_without_scripts(&mut findings, &browser, "no heroes yet");

    create_heroes(&cluster, 20);
    browser.open(&cluster.api.url());
    check_without_scripts(&mut findings, &browser, "all agree");

    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    browser.open(&cluster.api.url());
    search(&browser, "Silver Kestrel");
    browser.choose("Assign Silver Kestrel", "capitol");
    browser.click("button", "Assign");
    browser.wait_text(".act [role=alert]", "the reason", |text| {
        text.contains("capitol does not answer")
    });
    check_without_scripts(&mut findings, &browser, "a command failed");
    assert_no_problems(&browser, &["503"]);
    // The rule does not detect that the reload can be switched off, as WCAG 2.2.1 requires.
    findings.remove_false_positives("meta-refresh ");
    findings.assert_none();

    let mut findings = Findings::default();
    browser.open(&cluster.api.url());
    browser.click("link", "Stop refreshing");
    browser.wait_text("#contact", "the disabled reload", |text| text == "Not refreshing");
    browser.allow_scripts(true);
    findings.check(&browser, "no scripts, reload disabled");
    browser.allow_scripts(false);
    let _ = browser.find("link", "Refresh every 5 s");
    findings.assert_none();
}

/// Returns the animations and transitions that started since the last call, and those that run.
fn moved(browser: &Browser) -> Vec<Value> {
    let moved = browser.evaluate(
        "if (!globalThis.moved) { \
           globalThis.moved = []; \
           const note = (event) => moved.push(`${event.type} of ${event.target.outerHTML.slice(0, 99)}`); \
           for (const type of ['animationstart', 'transitionrun']) document.addEventListener(type, note, true); \
         } \
         for (const one of document.getAnimations()) moved.push(`an animation of ${one.effect.target.outerHTML.slice(0, 99)}`); \
         return moved.splice(0)",
    );
    moved.as_array().cloned().unwrap_or_default()
}

#[test]
fn reduced_motion_disables_all_animation() {
    let mut cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    browser.emulate_media(&[("prefers-reduced-motion", "reduce")]);
    browser.resize(1440, HEIGHT);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    assert_eq!(moved(&browser), [Value::Null; 0], "nothing may move when the page opens");
    create_heroes(&cluster, 120);
    wait_verdict(&cluster, &browser, "agreement", converged);
    open_all(&browser);
    cut(&cluster, "capitol");
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    browser.click("button", "Bomb Gotham");
    wait_verdict(&cluster, &browser, "the loss of one city's heroes", |verdict| {
        verdict["differences"] == 120
    });
    assert_eq!(moved(&browser), [Value::Null; 0], "nothing may move when a city is destroyed");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    cluster.api.heal_all();
    wait_verdict(&cluster, &browser, "agreement", converged);
    assert_eq!(moved(&browser), [Value::Null; 0], "nothing may move when a city recovers");
    assert_no_problems(&browser, &[]);
    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    assert_eq!(moved(&browser), [Value::Null; 0], "nothing may move when contact is lost");

    // A check of the recorder: it does detect movement.
    let _ = browser.evaluate(
        "document.querySelector('main').animate([{ opacity: 0.9 }, { opacity: 1 }], 60000); \
         const title = document.querySelector('h1'); \
         title.style.transition = 'opacity 0.01s'; \
         getComputedStyle(title).opacity; \
         title.style.opacity = '0.9'; \
         return title.getAnimations()[0].finished.then(() => null)",
    );
    let seen: Vec<String> = moved(&browser).iter().map(Value::to_string).collect();
    assert!(seen.iter().any(|one| one.starts_with("\"an animation of <main")), "{seen:?}");
    assert!(seen.iter().any(|one| one.starts_with("\"transitionrun of <h1")), "{seen:?}");
}

#[test]
fn page_works_in_forced_colours() {
    let cluster = Cluster::start(Options::default());
    let browser = open_page(&cluster);
    let mut findings = Findings::default();
    for theme in THEMES {
        browser.emulate_media(&[("forced-colors", "active"), ("prefers-color-scheme", theme)]);
        assert_eq!(browser.evaluate("return matchMedia('(forced-colors: active)').matches"), true);
        let name = format!("Captain {theme}");
        browser.type_into("textbox", "Hero name (optional)", &name);
        browser.click("button", "Create superhero");
        cluster.wait_converged();
        browser.choose(&format!("Assign {name}"), "gotham");
        cluster.wait_converged();
        findings.note(&browser, &format!("forced colours, {theme}, all agree"));
        browser.click("button", "Pause gossip");
        browser.click("button", "Bomb Gotham");
        wait_verdict(&cluster, &browser, "the loss of one city's heroes", |verdict| {
            !converged(verdict)
        });
        findings.note(&browser, &format!("forced colours, {theme}, just destroyed"));
        browser.click("button", "Resume gossip");
        wait_verdict(&cluster, &browser, "agreement", converged);
    }
    assert_no_problems(&browser, &[]);
    findings.assert_none();
}
