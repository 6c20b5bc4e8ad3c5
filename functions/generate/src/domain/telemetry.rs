//! Metrics of loading and generation.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::continuation::Summary;
use super::served_model::{LoadTimes, ServedModel};

/// Gives these metrics their units, for a recorder that has been installed.
pub fn describe() {
    for (name, what) in [
        ("ColdStart", "from the start of the process to a loaded model"),
        ("LoadModel", "loading a model, all in all"),
        ("LoadFiles", "of that, downloading and verifying its files"),
        ("LoadRuntime", "of that, ONNX Runtime, beside the files"),
        ("LoadTokenizer", "of that, the tokenizer, beside the files"),
        ("LoadSession", "of that, creating the ONNX Runtime session"),
        ("FirstToken", "from the start of a generation to its first token"),
    ] {
        describe_histogram!(name, Unit::Milliseconds, what);
    }
    describe_histogram!(
        "TokensPerSecond",
        Unit::CountPerSecond,
        "generated tokens per second of a generation"
    );
    describe_histogram!("DraftAcceptance", Unit::Percent, "accepted share of drafted tokens");
    describe_counter!("Tokens", Unit::Count, "generated tokens");
    describe_gauge!("Queue", Unit::Count, "requests that run or wait");
    describe_counter!("Texts", Unit::Count, "generated texts of a channel");
    describe_counter!("FailedTexts", Unit::Count, "texts of a channel that ended with an error of the model");
    describe_counter!("LoadFailures", Unit::Count, "failed attempts to load a model");
}

/// Records and logs a model that was loaded.
pub fn model_loaded(model: &ServedModel, total: Duration) {
    let LoadTimes { files, runtime, tokenizer, session } = model.load_times();
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
        name = model.reference().name,
        version = model.reference().version,
        precision = model.precision().to_string(),
        milliseconds = milliseconds(total),
        files = milliseconds(files),
        runtime = milliseconds(runtime),
        tokenizer = milliseconds(tokenizer),
        session = milliseconds(session),
        "model loaded"
    );
}

/// Records the time from the start of the process to the first loaded model.
pub fn cold_start(time: Duration) {
    histogram!("ColdStart").record(milliseconds(time));
}

/// Records a failed attempt to load a model.
pub fn load_failed() {
    counter!("LoadFailures").increment(1);
}

/// Records a finished continuation, also for its channel, if it is compared with another.
pub fn generated(summary: &Summary, channel: Option<Arc<str>>) {
    if let Some(channel) = channel.clone() {
        counter!("Texts", "Channel" => channel).increment(1);
    }
    for labels in labels(channel) {
        counter!("Tokens", labels.clone()).increment(summary.tokens as u64);
        histogram!("FirstToken", labels.clone()).record(milliseconds(summary.first_token));
        let seconds = summary.total.as_secs_f64();
        if summary.tokens > 0 && seconds > 0.0 {
            histogram!("TokensPerSecond", labels).record(summary.tokens as f64 / seconds);
        }
    }
    if summary.work.drafted > 0 {
        let acceptance = 100.0 * summary.work.accepted as f64 / summary.work.drafted as f64;
        histogram!("DraftAcceptance").record(acceptance);
    }
}

/// Records a continuation that ended with an error, for its channel, if it is compared with another.
pub fn failed(channel: Option<Arc<str>>) {
    if let Some(channel) = channel {
        counter!("FailedTexts", "Channel" => channel).increment(1);
    }
}

/// Records a change of the number of requests that run or wait.
pub fn queue_changed(by: f64) {
    gauge!("Queue").increment(by);
}

/// Those of a measurement: none, as alarms know it, and the channel.
fn labels(channel: Option<Arc<str>>) -> impl Iterator<Item = Vec<Label>> {
    [Vec::new()].into_iter().chain(channel.map(|channel| vec![Label::new("Channel", channel)]))
}

/// A duration in milliseconds, rounded to a tenth.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
