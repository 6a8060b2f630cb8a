//! The processor time and memory of a process, read from `/proc`.

use std::fs;

use tokio::time::Instant;

/// The clock ticks per second in `/proc` (`USER_HZ`), 100 on every Linux platform in common use.
const TICKS_PER_S: f64 = 100.0;

/// The processor time of a process since a start time.
pub struct Use {
    process: String,
    began: Instant,
    ticks: f64,
}

impl Use {
    /// Starts measuring a process, by id or `self`.
    pub fn of(process: &str) -> Self {
        Self { process: process.to_owned(), began: Instant::now(), ticks: ticks(process) }
    }

    /// Returns the processor time since the start, as a share of one core.
    pub fn share(&self) -> f64 {
        (ticks(&self.process) - self.ticks) / TICKS_PER_S / self.began.elapsed().as_secs_f64()
    }
}

/// Formats a share of a core as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.0} % of a core", share * 100.0)
}

fn ticks(process: &str) -> f64 {
    let stat =
        fs::read_to_string(format!("/proc/{process}/stat")).expect("/proc/PID/stat is readable");
    // The name, in parentheses, may contain spaces.
    let (_, fields) = stat.rsplit_once(") ").expect("a process has a name");
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks =
        |field: usize| fields.get(field).and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0);
    // User and system time: fields 14 and 15 in proc(5), counted here from the third.
    ticks(11) + ticks(12)
}

/// Returns the resident memory of a process, in MB.
pub fn resident_mb(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .expect("/proc/PID/status is readable");
    let kb: Option<f64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    format!("{:.0} MB", kb.unwrap_or(0.0) / 1024.0)
}

/// Returns the load average of the last minute.
pub fn machine_load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
