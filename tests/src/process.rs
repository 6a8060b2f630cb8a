//! The product's processes: located next to the running test or benchmark, started with a clean
//! environment, and stopped when dropped.
//!
//! A test that is killed cannot stop its processes. They stay in its process group, so killing the
//! group of a hanging test (cargo-nextest, or Ctrl-C in a terminal) stops them too.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use superhero::Stopwatch;

use crate::wait::{HANG_TIMEOUT, wait_until};

/// Returns the path of one of the workspace's binaries.
///
/// # Panics
/// If it has not been built: cargo builds no binaries of other packages for a test.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    // Tests are built into PROFILE/deps, benchmarks into PROFILE, where the product's binaries are.
    let directory = program.parent().expect("a program path has a directory");
    let profile = if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory)
    } else {
        directory
    };
    let path = profile.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` first (make test does)",
        path.display()
    );
    path
}

/// Returns a command for this binary, without the product's variables of the test's environment.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    for (key, _) in std::env::vars_os() {
        if ["SUPERHERO_", "OTEL_"].iter().any(|prefix| key.to_string_lossy().starts_with(prefix))
            || key == "RUST_LOG"
            || key == "TERM_PROGRAM"
        {
            command.env_remove(key);
        }
    }
    command
}

/// A process of the product, with the file that collects its output.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
}

impl Process {
    /// Starts `name`. Its output is appended to `log`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(
        name: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
        log: PathBuf,
    ) -> Self {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log in a temporary directory can be opened");
        let child = command(name)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(file.try_clone().expect("a file handle can be cloned"))
            .stdout(file)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        Self { child, ended: None, log }
    }

    /// Returns its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns all output so far, over all incarnations.
    ///
    /// # Panics
    /// If the log cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(
            &fs::read(&self.log).expect("the log stays while its process is held"),
        )
        .into_owned()
    }

    /// Sends a signal, unless the process has exited.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            // The process has not been reaped, so the id cannot have been reused.
            let id = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"));
            signal::kill(id, signal).expect("a child process can be signalled");
        }
    }

    /// Returns true if it has exited.
    ///
    /// # Panics
    /// If the system does not report it.
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child process can be waited for");
        }
        self.ended.is_some()
    }

    /// Waits until it exits, and returns its exit code; `None` when a signal ended it.
    ///
    /// # Panics
    /// If it does not exit within `limit`.
    #[track_caller]
    pub fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        let ended = wait_until("the process exits", limit, || {
            self.has_ended();
            self.ended.ok_or_else(|| format!("it is running, and its log is\n{}", self.log()))
        });
        ended.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            // SIGKILL also ends a stopped process.
            self.signal(Signal::SIGKILL);
            if !std::thread::panicking() {
                self.exit_code(HANG_TIMEOUT);
            }
            // A second panic during unwinding would hide the first.
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let name = self.log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            eprint!("---- output of {name}\n{}", self.log());
        }
    }
}

/// The outcome of a process that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its run time.
    pub took: Duration,
}

/// Runs `name` to its end.
///
/// # Panics
/// If it does not exit within `limit`; it is killed then.
#[track_caller]
#[must_use]
pub fn run(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    limit: Duration,
) -> Finished {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let (stdout, stderr) = (directory.path().join("stdout"), directory.path().join("stderr"));
    let create = |path| File::create(path).expect("a file in a temporary directory can be created");
    let watch = Stopwatch::start();
    let mut child = command(name)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(create(&stdout))
        .stderr(create(&stderr))
        .spawn()
        .unwrap_or_else(|error| panic!("starting {name}: {error}"));
    let read = |path| {
        String::from_utf8_lossy(&fs::read(path).expect("the file was just created")).into_owned()
    };
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child process can be waited for") {
            break status;
        }
        if watch.elapsed() > limit {
            child.kill().expect("a child process can be killed");
            child.wait().expect("a child process can be waited for");
            panic!(
                "{name} {arguments:?} did not exit within {limit:?}; its output was\n{}\n{}",
                read(&stdout),
                read(&stderr)
            );
        }
        // Polled, because the standard library has no wait with a timeout.
        std::thread::sleep(Duration::from_millis(5));
    };
    Finished {
        code: status.code(),
        stdout: read(&stdout),
        stderr: read(&stderr),
        took: watch.elapsed(),
    }
}
