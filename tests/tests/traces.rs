//! Traces: what a real cluster sends to a collector, and that nobody has to wait for one that is
//! not there.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use cluster_tests::{
    Cluster, Collector, HANG_TIMEOUT, Link, NODES, Options, Reply, Signal, Span, Stopwatch, ensure,
    own_address, run, wait_until,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

/// How long a process may take to stop, whatever becomes of its traces: a second for links, a
/// second for spans, and some for a busy machine.
const STOPPED: Duration = Duration::from_secs(4);

fn traced(endpoint: String) -> Cluster {
    Cluster::start(Options {
        environment: vec![("SUPERHERO_OTLP_ENDPOINT", endpoint)],
        ..Options::default()
    })
}

/// Opens a page, and takes what it is shown at first.
#[track_caller]
fn page(cluster: &Cluster) -> Link {
    let mut page =
        Link::open(cluster.address("dispatch"), "/live?", &[]).expect("a place for a page");
    loop {
        let message = page.receive().expect("the page is open");
        let message: Value = serde_json::from_slice(&message).expect("a page is told JSON");
        if message["t"] == "d" {
            page.send(json!({ "t": "ack", "s": message["s"] }).to_string());
            return page;
        }
    }
}

/// The trace of which this answer speaks.
#[track_caller]
fn trace_of(reply: &Reply) -> String {
    reply
        .headers
        .get("x-trace-id")
        .cloned()
        .unwrap_or_else(|| panic!("no x-trace-id in {:?}", reply.headers))
}

/// Waits until this many spans of the trace have arrived.
#[track_caller]
fn wait_trace(collector: &Collector, trace: &str, count: usize) -> Vec<Span> {
    wait_until(&format!("{count} spans of trace {trace}"), HANG_TIMEOUT, || {
        let spans = collector.trace(trace);
        ensure(spans.len() >= count, || format!("{spans:#?}"))?;
        Ok(spans)
    })
}

/// Each span as process, name, name of its parent, and kind.
fn tree(spans: &[Span]) -> BTreeSet<(&str, &str, &str, SpanKind)> {
    let parent = |span: &Span| {
        spans.iter().find(|other| other.id == span.parent).map_or("", |parent| parent.name.as_str())
    };
    spans
        .iter()
        .map(|span| (span.service.as_str(), span.name.as_str(), parent(span), span.kind))
        .collect()
}

#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
}

/// The answer to the form of the page that assigns a hero.
#[track_caller]
fn choose(cluster: &Cluster, hero: &str, place: &str) -> Reply {
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    cluster
        .api
        .request(
            "POST",
            &format!("/heroes/{hero}"),
            &headers,
            format!("location={place}").as_bytes(),
        )
        .expect(200)
}

#[test]
fn an_assignment_is_one_trace_from_the_button_through_the_city_to_the_push() {
    let collector = Collector::start();
    let cluster = traced(collector.endpoint());
    let hero = cluster.api.create_named("Granite").id;
    cluster.wait_converged();
    let _page = page(&cluster);

    let trace = trace_of(&choose(&cluster, &hero, "gotham"));

    let spans = wait_trace(&collector, &trace, 6);
    let wanted = BTreeSet::from([
        ("dispatch", "POST /heroes/{id}", "", SpanKind::Server),
        ("dispatch", "ask assign", "POST /heroes/{id}", SpanKind::Internal),
        ("dispatch", "command assign", "ask assign", SpanKind::Client),
        ("gotham", "obey assign", "command assign", SpanKind::Server),
        ("dispatch", "observe", "ask assign", SpanKind::Internal),
        ("dispatch", "push", "observe", SpanKind::Internal),
    ]);
    assert_eq!(tree(&spans), wanted);
    assert_eq!(spans.len(), wanted.len(), "each span once: {spans:#?}");
    assert_eq!(named(&spans, "POST /heroes/{id}").parent, "", "the request begins the trace");
    assert!(spans.iter().all(|span| !span.failed && span.ended_ns >= span.began_ns), "{spans:#?}");
    assert_eq!(
        named(&spans, "POST /heroes/{id}").attribute("http.response.status_code"),
        Some("200")
    );
    let (obey, observe) = (named(&spans, "obey assign"), named(&spans, "observe"));
    assert_eq!(
        (obey.attribute("superhero.peer"), observe.attribute("superhero.peer")),
        (Some("dispatch"), Some("gotham"))
    );
    assert_eq!(
        obey.attribute("superhero.incarnation").map(str::to_owned),
        cluster.node("gotham").incarnation.map(|incarnation| incarnation.to_string())
    );
    assert!(
        named(&spans, "push").began_ns >= observe.ended_ns,
        "a page is shown what was observed"
    );

    // Each process is an instance of its own, and of this cluster.
    let instances: BTreeSet<_> = spans.iter().map(|span| (&span.service, &span.resource)).collect();
    assert_eq!(instances.len(), 2, "dispatch and gotham: {instances:#?}");
    for (service, resource) in instances {
        let resource = |key: &str| {
            resource.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str())
        };
        assert_eq!(resource("service.namespace"), "superhero", "{service}");
        assert_eq!(resource("service.instance.id").len(), 32, "{service}");
    }
}

#[test]
fn a_request_goes_on_with_the_trace_of_whoever_asks() {
    let collector = Collector::start();
    let cluster = traced(collector.endpoint());
    let _page = page(&cluster);
    let create = |traceparent: &str| {
        let headers = [("content-type", "application/json"), ("traceparent", traceparent)];
        cluster.api.request("POST", "/api/v1/heroes", &headers, b"{}").expect(201)
    };

    // One whose trace is not kept, and what no tool would send: the first is respected, the second
    // passed over.
    let (unkept, broken) = ("1af7651916cd43dd8448eb211c80319c", "ff-zz-b7ad6b7169203331-01");
    assert_eq!(create(&format!("00-{unkept}-b7ad6b7169203331-00")).headers.get("x-trace-id"), None);
    assert_eq!(trace_of(&create(broken)).len(), 32);
    let (kept, theirs) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    assert_eq!(trace_of(&create(&format!("00-{kept}-{theirs}-01"))), kept);

    let spans = wait_trace(&collector, kept, 4);
    let wanted = BTreeSet::from([
        ("dispatch", "POST /api/v1/heroes", "", SpanKind::Server),
        ("dispatch", "ask create", "POST /api/v1/heroes", SpanKind::Internal),
        ("dispatch", "observe", "ask create", SpanKind::Internal),
        ("dispatch", "push", "observe", SpanKind::Internal),
    ]);
    assert_eq!(tree(&spans), wanted);
    assert_eq!(
        named(&spans, "POST /api/v1/heroes").parent,
        theirs,
        "it is a part of what whoever asks does"
    );
    // Batches of one process arrive in order, so it would be here by now.
    assert_eq!(collector.trace(unkept), Vec::new());
}

#[test]
fn a_refusal_is_told_where_it_was_made() {
    let collector = Collector::start();
    let mut cluster = traced(collector.endpoint());
    let hero = cluster.api.create_named("Granite").id;
    cluster.kill9("gotham");
    let trace = trace_of(&cluster.api.assign(&hero, "gotham").expect(503));
    let spans = wait_trace(&collector, &trace, 2);
    assert!(
        named(&spans, "ask assign").failed
            && named(&spans, "PUT /api/v1/heroes/{id}/location").failed,
        "{spans:#?}"
    );
    assert!(spans.iter().all(|span| span.service == "dispatch"), "{spans:#?}");
}

/// Whether a process has the thread that exports.
#[cfg(target_os = "linux")]
fn exports(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let name = |thread: std::fs::DirEntry| {
        std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default()
    };
    threads.flatten().any(|thread| name(thread).starts_with("OpenTelemetry"))
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_collector_nothing_is_kept_and_nothing_runs() {
    let collector = Collector::start();
    let mut traced = traced(collector.endpoint());
    let mut plain = Cluster::start(Options::default());
    for node in NODES {
        assert_eq!(
            (exports(traced.process(node).id()), exports(plain.process(node).id())),
            (true, false),
            "{node}"
        );
    }
    let reply = plain.api.post("/api/v1/heroes", &json!({})).expect(201);
    assert_eq!(reply.headers.get("x-trace-id"), None);
}

#[test]
fn the_address_that_other_tools_read_is_read_too() {
    let collector = Collector::start();
    let environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())];
    let cluster = Cluster::start(Options { environment, ..Options::default() });
    wait_trace(&collector, &trace_of(&cluster.api.get("/api/v1/verdict").expect(200)), 2);
}

#[test]
fn a_collector_that_refuses_is_complained_of_once_and_welcomed_back() {
    let collector = Collector::start();
    collector.refuse(true);
    let mut cluster = traced(collector.endpoint());
    wait_until("dispatch has sent some batches", HANG_TIMEOUT, || {
        let _ = cluster.api.get("/api/v1/verdict").expect(200);
        ensure(collector.batches() >= 4, || format!("{} batches", collector.batches()))
    });
    let complaints = |log: String| log.matches("traces are dropped").count();
    assert_eq!(complaints(cluster.process("dispatch").log()), 1);
    assert_eq!(collector.spans(), Vec::new());
    collector.refuse(false);
    wait_until("dispatch says that all is well", HANG_TIMEOUT, || {
        let _ = cluster.api.get("/api/v1/verdict").expect(200);
        let log = cluster.process("dispatch").log();
        ensure(log.contains("takes traces again"), || log)
    });
    assert_eq!(complaints(cluster.process("dispatch").log()), 1);
    assert!(!collector.spans().is_empty());
}

/// The cluster does its work and stops, with a collector that is of no use.
#[track_caller]
fn works_and_stops(endpoint: String) {
    let mut cluster = traced(endpoint);
    let hero = cluster.api.create_named("Granite").id;
    cluster.wait_converged();
    let watch = Stopwatch::start();
    assert_eq!(choose(&cluster, &hero, "gotham").status, 200);
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "an answer in the time of any: {:?}",
        watch.elapsed()
    );
    cluster.wait_converged();
    for node in NODES {
        assert_eq!(cluster.stop(node, Signal::SIGTERM, STOPPED), Some(0), "{node}");
    }
}

#[test]
fn a_collector_where_nobody_listens_holds_nothing_up() {
    works_and_stops(format!("http://{}:4318", own_address()));
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind((own_address(), 0)).expect("the system has a free port");
    works_and_stops(format!(
        "http://{}",
        silent.local_addr().expect("a bound socket has an address")
    ));
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_starts() {
    for node in ["gotham", "dispatch"] {
        let listen = format!("--listen={}:0", own_address());
        let finished = run(node, &[&listen, "--otlp-endpoint=localhost:4318"], &[], HANG_TIMEOUT);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("http://HOST:PORT"), "{finished:?}");
    }
}
