//! The resource usage and limits of a process (Linux).

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::process::Process;

/// Returns the resident memory in bytes.
///
/// # Panics
/// If /proc is not readable.
#[must_use]
pub fn resident_bytes(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))
        .expect("a running process has a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("the status contains VmRSS");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes")
}

/// Returns the number of open files and sockets.
///
/// # Panics
/// If /proc is not readable.
#[must_use]
pub fn open_files(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.id()))
        .expect("the files of a child process are readable")
        .count()
}

/// Limits the number of files that the process can open from here on.
///
/// # Panics
/// If the limit cannot be set.
pub fn limit_files(process: &Process, most: u64) {
    let pid = Pid::from_raw(i32::try_from(process.id()).expect("process ids fit"))
        .expect("no process has id 0");
    let limit = Rlimit { current: Some(most), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(pid), Resource::Nofile, limit).expect("the limits of a child process can be set");
}

/// Raises the open file limit of this program and its later children to the system's maximum, which
/// must be at least `least`.
///
/// # Panics
/// If the maximum is lower.
pub fn allow_files(least: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    assert!(
        maximum.is_none_or(|maximum| maximum >= least),
        "this needs {least} open files, but the system allows {maximum:?} (ulimit -Hn)"
    );
    prlimit(None, Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("a limit may be raised to its maximum");
}
