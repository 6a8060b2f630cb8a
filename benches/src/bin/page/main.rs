//! `page`: measures the page against its budgets, with real processes as `make run` starts them,
//! 10,000 heroes, 400 writes per second through the API, a real browser and a thousand sockets.
//!
//! It prints each measurement with its budget. A missed budget, for example on a slow or busy
//! machine, is not a failure; a measurement that cannot be completed is.
//!
//! Clients run on the same machine; the share of dispatch is the processor time of its process.

mod browser;
mod cold;
mod document;
mod fixture;
mod load;
mod socket;
mod sockets;

use benches::process;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use fixture::{Fixture, HEROES};

/// A measurement.
type Measure = fn(&Fixture);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let all: [(&str, Measure); 5] = [
        ("document", document::measure),
        ("browser", browser::measure),
        ("idle", sockets::measure_idle),
        ("sockets", sockets::measure),
        ("cold", cold::measure),
    ];
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        eprintln!(
            "unknown measurement {unknown:?}; expected one of: {}",
            all.map(|(name, _)| name).join(", ")
        );
        std::process::exit(2);
    }
    if !cfg!(target_os = "linux") {
        println!("the page benchmark requires Linux (/proc)");
        return;
    }
    allow_many_files();
    let fixture = Fixture::new();
    println!("{HEROES} heroes; load average: {}", process::machine_load());
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&fixture);
        }
    }
    println!("\nload average at the end: {}", process::machine_load());
}

/// Raises the limit of open files to its maximum, since each socket is one.
fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("the file limit is readable");
    setrlimit(Resource::RLIMIT_NOFILE, most, most)
        .expect("the file limit can be raised to its maximum");
}
