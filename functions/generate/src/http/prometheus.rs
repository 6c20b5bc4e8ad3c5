//! Metrics in Prometheus' text format, for `GET /metrics`.
//!
//! The names in the program are CloudWatch's, such as `TokensPerSecond`; here they are `troelsllm_tokens_per_second`, as
//! is the custom.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, anyhow};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, set_global_recorder,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::observe;
use crate::domain::telemetry;

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// How often measurements that nobody has asked for are summed up, since they take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Collects metrics from here on. Without this there are none at `GET /metrics`.
///
/// # Errors
/// If they are collected already.
pub fn init() -> Result<()> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let is_second = |error: &dyn std::fmt::Display| anyhow!("metrics are collected already: {error}");
    set_global_recorder(Renamed(recorder)).map_err(|error| is_second(&error))?;
    telemetry::describe();
    observe::describe();
    HANDLE.set(handle).map_err(|_| is_second(&"there is a handle"))?;
    tokio::spawn(async {
        while let Some(handle) = HANDLE.get() {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    });
    Ok(())
}

/// All metrics as text; `None` if they are not collected here.
pub fn render() -> Option<String> {
    HANDLE.get().map(PrometheusHandle::render)
}

/// A recorder that gets metrics by other names.
struct Renamed(PrometheusRecorder);

impl Recorder for Renamed {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_counter(counter_name(key.as_str()).into(), unit, with_unit(description, unit));
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_gauge(name(key.as_str()).into(), unit, with_unit(description, unit));
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_histogram(name(key.as_str()).into(), unit, with_unit(description, unit));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(&renamed(key, counter_name(key.name())), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(&renamed(key, name(key.name())), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(&renamed(key, name(key.name())), metadata)
    }
}

/// `TokensPerSecond` as `troelsllm_tokens_per_second`.
fn name(name: &str) -> String {
    let mut snake = "troelsllm".to_owned();
    for character in name.chars() {
        if character.is_uppercase() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

fn counter_name(name: &str) -> String {
    format!("{}_total", self::name(name))
}

fn with_unit(description: SharedString, unit: Option<Unit>) -> SharedString {
    match unit {
        None | Some(Unit::Count) => description,
        Some(unit) => format!("{description}, in {}", unit.as_str().replace('_', " ")).into(),
    }
}

fn renamed(key: &Key, name: String) -> Key {
    let labels =
        key.labels().map(|label| metrics::Label::new(label.key().to_lowercase(), label.value().to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use metrics::{counter, describe_histogram, histogram, with_local_recorder};

    use super::*;

    #[test]
    fn names_are_as_is_the_custom() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        with_local_recorder(&Renamed(recorder), || {
            describe_histogram!("FirstToken", Unit::Milliseconds, "to the first token");
            histogram!("FirstToken").record(2.0);
            counter!("Errors", "Code" => "overloaded").increment(3);
        });
        let text = handle.render();
        for line in [
            "# HELP troelsllm_first_token to the first token, in milliseconds",
            "troelsllm_first_token_count 1",
            "troelsllm_errors_total{code=\"overloaded\"} 3",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
