//! Made-up input from outside: every decoder of the project as a [`Target`] that accepts any bytes.
//!
//! Each target panics where its claim does not hold; its caller decides where the bytes come from.
//! `make test` makes them up from [seeds](Target::seeds) by [`mutate`], the same ones each time;
//! `make fuzz` lets libFuzzer search for inputs that reach new code (`fuzz/`).
//!
//! - [`link`]: the hello and the frames of a link; the memory that decoding takes is bounded.
//! - [`machine`]: a city and dispatch, given any [`step`]s in any order in a [`harness`]; their
//!   seeds are a recorded [`exchange`], with the [`command`]s that dispatch is given in it.
//! - [`http`]: the whole HTTP of dispatch, and the live socket of a page.
//! - [`text`]: names, numbers, spans and scenarios as people write them.
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

/// A reader of input from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as `make fuzz TARGET=` takes it.
    pub name: &'static str,
    /// Reads these bytes, and panics where its claim does not hold.
    pub run: fn(&[u8]),
    /// Inputs that it reads to the end, to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The number of made-up inputs in `make test`: some seconds' worth.
    pub tries: u32,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
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
];

/// Returns the target of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}
