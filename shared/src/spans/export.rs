//! The way of spans to a collector: in batches, over OTLP (protobuf over HTTP), from a thread of
//! their own.
//!
//! Invariants: nobody waits for a collector. Spans beyond the queue are dropped, and so is a batch
//! that is not taken; that is said once, and once more when batches are taken again. The end of a
//! process is delayed by no more than [`GOODBYE_TIMEOUT`].

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Uri;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::{info, warn};

use super::TRACER;

/// How many spans may wait for the next batch.
const QUEUE_MAX: usize = 2_048;
/// How many go into one batch.
const BATCH_MAX: usize = 512;
/// How long a span waits at most before its batch is sent.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long a collector may take for one batch.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process that ends waits for what is left to be taken.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of a collector's answer is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Spans are exported while this lives. Dropping it sends what is left.
#[derive(Debug)]
#[must_use = "dropping it ends the export"]
pub struct Exporting(Option<SdkTracerProvider>);

/// Starts the export of the spans of `node` to the collector at `endpoint`; without one nothing is
/// started.
///
/// # Errors
/// When the endpoint is not one that spans can be sent to.
pub fn start(endpoint: Option<&str>, node: &str) -> anyhow::Result<Exporting> {
    let Some(endpoint) = endpoint else { return Ok(Exporting(None)) };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_endpoint(traces_at(endpoint)?)
        .with_timeout(COLLECTOR_TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .with_context(|| format!("--otlp-endpoint {endpoint}"))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(BATCH_INTERVAL);
    let exporter =
        LoggedExporter { exporter, endpoint: endpoint.to_owned(), lost: AtomicBool::new(false) };
    let identity = [
        KeyValue::new("service.namespace", "superhero"),
        KeyValue::new("service.instance.id", format!("{:032x}", rand::random::<u128>())),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let provider = SdkTracerProvider::builder()
        .with_resource(
            Resource::builder()
                .with_service_name(node.to_owned())
                .with_attributes(identity)
                .build(),
        )
        .with_span_processor(
            BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build(),
        )
        .build();
    TRACER.get_or_init(|| provider.tracer("superhero-cluster"));
    info!(endpoint, "traces are exported");
    Ok(Exporting(Some(provider)))
}

/// Where a collector at this address takes traces.
fn traces_at(endpoint: &str) -> anyhow::Result<String> {
    let uri: Uri = endpoint.parse().with_context(|| format!("--otlp-endpoint {endpoint}"))?;
    // A port that is none is no error to the parser, and a name and a password would be sent to
    // nobody.
    let address = format!(
        "{}{}",
        uri.host().unwrap_or_default(),
        uri.port_u16().map_or_else(String::new, |port| format!(":{port}"))
    );
    let is_address = !address.is_empty()
        && uri.authority().is_some_and(|authority| authority.as_str() == address);
    let is_usable = uri.scheme_str() == Some("http") && is_address && uri.query().is_none();
    anyhow::ensure!(
        is_usable,
        "--otlp-endpoint {endpoint}: expected http://HOST:PORT, the address of a collector that speaks OTLP over HTTP"
    );
    Ok(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
}

impl Drop for Exporting {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // What is not taken by then is lost, as it is whenever a collector is not there.
            let _ = provider.shutdown_with_timeout(GOODBYE_TIMEOUT);
        }
    }
}

/// Tells when the collector is lost, and when it is back; not at each batch.
#[derive(Debug)]
struct LoggedExporter {
    exporter: opentelemetry_otlp::SpanExporter,
    endpoint: String,
    lost: AtomicBool,
}

impl SpanExporter for LoggedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_lost = self.lost.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_lost => warn!(
                endpoint = self.endpoint,
                "traces are dropped: the collector does not take them: {error}"
            ),
            Ok(()) if was_lost => {
                info!(endpoint = self.endpoint, "the collector takes traces again")
            }
            Err(_) | Ok(()) => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The HTTP of the exporter. It blocks, on the thread that batches have for themselves.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(COLLECTOR_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        Self(config.build().into())
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.0.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'answer>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'a: 'answer,
        Self: 'answer,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_address_of_a_collector_and_nothing_else() {
        assert_eq!(traces_at("http://localhost:4318").unwrap(), "http://localhost:4318/v1/traces");
        assert_eq!(
            traces_at("http://[::1]:4318/otlp/").unwrap(),
            "http://[::1]:4318/otlp/v1/traces"
        );
        for wrong in [
            "",
            "localhost:4318",
            "grpc://localhost:4317",
            "http://",
            "/v1/traces",
            "http://host/?a=b",
            "http://a b",
            "http://h:99999",
            "http://a:b@h",
        ] {
            assert!(traces_at(wrong).is_err(), "{wrong:?}");
        }
    }
}
