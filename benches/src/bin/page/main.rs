//! Whether the page keeps its budgets: real processes as `make run` starts them, 10,000 heroes, 400 writes a second through the API, a real browser and
//! a thousand sockets.
//!
//! It prints what was measured beside what was promised. A promise that was not kept on a slow or busy machine is told, and is no failure; what
//! cannot be measured, because something is broken, is one.
//!
//! Clients share the machine with what they measure: dispatch's part is told as what the system says that its process took.

mod browser;
mod cold;
mod document;
mod load;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use benches::process;
use benches::scene::{quiet_cluster, wait_agreed};
use cluster_tests::Cluster;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;

use load::Heroes;

/// How many heroes there are.
const HEROES: u32 = 10_000;
/// Heroes that nobody writes to but those who measure how long a write takes to be seen. They come first on the page.
const MARKERS: usize = 25;
/// How long coming to agree on all heroes may take.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(60);

/// What everything here is measured on.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: Runtime,
    pub(crate) heroes: Arc<Heroes>,
    /// Dispatch's process.
    pub(crate) dispatch: u32,
}

type Measure = fn(&Scene);

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
    let scene = Scene::new();
    println!("{HEROES} heroes; load of this machine: {}", process::machine_load());
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&scene);
        }
    }
    println!("\nload of this machine at the end: {}", process::machine_load());
}

/// Each socket is a file.
fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("the system says how many files there may be");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("one may open as many files as one may");
}

impl Scene {
    /// Everybody agrees on all heroes.
    fn new() -> Self {
        let mut cluster = quiet_cluster();
        let markers: Vec<String> = (0..MARKERS).map(|number| cluster.api.create_named(&format!("0 Marker {number:02}")).id).collect();
        let others = HEROES - u32::try_from(MARKERS).unwrap_or(0);
        let _ = cluster.api.create(others);
        wait_agreed(&cluster, AGREEMENT_PATIENCE);
        let heroes = Arc::new(Heroes::of(&cluster.api, markers));
        let dispatch = cluster.process("dispatch").id();
        Self { cluster, runtime: Runtime::new().expect("a runtime can be had"), heroes, dispatch }
    }
}
