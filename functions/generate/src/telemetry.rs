//! What is measured, as CloudWatch embedded metrics: lines of JSON on standard output, which Lambda turns
//! into metrics (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::generation::Summary;
use crate::served_model::{LoadTimes, ServedModel};

const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Has metrics collected from here on, under the namespace `TroelsLLM` and the function's name, which
/// Lambda gives. Without it they go nowhere.
///
/// # Errors
/// If they are collected already, or this is not Lambda.
pub fn init() -> Result<()> {
    let function = std::env::var(FUNCTION_NAME).context(FUNCTION_NAME)?;
    let metrics = Builder::new().cloudwatch_namespace("TroelsLLM").with_dimension("FunctionName", function);
    let collector = metrics.init().map_err(|error| anyhow!("{error}"))?;
    COLLECTOR.set(collector).map_err(|_| anyhow!("metrics are collected already"))?;
    for (name, what) in [
        ("ColdStart", "from the start of the process to a loaded model"),
        ("LoadModel", "loading a model, all in all"),
        ("LoadFiles", "of that, downloading and verifying its files"),
        ("LoadRuntime", "of that, ONNX Runtime, beside the files"),
        ("LoadTokenizer", "of that, the tokenizer, beside the files"),
        ("LoadSession", "of that, laying out its weights"),
        ("FirstToken", "from the start of a generation to its first token"),
        ("Duration", "from a request to the head of its response"),
    ] {
        describe_histogram!(name, Unit::Milliseconds, what);
    }
    describe_histogram!("TokensPerSecond", Unit::CountPerSecond, "of a generation");
    describe_histogram!("DraftAcceptance", Unit::Percent, "of drafted tokens, those that were right");
    describe_counter!("Tokens", Unit::Count, "that were generated");
    describe_counter!("Requests", Unit::Count, "that were answered");
    describe_counter!("Errors", Unit::Count, "that were answered, by their code");
    describe_counter!("LoadFailures", Unit::Count, "models that could not be loaded");
    Ok(())
}

/// Writes what has been collected.
pub fn flush() {
    if let Some(collector) = COLLECTOR.get()
        && let Err(error) = collector.flush(std::io::stdout().lock())
    {
        tracing::warn!(%error, "metrics could not be written");
    }
}

/// Takes note of a model that is loaded, and says so in the log.
pub fn model_loaded(model: &ServedModel, total: Duration) {
    let LoadTimes { files, runtime, tokenizer, session } = model.load_times();
    let reference = model.model_ref();
    if let Some(collector) = COLLECTOR.get() {
        collector.set_property("Model", reference.name.clone());
        collector.set_property("ModelVersion", reference.version.clone());
    }
    let parts = [
        ("LoadModel", total),
        ("LoadFiles", files),
        ("LoadRuntime", runtime),
        ("LoadTokenizer", tokenizer),
        ("LoadSession", session),
    ];
    for (name, time) in parts {
        histogram!(name).record(milliseconds(time));
    }
    tracing::info!(
        name = reference.name,
        version = reference.version,
        precision = reference.precision,
        milliseconds = milliseconds(total),
        files = milliseconds(files),
        runtime = milliseconds(runtime),
        tokenizer = milliseconds(tokenizer),
        session = milliseconds(session),
        "model loaded"
    );
}

/// Takes note of how long it took from the start of the process to a model that is loaded.
pub fn cold_start(time: Duration) {
    histogram!("ColdStart").record(milliseconds(time));
}

/// Takes note of a model that could not be loaded.
pub fn load_failed() {
    counter!("LoadFailures").increment(1);
}

/// Takes note of a continuation.
pub fn generated(summary: &Summary) {
    counter!("Tokens").increment(summary.tokens as u64);
    histogram!("FirstToken").record(milliseconds(summary.first_token));
    let seconds = summary.total.as_secs_f64();
    if summary.tokens > 0 && seconds > 0.0 {
        histogram!("TokensPerSecond").record(summary.tokens as f64 / seconds);
    }
    if summary.work.drafted > 0 {
        let acceptance = 100.0 * summary.work.accepted as f64 / summary.work.drafted as f64;
        histogram!("DraftAcceptance").record(acceptance);
    }
}

/// Takes note of a response, and of the code of its error.
pub fn responded(time: Duration, error: Option<&'static str>) {
    counter!("Requests").increment(1);
    histogram!("Duration").record(milliseconds(time));
    if let Some(code) = error {
        counter!("Errors", "Code" => code).increment(1);
    }
}

/// To a tenth: more digits would be noise.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
