//! The export of spans to a collector: in batches, over OTLP (protobuf over HTTP), on a separate
//! thread.
//!
//! Invariants: no other work waits for the collector. Spans beyond the queue limit are dropped, and
//! so is a batch that the collector does not accept. The first failure is logged, and so is the
//! recovery. The exit of a process is delayed by at most [`SHUTDOWN_TIMEOUT`].

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

/// The most spans waiting for the next batch.
const QUEUE_MAX: usize = 2_048;
/// The most spans in one batch.
const BATCH_MAX: usize = 512;
/// The longest time that a span waits before its batch is sent.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The time limit for the export of one batch.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for the export of the remaining spans when the process exits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// The most bytes read of a response of the collector.
const RESPONSE_BYTES_MAX: u64 = 64 * 1024;

/// A guard of the export. Dropping it exports the remaining spans and stops the export.
#[derive(Debug)]
#[must_use = "dropping it stops the export"]
pub struct ExportGuard(Option<SdkTracerProvider>);

/// Starts the export of the spans of `node` to the collector at `endpoint`. Without an endpoint
/// nothing is started.
///
/// # Errors
/// When the endpoint is not a valid address of a collector.
pub fn start(endpoint: Option<&str>, node: &str) -> anyhow::Result<ExportGuard> {
    let Some(endpoint) = endpoint else { return Ok(ExportGuard(None)) };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_endpoint(traces_at(endpoint)?)
        .with_timeout(COLLECTOR_TIMEOUT)
        // A retry would delay the following batches while the queue fills up.
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
    // A process has one tracer; a second call keeps the first.
    TRACER.get_or_init(|| provider.tracer("superhero-cluster"));
    info!(endpoint, "exporting traces");
    Ok(ExportGuard(Some(provider)))
}

/// Returns the traces URL of the collector at this address.
fn traces_at(endpoint: &str) -> anyhow::Result<String> {
    let uri: Uri = endpoint.parse().with_context(|| format!("--otlp-endpoint {endpoint}"))?;
    // The parser accepts an invalid port and credentials. Neither would be used, so the authority
    // must be exactly the host and the port.
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
        "--otlp-endpoint {endpoint}: expected http://HOST:PORT, the address of an OTLP/HTTP collector"
    );
    Ok(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
}

impl Drop for ExportGuard {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // Spans that cannot be exported are lost, as they are while the collector is
            // unreachable.
            let _ = provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
        }
    }
}

/// An exporter that logs the first failure and the recovery, but not each failed batch.
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
                "dropping traces: export to the collector failed: {error}"
            ),
            Ok(()) if was_lost => {
                info!(endpoint = self.endpoint, "exporting traces again")
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

/// The HTTP client of the exporter. It blocks, which is fine on the separate thread of the
/// exporter.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(COLLECTOR_TIMEOUT))
            // The exporter itself checks the status. Redirects and the proxy of the environment are
            // off, so spans are sent only to the given address.
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        Self(config.build().into())
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.0.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.into_with_config().limit(RESPONSE_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'response>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'response>>
    where
        'a: 'response,
        Self: 'response,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_must_be_an_http_address() {
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
