//! The tables of a scenario file as deserialized. Only the names and types of fields are checked.

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) title: Spanned<String>,
    pub(super) about: Option<Spanned<String>>,
    pub(super) takes: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) keep_heroes: bool,
    pub(super) predict: Option<Predict>,
    pub(super) conclude: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) setup: Setup,
    #[serde(default)]
    pub(super) step: Vec<Spanned<Step>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predict {
    pub(super) question: Spanned<String>,
    pub(super) answers: Spanned<Vec<Spanned<String>>>,
    pub(super) right: Spanned<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    pub(super) heroes: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) names: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at: Option<Spanned<String>>,
    pub(super) say: Option<Spanned<String>>,
    pub(super) refused: Option<Spanned<String>>,
    pub(super) create: Option<Spanned<String>>,
    pub(super) assign: Option<Assign>,
    pub(super) terminate: Option<Spanned<String>>,
    pub(super) bomb: Option<Spanned<String>>,
    pub(super) stop: Option<Spanned<String>>,
    pub(super) kill: Option<Spanned<String>>,
    pub(super) rebuild: Option<Spanned<String>>,
    pub(super) fault: Option<Spanned<Fault>>,
    pub(super) heal: Option<Spanned<Heal>>,
    pub(super) pause: Option<Spanned<bool>>,
    pub(super) resume: Option<Spanned<bool>>,
    pub(super) speed: Option<Spanned<i64>>,
    pub(super) exchange: Option<Exchange>,
    pub(super) together: Option<Spanned<Vec<Spanned<Step>>>>,
    pub(super) until: Option<Spanned<Expect>>,
    pub(super) expect: Option<Spanned<Expect>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assign {
    pub(super) hero: Spanned<String>,
    pub(super) to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    pub(super) kind: Spanned<String>,
    pub(super) from: Spanned<String>,
    pub(super) to: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) one_way: bool,
    pub(super) by: Option<Spanned<String>>,
    pub(super) jitter: Option<Spanned<String>>,
    pub(super) percent: Option<f64>,
    pub(super) bytes_per_s: Option<u64>,
    #[serde(rename = "for")]
    pub(super) lasts: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true (all faults) or the name of a fault")]
pub(super) enum Heal {
    All(bool),
    One(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) from: Spanned<String>,
    pub(super) to: Spanned<String>,
    pub(super) completed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) within: Option<Spanned<String>>,
    pub(super) holds_for: Option<Spanned<String>>,
    pub(super) converged: Option<bool>,
    pub(super) lost_writes: Option<u64>,
    pub(super) only_copies: Option<u64>,
    pub(super) city: Option<Spanned<OneOrMany>>,
    pub(super) holds: Option<Spanned<String>>,
    pub(super) location: Option<Spanned<String>>,
    pub(super) lacks: Option<Spanned<String>>,
    pub(super) dead: Option<Spanned<String>>,
    pub(super) is: Option<Spanned<String>>,
    pub(super) agree: Option<Spanned<Vec<String>>>,
    pub(super) apart: Option<Spanned<Vec<String>>>,
    pub(super) event: Option<String>,
    pub(super) text: Option<String>,
    pub(super) one_winner: Option<Spanned<bool>>,
    pub(super) same_millisecond: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a city, a list of cities, or \"*\" for all")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}
