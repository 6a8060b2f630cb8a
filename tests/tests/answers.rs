//! The questions that a person should be able to answer after five minutes with the page, by what is
//! visible at 1280 × 720 without scrolling: which write was lost, why, what would have saved it, who is
//! behind and by how much, and how long recovery takes.

use std::time::Duration;

use cluster_tests::{
    Browser, Cluster, HANG_TIMEOUT, Heroes, Options, Stopwatch, assert_no_problems, ensure,
    open_page, wait_until,
};
use serde_json::json;

/// WebDriver’s code for the key.
const ENTER: &str = "\u{E007}";

/// Returns the text that is visible: inside the window, inside the panes that contain it, and not
/// covered.
const VISIBLE: &str = "\
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    const found = []; \
    const range = document.createRange(); \
    for (let node = walker.nextNode(); node; node = walker.nextNode()) { \
      if (!node.textContent.trim()) continue; \
      range.selectNodeContents(node); \
      const seen = [...range.getClientRects()].some((box) => { \
        const [x, y] = [box.left + Math.min(box.width / 2, 20), box.top + box.height / 2]; \
        if (box.width < 1 || x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return false; \
        const top = document.elementFromPoint(x, y); \
        return top && (top.contains(node) || node.parentElement.contains(top)); \
      }); \
      if (seen) found.push(node.textContent.trim()); \
    } \
    return found.join(' ').replace(/\\s+/g, ' ');";

/// Waits until all these parts are visible at once.
#[track_caller]
fn wait_visible(browser: &Browser, question: &str, parts: &[&str]) {
    let scrolled = browser.evaluate("return scrollX + scrollY");
    assert_eq!(scrolled, 0, "the window does not scroll");
    wait_until(question, HANG_TIMEOUT, || {
        let seen = browser.evaluate(VISIBLE).as_str().unwrap_or_default().to_owned();
        let missing: Vec<&&str> = parts.iter().filter(|part| !seen.contains(**part)).collect();
        ensure(missing.is_empty(), || format!("{missing:?} are missing in {seen}"))
    });
}

/// A cluster with a hero that all cities hold, and its page on a laptop.
fn start() -> (Cluster, Browser, String) {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(30));
    let id = cluster.api.create_named("Granite").id;
    heroes.created([id.clone()]);
    cluster.wait_until_held(&heroes, &cluster_tests::CITIES);
    let browser = open_page(&cluster);
    browser.resize(1280, 720);
    (cluster, browser, id)
}

/// Opens the explanation of the lost write from its event.
fn open_explanation(browser: &Browser, event: &str) {
    wait_visible(browser, "the event of the loss", &[event]);
    browser.click("link", event);
    wait_visible(browser, "the explanation", &["Lost writes, and what would have saved them"]);
}

#[test]
fn five_questions_about_a_cut_are_answered_without_scrolling() {
    let (cluster, browser, id) = start();
    cluster.api.inject(&json!({"kind": "cut", "from": "gotham", "to": "*", "heal_after_s": 300}));
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    let _ = cluster.api.assign(&id, "metropolis").expect(200);
    wait_visible(
        &browser,
        "who is behind, by how much, and how long it takes",
        &["Gotham lacks", "lacks 1 write", "until the cut ends in"],
    );
    cluster.api.heal_all();
    open_explanation(&browser, "Gotham’s write to Granite was lost: Metropolis had not seen it");
    wait_visible(
        &browser,
        "which write was lost, why, and what would have saved it",
        &[
            "Gotham wrote “Gotham 100",
            "Metropolis had not seen it",
            "Waiting for a majority refused",
            "the city reached none of the other 3 nodes",
            "Keeping both saved",
            "Merging by field",
            "The vault (consensus) refused",
        ],
    );
    assert_no_problems(&browser, &[]);
}

#[test]
fn five_questions_about_a_bomb_are_answered_without_scrolling() {
    let (cluster, browser, id) = start();
    let _ = cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    let _ = cluster.api.assign(&id, "capitol").expect(200);
    wait_visible(
        &browser,
        "who is ahead, by how much, and until when; and what a bomb would cost",
        &[
            "has 1 write that others lack, while gossip is paused",
            "Bombing Capitol now would lose 1 write that no other node has, to Granite.",
        ],
    );
    browser.click("button", "Bomb Capitol");
    wait_visible(&browser, "the bomb and its effect", &["Capitol was destroyed and holds"]);
    let _ = cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    open_explanation(&browser, "Capitol’s write to Granite was lost: lost with its only holder");
    wait_visible(
        &browser,
        "which write was lost, why, and what would have saved it",
        &[
            "Capitol wrote “Capitol 100",
            "lost with its only holder",
            "Waiting for a majority saved",
            "Keeping both lost",
            "no node that held it kept its memory",
            "The vault (consensus) saved",
        ],
    );
    assert_no_problems(&browser, &[]);
}

#[test]
fn five_questions_about_a_wrong_clock_are_answered_without_scrolling() {
    let (cluster, browser, id) = start();
    let skew = json!({"kind": "skew", "from": "gotham", "skew_ms": -1_500, "heal_after_s": 300});
    cluster.api.inject(&skew);
    let _ = cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    let _ = cluster.api.assign(&id, "metropolis").expect(200);
    wait_visible(&browser, "who is behind", &["lacks 1 write, while gossip is paused"]);
    // Observations less than a quarter of a second apart do not order two writes.
    let since = Stopwatch::start();
    wait_until("the writes can be ordered", HANG_TIMEOUT, || {
        ensure(since.elapsed() > Duration::from_millis(500), || "it is too early".into())
    });
    let _ = cluster.api.assign(&id, "gotham").expect(200);
    let _ = cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    open_explanation(&browser, "Gotham’s write to Granite was lost: Metropolis had not seen it");
    wait_visible(
        &browser,
        "which write was lost, why, and what would have saved it",
        &[
            "The clock of Gotham is 1.5 s behind, so its newer write carries the earlier stamp.",
            "Gotham wrote “Gotham 100",
            "Waiting for a majority saved",
            "Keeping both saved",
        ],
    );
    assert_no_problems(&browser, &[]);
}

#[test]
fn city_and_link_are_handled_on_the_map_by_pointer_and_keyboard() {
    let (cluster, browser, _) = start();
    browser.click("link", "31 heroes Gotham");
    browser.click("button", "Clock 1.5 s behind for 30 s");
    wait_until("the clock is behind", HANG_TIMEOUT, || {
        let faults = cluster.api.faults();
        ensure(faults.iter().any(|fault| fault.kind == "skew"), || format!("{faults:?}"))
    });
    // The rest of the page cannot be focused while the dialog is open.
    wait_until("the dialog is closed", HANG_TIMEOUT, || {
        let open = browser.evaluate("return document.getElementById('act').open");
        ensure(open == false, || "it is open".to_owned())
    });
    let _ = browser.evaluate(
        "const links = [...document.querySelectorAll('.map svg .handle[data-b]')]; \
         links.find((link) => link.dataset.a === 'gotham' && link.dataset.b === 'capitol').focus();",
    );
    browser.press(ENTER);
    browser.click("button", "Cut for 30 s");
    let cut = wait_until("the link is cut", HANG_TIMEOUT, || {
        let faults = cluster.api.faults();
        let cut = faults.iter().find(|fault| fault.kind == "cut").cloned();
        cut.ok_or_else(|| format!("{faults:?}"))
    });
    assert_eq!((cut.from.as_str(), cut.to.as_deref()), ("gotham", Some("capitol")));
    assert_no_problems(&browser, &[]);
}
