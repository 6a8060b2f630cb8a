//! The page in a browser, and what every test of it asks.

use crate::browser::Browser;
use crate::cluster::Cluster;
use crate::wait::{HANG_TIMEOUT, ensure, wait_until};

/// A page that is open and live.
#[track_caller]
#[must_use]
pub fn page_of(cluster: &Cluster) -> Browser {
    let browser = Browser::start();
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser
}

/// No console error, no warning, no violation of the security policy, but for what the test itself
/// caused.
///
/// # Panics
/// When the browser complained about anything else.
#[track_caller]
pub fn no_complaints(browser: &Browser, expected: &[&str]) {
    let mut complaints = browser.complaints();
    for part in expected {
        let found = complaints.iter().position(|complaint| complaint.contains(part));
        complaints.remove(
            found.unwrap_or_else(|| panic!("the browser did not say {part:?}, but {complaints:?}")),
        );
    }
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// The text of the row of the hero with this name; nothing where there is none.
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

/// Waits until the row of the hero with this name is as wanted.
///
/// # Panics
/// When it does not come to be.
#[track_caller]
pub fn wait_row(browser: &Browser, name: &str, what: &str, wanted: impl Fn(&str) -> bool) {
    wait_until(&format!("the row of {name} shows {what}"), HANG_TIMEOUT, || {
        let row = row(browser, name);
        ensure(wanted(&row), || row.clone())
    });
}

/// Waits until dispatch's verdict is as wanted, and the page says the same.
///
/// # Panics
/// When that does not come about.
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
        ensure(verdict["sentence"] == shown, || format!("{shown:?} on the page, of {verdict}"))
    });
}

/// Waits for fonts, and for what is on its way from one look to another.
#[track_caller]
pub fn settled(browser: &Browser) {
    let _ = browser.evaluate(
        "const ends = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity); \
         return Promise.allSettled([document.fonts.ready, ...ends.map((one) => one.finished)]).then(() => null)",
    );
}
