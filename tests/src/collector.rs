//! A minimal OpenTelemetry collector for traces: it accepts OTLP over HTTP and stores every span.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

/// The largest accepted batch.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A received span.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the OpenTelemetry specification defines the fields")]
pub struct Span {
    pub service: String,
    pub resource: Vec<(String, String)>,
    pub trace: String,
    pub id: String,
    /// Empty for the root of a trace.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub failed: bool,
    pub attributes: Vec<(String, String)>,
    pub began_ns: u64,
    pub ended_ns: u64,
}

impl Span {
    /// Returns the attribute with this key.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
struct Received {
    spans: Mutex<Vec<Span>>,
    batches: AtomicUsize,
    refusing: AtomicBool,
}

/// A collector on a port of its own. Its thread ends with the test process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Arc<Received>,
}

impl Collector {
    /// Starts a collector that accepts every batch.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let received = Arc::new(Received::default());
        let shared = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, received }
    }

    /// Returns the value for `--otlp-endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes it answer 503 to every batch from here on, or accept them again.
    pub fn refuse(&self, refusing: bool) {
        self.received.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Returns the number of received batches, refused ones included.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.received.batches.load(Ordering::SeqCst)
    }

    /// Returns the accepted spans.
    ///
    /// # Panics
    /// If the collector's thread has panicked.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.received.spans.lock().expect("no code panics while it holds this lock").clone()
    }

    /// Returns the spans of one trace.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }
}

/// Serves one connection until it ends.
fn serve(stream: TcpStream, received: &Received) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        assert!(length <= BODY_BYTES_MAX, "a batch of {length} bytes");
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        received.batches.fetch_add(1, Ordering::SeqCst);
        let status = if received.refusing.load(Ordering::SeqCst) {
            "503 Service Unavailable"
        } else {
            let batch = ExportTraceServiceRequest::decode(&*body).map_err(io::Error::other)?;
            received
                .spans
                .lock()
                .expect("no code panics while it holds this lock")
                .extend(spans(batch));
            "200 OK"
        };
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        write!(
            reader.get_mut(),
            "HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {}\r\n\r\n",
            answer.len()
        )?;
        reader.get_mut().write_all(&answer)?;
    }
}

fn spans(batch: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in batch.resource_spans {
        let resource = texts(&resource_spans.resource.unwrap_or_default().attributes);
        let service = resource
            .iter()
            .find(|(name, _)| name == "service.name")
            .map(|(_, value)| value.clone())
            .unwrap_or_default();
        spans.extend(resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans).map(
            |span| Span {
                service: service.clone(),
                resource: resource.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind(),
                failed:
                    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
                attributes: texts(&span.attributes),
                began_ns: span.start_time_unix_nano,
                ended_ns: span.end_time_unix_nano,
                name: span.name,
            },
        ));
    }
    spans
}

fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(_)
        | Value::DoubleValue(_)
        | Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_) => format!("{value:?}"),
    };
    let value = |pair: &KeyValue| {
        pair.value.as_ref().and_then(|value| value.value.as_ref()).map(text).unwrap_or_default()
    };
    attributes.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
