//! axe-core, which looks at a page for what shuts people out: what a screen reader cannot name,
//! what cannot be read for lack of contrast, what is too small to hit.
//!
//! It is given to the browser as the text of a script, by WebDriver. The page's security policy and
//! Trusted Types are about what the page itself does, so they stay in force as they are.

use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::browser::Browser;

#[derive(RustEmbed)]
#[folder = "vendor/axe-core"]
struct Vendored;

/// WCAG 2.2, levels A and AA, and what experience adds to it.
const TAGS: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/// How many places of one violation are told; a table can have it in each row.
const PLACES_MAX: usize = 5;

/// What is wrong with the page as it is now: for each rule that is violated, where, and what would
/// mend it.
#[track_caller]
#[must_use]
pub fn violations(browser: &Browser) -> Vec<String> {
    if browser.evaluate("return typeof axe") != "object" {
        let _ = browser.evaluate(&vendored("axe.min.js"));
    }
    // Where the system picks the colours, axe takes the fill of letters for one of the page's;
    // their contrast is the system's.
    let forced = browser.evaluate("return matchMedia('(forced-colors: active)').matches");
    let rules = json!({ "color-contrast": { "enabled": forced == false } });
    // Nothing to load beforehand: no style sheet comes from elsewhere.
    let options =
        json!({ "runOnly": TAGS, "rules": rules, "resultTypes": ["violations"], "preload": false });
    let found = browser.evaluate(&format!(
        "return axe.run(document, {options}).then(({{ violations }}) => violations)"
    ));
    found.as_array().expect("axe answers with a list").iter().map(told).collect()
}

fn vendored(name: &str) -> String {
    let file = Vendored::get(name).expect("a vendored file");
    String::from_utf8(file.data.into_owned()).expect("a vendored file is text")
}

fn told(violation: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told = format!(
        "{} ({}): {}",
        text(&violation["id"]),
        text(&violation["impact"]),
        text(&violation["help"])
    );
    let places = violation["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for place in places.iter().take(PLACES_MAX) {
        let target: Vec<String> =
            place["target"].as_array().into_iter().flatten().map(text).collect();
        told += &format!(
            "\n  {}\n    {}",
            target.join(" "),
            text(&place["failureSummary"]).replace('\n', "\n    ")
        );
    }
    if places.len() > PLACES_MAX {
        told += &format!("\n  and {} more", places.len() - PLACES_MAX);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendored_script_is_the_one_that_its_readme_names() {
        let file = Vendored::get("axe.min.js").expect("it is vendored");
        let hash: String =
            file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(vendored("README.md").contains(&hash), "its hash is {hash}");
    }
}
