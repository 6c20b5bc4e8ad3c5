//! Log on standard error, and OpenTelemetry traces of its spans if a collector is configured.

use std::io::IsTerminal;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use opentelemetry::trace::{SpanId, TraceId, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, SdkTracerProvider};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// OpenTelemetry's variable for the address of the collector, such as `http://127.0.0.1:4318`.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

static TRACES: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Starts to log, as text or as JSON, at the level of `RUST_LOG`. Traces are sent over HTTP to the collector
/// at `OTEL_EXPORTER_OTLP_ENDPOINT`; without this variable there are none.
///
/// # Errors
/// If logging has been started already, or the address of the collector is invalid.
pub fn init(json: bool) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines =
        if json { lines.json().boxed() } else { lines.with_ansi(std::io::stderr().is_terminal()).boxed() };
    let traces = match std::env::var_os(ENDPOINT) {
        Some(_) => Some(tracing_opentelemetry::layer().with_tracer(provider()?.tracer("generate"))),
        None => None,
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(traces)
        .try_init()
        .context("starting the log")
}

/// Sends the traces that are waiting.
pub async fn flush() {
    let Some(traces) = TRACES.get() else { return };
    let sent = tokio::task::spawn_blocking(|| traces.force_flush()).await;
    if let Ok(Err(error)) = sent {
        tracing::warn!(%error, "traces could not be sent");
    }
}

fn provider() -> Result<&'static SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter.with_context(|| ENDPOINT.to_owned())?)
        .with_id_generator(SystemIds)
        .with_resource(Resource::builder().with_service_name("troelsllm").build())
        .build();
    TRACES.set(provider).map_err(|_| anyhow!("traces are sent already"))?;
    TRACES.get().context("traces were set up")
}

/// Ids from the operating system: a generator inside this process would give the same ids in all copies of a
/// process snapshot.
#[derive(Debug)]
struct SystemIds;

impl IdGenerator for SystemIds {
    fn new_trace_id(&self) -> TraceId {
        let mut bytes = [0; 16];
        // Without randomness the id is invalid, and the trace is dropped.
        let _ = OsRng.try_fill_bytes(&mut bytes);
        TraceId::from_bytes(bytes)
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(OsRng.try_next_u64().unwrap_or_default().to_be_bytes())
    }
}
