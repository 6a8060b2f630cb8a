//! The launcher: starts the four nodes, prefixes their output, restarts a city on request, and
//! leaves nothing behind.

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
    Api, CITIES, Cluster, HANG_TIMEOUT, Heroes, Launched, NODES, Options, Process, Signal,
    Stopwatch, command, ensure, own_address, processes_at, run, wait_until,
};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;

/// The limit for stopping all nodes if each reacts to the signal.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

#[track_caller]
fn rebuild(cluster: &Cluster, city: &str) -> cluster_tests::Reply {
    cluster.api.post(&format!("/api/v1/cities/{city}/rebuild"), &json!({}))
}

/// Returns the arguments and the environment of a running process.
fn started_with(launched: &Launched, node: &str) -> (Vec<u8>, Vec<String>) {
    let id = launched.processes()[node];
    let environment = fs::read(format!("/proc/{id}/environ")).expect("the process runs");
    let mut variables: Vec<String> = environment
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    variables.sort();
    (fs::read(format!("/proc/{id}/cmdline")).expect("the process runs"), variables)
}

#[test]
fn nodes_start_converge_and_log_with_their_prefix() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(20));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(
        launched.processes().into_keys().collect::<Vec<_>>(),
        ["capitol", "dispatch", "gotham", "metropolis"]
    );

    let log = launched.launcher.log();
    let page =
        format!("Page: http://{}   (Ctrl-C stops all nodes)", launched.cluster.address("dispatch"));
    for line in log.lines().filter(|line| **line != page) {
        assert!(
            NODES.iter().any(|node| line.starts_with(&format!("{node:<10} | "))),
            "{line:?} in\n{log}"
        );
    }
    assert_eq!(log.lines().filter(|line| **line == page).count(), 1, "{log}");
    for node in NODES {
        assert!(log.contains(&format!("{node:<10} | ")), "no line of {node} in\n{log}");
    }
}

#[test]
fn socket_is_known_to_dispatch_and_accessible_to_its_user_only() {
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
fn killed_city_stays_down_until_rebuilt_and_recovers() {
    let launched = Launched::start();
    let mut heroes = Heroes::default();
    heroes.created(launched.cluster.api.create(50));
    launched.cluster.wait_until_held(&heroes, &CITIES);
    let before = started_with(&launched, "capitol");

    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    // Takes longer than the launcher needs to start all four.
    heroes.created(launched.cluster.api.create(5));
    launched.cluster.wait_until_held(&heroes, &["gotham", "metropolis"]);
    assert!(
        !launched.processes().contains_key("capitol"),
        "the launcher must not restart a killed node on its own"
    );

    assert_eq!(
        rebuild(&launched.cluster, "capitol").expect(202).json(),
        json!({ "city": "capitol" })
    );
    launched.cluster.wait_until_held(&heroes, &CITIES);
    assert_eq!(
        started_with(&launched, "capitol"),
        before,
        "the arguments and environment must be as before"
    );
    launched.wait_log("the restarted city's lines have its prefix", |log| {
        log.split_once("\ncapitol restarted\n")
            .is_some_and(|(_, later)| later.contains("capitol    | "))
    });

    // Once more: a rebuilt city is a child like the first.
    launched.kill9("capitol");
    launched.cluster.wait_status("capitol", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "capitol").expect(202);
    launched.cluster.wait_until_held(&heroes, &CITIES);
}

#[test]
fn stopped_or_frozen_process_is_killed_by_its_launcher() {
    let launched = Launched::start();
    launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    for is_frozen in [false, true] {
        if is_frozen {
            launched
                .cluster
                .api
                .inject(&json!({ "kind": "freeze", "from": "gotham", "heal_after_s": 300 }));
        } else {
            launched.signal("gotham", Signal::SIGSTOP);
        }
        let killed = launched.cluster.api.post("/api/v1/cities/gotham/kill", &json!({}));
        assert_eq!(killed.expect(202).json(), json!({ "city": "gotham" }));
        assert!(!launched.processes().contains_key("gotham"), "the process has ended");
        let events = launched.cluster.api.events(0);
        assert!(events.iter().any(|event| event.kind == "killed"), "{events:?}");
        launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
        let _ = launched
            .cluster
            .api
            .post("/api/v1/cities/gotham/kill", &json!({}))
            .problem(503, "no_answer");
        let _ = rebuild(&launched.cluster, "gotham").expect(202);
        launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    }
}

#[test]
fn running_city_is_not_rebuilt() {
    let launched = Launched::start();
    let before = launched.processes();
    for city in CITIES {
        launched.cluster.wait_status(city, "up", HANG_TIMEOUT);
        let detail = rebuild(&launched.cluster, city).problem(409, "alive");
        assert!(detail.contains(city), "{detail}");
    }
    let _ = rebuild(&launched.cluster, "riverdale").problem(404, "unknown_city");
    let _ = rebuild(&launched.cluster, "dispatch").problem(404, "unknown_city");

    // An unreachable city may still be running, which its launcher can tell.
    launched.signal("gotham", Signal::SIGSTOP);
    launched.cluster.wait_status("gotham", "unreachable", HANG_TIMEOUT);
    let detail = rebuild(&launched.cluster, "gotham").problem(409, "alive");
    assert!(detail.contains("running") && detail.contains("does not answer"), "{detail}");
    launched.signal("gotham", Signal::SIGCONT);
    launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    assert_eq!(launched.processes(), before);
}

#[test]
fn stop_signals_end_all_nodes_and_remove_the_socket() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut launched = Launched::start();
        // A rebuilt city is stopped like the others.
        launched.kill9("metropolis");
        launched.cluster.wait_status("metropolis", "down", HANG_TIMEOUT);
        let _ = rebuild(&launched.cluster, "metropolis").expect(202);
        launched.cluster.wait_ready(&["metropolis"]);
        assert_eq!((launched.processes().len(), launched.leftovers().len()), (4, 1));

        launched.launcher.signal(signal);
        assert_eq!(
            launched.launcher.exit_code(STOP_TIMEOUT),
            Some(0),
            "{signal}: {}",
            launched.launcher.log()
        );
        assert!(launched.processes().is_empty(), "{signal}: {:?}", launched.processes());
        assert!(launched.leftovers().is_empty(), "{signal}: {:?}", launched.leftovers());
        assert!(
            launched.launcher.log().ends_with("\nAll nodes have stopped.\n"),
            "{signal}: {}",
            launched.launcher.log()
        );
    }
}

#[test]
fn node_that_does_not_stop_is_killed() {
    let mut launched = Launched::start();
    launched.signal("capitol", Signal::SIGSTOP);
    launched.launcher.signal(Signal::SIGINT);
    assert_eq!(launched.launcher.exit_code(HANG_TIMEOUT), Some(1));
    assert!(launched.processes().is_empty(), "{:?}", launched.processes());
    assert!(launched.leftovers().is_empty(), "{:?}", launched.leftovers());
    let log = launched.launcher.log();
    assert!(log.ends_with("error: killed after not stopping within 3 s: capitol\n"), "{log}");
}

/// A launcher with its cluster, killed when dropped.
struct KillOnDrop(Child, Ipv4Addr);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Errors are ignored: the processes may have exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
        for id in processes_at(self.1).into_values() {
            let _ = kill(id, Signal::SIGKILL);
        }
    }
}

impl KillOnDrop {
    /// Starts a launcher with pipes for its output.
    fn start(address: Ipv4Addr, temporary: &Path) -> Self {
        let mut command = command("superhero-cluster");
        command.arg(format!("--host={address}")).env("TMPDIR", temporary);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("it can be started"), address)
    }

    /// Sends a signal, waits for the exit, and asserts that no process or file is left. Returns the
    /// exit code.
    #[track_caller]
    fn signal_and_wait(
        &mut self,
        signal: Signal,
        limit: Duration,
        temporary: &Path,
    ) -> Option<i32> {
        let id = Pid::from_raw(i32::try_from(self.0.id()).expect("process ids fit"));
        kill(id, signal).expect("a child process can be signalled");
        let status = wait_until("the launcher exits", limit, || {
            self.0
                .try_wait()
                .map_err(|error| error.to_string())?
                .ok_or_else(|| "the launcher is running".to_owned())
        });
        assert!(processes_at(self.1).is_empty(), "{:?}", processes_at(self.1));
        assert_eq!(fs::read_dir(temporary).expect("a temporary directory").count(), 0);
        status.code()
    }
}

#[test]
fn closed_terminal_leaves_no_process_behind() {
    let (address, temporary) =
        (own_address(), tempfile::tempdir().expect("a temporary directory can be created"));
    let mut launcher = KillOnDrop::start(address, temporary.path());
    drop(launcher.0.stderr.take());
    let mut lines = BufReader::new(launcher.0.stdout.take().expect("a pipe")).lines();
    // All four run and continue to log; from here on the pipe has no reader.
    let mut pending: BTreeSet<String> = NODES.map(|node| format!("{node} listens on")).into();
    while !pending.is_empty() {
        let line = lines.next().expect("the output continues").expect("a line of text");
        pending.retain(|text| !line.contains(text));
    }
    drop(lines);
    assert_eq!(launcher.signal_and_wait(Signal::SIGHUP, STOP_TIMEOUT, temporary.path()), Some(0));
}

#[test]
fn blocked_terminal_blocks_no_node_and_no_stop() {
    let (address, temporary) =
        (own_address(), tempfile::tempdir().expect("a temporary directory can be created"));
    let mut launcher = KillOnDrop::start(address, temporary.path());
    // The pipe stays open without a reader, as after Ctrl-S in a terminal.
    let api = Api::new((address, 4900).into());
    let create = || {
        api.try_request("POST", "/api/v1/heroes", &[("content-type", "application/json")], b"{}")
            .map(|reply| reply.status)
    };
    wait_until("dispatch creates heroes", HANG_TIMEOUT, || {
        let outcome = create();
        ensure(outcome == Ok(201), || format!("{outcome:?}"))
    });
    // More lines than fit into the pipes of dispatch and of the launcher.
    for number in 0..3_000 {
        assert_eq!(create(), Ok(201), "hero {number}");
    }
    assert_eq!(launcher.signal_and_wait(Signal::SIGTERM, STOP_TIMEOUT, temporary.path()), Some(0));
    let mut text = String::new();
    launcher.0.stderr.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
}

#[test]
fn killed_launcher_leaves_no_node_and_starts_again() {
    let address = own_address();
    let mut launched = Launched::start_at(address);
    launched.cluster.wait_ready(&NODES);
    launched.launcher.signal(Signal::SIGKILL);
    wait_until("all nodes have stopped", HANG_TIMEOUT, || {
        let left = processes_at(address);
        ensure(left.is_empty(), || format!("{left:?}"))
    });
    let again = Launched::start_at(address);
    again.cluster.wait_ready(&NODES);
    assert_eq!(again.processes().len(), 4);
}

#[test]
fn invalid_requests_are_refused_without_effect() {
    let launched = Launched::start();
    let before = launched.processes();
    for (request, response) in [
        (&b"start gotham\n"[..], "refused: gotham is running\n"),
        (b"start dispatch\n", "refused: dispatch is running\n"),
        (b"start riverdale\n", "refused: there is no node \"riverdale\"\n"),
        (b"start ../gotham\n", "refused: there is no node \"../gotham\"\n"),
        (b"stop gotham\n", "refused: expected start NAME, kill NAME or found NAME\n"),
        (b"\xff\xfe\n", "refused: expected start NAME, kill NAME or found NAME\n"),
        (b"start gotham", "refused: expected a line of at most 64 bytes\n"),
        (b"", "refused: expected a line of at most 64 bytes\n"),
        (&[b'x'; 1_000], "refused: expected a line of at most 64 bytes\n"),
        (b"start capitol\nstart capitol\n", "refused: capitol is running\n"),
    ] {
        assert_eq!(
            launched.send_request(request),
            response,
            "{:?}",
            String::from_utf8_lossy(&request[..request.len().min(80)])
        );
    }

    // A silent connection delays others only briefly.
    let pending = UnixStream::connect(launched.socket()).expect("the socket exists");
    assert_eq!(launched.send_request(b"start gotham\n"), "refused: gotham is running\n");
    let response = BufReader::new(pending).lines().next().expect("a response").expect("a line");
    assert_eq!(response, "refused: no line received within 1 s");
    // A connection that is closed before the response does no harm.
    UnixStream::connect(launched.socket())
        .expect("the socket exists")
        .write_all(b"start gotham\n")
        .expect("the launcher listens");
    assert_eq!(launched.send_request(b"start gotham\n"), "refused: gotham is running\n");
    assert_eq!(launched.processes(), before);
}

#[test]
fn manually_started_city_is_left_alone() {
    let mut launched = Launched::start();
    launched.kill9("gotham");
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    launched.cluster.restart("gotham");
    let by_hand = launched.processes();
    let refusal = format!(
        "process {0} (gotham) listens on its port, {1}: kill {0} stops it",
        by_hand["gotham"],
        launched.cluster.address("gotham")
    );
    assert_eq!(launched.send_request(b"start gotham\n"), format!("refused: {refusal}\n"));
    launched.wait_log("the refusal is logged", |log| {
        log.contains(&format!("\ngotham not restarted: {refusal}\n"))
    });
    assert_eq!(launched.processes(), by_hand);
    launched.cluster.wait_status("gotham", "up", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").problem(409, "alive");

    // After it has stopped, the launcher can start it as a child again.
    launched.cluster.kill9("gotham");
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").expect(202);
    launched.cluster.wait_converged();
}

#[test]
fn occupied_port_is_reported_and_the_others_run() {
    let address = own_address();
    let launched = {
        let _listener = TcpListener::bind((address, 4901)).expect("a free address");
        let launched = Launched::start_at(address);
        let line = format!(
            ") listens on its port, {address}:4901: kill {} stops it\n",
            std::process::id()
        );
        launched.wait_log("the launcher reports the occupied port", |log| {
            log.contains("gotham exited (exit status: 1): process ") && log.contains(&line)
        });
        launched
    };
    launched.cluster.wait_ready(&["metropolis", "capitol", "dispatch"]);
    launched.cluster.wait_status("gotham", "down", HANG_TIMEOUT);
    let _ = rebuild(&launched.cluster, "gotham").expect(202);
    launched.cluster.wait_converged();
}

#[test]
fn occupied_port_of_dispatch_is_named_and_nothing_is_started() {
    let address = own_address();
    let _listener = TcpListener::bind((address, 4900)).expect("a free address");
    let host = format!("--host={address}");
    let finished = run("superhero-cluster", &[&host], &[], HANG_TIMEOUT);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    let (id, port) = (std::process::id(), "listens on its port, ");
    assert!(
        finished.stderr.starts_with(&format!("error: dispatch is not started: process {id} ("))
            && finished.stderr.contains(&format!("{port}{address}:4900: kill {id} stops it"))
            && finished.stderr.contains("--port"),
        "{finished:?}"
    );
    assert!(processes_at(address).is_empty(), "{:?}", processes_at(address));
}

#[test]
fn second_cluster_runs_at_another_port() {
    let first = Launched::start();
    let address = first.cluster.address("dispatch").ip();
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let arguments = [format!("--host={address}"), "--port=5900".to_owned()];
    let mut second =
        Process::start("superhero-cluster", &arguments, &[], directory.path().join("launcher.log"));
    let page = format!("\nPage: http://{address}:5900   (Ctrl-C stops all nodes)\n");
    wait_until("the page's address is printed", HANG_TIMEOUT, || {
        ensure(second.log().contains(&page), || second.log())
    });
    let api = Api::new((address, 5900).into());
    wait_until("the second cluster has converged", HANG_TIMEOUT, || {
        let reply = api.get("/api/v1/verdict");
        ensure(reply.status == 200 && reply.json()["converged"] == true, || reply.body.clone())
    });
    let addresses = |api: &Api| {
        let nodes = api.get("/api/v1/cluster").json()["nodes"].clone();
        let nodes = nodes.as_array().expect("a list").iter().map(|node| node["address"].clone());
        nodes.collect::<Vec<_>>()
    };
    assert_eq!(
        addresses(&api),
        [5901, 5902, 5903]
            .map(|port| json!(format!("{address}:{port}")))
            .into_iter()
            .chain([json!(null)])
            .collect::<Vec<_>>()
    );
    assert_eq!(addresses(&first.cluster.api)[0], json!(format!("{address}:4901")));
    second.signal(Signal::SIGTERM);
    assert_eq!(second.exit_code(STOP_TIMEOUT), Some(0), "{}", second.log());
}

#[test]
fn launcher_exits_with_the_last_node() {
    let mut launched = Launched::start();
    // `make gotham` has the default address, which is not that of this cluster.
    let addresses = NODES.map(|node| (node, launched.cluster.address(node)));
    let by_hand = |node: &str| {
        let (_, address) = addresses.iter().find(|(name, _)| *name == node).expect("a node");
        format!("--listen={address} --peer=")
    };
    for city in CITIES {
        launched.kill9(city);
    }
    launched.wait_log("the launcher reports how to restart the city", |log| {
        log.contains("rebuild it on the page, or with ") && log.contains(&by_hand("capitol"))
    });
    for city in CITIES {
        launched.cluster.wait_status(city, "down", HANG_TIMEOUT);
        let _ = rebuild(&launched.cluster, city).expect(202);
    }
    launched.cluster.wait_converged();

    launched.kill9("dispatch");
    launched.wait_log("the launcher reports how to restart dispatch", |log| {
        log.contains("; its page is down; restart it with ") && log.contains(&by_hand("dispatch"))
    });
    launched.kill9("gotham");
    launched.wait_log("the launcher reports the manual command", |log| {
        log.contains("; restart it with ") && log.contains(&by_hand("gotham"))
    });
    launched.kill9("metropolis");
    assert!(!launched.launcher.has_ended());
    launched.kill9("capitol");
    assert_eq!(launched.launcher.exit_code(STOP_TIMEOUT), Some(1));
    assert!(
        launched.launcher.log().ends_with("; no node is running\n"),
        "{}",
        launched.launcher.log()
    );
    assert!(launched.leftovers().is_empty(), "{:?}", launched.leftovers());
}

#[test]
fn rebuild_without_launcher_returns_the_manual_command() {
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
fn faulty_launcher_is_reported_in_time() {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let path = directory.path().join("launcher");
    let environment = vec![("SUPERHERO_LAUNCHER", path.display().to_string())];
    let mut cluster = Cluster::start(Options { environment, ..Options::default() });
    cluster.kill9("gotham");
    cluster.wait_status("gotham", "down", HANG_TIMEOUT);

    let detail = rebuild(&cluster, "gotham").problem(409, "not_ours");
    assert!(detail.contains("is unreachable") && detail.ends_with("make gotham"), "{detail}");

    let listener = UnixListener::bind(&path).expect("a temporary directory");
    for (text, code) in [
        (Some(&b""[..]), "outcome_unknown"),
        (Some(b"\xff\xfe\n"), "outcome_unknown"),
        (Some(b"started capitol\n"), "outcome_unknown"),
        (Some(b"refused: <b>no</b>\n"), "not_ours"),
        // No response, and the connection stays open.
        (None, "outcome_unknown"),
    ] {
        let listener = listener.try_clone().expect("a socket handle can be cloned");
        let response = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("dispatch connects");
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).expect("a line");
            if let Some(text) = text {
                stream.write_all(text).expect("dispatch reads");
            }
            (request, text.is_none().then_some(stream))
        });
        let watch = Stopwatch::start();
        let reply = rebuild(&cluster, "gotham");
        let detail = reply.problem(if code == "not_ours" { 409 } else { 503 }, code);
        assert!(watch.elapsed() < Duration::from_secs(3), "{:?}: {detail}", watch.elapsed());
        assert!(detail.contains("gotham"), "{detail}");
        let (request, _stream) = response.join().expect("the request was received");
        assert_eq!(request, "start gotham\n");
    }

    // A response without end is read up to the limit only.
    let endless = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("dispatch connects");
        let written = (0..10_000).take_while(|_| stream.write_all(&[b'x'; 1_000]).is_ok()).count();
        assert!(written < 10_000, "dispatch must stop reading");
    });
    let _ = rebuild(&cluster, "gotham").problem(503, "outcome_unknown");
    endless.join().expect("dispatch closed the connection");
}

#[test]
fn invalid_host_is_refused_before_anything_is_started() {
    for (arguments, environment) in
        [(&["--host=nowhere"][..], &[][..]), (&[], &[("SUPERHERO_HOST", "nowhere")])]
    {
        let finished = run("superhero-cluster", arguments, environment, HANG_TIMEOUT);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("--host") && finished.stdout.is_empty(), "{finished:?}");
    }
}
