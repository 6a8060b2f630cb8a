//! The product's processes: found beside the running test or benchmark, started with a clean
//! environment, and ended by whoever started them.
//!
//! A test that is killed cannot end its processes. They stay in its process group, though, so that
//! whoever ends a hanging test by its group (cargo-nextest, or Ctrl-C in a terminal) ends them too.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use superhero::Stopwatch;

use crate::wait::{HANG_TIMEOUT, wait_until};

/// The path of one of the workspace's binaries.
///
/// # Panics
/// When it has not been built: cargo builds no binaries of other packages for a test.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    // Tests are built into PROFILE/deps, benchmarks beside the product's own binaries.
    let directory = program.parent().expect("a program stands in a directory");
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

/// A command for this binary that hears nothing of the environment this test happens to run in.
///
/// # Panics
/// When it has not been built.
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

/// A process of the product, and the file that collects all it says.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
}

impl Process {
    /// Starts `name`. What it says is appended to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
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
            .expect("a log in a directory of our own can be opened");
        let child = command(name)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(file.try_clone().expect("a file can be had twice"))
            .stdout(file)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        Self { child, ended: None, log }
    }

    /// Its number in the system.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has said so far, in all its lives.
    ///
    /// # Panics
    /// When the log cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(
            &fs::read(&self.log).expect("the log stays while its process is held"),
        )
        .into_owned()
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            // Not yet waited for, so the id is still this process's.
            let id = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"));
            signal::kill(id, signal).expect("one may signal one's own child");
        }
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("one may wait for one's own child");
        }
        self.ended.is_some()
    }

    /// Waits for it to end by itself, and returns its exit code; `None` when a signal ended it.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    #[track_caller]
    pub fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        let ended = wait_until("the process ends", limit, || {
            self.has_ended();
            self.ended.ok_or_else(|| format!("it runs, and its log is\n{}", self.log()))
        });
        ended.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            // Also when it is stopped: SIGKILL needs nobody's cooperation.
            self.signal(Signal::SIGKILL);
            if !std::thread::panicking() {
                self.exit_code(HANG_TIMEOUT);
            }
            // During a panic a second one would hide the first.
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let name = self.log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            eprint!("---- {name} said\n{}", self.log());
        }
    }
}

/// What a process did that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

/// Runs `name` to its end.
///
/// # Panics
/// When it does not end within `limit`; it is killed then.
#[track_caller]
#[must_use]
pub fn run(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    limit: Duration,
) -> Finished {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (stdout, stderr) = (directory.path().join("stdout"), directory.path().join("stderr"));
    let create = |path| File::create(path).expect("a file in a directory of our own can be made");
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
        String::from_utf8_lossy(&fs::read(path).expect("the file was just made")).into_owned()
    };
    let status = loop {
        if let Some(status) = child.try_wait().expect("one may wait for one's own child") {
            break status;
        }
        if watch.elapsed() > limit {
            child.kill().expect("one may kill one's own child");
            child.wait().expect("one may wait for one's own child");
            panic!(
                "{name} {arguments:?} did not end within {limit:?}; it said\n{}\n{}",
                read(&stdout),
                read(&stderr)
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Finished {
        code: status.code(),
        stdout: read(&stdout),
        stderr: read(&stderr),
        took: watch.elapsed(),
    }
}
