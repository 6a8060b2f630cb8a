//! axe-core, which checks a page for accessibility violations: elements without a name for screen
//! readers, low contrast, small targets.
//!
//! WebDriver injects it as the text of a script, so the page's security policy and Trusted Types
//! stay in force: they restrict only the page itself.

use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::browser::Browser;

#[derive(RustEmbed)]
#[folder = "vendor/axe-core"]
struct Vendored;

/// WCAG 2.2, levels A and AA, and axe-core's best practices.
const TAGS: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/// The maximum number of places listed for one violation; a table can have it in each row.
const PLACES_MAX: usize = 5;

/// Checks the page in its current state. Returns for each violated rule the places and the remedy.
#[track_caller]
#[must_use]
pub fn violations(browser: &Browser) -> Vec<String> {
    if browser.evaluate("return typeof axe") != "object" {
        let _ = browser.evaluate(&vendored("axe.min.js"));
    }
    // In forced colours the system sets the contrast, and axe mistakes the fill of letters for a
    // colour of the page.
    let forced = browser.evaluate("return matchMedia('(forced-colors: active)').matches");
    let rules = json!({ "color-contrast": { "enabled": forced == false } });
    // Nothing to preload: no style sheet comes from another origin.
    let options =
        json!({ "runOnly": TAGS, "rules": rules, "resultTypes": ["violations"], "preload": false });
    let found = browser.evaluate(&format!(
        "return axe.run(document, {options}).then(({{ violations }}) => violations)"
    ));
    found.as_array().expect("axe returns a list").iter().map(describe).collect()
}

fn vendored(name: &str) -> String {
    let file = Vendored::get(name).expect("a vendored file");
    String::from_utf8(file.data.into_owned()).expect("a vendored file is text")
}

fn describe(violation: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut describe = format!(
        "{} ({}): {}",
        text(&violation["id"]),
        text(&violation["impact"]),
        text(&violation["help"])
    );
    let places = violation["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for place in places.iter().take(PLACES_MAX) {
        let target: Vec<String> =
            place["target"].as_array().into_iter().flatten().map(text).collect();
        describe += &format!(
            "\n  {}\n    {}",
            target.join(" "),
            text(&place["failureSummary"]).replace('\n', "\n    ")
        );
    }
    if places.len() > PLACES_MAX {
        describe += &format!("\n  and {} more", places.len() - PLACES_MAX);
    }
    describe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_script_matches_hash_in_readme() {
        let file = Vendored::get("axe.min.js").expect("the script is vendored");
        let hash: String =
            file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            vendored("README.md").contains(&hash),
            "the README does not contain the hash {hash}"
        );
    }
}
