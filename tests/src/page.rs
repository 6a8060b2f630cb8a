//! Helpers for tests of the page in a browser.

use crate::browser::Browser;
use crate::cluster::Cluster;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// Opens the page, and waits until it is live.
#[track_caller]
#[must_use]
pub fn open_page(cluster: &Cluster) -> Browser {
    let browser = Browser::start();
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser
}

/// Asserts that the browser logged no console error, warning or security policy violation other
/// than the expected ones.
///
/// # Panics
/// If there are others, or an expected one is missing.
#[track_caller]
pub fn assert_no_problems(browser: &Browser, expected: &[&str]) {
    let mut problems = browser.problems();
    for part in expected {
        let found = problems.iter().position(|problem| problem.contains(part));
        problems.remove(found.unwrap_or_else(|| {
            panic!("expected a browser message with {part:?}, got {problems:?}")
        }));
    }
    assert!(problems.is_empty(), "{problems:?}");
}

/// Returns the text of the row of the hero with this name; empty if there is none.
#[track_caller]
#[must_use]
pub fn row(browser: &Browser, name: &str) -> String {
    let rows = browser.evaluate(
        "return [...document.querySelectorAll('#heroes tbody tr')].map((row) => \
         [row.querySelector('th')?.textContent.trim(), row.querySelector('td')?.parentElement.innerText])",
    );
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.iter()
        .find(|row| row[0] == name)
        .map(|row| row[1].as_str().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// Waits until the row of the hero with this name satisfies `wanted`.
///
/// # Panics
/// If it does not.
#[track_caller]
pub fn wait_row(browser: &Browser, name: &str, what: &str, wanted: impl Fn(&str) -> bool) {
    wait_until(&format!("the row of {name} shows {what}"), HANG_TIMEOUT, || {
        let row = row(browser, name);
        ensure(wanted(&row), || row.clone())
    });
}

/// Waits until dispatch's verdict satisfies `wanted`, and the page shows the same.
///
/// # Panics
/// If that does not happen.
#[track_caller]
pub fn wait_verdict(
    cluster: &Cluster,
    browser: &Browser,
    what: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) {
    wait_until(&format!("the verdict is {what}, on the page too"), HANG_TIMEOUT, || {
        let verdict = cluster.api.get("/api/v1/verdict").expect(200).json();
        ensure(wanted(&verdict), || verdict.to_string())?;
        let shown = browser.text("h1");
        ensure(verdict["sentence"] == shown, || format!("the page shows {shown:?} for {verdict}"))
    });
}

/// Waits until fonts are loaded and finite animations have ended.
#[track_caller]
pub fn wait_settled(browser: &Browser) {
    let _ = browser.evaluate(
        "const ends = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity); \
         return Promise.allSettled([document.fonts.ready, ...ends.map((one) => one.finished)]).then(() => null)",
    );
}
