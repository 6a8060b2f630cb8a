//! What comes in from outside, made up: every decoder of the project as a [`Target`] that takes any bytes at all.
//!
//! Each target panics where its claim does not hold; whoever calls it decides where the bytes come from. `make test` makes them up from
//! [seeds](Target::seeds) by [`mutate`], the same ones each time; `make fuzz` lets libFuzzer look for those that lead somewhere new (`fuzz/`).
//!
//! - [`link`]: a hello, a frame; what was written is read, and reading costs no more memory than the bytes justify.
//! - [`machine`]: a city and dispatch, told anything in any order; [`conversation`] is what they tell each other when nobody interferes.
//! - [`door`]: the whole HTTP of dispatch, and what a page says on its live socket.
//! - [`text`]: names, numbers, spans and scenarios as people write them.

pub mod conversation;
pub mod door;
pub mod link;
pub mod machine;
pub mod memory;
pub mod mutate;
pub mod text;
pub mod told;

/// Something that reads what comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as `make fuzz TARGET=` takes it.
    pub name: &'static str,
    /// Reads these bytes, and panics where its claim does not hold.
    pub run: fn(&[u8]),
    /// Inputs that it reads to the end, to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many made-up inputs `make test` tries: some seconds' worth.
    pub tries: u32,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "hello", run: link::hello, seeds: link::hellos, tries: 500_000 },
    Target { name: "frame", run: link::frame, seeds: link::frames, tries: 500_000 },
    Target { name: "city", run: machine::city, seeds: machine::city_seeds, tries: 50_000 },
    Target { name: "dispatch", run: machine::dispatch, seeds: machine::dispatch_seeds, tries: 40_000 },
    Target { name: "http", run: door::http, seeds: door::requests, tries: 10_000 },
    Target { name: "page", run: door::page, seeds: door::pages, tries: 10_000 },
    Target { name: "text", run: text::words, seeds: text::word_seeds, tries: 500_000 },
    Target { name: "scenario", run: text::scenario, seeds: text::scenario_seeds, tries: 40_000 },
];

/// The target of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}
