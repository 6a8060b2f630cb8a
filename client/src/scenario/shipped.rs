//! The scenarios that come with the program. Each proves a point of what the cluster promises.

use super::Scenario;

const FILES: [(&str, &str); 6] = [
    ("split-brain", include_str!("../../../scenarios/split-brain.toml")),
    ("fast-clock", include_str!("../../../scenarios/fast-clock.toml")),
    ("delete-against-a-cut", include_str!("../../../scenarios/delete-against-a-cut.toml")),
    ("only-copy", include_str!("../../../scenarios/only-copy.toml")),
    ("same-millisecond", include_str!("../../../scenarios/same-millisecond.toml")),
    ("one-way-street", include_str!("../../../scenarios/one-way-street.toml")),
];

/// The shipped scenarios.
#[must_use]
pub fn shipped() -> Vec<Scenario> {
    FILES.iter().map(|(name, text)| parsed(name, text)).collect()
}

/// The shipped scenario of this name.
#[must_use]
pub fn shipped_by_name(name: &str) -> Option<Scenario> {
    FILES.iter().find(|(shipped, _)| *shipped == name).map(|(name, text)| parsed(name, text))
}

fn parsed(name: &str, text: &str) -> Scenario {
    let file = format!("scenarios/{name}.toml");
    Scenario::parse(name, &file, text).unwrap_or_else(|invalid| panic!("a shipped scenario is valid, and here it says: {invalid}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::What;

    #[test]
    fn every_shipped_scenario_is_valid_and_expects_something() {
        for scenario in shipped() {
            assert!(!scenario.expectations().is_empty(), "{}", scenario.name);
            assert!(!scenario.about.is_empty() && scenario.takes.is_some(), "{}", scenario.name);
            assert!(
                matches!(scenario.steps.last().expect("there are steps").what, What::Expect(_)),
                "{} ends in what it proves",
                scenario.name
            );
        }
    }

    #[test]
    fn every_file_is_shipped() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .expect("the directory of the scenarios")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        let mut names: Vec<String> = FILES.iter().map(|(name, _)| format!("{name}.toml")).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
    }
}
