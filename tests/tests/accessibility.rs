//! The page for everybody: axe-core finds nothing in any state, theme or width; it fits into 320
//! px; colours and motion are the reader's to choose.

use std::collections::BTreeMap;

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, axe, ensure, no_complaints, page_of,
    settled, wait_until, wait_verdict,
};
use serde_json::{Value, json};

const THEMES: [&str; 2] = ["light", "dark"];
/// A telephone, a tablet and a desk.
const WIDTHS: [u32; 3] = [390, 1024, 1440];
/// The narrowest page without a need to scroll sideways (WCAG 2.2, 1.4.10).
const WIDTH_MIN: u32 = 320;
const HEIGHT: u32 = 1000;
/// How WebDriver writes the key.
const ENTER: char = '\u{E007}';

/// What was found wrong, and in which states of the page.
#[derive(Default)]
struct Findings(BTreeMap<String, Vec<String>>);

impl Findings {
    fn note(&mut self, browser: &Browser, state: &str) {
        for violation in axe::violations(browser) {
            self.0.entry(violation).or_default().push(state.to_owned());
        }
    }

    /// Looks at the page as it is, in every theme and width.
    fn look(&mut self, browser: &Browser, state: &str) {
        // What was typed and clicked may have scrolled the page, and what sticks to the window then
        // covers something by chance.
        let _ = browser.evaluate("scrollTo(0, 0)");
        for theme in THEMES {
            browser.wish(&[("prefers-color-scheme", theme)]);
            for width in WIDTHS {
                browser.resize(width, HEIGHT);
                settled(browser);
                self.note(browser, &format!("{state}, {theme}, {width} px"));
            }
            browser.resize(WIDTH_MIN, HEIGHT);
            let size = browser.evaluate("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]");
            if size[0].as_u64() > size[1].as_u64() {
                self.0
                    .entry(format!("wider than the window: {size}"))
                    .or_default()
                    .push(format!("{state}, {theme}, {WIDTH_MIN} px"));
            }
        }
    }

    /// Leaves out what a rule finds that knows only half of it; there must be something to leave
    /// out.
    #[track_caller]
    fn forgive(&mut self, rule: &str) {
        let before = self.0.len();
        self.0.retain(|violation, _| !violation.starts_with(rule));
        assert!(
            self.0.len() < before,
            "{rule} finds nothing any more: there is nothing to forgive"
        );
    }

    #[track_caller]
    fn are_none(self) {
        let told: Vec<String> = self
            .0
            .iter()
            .map(|(what, states)| format!("{what}\n  seen in: {}", states.join("; ")))
            .collect();
        assert!(told.is_empty(), "{}", told.join("\n\n"));
    }
}

/// Unfolds all that is folded.
fn unfold(browser: &Browser) {
    let unfolded = browser.evaluate(
        "const folded = [...document.querySelectorAll('details:not([open])')]; \
         for (const one of folded) one.open = true; \
         return folded.length",
    );
    assert!(unfolded.as_u64() > Some(0), "something is folded at first");
}

/// Searches for heroes, of whom there shall be one at most, and waits until nobody else is shown.
fn search(browser: &Browser, text: &str) {
    browser.type_into("searchbox", "Find a hero by name or id", &format!("{text}{ENTER}"));
    wait_until("nobody else is shown", HANG_TIMEOUT, || {
        let rows = browser.evaluate("return document.querySelectorAll('#heroes tbody tr').length");
        ensure(rows == 1, || format!("{rows} rows"))
    });
}

fn converged(verdict: &Value) -> bool {
    verdict["converged"] == true
}

/// Creates heroes, some of them in each city, and waits until all agree.
fn populate(cluster: &Cluster, count: u32) -> Vec<String> {
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

/// Cut off, a city hears of nothing that the others do.
fn cut(cluster: &Cluster, city: &str) {
    cluster.api.inject(&json!({ "kind": "cut", "from": city, "to": "*", "heal_after_s": 600 }));
}

#[test]
fn axe_finds_what_is_broken() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
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
        assert!(found.contains(expected), "{expected:?} is not in\n{found}");
    }
    no_complaints(&browser, &[]);
}

#[test]
fn nobody_is_shut_out_of_a_cluster_at_rest() {
    let cluster = Cluster::start(Options::default());
    let mut findings = Findings::default();
    let browser = page_of(&cluster);
    wait_verdict(&cluster, &browser, "agreement on nothing", converged);
    findings.look(&browser, "no heroes yet");

    populate(&cluster, 120);
    wait_verdict(&cluster, &browser, "agreement", converged);
    findings.look(&browser, "all agree");

    search(&browser, "nobody is called that");
    findings.look(&browser, "a search without a hit");

    unfold(&browser);
    findings.look(&browser, "all forms unfolded");
    no_complaints(&browser, &[]);
    findings.are_none();
}

#[test]
fn nobody_is_shut_out_of_a_cluster_in_trouble() {
    let cluster = Cluster::start(Options::default());
    let ids = populate(&cluster, 30);
    let mut findings = Findings::default();
    let browser = page_of(&cluster);
    cut(&cluster, "capitol");
    for id in &ids[20..28] {
        let _ = cluster.api.assign(id, "gotham").expect(200);
    }
    wait_verdict(&cluster, &browser, "eight differences", |verdict| verdict["differences"] == 8);
    findings.look(&browser, "one behind");

    // The last of them is written on the other side of the cut, too.
    let _ = cluster.api.assign(&ids[27], "capitol").expect(200);
    cluster.api.heal_all();
    wait_verdict(&cluster, &browser, "agreement, at the price of a write", |verdict| {
        converged(verdict) && verdict["lost_writes"] == 1
    });
    findings.look(&browser, "a write was lost");

    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    cluster.bomb("gotham");
    wait_verdict(&cluster, &browser, "that a city has lost all", |verdict| {
        verdict["differences"] == 30
    });
    findings.look(&browser, "just destroyed");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    wait_verdict(&cluster, &browser, "agreement", converged);

    cluster.api.inject(&json!({ "kind": "freeze", "from": "metropolis", "heal_after_s": 600 }));
    cluster.wait_status("metropolis", "unreachable", HANG_TIMEOUT);
    wait_verdict(&cluster, &browser, "that a city gives no answer", |verdict| !converged(verdict));
    findings.look(&browser, "a city gives no answer");
    no_complaints(&browser, &[]);
    findings.are_none();
}

#[test]
fn nobody_is_shut_out_of_a_cluster_that_stops() {
    let mut cluster = Cluster::start(Options::default());
    populate(&cluster, 20);
    let mut findings = Findings::default();
    let browser = page_of(&cluster);
    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    wait_verdict(&cluster, &browser, "that a city has stopped", |verdict| !converged(verdict));
    findings.look(&browser, "a city has stopped");

    browser.choose("Assign Silver Kestrel", "capitol");
    browser.wait_text(".act [role=alert]", "why", |text| text.contains("capitol does not answer"));
    findings.look(&browser, "a command failed");

    for city in ["gotham", "metropolis"] {
        cluster.kill9(city);
        cluster.wait_status(city, "down", HANG_TIMEOUT);
    }
    wait_verdict(&cluster, &browser, "that no city answers", |verdict| !converged(verdict));
    findings.look(&browser, "every city is down");
    // The browser itself reports every answer of the 500s.
    no_complaints(&browser, &["503"]);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    findings.look(&browser, "contact is lost");
    let others: Vec<String> = browser
        .complaints()
        .into_iter()
        .filter(|complaint| !complaint.contains("WebSocket connection to"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    findings.are_none();
}

/// Looks at a page on which no script has run.
fn look_without_scripts(findings: &mut Findings, browser: &Browser, state: &str) {
    assert_eq!(browser.text("#contact"), "Refreshing every 5 s", "no script has run");
    // It loads itself anew every few seconds. This one stays, to be looked at.
    let _ = browser.evaluate("window.stop()");
    browser.allow_scripts(true);
    findings.look(browser, &format!("no scripts, {state}"));
    browser.allow_scripts(false);
}

#[test]
fn nobody_is_shut_out_of_a_page_without_scripts() {
    let mut cluster = Cluster::start(Options::default());
    let mut findings = Findings::default();
    let browser = Browser::start();
    browser.allow_scripts(false);
    browser.open(&cluster.api.url());
    look_without_scripts(&mut findings, &browser, "no heroes yet");

    populate(&cluster, 20);
    browser.open(&cluster.api.url());
    look_without_scripts(&mut findings, &browser, "all agree");

    cluster.kill9("capitol");
    cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    browser.open(&cluster.api.url());
    search(&browser, "Silver Kestrel");
    browser.choose("Assign Silver Kestrel", "capitol");
    browser.click("button", "Assign");
    browser.wait_text(".act [role=alert]", "why", |text| text.contains("capitol does not answer"));
    look_without_scripts(&mut findings, &browser, "a command failed");
    no_complaints(&browser, &["503"]);
    // The rule does not see that it can be switched off, which is what WCAG 2.2.1 asks for.
    findings.forgive("meta-refresh ");
    findings.are_none();

    let mut findings = Findings::default();
    browser.open(&cluster.api.url());
    browser.click("link", "Stop refreshing");
    browser.wait_text("#contact", "that it stands still", |text| text == "Standing still");
    browser.allow_scripts(true);
    findings.look(&browser, "no scripts, standing still");
    browser.allow_scripts(false);
    let _ = browser.find("link", "Refresh every 5 s");
    findings.are_none();
}

/// What has moved since this was last asked, and what moves.
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
fn nothing_moves_for_who_has_asked_for_less_motion() {
    let mut cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    browser.wish(&[("prefers-reduced-motion", "reduce")]);
    browser.resize(1440, HEIGHT);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    assert_eq!(moved(&browser), [Value::Null; 0], "as the page opens");
    populate(&cluster, 120);
    wait_verdict(&cluster, &browser, "agreement", converged);
    unfold(&browser);
    cut(&cluster, "capitol");
    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    browser.click("button", "Bomb Gotham");
    wait_verdict(&cluster, &browser, "that a city has lost all", |verdict| {
        verdict["differences"] == 120
    });
    assert_eq!(moved(&browser), [Value::Null; 0], "as a city falls");
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    cluster.api.heal_all();
    wait_verdict(&cluster, &browser, "agreement", converged);
    assert_eq!(moved(&browser), [Value::Null; 0], "as it recovers");
    no_complaints(&browser, &[]);
    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    assert_eq!(moved(&browser), [Value::Null; 0], "as contact is lost");

    // Had anything moved, it would have been seen.
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
fn the_page_works_in_the_readers_own_colours() {
    let cluster = Cluster::start(Options::default());
    let browser = page_of(&cluster);
    let mut findings = Findings::default();
    for theme in THEMES {
        browser.wish(&[("forced-colors", "active"), ("prefers-color-scheme", theme)]);
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
        wait_verdict(&cluster, &browser, "that a city has lost all", |verdict| !converged(verdict));
        findings.note(&browser, &format!("forced colours, {theme}, just destroyed"));
        browser.click("button", "Resume gossip");
        wait_verdict(&cluster, &browser, "agreement", converged);
    }
    no_complaints(&browser, &[]);
    findings.are_none();
}
