//! CloudWatch metrics in the embedded metric format: lines of JSON on standard output, which Lambda and the logs of
//! containers turn into metrics
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Result, anyhow};
use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::domain::Models;
use crate::domain::served_model::ServedModel;
use crate::{domain, http};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// How often a service that is never frozen writes its metrics: alarms and scaling look at minutes.
const INTERVAL: Duration = Duration::from_secs(10);

/// Collects metrics from here on, under the namespace `TroelsLLM` and a dimension: `FunctionName` or `Service`. Without
/// this they are discarded.
///
/// # Errors
/// If they are collected already.
pub fn init(dimension: &'static str, name: String) -> Result<()> {
    let metrics = Builder::new().cloudwatch_namespace("TroelsLLM").with_dimension(dimension, name);
    let collector = metrics.init().map_err(|error| anyhow!("{error}"))?;
    COLLECTOR.set(collector).map_err(|_| anyhow!("metrics are collected already"))?;
    domain::telemetry::describe();
    http::observe::describe();
    Ok(())
}

/// Writes the collected metrics every ten seconds, as long as the runtime lasts.
pub fn flush_regularly(models: Arc<Models>) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            flush(models.current().as_deref());
        }
    });
}

/// Writes the collected metrics, with the served model as a property.
pub fn flush(model: Option<&ServedModel>) {
    let Some(collector) = COLLECTOR.get() else { return };
    if let Some(model) = model {
        collector.set_property("Model", model.reference().name.clone());
        collector.set_property("ModelVersion", model.reference().version.clone());
    }
    if let Err(error) = collector.flush(std::io::stdout().lock()) {
        tracing::warn!(%error, "metrics could not be written");
    }
}
