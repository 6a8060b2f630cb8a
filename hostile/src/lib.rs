//! Fuzz targets: every decoder of untrusted input as a [`Target`] that must accept any bytes.
//!
//! Each target panics if its claim does not hold; the caller supplies the bytes. `make test`
//! [mutates](mutate) the [seeds](Target::seeds), the same way in each run; with `make fuzz`,
//! libFuzzer searches for inputs that reach new code (`fuzz/`).
//!
//! - [`link`]: the hello and the frames of a link, with bounded memory for decoding.
//! - [`machine`]: a city and dispatch, run through arbitrary [`step`]s in a [`harness`]. The seeds
//!   are a recorded [`exchange`] with [`command`]s of dispatch.
//! - [`http`]: all of dispatch's HTTP, and the live socket of a page.
//! - [`text`]: names, numbers, durations and scenarios.
//!
//! Imports go one way: `step < harness < command < exchange < link, machine, http`.

pub mod command;
pub mod exchange;
pub mod harness;
pub mod http;
pub mod link;
pub mod machine;
pub mod memory;
pub mod mutate;
pub mod step;
pub mod text;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, as in `make fuzz TARGET=`.
    pub name: &'static str,
    /// Processes these bytes, and panics if the target's claim does not hold.
    pub run: fn(&[u8]),
    /// Valid inputs from which others are generated.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The number of generated inputs in `make test`, chosen to take a few seconds.
    pub tries: u32,
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "hello", run: link::hello, seeds: link::hello_seeds, tries: 500_000 },
    Target { name: "frame", run: link::frame, seeds: link::frame_seeds, tries: 500_000 },
    Target { name: "city", run: machine::city, seeds: machine::city_seeds, tries: 50_000 },
    Target {
        name: "dispatch",
        run: machine::dispatch,
        seeds: machine::dispatch_seeds,
        tries: 40_000,
    },
    Target { name: "http", run: http::port, seeds: http::request_seeds, tries: 10_000 },
    Target { name: "page", run: http::page, seeds: http::page_seeds, tries: 10_000 },
    Target { name: "text", run: text::words, seeds: text::word_seeds, tries: 500_000 },
    Target { name: "scenario", run: text::scenario, seeds: text::scenario_seeds, tries: 40_000 },
    Target {
        name: "recording",
        run: text::recording,
        seeds: text::recording_seeds,
        tries: 100_000,
    },
];

/// Returns the target with this name.
///
/// # Panics
/// When no target has it.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}
