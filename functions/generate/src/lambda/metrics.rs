//! CloudWatch metrics in the embedded metric format: lines of JSON on standard output, which Lambda turns
//! into metrics
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use metrics_cloudwatch_embedded::{Builder, Collector};

use super::environment::function_name;
use crate::domain::served_model::ServedModel;
use crate::{domain, http};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Collects metrics from here on, under the namespace `TroelsLLM` and the name of the function. Without this
/// they are discarded.
///
/// # Errors
/// If they are collected already, or the function has no name.
pub fn init() -> Result<()> {
    let function = function_name().context("the function has no name in its environment")?;
    let metrics = Builder::new().cloudwatch_namespace("TroelsLLM").with_dimension("FunctionName", function);
    let collector = metrics.init().map_err(|error| anyhow!("{error}"))?;
    COLLECTOR.set(collector).map_err(|_| anyhow!("metrics are collected already"))?;
    domain::telemetry::describe();
    http::observe::describe();
    Ok(())
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
