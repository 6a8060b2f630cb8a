//! Checks of the running cluster: the state that dispatch reports, compared with probes of the
//! nodes' own addresses.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use api_types::{Cluster, Event, NODES, Node};
use scenario::span;
use superhero::{Api, Error};

use super::configuration::Known;
use super::finding::Finding;
use super::port::{self, Found};
use crate::output::at;

/// The default of the nodes' option `max-drift`.
const DRIFT: Duration = Duration::from_secs(2);
/// The age of a difference from which it is a failure, unless a fault or a pause explains it.
const DISAGREEMENT: Duration = Duration::from_secs(30);
/// The number of recent alarms that are reported.
const ALARMS_MAX: usize = 3;
/// The age up to which an alarm counts as current while the nodes disagree. Dispatch repeats an
/// alarm about refused rounds every 10 s.
const ALARM_LASTS: Duration = Duration::from_secs(30);

/// Checks dispatch, and the other nodes as far as dispatch reports them.
pub(super) fn examine(api: &Api, known: &Known, findings: &mut Vec<Finding>) {
    let dispatch = port::probe(&api.address());
    match api.cluster() {
        Ok(cluster) => {
            findings.push(Finding::ok("dispatch", format!("responds at {}", api.url())));
            findings.push(version(cluster.value.version.as_deref()));
            findings.extend(
                cluster
                    .value
                    .nodes
                    .iter()
                    .map(|node| reach(node, address_of(api, known, node).as_deref())),
            );
            findings.extend(clocks(&cluster.value, known));
            findings.extend(crashes(&cluster.value));
            // Dispatch may stop between two requests. The findings so far are kept.
            if let Err(error) = state(api, known, &cluster.value, findings) {
                let remedy = "check the log of dispatch";
                findings.push(Finding::fail("dispatch", error.to_string(), remedy));
            }
        }
        Err(error) => {
            findings.push(no_dispatch(api, &dispatch, &error));
            for node in NODES.into_iter().filter(|node| *node != "dispatch") {
                let address = address(api, known, node);
                findings.extend(address.map(|address| without_dispatch(node, &address)));
            }
        }
    }
}

/// Returns the address of a node that dispatch reports: the configured one, or that at which
/// dispatch reaches it, if both are on this machine. Other machines may have other names here.
fn address_of(api: &Api, known: &Known, node: &Node) -> Option<String> {
    let is_here = |address: &String| {
        let ip = address.parse::<SocketAddr>().map(|address| address.ip());
        ip.is_ok_and(|ip| ip.is_loopback())
    };
    let api_is_here = is_here(&api.address()) || api.authority().starts_with("localhost:");
    let reported = node.address.clone().filter(|address| api_is_here && is_here(address));
    known
        .address(&node.name)
        .map(str::to_owned)
        .or(reported)
        .or_else(|| address(api, known, &node.name))
}

/// Returns the address of a node: the configured one, or the default one on this machine if
/// dispatch has its default one there, too.
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
    Some(format!("{host}:{}", default_port(node)?))
}

/// Returns the default port of a city; `None` for other nodes.
fn default_port(city: &str) -> Option<u16> {
    match city {
        "gotham" => Some(4901),
        "metropolis" => Some(4902),
        "capitol" => Some(4903),
        _ => None,
    }
}

/// Returns the finding for a dispatch that gives no usable response.
fn no_dispatch(api: &Api, found: &Found, error: &Error) -> Finding {
    let url = api.url();
    if matches!(error, Error::Untrusted { .. }) {
        let remedy = "set --ca to the CA certificate that signed the nodes' certificates (make \
                      certs writes it to my-certs/ca.pem), and use a host name of the certificate \
                      in --url";
        return Finding::fail("dispatch", error.to_string(), remedy);
    }
    let (what, remedy) = match found {
        Found::Refused => (
            format!("no process listens at {url}"),
            "start dispatch (make run starts all four nodes), or set --url".into(),
        ),
        Found::NoResponse => (
            format!("no response from {url}"),
            "check the log of dispatch and the load of its machine, and that no firewall drops the \
             connection"
                .into(),
        ),
        Found::Tls => (
            format!("{url} requires TLS, but the request was plain HTTP"),
            "use https:// in --url".into(),
        ),
        Found::Other(_) => (
            format!("the process that listens at {url} is not dispatch"),
            format!(
                "set --url to the URL of dispatch, or stop that process; {}",
                find_process(api.authority())
            ),
        ),
        Found::Unreachable(why) => {
            let remedy = "correct --url, or check the network";
            (format!("cannot connect to {url}: {why}"), remedy.into())
        }
        Found::Node { .. } => (
            error.to_string(),
            format!(
                "if {url} is a city, set --url to the URL of dispatch; otherwise check the log of \
                 dispatch"
            ),
        ),
    };
    Finding::fail("dispatch", what, remedy)
}

/// Returns the part of a remedy that identifies the process with this address.
fn find_process(address: &str) -> String {
    let port = address.rsplit_once(':').map_or("80", |(_, port)| port);
    format!("ss -ltnp 'sport = :{port}' shows it")
}

fn version(theirs: Option<&str>) -> Finding {
    const OURS: &str = env!("CARGO_PKG_VERSION");
    match theirs {
        Some(OURS) => Finding::ok("version", format!("{OURS}, same as this client")),
        Some(theirs) => Finding::warn(
            "version",
            format!("dispatch is {theirs}, but this client is {OURS}"),
            "use the same version of both",
        ),
        None => Finding::warn(
            "version",
            format!("dispatch does not report its version; this client is {OURS}"),
            "use the same version of both",
        ),
    }
}

/// Checks a node: its status at dispatch, and a probe of its own address.
fn reach(node: &Node, address: Option<&str>) -> Finding {
    let name = &node.name;
    let found = address.map(port::probe);
    let at = address.unwrap_or_default();
    // Dispatch has a link with an up node, so a foreign response at the assumed address then only
    // means that the node has another address.
    if let (Some(Found::Other(response)), false) = (&found, node.status == "up") {
        return other_process(name, at, response);
    }
    let start = start(node, address);
    match (node.status.as_str(), found) {
        // First, since a frozen node is unreachable, too.
        (_, _) if node.frozen => Finding::warn(
            name,
            "frozen by a fault",
            "run superhero faults, and superhero heal with the ID of the fault",
        ),
        ("up", Some(Found::Node { ready: false })) => Finding::warn(
            name,
            "up, but not joined yet",
            format!("wait a few seconds, then check that {name} can reach its peers"),
        ),
        ("up", Some(Found::Node { ready: true })) => {
            Finding::ok(name, format!("up and joined, {} heroes", node.heroes))
        }
        ("up", _) => Finding::ok(name, format!("up, {} heroes", node.heroes)),
        ("unreachable", Some(Found::Node { .. } | Found::Tls)) => Finding::fail(
            name,
            format!("runs at {at}, but has no link with dispatch"),
            "check both logs for a refused peer: different version or cookie, invalid certificate, \
             or a clock that is too far off",
        ),
        ("unreachable", Some(Found::NoResponse)) => Finding::fail(
            name,
            format!("does not respond at {at}"),
            "resume the process if it is stopped (SIGCONT), or check its machine",
        ),
        // Dispatch takes a moment to notice that the process has ended.
        ("unreachable", Some(Found::Refused)) => {
            Finding::fail(name, format!("no process listens at {at}"), start)
        }
        ("unreachable", _) => Finding::fail(
            name,
            "unreachable from dispatch",
            format!("check the machine of {name}, and its network connection to dispatch"),
        ),
        ("down", Some(Found::Node { .. } | Found::Tls)) => Finding::fail(
            name,
            format!("runs at {at}, but refuses connections where dispatch dials it"),
            format!("compare --peer of dispatch with --listen of {name}"),
        ),
        (_, _) => Finding::fail(name, "down: its process is not running", start),
    }
}

/// Returns the remedy for a node whose process is not running.
fn start(node: &Node, address: Option<&str>) -> String {
    let name = &node.name;
    let default = default_port(name);
    let is_default =
        |address: &str| default.is_some_and(|port| address.ends_with(&format!(":{port}")));
    // `make` starts cities at their default ports, and founded ones at any.
    let by_hand = match default {
        Some(_) if address.is_none_or(is_default) => format!("run make {name}"),
        None if node.role == "city" => format!("run make city NAME={name}"),
        Some(_) | None => "start its process".to_owned(),
    };
    // Dispatch does not report whether it has a launcher, without which it refuses to rebuild.
    format!("{by_hand}, or superhero rebuild {name} if make run started the cluster")
}

/// Returns the finding for a node whose address another program uses.
fn other_process(node: &str, address: &str, response: &str) -> Finding {
    Finding::fail(
        node,
        format!("another program uses its address {address}, and responds with {response:?}"),
        format!("stop that process; {}", find_process(address)),
    )
}

/// Checks a node by its own address only, while dispatch is unreachable.
fn without_dispatch(node: &str, address: &str) -> Finding {
    match port::probe(address) {
        Found::Node { ready: true } => {
            Finding::ok(node, format!("runs at {address} and has joined"))
        }
        Found::Node { ready: false } => {
            Finding::warn(node, format!("runs at {address}, but has not joined"), "start dispatch")
        }
        Found::Tls => Finding::ok(node, format!("a TLS server listens at {address}")),
        Found::Other(response) => other_process(node, address, &response),
        Found::Refused => Finding::fail(
            node,
            format!("no process listens at {address}"),
            format!("run make {node}, or make run for all nodes"),
        ),
        Found::NoResponse => Finding::fail(
            node,
            format!("does not respond at {address}"),
            format!("check the log of {node}"),
        ),
        Found::Unreachable(why) => {
            Finding::fail(node, format!("cannot connect to {address}: {why}"), "check the network")
        }
    }
}

/// Returns the `max-drift` of dispatch: the configured one, or the default.
fn drift_max(known: &Known) -> Duration {
    let configured = known.text("dispatch", "max-drift");
    configured.and_then(|text| span::duration(text).ok()).unwrap_or(DRIFT)
}

/// Checks that no clock is off by more than `max-drift`, or close to it.
fn clocks(cluster: &Cluster, known: &Known) -> Vec<Finding> {
    let drift = drift_max(known);
    let limit = span::written(drift);
    let remedy = "synchronize that machine's clock (NTP)";
    let mut findings = Vec::new();
    for node in &cluster.nodes {
        let Some(ahead_ms) = node.clock_ahead_ms else { continue };
        let off = Duration::from_millis(ahead_ms.unsigned_abs());
        let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
        let found = format!(
            "the clock of {} is {} {way} that of dispatch; the limit is {limit}",
            node.name,
            span::written(off)
        );
        if off > drift {
            findings.push(Finding::fail(
                "clocks",
                found,
                format!("{remedy}; until then the two do not accept each other's writes"),
            ));
        } else if off > drift / 2 {
            findings.push(Finding::warn("clocks", found, remedy));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("clocks", format!("all within half of the {limit} limit")));
    }
    findings
}

fn crashes(cluster: &Cluster) -> Vec<Finding> {
    let crashed = cluster.nodes.iter().filter(|node| node.crashes > 0);
    let mut findings: Vec<Finding> = crashed
        .map(|node| {
            Finding::warn(
                "crashes",
                format!("{} of {} since its process started", node.crashes, node.name),
                format!("check the log of {}, unless these were bombs", node.name),
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok("crashes", "none"));
    }
    findings
}

/// Checks faults, gossip, agreement, lost writes and alarms.
fn state(
    api: &Api,
    known: &Known,
    cluster: &Cluster,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let faults = api.faults()?.value.faults;
    let gossip = api.gossip()?.value;
    let verdict = api.verdict()?.value;
    let is_disturbed = !faults.is_empty() || gossip.paused;
    for fault in &faults {
        let ends = fault
            .to
            .as_ref()
            .map_or_else(|| fault.from.clone(), |to| format!("{} {to}", fault.from));
        let heals = span::written(Duration::from_millis(fault.heals_in_ms));
        let remedy = format!("run superhero heal {}, unless it is intended", fault.id);
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
        (true, _) => {
            Finding::warn("gossip", "paused: writes do not spread", "run superhero resume")
        }
        (false, 100) => Finding::ok("gossip", "running at its configured rate"),
        (false, percent) => Finding::warn(
            "gossip",
            format!("running at {percent} % of its configured rate"),
            "run superhero speed 100",
        ),
    });
    let since = verdict.oldest_difference_ms.map(Duration::from_millis).unwrap_or_default();
    let converged = verdict.converged;
    findings.push(if converged {
        Finding::ok("agreement", verdict.sentence)
    } else if since > DISAGREEMENT && !is_disturbed {
        let found = format!(
            "{} ({} differences, the oldest for {})",
            verdict.sentence,
            verdict.differences,
            span::written(since)
        );
        Finding::fail(
            "agreement",
            found,
            "check the unreachable nodes above, and the logs of the others for refused exchanges",
        )
    } else {
        Finding::warn(
            "agreement",
            verdict.sentence,
            format!("run superhero verdict --wait-converged {}", span::written(DISAGREEMENT)),
        )
    });
    findings.push(match verdict.lost_writes {
        0 => Finding::ok("lost writes", "none"),
        lost => Finding::warn(
            "lost writes",
            format!("{lost} since dispatch started"),
            "run superhero lost for a list",
        ),
    });
    let mut events = api.events(0).items()?;
    events.retain(|event| event.kind == "alarm");
    findings.extend(alarms(&events, cluster, drift_max(known), converged));
    Ok(())
}

/// Checks the alarms, oldest first. Dispatch logs when a cause begins, and not when it ends.
fn alarms(alarms: &[Event], cluster: &Cluster, drift: Duration, converged: bool) -> Vec<Finding> {
    let Some(last) = alarms.last() else { return vec![Finding::ok("alarms", "none")] };
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let is_recent = |alarm: &Event| {
        !converged && Duration::from_millis(now_ms.saturating_sub(alarm.at_ms)) < ALARM_LASTS
    };
    let current = alarms
        .iter()
        .rev()
        .filter(|alarm| is_conspicuous(&alarm.node, cluster, drift) || is_recent(alarm));
    let mut current: Vec<_> = current.take(ALARMS_MAX).collect();
    if current.is_empty() {
        let found = format!("none now; the last one was at {}: {}", at(last.at_ms), last.text);
        return vec![Finding::ok("alarms", found)];
    }
    current.reverse();
    let warning = |alarm: &Event| {
        Finding::warn("alarms", &alarm.text, "run superhero events for its time and node")
    };
    current.into_iter().map(warning).collect()
}

/// Returns whether the clock of a node is off by more than `drift`, or writes of the node or of
/// others at the node are refused.
fn is_conspicuous(name: &str, cluster: &Cluster, drift: Duration) -> bool {
    // The offsets are relative to the clock of dispatch.
    let is_off = |node: &Node| {
        (node.name == name || name == "dispatch")
            && node
                .clock_ahead_ms
                .is_some_and(|ms| Duration::from_millis(ms.unsigned_abs()) > drift)
    };
    let refuses = |node: &Node| {
        node.refuses.iter().any(|refused| refused == name)
            || (node.name == name && !node.refuses.is_empty())
    };
    cluster.nodes.iter().any(|node| is_off(node) || refuses(node))
}
