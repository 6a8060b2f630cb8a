//! A node whose output nobody reads.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};

use cluster_tests::{Api, Exposition, HANG_TIMEOUT, Link, Signal, command, ensure, wait_until};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A node whose standard output is a pipe.
struct Piped {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: SocketAddr,
    api: Api,
}

impl Piped {
    /// Starts a node, and reads its log until it listens.
    fn start(node: &str) -> Self {
        let mut child = command(node)
            .arg("--listen=127.0.0.1:0")
            .env("RUST_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).expect("a log line") > 0, "the node exited");
            if let Some((_, address)) = line.trim_end().split_once("listens on http://") {
                break address.parse::<SocketAddr>().expect("an address");
            }
        };
        Self { child, lines, address, api: Api::new(address) }
    }

    /// Opens links that are refused, each of which is logged at level debug, until lines are dropped.
    fn fill_the_log(&self) {
        wait_until("log lines are dropped", HANG_TIMEOUT, || {
            for _ in 0..200 {
                let mut link = Link::to_node(self.address);
                link.send(b"not a greeting".to_vec());
                drop(link.read_to_close());
            }
            let metrics = Exposition::parse(&self.api.get("/metrics").expect(200).body);
            let dropped = metrics.sum("superhero_log_lines_dropped_total", &[]);
            ensure(dropped > 0.0, || dropped.to_string())
        });
    }

    fn stop(&mut self) -> Option<i32> {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"));
        kill(id, Signal::SIGTERM).expect("a child process can be signalled");
        wait_until("the node stops", HANG_TIMEOUT, || {
            let status = self.child.try_wait().expect("a child process can be waited for");
            status.map(|status| status.code()).ok_or_else(|| "it is running".to_owned())
        })
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn unread_log_stops_neither_the_node_nor_its_end() {
    for name in ["gotham", "dispatch"] {
        let mut node = Piped::start(name);
        node.fill_the_log();
        assert_eq!(node.api.get("/healthz").expect(200).body, "alive\n");
        wait_until("the node joins", HANG_TIMEOUT, || {
            let reply = node.api.get("/readyz");
            ensure(reply.status == 200, || reply.body.clone())
        });
        assert_eq!(node.stop(), Some(0), "{name} must stop although its log is not read");
    }
}

#[test]
fn log_continues_when_it_is_read_again_and_says_what_is_missing() {
    let mut node = Piped::start("gotham");
    node.fill_the_log();
    // The lines end with the node if the notice is missing.
    loop {
        let mut line = String::new();
        assert!(node.lines.read_line(&mut line).expect("a log line") > 0, "no notice");
        if line.contains("log lines dropped: standard output was not read") {
            break;
        }
    }
}
