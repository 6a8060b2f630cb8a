//! The launcher: starts the four, tells them apart, starts a city again when asked, and leaves
//! nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use cluster_tests::{
    Api, CITIES, Cluster, HANG_TIMEOUT, Heroes, Launched, NODES, Options, Signal, Stopwatch,
    command, ensure, own_address, processes_at, run, wait_until,
};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;

/// How long the launcher may take to stop all when nobody resists.
const STOPS: Duration = Duration::from_secs(4);

#[track_caller]
fn rebuild(cluster: &Cluster, city: &str) -> cluster_tests::Reply {
    cluster.api.post(&format!("/api/v1/cities/{city}/rebuild"), &json!({}))
}

/// What a process was started with: its arguments and its environment.
fn started_with(launched: &Launched, node: &str) -> (Vec<u8>, Vec<String>) {
    let id = launched.processes()[node];
    let environment = fs::read(format!("/proc/{id}/environ")).expect("it runs");
    let mut variables: Vec<String> = environment
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    variables.sort();
    (fs::read(format!("/proc/{id}/cmdline")).expect("it runs"), variables)
}

#[test]
fn all_four_start_agree_and_are_told_apart() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(20));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(
        launched.processes().into_keys().collect::<Vec<_>>(),
        ["capitol", "dispatch", "gotham", "metropolis"]
    );

    let log = launched.launcher.log();
    let page = format!(
        "The page: http://{}   (Ctrl-C stops all four)",
        launched.cluster.address("dispatch")
    );
    for line in log.lines().filter(|line| **line != page) {
        assert!(
            NODES.iter().any(|node| line.starts_with(&format!("{node:<10} | "))),
            "{line:?} in\n{log}"
        );
    }
    assert_eq!(log.lines().filter(|line| **line == page).count(), 1, "{log}");
    for node in NODES {
        assert!(log.contains(&format!("{node:<10} | ")), "{node} says nothing in\n{log}");
    }
}

#[test]
fn only_dispatch_is_told_of_the_socket_and_only_its_user_may_enter() {
    let launched = Launched::start();
    let socket = launched.socket();
    let directory = fs::metadata(socket.parent().expect("a directory")).expect("it exists");
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
    let variable = format!("SUPERHERO_LAUNCHER={}", socket.display());
    for node in NODES {
        let (_, environment) = started_with(&launched, node);
        assert_eq!(environment.contains(&variable), node == "dispatch", "{node}: {environment:?}");
    }
}

#[test]
fn a_killed_city_stays_down_until_it_is_rebuilt_and_then_holds_every_hero_again() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(50));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let before = started_with(&launched, "capitol");

    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    // Longer than the launcher takes to start all four.
    heroes.created(launched.cluster.api.create(5));
    launched.cluster.wait_until_held(&heroes, &["gotham", "metropolis"]);
    assert!(!launched.processes().contains_key("capitol"), "nothing starts again by itself");

    assert_eq!(
        rebuild(&launched.cluster, "capitol").expect(202).json(),
        json!({ "city": "capitol" })
    );
    launched.cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(started_with(&launched, "capitol"), before, "started as it was before");
    launched.wait_log("its lines stand behind its name", |log| {
        log.split_once("\ncapitol is started again\n")
            .is_some_and(|(_, later)| later.contains("capitol    | "))
    });

    // And once more: what was rebuilt is a child like the first.
    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "capitol").expect(202);
    launched.cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn a_running_city_is_not_rebuilt() {
    let launched = Launched::start();
    let before = launched.processes();
    for city in CITIES {
        launched.cluster.wait_status(city, "up", HANG_TIMEOUT);
        let detail = rebuild(&launched.cluster, city).problem(409, "alive");
        assert!(detail.contains(city), "{detail}");
    }
    let _ = rebuild(&launched.cluster, "riverdale").problem(404, "unknown_city");
    let _ = rebuild(&launched.cluster, "dispatch").problem(404, "unknown_city");

    // One that gives no answer may be running all the same. Its launcher knows.
    launched.signal("gotham", Signal::SIGSTOP);
    launched.cluster.wait_status("gotham", "unreachable", HANG_TIMEOUT);
    let detail = rebuild(&launched.cluster, "gotham").problem(409, "alive");
    assert!(detail.contains("running") && detail.contains("no answer"), "{detail}");
    launched.signal("gotham", Signal::SIGCONT);
    launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    assert_eq!(launched.processes(), before);
}

#[test]
fn however_it_is_asked_to_stop_all_four_are_gone_and_so_is_the_socket() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut launched = Launched::start();
        // One that was rebuilt is stopped as the others are.
        launched.kill9("metropolis");
        launched.cluster.wait_status("metropolis", "down", HANG_TIMEOUT);
        let _ = rebuild(&launched.cluster, "metropolis").expect(202);
        launched.cluster.wait_ready(&["metropolis"]);
        assert_eq!((launched.processes().len(), launched.leftovers().len()), (4, 1));

        launched.launcher.signal(signal);
        assert_eq!(
            launched.launcher.exit_code(STOPS),
            Some(0),
            "{signal}: {}",
            launched.launcher.log()
        );
        assert!(launched.processes().is_empty(), "{signal}: {:?}", launched.processes());
        assert!(launched.leftovers().is_empty(), "{signal}: {:?}", launched.leftovers());
        assert!(
            launched.launcher.log().ends_with("\nAll have stopped.\n"),
            "{signal}: {}",
            launched.launcher.log()
        );
    }
}

#[test]
fn one_that_does_not_stop_is_killed() {
    let mut launched = Launched::start();
    launched.signal("capitol", Signal::SIGSTOP);
    launched.launcher.signal(Signal::SIGINT);
    assert_eq!(launched.launcher.exit_code(HANG_TIMEOUT), Some(1));
    assert!(launched.processes().is_empty(), "{:?}", launched.processes());
    assert!(launched.leftovers().is_empty(), "{:?}", launched.leftovers());
    let log = launched.launcher.log();
    assert!(log.ends_with("error: did not stop within 3 s and were killed: capitol\n"), "{log}");
}

/// A launcher with its cluster, which end with this, whatever else goes wrong.
struct Ends(Child, Ipv4Addr);

impl Drop for Ends {
    fn drop(&mut self) {
        // Those that have ended need no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
        for id in processes_at(self.1).into_values() {
            let _ = kill(id, Signal::SIGKILL);
        }
    }
}

impl Ends {
    /// Starts a launcher whose terminal is a pipe.
    fn start(address: Ipv4Addr, temporary: &Path) -> Self {
        let mut command = command("superhero-cluster");
        command.arg(format!("--host={address}")).env("TMPDIR", temporary);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("it can be started"), address)
    }

    /// Sends a signal, and waits for the end, of which nothing may be left. Returns the exit code.
    #[track_caller]
    fn end(&mut self, signal: Signal, limit: Duration, temporary: &Path) -> Option<i32> {
        let id = Pid::from_raw(i32::try_from(self.0.id()).expect("process ids fit"));
        kill(id, signal).expect("one may signal one's own child");
        let ended = wait_until("the launcher ends", limit, || {
            self.0
                .try_wait()
                .map_err(|error| error.to_string())?
                .ok_or_else(|| "it runs".to_owned())
        });
        assert!(processes_at(self.1).is_empty(), "{:?}", processes_at(self.1));
        assert_eq!(fs::read_dir(temporary).expect("a directory of our own").count(), 0);
        ended.code()
    }
}

#[test]
fn a_terminal_that_is_gone_leaves_nobody_behind() {
    let (address, temporary) =
        (own_address(), tempfile::tempdir().expect("a temporary directory can be made"));
    let mut launcher = Ends::start(address, temporary.path());
    drop(launcher.0.stderr.take());
    let mut lines = BufReader::new(launcher.0.stdout.take().expect("a pipe")).lines();
    // All four run, and have more to say; from here on nobody reads.
    let mut silent: BTreeSet<String> = NODES.map(|node| format!("{node} listens on")).into();
    while !silent.is_empty() {
        let line = lines.next().expect("it goes on").expect("a line of text");
        silent.retain(|said| !line.contains(said));
    }
    drop(lines);
    assert_eq!(launcher.end(Signal::SIGHUP, STOPS, temporary.path()), Some(0));
}

#[test]
fn a_terminal_that_takes_no_more_lines_keeps_nobody_from_stopping() {
    let (address, temporary) =
        (own_address(), tempfile::tempdir().expect("a temporary directory can be made"));
    let mut launcher = Ends::start(address, temporary.path());
    // The pipe stays open, and nobody reads: as where Ctrl-S was pressed.
    let api = Api::new((address, 4900).into());
    let create = || {
        api.try_request("POST", "/api/v1/heroes", &[("content-type", "application/json")], b"{}")
            .map(|reply| reply.status)
    };
    wait_until("dispatch creates", HANG_TIMEOUT, || {
        let outcome = create();
        ensure(outcome == Ok(201), || format!("{outcome:?}"))
    });
    wait_until("dispatch waits for its lines to be shown", HANG_TIMEOUT, || {
        let created = (0..100).take_while(|_| create() == Ok(201)).count();
        ensure(created < 100, || "it goes on".to_owned())
    });
    assert_eq!(launcher.end(Signal::SIGTERM, HANG_TIMEOUT, temporary.path()), Some(1));
    let mut said = String::new();
    launcher.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(said.contains("did not stop within 3 s and were killed"), "{said}");
}

#[test]
fn what_is_not_a_request_is_refused_and_starts_nothing() {
    let launched = Launched::start();
    let before = launched.processes();
    for (request, answer) in [
        (&b"start gotham\n"[..], "refused: gotham is running\n"),
        (b"start dispatch\n", "refused: dispatch is running\n"),
        (b"start riverdale\n", "refused: there is no node \"riverdale\"\n"),
        (b"start ../gotham\n", "refused: there is no node \"../gotham\"\n"),
        (b"stop gotham\n", "refused: expected: start NAME\n"),
        (b"\xff\xfe\n", "refused: expected: start NAME\n"),
        (b"start gotham", "refused: expected a line of at most 64 bytes\n"),
        (b"", "refused: expected a line of at most 64 bytes\n"),
        (&[b'x'; 1_000], "refused: expected a line of at most 64 bytes\n"),
        (b"start capitol\nstart capitol\n", "refused: capitol is running\n"),
    ] {
        assert_eq!(
            launched.ask(request),
            answer,
            "{:?}",
            String::from_utf8_lossy(&request[..request.len().min(80)])
        );
    }

    // Somebody who says nothing keeps the others waiting for a moment only.
    let silent = UnixStream::connect(launched.socket()).expect("the socket is there");
    assert_eq!(launched.ask(b"start gotham\n"), "refused: gotham is running\n");
    let answer = BufReader::new(silent).lines().next().expect("an answer").expect("a line");
    assert_eq!(answer, "refused: no line came within 1 s");
    // And somebody who leaves before the answer does no harm.
    UnixStream::connect(launched.socket())
        .expect("the socket is there")
        .write_all(b"start gotham\n")
        .expect("it listens");
    assert_eq!(launched.ask(b"start gotham\n"), "refused: gotham is running\n");
    assert_eq!(launched.processes(), before);
}

#[test]
fn a_city_that_was_brought_back_by_hand_is_left_to_whoever_did_it() {
    let mut launched = Launched::start();
    launched.kill9("gotham");
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    launched.cluster.restart("gotham");
    let by_hand = launched.processes();
    let taken = format!("another process has its port, {}", launched.cluster.address("gotham"));
    assert_eq!(launched.ask(b"start gotham\n"), format!("refused: {taken}\n"));
    launched.wait_log("the refusal is told", |log| {
        log.contains(&format!("\ngotham is not started again: {taken}\n"))
    });
    assert_eq!(launched.processes(), by_hand);
    launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").problem(409, "alive");

    // It ends in its own terminal, and can be a child again.
    launched.cluster.kill9("gotham");
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").expect(202);
    launched.cluster.wait_converged();
}

#[test]
fn a_port_that_is_taken_is_named_and_the_others_run() {
    let address = own_address();
    let launched = {
        let _taken = TcpListener::bind((address, 4901)).expect("an address of our own");
        let launched = Launched::start_at(address);
        let line = format!(
            "gotham has ended (exit status: 1): another process has its port, {address}:4901\n"
        );
        launched.wait_log("who has the port", |log| log.contains(&line));
        launched
    };
    launched.cluster.wait_ready(&["metropolis", "capitol", "dispatch"]);
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").expect(202);
    launched.cluster.wait_converged();
}

#[test]
fn the_launcher_stays_while_anybody_runs_and_ends_with_the_last() {
    let mut launched = Launched::start();
    for city in CITIES {
        launched.kill9(city);
    }
    launched.wait_log("who can bring it back", |log| {
        log.contains("the page can rebuild it, and so can make capitol in another terminal\n")
    });
    for city in CITIES {
        launched.cluster.wait_status(city, "down", HANG_TIMEOUT);
        let _ = rebuild(&launched.cluster, city).expect(202);
    }
    launched.cluster.wait_converged();

    launched.kill9("dispatch");
    launched.wait_log("how the page comes back", |log| {
        log.contains(
            "; the page is gone with it; in another terminal, make dispatch brings it back\n",
        )
    });
    launched.kill9("gotham");
    launched.wait_log("that only a person can help", |log| {
        log.contains("; make gotham in another terminal brings it back\n")
    });
    launched.kill9("metropolis");
    assert!(!launched.launcher.has_ended());
    launched.kill9("capitol");
    assert_eq!(launched.launcher.exit_code(STOPS), Some(1));
    assert!(launched.launcher.log().ends_with("; nobody is left\n"), "{}", launched.launcher.log());
    assert!(launched.leftovers().is_empty(), "{:?}", launched.leftovers());
}

#[test]
fn without_a_launcher_the_answer_says_how_to_start_it_by_hand() {
    for (terminal, how) in [
        ("xterm", "run in a terminal: make capitol"),
        ("vscode", "run its task Capitol City again (or: make capitol)"),
    ] {
        let environment = vec![("TERM_PROGRAM", terminal.to_owned())];
        let mut cluster = Cluster::start(Options { environment, ..Options::default() });
        let _ = rebuild(&cluster, "capitol").problem(409, "alive");
        cluster.kill9("capitol");
        cluster.wait_status("capitol", "down", HANG_TIMEOUT);
        let detail = rebuild(&cluster, "capitol").problem(409, "not_ours");
        assert!(detail.ends_with(how), "{terminal}: {detail}");
        let page = cluster.api.get("/").expect(200).body;
        assert!(page.contains(&format!("To start it again, {how}.")), "{terminal}: {page}");
        assert!(!page.contains("Rebuild") && !page.contains("Bomb Capitol"), "{page}");

        cluster.restart("capitol");
        cluster.wait_converged();
    }
}

#[test]
fn a_launcher_that_does_not_do_its_part_is_told_of_in_time() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("launcher");
    let environment = vec![("SUPERHERO_LAUNCHER", path.display().to_string())];
    let mut cluster = Cluster::start(Options { environment, ..Options::default() });
    cluster.kill9("gotham");
    cluster.wait_status("gotham", "down", HANG_TIMEOUT);

    let detail = rebuild(&cluster, "gotham").problem(409, "not_ours");
    assert!(detail.contains("cannot be reached") && detail.ends_with("make gotham"), "{detail}");

    let listener = UnixListener::bind(&path).expect("a directory of our own");
    for (said, code) in [
        (Some(&b""[..]), "outcome_unknown"),
        (Some(b"\xff\xfe\n"), "outcome_unknown"),
        (Some(b"started capitol\n"), "outcome_unknown"),
        (Some(b"refused: <b>no</b>\n"), "not_ours"),
        // Nothing, and the line stays open.
        (None, "outcome_unknown"),
    ] {
        let listener = listener.try_clone().expect("a socket can be had twice");
        let answer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("dispatch asks");
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).expect("a line");
            if let Some(said) = said {
                stream.write_all(said).expect("dispatch reads");
            }
            (asked, said.is_none().then_some(stream))
        });
        let watch = Stopwatch::start();
        let reply = rebuild(&cluster, "gotham");
        let detail = reply.problem(if code == "not_ours" { 409 } else { 503 }, code);
        assert!(watch.elapsed() < Duration::from_secs(3), "{:?}: {detail}", watch.elapsed());
        assert!(detail.contains("gotham"), "{detail}");
        let (asked, _stream) = answer.join().expect("it was asked");
        assert_eq!(asked, "start gotham\n");
    }

    // An answer without end is read as far as an answer may go.
    let endless = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("dispatch asks");
        let written = (0..10_000).take_while(|_| stream.write_all(&[b'x'; 1_000]).is_ok()).count();
        assert!(written < 10_000, "dispatch reads on and on");
    });
    let _ = rebuild(&cluster, "gotham").problem(503, "outcome_unknown");
    endless.join().expect("dispatch went away");
}

#[test]
fn a_host_that_is_none_is_refused_before_anything_is_started() {
    for (arguments, environment) in
        [(&["--host=nowhere"][..], &[][..]), (&[], &[("SUPERHERO_HOST", "nowhere")])]
    {
        let ended = run("superhero-cluster", arguments, environment, HANG_TIMEOUT);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--host") && ended.stdout.is_empty(), "{ended:?}");
    }
}
