//! What dispatch says of the cluster, beside what is found at the nodes' own addresses.

use std::time::Duration;

use api_types::{Cluster, NODES, Node};
use scenario::span;
use superhero::{Api, Error};

use super::configuration::Known;
use super::finding::Finding;
use super::port::{self, Found};

/// How far clocks may be apart where nobody says otherwise.
const DRIFT: Duration = Duration::from_secs(2);
/// Cities that have not agreed for longer than this, with nothing in the way, do not come to agree.
const DISAGREEMENT: Duration = Duration::from_secs(30);
/// How many of the last alarms are told.
const ALARMS_MAX: usize = 3;

/// Looks at dispatch, and by it at all others.
pub(super) fn examine(api: &Api, known: &Known, findings: &mut Vec<Finding>) {
    let dispatch = port::look(&api.address());
    match api.cluster() {
        Ok(cluster) => {
            findings.push(Finding::ok("dispatch", format!("answers at {}", api.url())));
            findings.push(version(cluster.value.version.as_deref()));
            findings.extend(
                cluster
                    .value
                    .nodes
                    .iter()
                    .map(|node| reach(node, address(api, known, &node.name).as_deref())),
            );
            findings.extend(clocks(&cluster.value, known));
            findings.extend(crashes(&cluster.value));
            // Dispatch may stop at any time, even between two questions.
            if let Err(error) = state(api, findings) {
                findings.push(Finding::fail("dispatch", error.to_string(), "look at its log"));
            }
        }
        Err(error) => {
            findings.push(silence(api, &dispatch, &error));
            for node in NODES.into_iter().filter(|node| *node != "dispatch") {
                findings.extend(address(api, known, node).map(|address| alone(node, &address)));
            }
        }
    }
}

/// Where a node is: as configured, or at its well-known port where dispatch is at its own, on this
/// machine.
fn address(api: &Api, known: &Known, node: &str) -> Option<String> {
    if node == "dispatch" {
        return Some(api.address());
    }
    if let Some(address) = known.address(node) {
        return Some(address.to_owned());
    }
    let host = api
        .authority()
        .strip_suffix(":4900")
        .filter(|host| *host == "localhost" || host.starts_with("127.") || *host == "[::1]")?;
    let port = match node {
        "gotham" => 4901,
        "metropolis" => 4902,
        "capitol" => 4903,
        _ => return None,
    };
    Some(format!("{host}:{port}"))
}

/// Why dispatch does not answer.
fn silence(api: &Api, found: &Found, error: &Error) -> Finding {
    let url = api.url();
    let (what, remedy) = match found {
        Found::Refused => {
            (format!("nobody listens at {url}"), "start dispatch (make run starts all four), or say where it is by --url".into())
        }
        Found::Silent => (
            format!("somebody is at {url} and answers nothing"),
            "if it is dispatch, look at its log and at the load of its machine; a firewall can look like this too".into(),
        ),
        Found::Tls => (format!("what listens at {url} speaks TLS, and was asked in plain HTTP"), "say https:// in --url".into()),
        Found::Stranger(_) => (
            format!("what listens at {url} is not dispatch"),
            format!("say where dispatch is by --url, or stop what has its port: {}", who_has(api.authority())),
        ),
        Found::NoWay(why) => (format!("there is no way to {url}: {why}"), "mend --url, or the network".into()),
        Found::Node { .. } => (format!("{error}"), format!("if {url} is a city, say where dispatch is by --url; else look at its log")),
    };
    Finding::fail("dispatch", what, remedy)
}

fn who_has(address: &str) -> String {
    let port = address.rsplit_once(':').map_or("80", |(_, port)| port);
    format!("ss -ltnp 'sport = :{port}' says who that is")
}

fn version(theirs: Option<&str>) -> Finding {
    const OURS: &str = env!("CARGO_PKG_VERSION");
    match theirs {
        Some(OURS) => Finding::ok("version", format!("{OURS}, like this program's")),
        Some(theirs) => Finding::warn(
            "version",
            format!("dispatch is {theirs}, this program is {OURS}"),
            "use those of one version together",
        ),
        None => Finding::warn(
            "version",
            format!("dispatch does not say; this program is {OURS}"),
            "use those of one version together",
        ),
    }
}

/// A node, as dispatch sees it and as it answers itself.
fn reach(node: &Node, address: Option<&str>) -> Finding {
    let name = &node.name;
    let found = address.map(port::look);
    let at = address.unwrap_or_default();
    if let (Some(Found::Stranger(said)), false) = (&found, node.status == "up") {
        return Finding::fail(
            name,
            format!("something that is no node has its port, {at}, and says {said:?}"),
            format!("stop that: {}", who_has(at)),
        );
    }
    let start = format!("superhero rebuild {name}, or make {name}");
    match (node.status.as_str(), found) {
        (_, _) if node.frozen => Finding::warn(
            name,
            "frozen: it takes no part until it is healed",
            "superhero faults, superhero heal",
        ),
        ("up", Some(Found::Node { ready: false })) => Finding::warn(
            name,
            "up, and has not joined yet",
            "wait a few seconds; if that does not help, see whether it can reach its peers",
        ),
        ("up", Some(Found::Node { ready: true })) => {
            Finding::ok(name, format!("up and joined, {} heroes", node.heroes))
        }
        ("up", _) => Finding::ok(name, format!("up, {} heroes", node.heroes)),
        ("unreachable", Some(Found::Node { .. } | Found::Tls)) => Finding::fail(
            name,
            format!("runs at {at}, and has no link with dispatch"),
            "see who refused whom in both logs: another version, another cookie, other certificates, or a clock far off",
        ),
        ("unreachable", Some(Found::Silent)) => Finding::fail(
            name,
            format!("is at {at} and answers nothing"),
            "it may be stopped (SIGCONT lets it go on), or its machine is out of reach",
        ),
        ("unreachable", _) => Finding::fail(
            name,
            "unreachable for dispatch",
            "look at its machine, and at the network between the two",
        ),
        ("down", Some(Found::Node { .. } | Found::Tls)) => Finding::fail(
            name,
            format!("runs at {at}, but dispatch is refused where it dials"),
            "compare dispatch's --peer with the city's --listen",
        ),
        (_, _) => Finding::fail(name, "down: its process does not run", start),
    }
}

/// A node of which dispatch can say nothing.
fn alone(node: &str, address: &str) -> Finding {
    match port::look(address) {
        Found::Node { ready: true } => {
            Finding::ok(node, format!("runs at {address}, and has joined"))
        }
        Found::Node { ready: false } => {
            Finding::warn(node, format!("runs at {address}, and has not joined"), "start dispatch")
        }
        Found::Tls => Finding::ok(node, format!("something at {address} speaks TLS")),
        Found::Stranger(said) => Finding::fail(
            node,
            format!("something that is no node has its port, {address}, and says {said:?}"),
            format!("stop that: {}", who_has(address)),
        ),
        Found::Refused => Finding::fail(
            node,
            format!("nobody listens at {address}"),
            format!("make {node}, or make run"),
        ),
        Found::Silent => Finding::fail(
            node,
            format!("somebody is at {address} and answers nothing"),
            "look at its log",
        ),
        Found::NoWay(why) => Finding::fail(
            node,
            format!("there is no way to {address}: {why}"),
            "look at the network",
        ),
    }
}

/// Clocks that are further apart than is accepted, or soon will be.
fn clocks(cluster: &Cluster, known: &Known) -> Vec<Finding> {
    let drift = known
        .text("dispatch", "max-drift")
        .and_then(|text| span::duration(text).ok())
        .unwrap_or(DRIFT);
    let limit = span::written(drift);
    let remedy = "set that machine's clock by NTP";
    let mut findings = Vec::new();
    for node in &cluster.nodes {
        let Some(ahead_ms) = node.clock_ahead_ms else { continue };
        let off = Duration::from_millis(ahead_ms.unsigned_abs());
        let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
        let found = format!(
            "{}'s clock is {} {way} dispatch's; {limit} are accepted",
            node.name,
            span::written(off)
        );
        if off > drift {
            findings.push(Finding::fail(
                "clocks",
                found,
                format!("{remedy}; no writes pass between the two until then"),
            ));
        } else if off > drift / 2 {
            findings.push(Finding::warn("clocks", found, remedy));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("clocks", format!("none is more than half of {limit} off")));
    }
    findings
}

fn crashes(cluster: &Cluster) -> Vec<Finding> {
    let crashed = cluster.nodes.iter().filter(|node| node.crashes > 0);
    let mut findings: Vec<Finding> = crashed
        .map(|node| {
            Finding::warn(
                "crashes",
                format!("{} of {} since its process began", node.crashes, node.name),
                "its log says why, if it was no bomb",
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok("crashes", "none"));
    }
    findings
}

/// Trouble that was caused, and what the cluster makes of it.
fn state(api: &Api, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let faults = api.faults()?.value.faults;
    let gossip = api.gossip()?.value;
    let verdict = api.verdict()?.value;
    let in_the_way = !faults.is_empty() || gossip.paused;
    for fault in &faults {
        let ends = fault
            .to
            .as_ref()
            .map_or_else(|| fault.from.clone(), |to| format!("{} {to}", fault.from));
        let heals = span::written(Duration::from_millis(fault.heals_in_ms));
        let remedy = format!("superhero heal {}, if nobody needs it any more", fault.id);
        findings.push(Finding::warn(
            "faults",
            format!("{} {ends} is in force, heals in {heals}", fault.kind),
            remedy,
        ));
    }
    if faults.is_empty() {
        findings.push(Finding::ok("faults", "none in force"));
    }
    findings.push(match (gossip.paused, gossip.percent) {
        (true, _) => Finding::warn("gossip", "paused: no news spreads", "superhero resume"),
        (false, 100) => Finding::ok("gossip", "goes on"),
        (false, percent) => Finding::warn(
            "gossip",
            format!("goes on at {percent} % of its configured rate"),
            "superhero speed 100",
        ),
    });
    let since = verdict.oldest_difference_ms.map(Duration::from_millis).unwrap_or_default();
    findings.push(if verdict.converged {
        Finding::ok("agreement", verdict.sentence)
    } else if since > DISAGREEMENT && !in_the_way {
        let found =
            format!("{} ({} for {})", verdict.sentence, verdict.differences, span::written(since));
        Finding::fail(
            "agreement",
            found,
            "see above for who is not reached; the logs of the others say whose rounds they refuse",
        )
    } else {
        Finding::warn(
            "agreement",
            verdict.sentence,
            format!("superhero verdict --wait-converged {}", span::written(DISAGREEMENT)),
        )
    });
    findings.push(match verdict.lost_writes {
        0 => Finding::ok("lost writes", "none"),
        lost => Finding::warn(
            "lost writes",
            format!("{lost} since dispatch began"),
            format!("{}/api/v1/lost lists them", api.url()),
        ),
    });
    let events = api.events(0)?.value.events;
    let alarms: Vec<_> =
        events.iter().rev().filter(|event| event.kind == "alarm").take(ALARMS_MAX).collect();
    findings.extend(
        alarms.into_iter().rev().map(|alarm| {
            Finding::warn("alarms", &alarm.text, "superhero events tells when that was")
        }),
    );
    Ok(())
}
