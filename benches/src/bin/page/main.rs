//! `page`: the page against its budgets: real processes as `make run` starts them, 10,000 heroes,
//! 400 writes a second through the API, a real browser and a thousand sockets.
//!
//! It prints each measurement beside its budget. A budget that is missed, as on a slow or busy
//! machine, is no failure; a measurement that cannot be made, because something is broken, is one.
//!
//! Clients share the machine with what they measure: dispatch's share is the processor time of its
//! process.

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
        eprintln!("there is no {unknown}; there are {}", all.map(|(name, _)| name).join(", "));
        std::process::exit(2);
    }
    if !cfg!(target_os = "linux") {
        println!("the page is measured on Linux only, which tells what a process takes");
        return;
    }
    allow_many_files();
    let fixture = Fixture::new();
    println!("{HEROES} heroes; load of this machine: {}", process::machine_load());
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&fixture);
        }
    }
    println!("\nload of this machine at the end: {}", process::machine_load());
}

/// Raises the limit of open files to its maximum: each socket is one.
fn allow_many_files() {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).expect("the system says how many files there may be");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("one may open as many files as one may");
}
