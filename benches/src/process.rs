//! What a process takes, as Linux tells it.

use std::fs;

use tokio::time::Instant;

/// How many ticks the kernel counts in a second of a processor's time, to user programs, on every
/// platform of Linux that matters.
const TICKS_PER_S: f64 = 100.0;

/// A process's use of processors from some moment on.
pub struct Use {
    process: String,
    began: Instant,
    ticks: f64,
}

impl Use {
    /// Of this process, or `self`, from now on.
    pub fn of(process: &str) -> Self {
        Self { process: process.to_owned(), began: Instant::now(), ticks: ticks(process) }
    }

    /// How much of one core it took since.
    pub fn share(&self) -> f64 {
        (ticks(&self.process) - self.ticks) / TICKS_PER_S / self.began.elapsed().as_secs_f64()
    }
}

/// A share of a core, for people.
pub fn percent(share: f64) -> String {
    format!("{:.0} % of a core", share * 100.0)
}

fn ticks(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .expect("Linux tells what a process takes");
    // The name, in brackets, may have spaces.
    let (_, fields) = stat.rsplit_once(") ").expect("a process has a name");
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks =
        |field: usize| fields.get(field).and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0);
    ticks(11) + ticks(12)
}

/// What a process has in memory, in MB.
pub fn resident_mb(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .expect("Linux tells what a process has");
    let kb: Option<f64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    format!("{:.0} MB", kb.unwrap_or(0.0) / 1024.0)
}

/// How many want this machine's processors, on the average of the last minute.
pub fn machine_load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
