//! The text of a node's `/metrics`, parsed as a scraper does.
//!
//! The client reads one histogram of that text too (`client/src/load/lag.rs`), and skips unknown
//! lines. This parser accepts only the exposition format: with the lenient one, tests would pass
//! with metrics that no scraper can read.

use std::collections::{BTreeMap, BTreeSet};

/// The text of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    /// The unparsed text.
    pub text: String,
    /// The metrics by name.
    pub families: BTreeMap<String, Family>,
}

/// One metric.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its `HELP` text.
    pub help: String,
    /// Its samples, including those of a histogram's buckets.
    pub samples: Vec<Sample>,
}

/// One sample line.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name, including the suffix of a histogram's part.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Exposition {
    /// Parses the text.
    ///
    /// # Panics
    /// If a line is not in the exposition format, or precedes the type of its metric.
    #[track_caller]
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, help)) =
                line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
            {
                help.clone_into(&mut families.entry(name.to_owned()).or_default().help);
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
            } else {
                let sample =
                    Sample::parse(line).unwrap_or_else(|| panic!("not a metrics line: {line:?}"));
                let family = if families.contains_key(&sample.name) {
                    sample.name.clone()
                } else {
                    family_of(&sample.name)
                };
                families
                    .get_mut(&family)
                    .unwrap_or_else(|| panic!("the type of {family} is missing before {line:?}"))
                    .samples
                    .push(sample);
            }
        }
        Self { text: text.to_owned(), families }
    }

    /// Returns the sum of all samples with this name and these labels; 0 if there are none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|held| held == value))
        };
        self.samples(name).filter(has).map(|sample| sample.value).sum()
    }

    /// Returns the samples with this name, which may be a part of a histogram.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.families
            .values()
            .flat_map(|family| &family.samples)
            .filter(move |sample| sample.name == name)
    }

    /// Returns the names of all samples.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.families
            .values()
            .flat_map(|family| &family.samples)
            .map(|sample| sample.name.as_str())
            .collect()
    }
}

/// Returns the name of the metric that a part of a histogram belongs to.
fn family_of(name: &str) -> String {
    ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|part| name.strip_suffix(part))
        .unwrap_or(name)
        .to_owned()
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let name_end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(name_end);
        let mut labels = BTreeMap::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
                let (value, after) = quoted(after)?;
                labels.insert(label.to_owned(), value);
                rest = after;
            }
            rest = &rest[1..];
        }
        Some(Self { name: name.to_owned(), labels, value: rest.trim().parse().ok()? })
    }
}

/// Returns the unescaped text up to the closing quote, and the rest.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_unescaped() {
        let text = "# HELP a_total Help.\n# TYPE a_total counter\n\
                    a_total{x=\"q\\\" s\\\\ n\\n,}\",y=\"2\"} 7\na_total 1.5\n";
        let exposition = Exposition::parse(text);
        let labels = &exposition.families["a_total"].samples[0].labels;
        assert_eq!((labels["x"].as_str(), labels["y"].as_str()), ("q\" s\\ n\n,}", "2"));
        assert_eq!(
            (exposition.sum("a_total", &[("y", "2")]), exposition.sum("a_total", &[])),
            (7.0, 8.5)
        );
    }

    #[test]
    fn histogram_parts_belong_to_their_family() {
        let text = "# HELP h_seconds Help.\n# TYPE h_seconds histogram\n\
                    h_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 3\nh_seconds_count 2\n";
        assert_eq!(Exposition::parse(text).families["h_seconds"].samples.len(), 3);
    }
}
