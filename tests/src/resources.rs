//! What a process takes of its machine, and is allowed to (Linux).

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::process::Process;

/// How many bytes of its memory are really there.
///
/// # Panics
/// When the system does not say.
#[must_use]
pub fn resident_bytes(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))
        .expect("a running process has a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("the status says how much is resident");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes")
}

/// How many files and sockets it has open.
///
/// # Panics
/// When the system does not say.
#[must_use]
pub fn open_files(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.id()))
        .expect("one may look at one's own child")
        .count()
}

/// From now on it can open no more files than this, until it is allowed to.
///
/// # Panics
/// When the limit cannot be set.
pub fn limit_files(process: &Process, most: u64) {
    let pid = Pid::from_raw(i32::try_from(process.id()).expect("process ids fit"))
        .expect("no process has id 0");
    let limit = Rlimit { current: Some(most), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(pid), Resource::Nofile, limit).expect("one may limit one's own child");
}

/// Lets this program, and what it starts from now on, open as many files as the system allows,
/// which must be this many.
///
/// # Panics
/// When that is fewer.
pub fn allow_files(least: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    assert!(
        maximum.is_none_or(|maximum| maximum >= least),
        "this needs {least} files, and the system allows {maximum:?} (ulimit -Hn)"
    );
    prlimit(None, Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("a limit may be raised to its maximum");
}
