//! The parsers of names, numbers, durations, scenario files and recordings.
//!
//! Claims: nothing panics; an accepted value is printed as text that parses to the same value;
//! every error has a text.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use gossip::NodeName;
use gossip::fault::FaultId;
use recording::Recording;
use scenario::{Scenario, span};
use shared::hero::HeroId;
use shared::options;
use shared::options::{Interval, Peer};

/// Parses a word of a command line, a path or a query.
///
/// # Panics
/// When a claim does not hold.
pub fn words(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    printed_and_read::<NodeName>(text);
    printed_and_read::<HeroId>(text);
    printed_and_read::<FaultId>(text);
    let _ = text.parse::<Interval>();
    if let Ok(Peer { name, address }) = text.parse() {
        let again: Result<Peer, String> = format!("{name}={address}").parse();
        assert_eq!(again, Ok(Peer { name, address }));
    }
    if let Err(reason) = options::duration(text) {
        assert!(!reason.is_empty(), "{text:?} is refused without a reason");
    }
    if let Ok(span) = span::duration(text) {
        assert_eq!(span::duration(&span::written(span)), Ok(span), "{text:?}");
    }
    if let Ok(ms) = span::signed_ms(text) {
        assert_eq!(span::signed_ms(&span::written_signed(ms)), Ok(ms), "{text:?}");
    }
}

fn printed_and_read<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse::<T>().ok(), Some(value), "{text:?}"),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{text:?} is refused without a reason")
        }
    }
}

/// Parses a scenario file.
///
/// # Panics
/// When a claim does not hold.
pub fn scenario(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Scenario::parse("made-up", "made-up.toml", &text) {
        Ok(scenario) => {
            for step in scenario.expectations() {
                assert!(
                    scenario.inverted(step).is_some(),
                    "a step with an expectation cannot be inverted"
                );
            }
        }
        Err(wrong) => {
            assert!(!wrong.what.is_empty(), "{wrong:?} has no description");
            assert!(wrong.line <= 1 + text.matches('\n').count(), "{wrong:?} is beyond the end");
        }
    }
}

/// Parses the decompressed content of a recording.
///
/// # Panics
/// When a claim does not hold.
pub fn recording(bytes: &[u8]) {
    match Recording::parse(bytes) {
        Ok(recording) => {
            assert_eq!(recording.check(), Ok(()));
            let again = Recording::read(&recording.write());
            assert_eq!(again.ok(), Some(recording), "it is read as it was written");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "it is refused without a reason"),
    }
}

/// Returns recordings of two cities, one of them cut off and bombed.
#[must_use]
pub fn recording_seeds() -> Vec<Vec<u8>> {
    let recording = br#"{"format":"superhero-recording","version":1,"source":"s","began":5,"length":99,
        "nodes":[{"name":"gotham","observed":true},{"name":"dispatch","observed":true}],
        "heroes":[{"id":"7f","name":"Granite"}],"others":[0,0],
        "writes":[{"node":0,"incarnation":2,"wall":-5,"logical":0,"value":{"place":"home","health":9,"patrolling":true}},
        {"node":null,"incarnation":2,"wall":7,"logical":1,"value":null}],
        "held":[{"hero":0,"node":0,"write":0}],
        "changes":[{"at":3,"hero":0,"node":1,"write":0},{"at":9,"hero":0,"node":0,"write":null}],
        "pulls":[{"asked":1,"ended":3,"puller":1,"source":0,"outcome":{"merged":{"entries":1,"bytes":9}}},
        {"asked":4,"ended":8,"puller":1,"source":0,"outcome":"unanswered"}],
        "faults":[{"began":2,"ended":null,"kind":"cut","from":0,"to":1,"both":true,"text":"t"}],
        "silences":[{"began":8,"ended":9,"node":0}],"members":[{"began":0,"ended":null,"node":0}],
        "restarts":[{"at":9,"node":0}],"events":[{"at":9,"node":0,"kind":"destroyed","text":"t"}]}"#;
    vec![recording.to_vec()]
}

/// Returns words that the parsers accept, each by at least one.
#[must_use]
pub fn word_seeds() -> Vec<Vec<u8>> {
    let id = HeroId::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788).to_string();
    let words = [
        "gotham",
        &id,
        "0badcafe",
        "250ms",
        "1h 30m",
        "0",
        "-1500ms",
        "+2s",
        "capitol=[::1]:4903",
        "metropolis=host.example:4902",
    ];
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Returns the shipped scenarios.
#[must_use]
pub fn scenario_seeds() -> Vec<Vec<u8>> {
    SHIPPED.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const SHIPPED: [&str; 6] = [
    include_str!("../../scenarios/delete-against-a-cut.toml"),
    include_str!("../../scenarios/fast-clock.toml"),
    include_str!("../../scenarios/one-way-street.toml"),
    include_str!("../../scenarios/only-copy.toml"),
    include_str!("../../scenarios/same-millisecond.toml"),
    include_str!("../../scenarios/split-brain.toml"),
];
