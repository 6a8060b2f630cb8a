//! The scenarios included in the program. Each demonstrates one guarantee of the cluster.

use crate::scenario::Scenario;

const FILES: [(&str, &str); 6] = [
    ("split-brain", include_str!("../../scenarios/split-brain.toml")),
    ("fast-clock", include_str!("../../scenarios/fast-clock.toml")),
    ("delete-against-a-cut", include_str!("../../scenarios/delete-against-a-cut.toml")),
    ("only-copy", include_str!("../../scenarios/only-copy.toml")),
    ("same-millisecond", include_str!("../../scenarios/same-millisecond.toml")),
    ("one-way-street", include_str!("../../scenarios/one-way-street.toml")),
];

/// Returns the shipped scenarios.
#[must_use]
pub fn shipped() -> Vec<Scenario> {
    FILES.iter().map(|(name, text)| parsed(name, text)).collect()
}

/// Returns the shipped scenario with this name.
#[must_use]
pub fn shipped_by_name(name: &str) -> Option<Scenario> {
    let shipped = FILES.iter().find(|(shipped, _)| *shipped == name);
    shipped.map(|(name, text)| parsed(name, text))
}

fn parsed(name: &str, text: &str) -> Scenario {
    Scenario::parse(name, &format!("scenarios/{name}.toml"), text)
        .unwrap_or_else(|invalid| panic!("a shipped scenario is valid: {invalid}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::StepKind;

    #[test]
    fn shipped_scenarios_are_valid_and_have_expectations() {
        for scenario in shipped() {
            let name = &scenario.name;
            assert!(!scenario.expectations().is_empty(), "{name}");
            assert!(!scenario.about.is_empty() && scenario.takes.is_some(), "{name}");
            assert!(scenario.predict.is_some() && !scenario.conclude.is_empty(), "{name}");
            assert!(!scenario.steps[0].say.is_empty(), "{name} begins with an explanation");
            let last = scenario.steps.last().expect("a scenario has steps");
            assert!(matches!(last.kind, StepKind::Expect(_)), "{name} ends with an expectation");
        }
    }

    #[test]
    fn all_scenario_files_are_shipped() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .expect("the directory exists")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        let mut names: Vec<String> = FILES.iter().map(|(name, _)| format!("{name}.toml")).collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
    }
}
