//! Traces: the spans that a real cluster exports, and that a missing collector delays nothing.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use cluster_tests::{
    Cluster, Collector, HANG_TIMEOUT, Link, NODES, Options, Reply, Signal, Span, Stopwatch, ensure,
    own_address, run, wait_until,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

/// The limit for stopping a process with any collector: a second for links, a second for spans, and
/// some for a busy machine.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

fn start_traced(endpoint: String) -> Cluster {
    Cluster::start(Options {
        environment: vec![("SUPERHERO_OTLP_ENDPOINT", endpoint)],
        ..Options::default()
    })
}

/// Opens a page, and receives its first frame.
#[track_caller]
fn open_page(cluster: &Cluster) -> Link {
    let mut page =
        Link::open(cluster.address("dispatch"), "/live?", &[]).expect("a permit for a page");
    loop {
        let message = page.receive().expect("the page is open");
        let message: Value = serde_json::from_slice(&message).expect("messages to a page are JSON");
        if message["t"] == "d" {
            page.send(json!({ "t": "ack", "s": message["s"] }).to_string());
            return page;
        }
    }
}

/// Returns the trace id in the response.
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

/// Returns each span as process, name, name of its parent, and kind.
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
fn span_named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
}

/// Submits the page's form that assigns a hero.
#[track_caller]
fn submit_assignment(cluster: &Cluster, hero: &str, place: &str) -> Reply {
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
fn assignment_is_one_trace_from_request_to_push() {
    let collector = Collector::start();
    let cluster = start_traced(collector.endpoint());
    let hero = cluster.api.create_named("Granite").id;
    cluster.wait_converged();
    let _page = open_page(&cluster);

    let trace = trace_of(&submit_assignment(&cluster, &hero, "gotham"));

    let spans = wait_trace(&collector, &trace, 6);
    let expected = BTreeSet::from([
        ("dispatch", "POST /heroes/{id}", "", SpanKind::Server),
        ("dispatch", "ask assign", "POST /heroes/{id}", SpanKind::Internal),
        ("dispatch", "command assign", "ask assign", SpanKind::Client),
        ("gotham", "execute assign", "command assign", SpanKind::Server),
        ("dispatch", "observe", "ask assign", SpanKind::Internal),
        ("dispatch", "push", "observe", SpanKind::Internal),
    ]);
    assert_eq!(tree(&spans), expected);
    assert_eq!(spans.len(), expected.len(), "each span must be exported once: {spans:#?}");
    assert_eq!(
        span_named(&spans, "POST /heroes/{id}").parent,
        "",
        "the request span must be the root"
    );
    assert!(spans.iter().all(|span| !span.failed && span.ended_ns >= span.began_ns), "{spans:#?}");
    assert_eq!(
        span_named(&spans, "POST /heroes/{id}").attribute("http.response.status_code"),
        Some("200")
    );
    let (command, observe) = (span_named(&spans, "execute assign"), span_named(&spans, "observe"));
    assert_eq!(
        (command.attribute("superhero.peer"), observe.attribute("superhero.peer")),
        (Some("dispatch"), Some("gotham"))
    );
    assert_eq!(
        command.attribute("superhero.incarnation").map(str::to_owned),
        cluster.node("gotham").incarnation.map(|incarnation| incarnation.to_string())
    );
    assert!(
        span_named(&spans, "push").began_ns >= observe.ended_ns,
        "the push must follow the observation"
    );

    // Each process is an instance of its own in the namespace of this cluster.
    let instances: BTreeSet<_> = spans.iter().map(|span| (&span.service, &span.resource)).collect();
    assert_eq!(instances.len(), 2, "expected the instances dispatch and gotham: {instances:#?}");
    for (service, resource) in instances {
        let resource = |key: &str| {
            resource.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str())
        };
        assert_eq!(resource("service.namespace"), "superhero", "{service}");
        assert_eq!(resource("service.instance.id").len(), 32, "{service}");
    }
}

#[test]
fn request_continues_the_callers_trace() {
    let collector = Collector::start();
    let cluster = start_traced(collector.endpoint());
    let _page = open_page(&cluster);
    let create = |traceparent: &str| {
        let headers = [("content-type", "application/json"), ("traceparent", traceparent)];
        cluster.api.request("POST", "/api/v1/heroes", &headers, b"{}").expect(201)
    };

    // A trace that the caller does not sample, and an invalid header: the first is respected, the
    // second ignored.
    let (unsampled, broken) = ("1af7651916cd43dd8448eb211c80319c", "ff-zz-b7ad6b7169203331-01");
    assert_eq!(
        create(&format!("00-{unsampled}-b7ad6b7169203331-00")).headers.get("x-trace-id"),
        None
    );
    assert_eq!(trace_of(&create(broken)).len(), 32);
    let (sampled, callers_span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    assert_eq!(trace_of(&create(&format!("00-{sampled}-{callers_span}-01"))), sampled);

    let spans = wait_trace(&collector, sampled, 4);
    let expected = BTreeSet::from([
        ("dispatch", "POST /api/v1/heroes", "", SpanKind::Server),
        ("dispatch", "ask create", "POST /api/v1/heroes", SpanKind::Internal),
        ("dispatch", "observe", "ask create", SpanKind::Internal),
        ("dispatch", "push", "observe", SpanKind::Internal),
    ]);
    assert_eq!(tree(&spans), expected);
    assert_eq!(
        span_named(&spans, "POST /api/v1/heroes").parent,
        callers_span,
        "the parent must be the caller's span"
    );
    // Batches of one process arrive in order, so an exported span would be here already.
    assert_eq!(collector.trace(unsampled), Vec::new());
}

#[test]
fn refusal_marks_its_spans_as_failed() {
    let collector = Collector::start();
    let mut cluster = start_traced(collector.endpoint());
    let hero = cluster.api.create_named("Granite").id;
    cluster.kill9("gotham");
    let trace = trace_of(&cluster.api.assign(&hero, "gotham").expect(503));
    let spans = wait_trace(&collector, &trace, 2);
    assert!(
        span_named(&spans, "ask assign").failed
            && span_named(&spans, "PUT /api/v1/heroes/{id}/location").failed,
        "{spans:#?}"
    );
    assert!(spans.iter().all(|span| span.service == "dispatch"), "{spans:#?}");
}

/// Returns true if a process has the exporter's thread.
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
fn exporter_does_not_run_without_a_collector() {
    let collector = Collector::start();
    let mut traced = start_traced(collector.endpoint());
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
fn standard_otlp_variable_is_read() {
    let collector = Collector::start();
    let environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())];
    let cluster = Cluster::start(Options { environment, ..Options::default() });
    wait_trace(&collector, &trace_of(&cluster.api.get("/api/v1/verdict").expect(200)), 2);
}

#[test]
fn refusing_collector_is_logged_once_and_its_recovery_too() {
    let collector = Collector::start();
    collector.refuse(true);
    let mut cluster = start_traced(collector.endpoint());
    wait_until("dispatch has sent some batches", HANG_TIMEOUT, || {
        let _ = cluster.api.get("/api/v1/verdict").expect(200);
        ensure(collector.batches() >= 4, || format!("{} batches", collector.batches()))
    });
    let warnings = |log: String| log.matches("dropping traces").count();
    assert_eq!(warnings(cluster.process("dispatch").log()), 1);
    assert_eq!(collector.spans(), Vec::new());
    collector.refuse(false);
    wait_until("dispatch logs the recovery", HANG_TIMEOUT, || {
        let _ = cluster.api.get("/api/v1/verdict").expect(200);
        let log = cluster.process("dispatch").log();
        ensure(log.contains("exporting traces again"), || log)
    });
    assert_eq!(warnings(cluster.process("dispatch").log()), 1);
    assert!(!collector.spans().is_empty());
}

/// Asserts that the cluster works and stops with a useless collector.
#[track_caller]
fn assert_works_and_stops(endpoint: String) {
    let mut cluster = start_traced(endpoint);
    let hero = cluster.api.create_named("Granite").id;
    cluster.wait_converged();
    let watch = Stopwatch::start();
    assert_eq!(submit_assignment(&cluster, &hero, "gotham").status, 200);
    assert!(watch.elapsed() < Duration::from_secs(5), "the response took {:?}", watch.elapsed());
    cluster.wait_converged();
    for node in NODES {
        assert_eq!(cluster.stop(node, Signal::SIGTERM, STOP_TIMEOUT), Some(0), "{node}");
    }
}

#[test]
fn unreachable_collector_delays_nothing() {
    assert_works_and_stops(format!("http://{}:4318", own_address()));
}

#[test]
fn silent_collector_delays_nothing() {
    let silent = TcpListener::bind((own_address(), 0)).expect("the system has a free port");
    assert_works_and_stops(format!(
        "http://{}",
        silent.local_addr().expect("a bound socket has an address")
    ));
}

#[test]
fn invalid_collector_address_is_refused_at_start() {
    for node in ["gotham", "dispatch"] {
        let listen = format!("--listen={}:0", own_address());
        let finished = run(node, &[&listen, "--otlp-endpoint=localhost:4318"], &[], HANG_TIMEOUT);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("http://HOST:PORT"), "{finished:?}");
    }
}
