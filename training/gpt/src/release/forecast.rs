//! Forecast of a training run: what would be trained, how large it is, and how long it takes.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use tokio::runtime::Runtime;

use super::error::ReleaseError;
use super::plan::TrainingPlan;
use crate::train::{Checkpoints, Run};
use crate::{device, memory};

/// Steps that are made to see how long one takes; the first, which also sets up, does not count.
const MEASURED_STEPS: usize = 4;
/// Bytes of a version for each parameter: weights and ONNX in float32, and the two quantized exports.
const VERSION_BYTES: f64 = 4.0 + 4.0 + 1.1 + 0.7;

/// What is known of a run before it is trained.
pub struct Forecast(Vec<(&'static str, String)>);

impl Forecast {
    /// Describes a run, and makes a few steps of it on `device`, an autodiff device, which are thrown away.
    ///
    /// # Errors
    /// If weights to start from cannot be read, or checkpoints cannot.
    pub fn of(
        plan: &TrainingPlan,
        checkpoints: &Checkpoints,
        device: &Device,
        runtime: &Runtime,
    ) -> Result<Self, ReleaseError> {
        let (model, training) = (&plan.preset.model, &plan.preset.training);
        let parameters = model.num_parameters() as u64;
        let count = |number: usize| HumanCount(number as u64).to_string();
        let bytes = |bytes: f64| HumanBytes(bytes as u64).to_string();
        let copies = if training.keep_best { 4.0 } else { 3.0 };
        let learned = plan.preset.lora.as_ref().map_or(parameters, |lora| lora.num_parameters(model) as u64);
        let checkpoint = 4.0 * copies * learned as f64;
        let mut lines = vec![
            ("model", format!("{}, {} parameters", plan.name, HumanCount(parameters))),
            (
                "texts",
                format!(
                    "{}: {} tokens to train on, in {}, and {} to validate with",
                    plan.corpus.name(),
                    count(plan.train_set.tokens()),
                    match plan.corpus.conversations() {
                        Some(_) => format!("{} conversations", count(plan.train_set.windows())),
                        None =>
                            format!("{} windows of {}", count(plan.train_set.windows()), plan.preset.window()),
                    },
                    count(plan.validation_set.tokens()),
                ),
            ),
            ("run", plan.describe_extent()),
            ("time", measured_time(plan, checkpoints, device, runtime)?),
            ("memory", peak_memory()),
            (
                "checkpoint",
                format!("about {}; two are kept until the version is published", bytes(checkpoint)),
            ),
            ("version", format!("about {}", bytes(VERSION_BYTES * parameters as f64))),
        ];
        if let Some(left) = checkpoints.left(None)? {
            lines.push(("so far", format!("step {} of this run is in {}", left.position.step, left.place)));
        }
        Ok(Self(lines))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "{:<12}{value}", format!("{name}:"))?;
        }
        f.write_str("a dry run: nothing was trained, and nothing written but the token ids of the texts")
    }
}

fn measured_time(
    plan: &TrainingPlan,
    checkpoints: &Checkpoints,
    device: &Device,
    runtime: &Runtime,
) -> Result<String, ReleaseError> {
    let run = Run {
        train_set: &plan.train_set,
        validation_set: &plan.validation_set,
        settings: &plan.preset.training,
        device,
        samples: None,
        workers: None,
        records: None,
        checkpoints,
        mirror: None,
        resume: false,
        stop: &AtomicBool::new(false),
    };
    let seconds = run.measure(runtime.block_on(plan.model(device))?, MEASURED_STEPS)?;
    let counted = if seconds.len() > 1 { &seconds[1..] } else { &seconds[..] };
    let step = counted.iter().sum::<f64>() / counted.len().max(1) as f64;
    let all = step * plan.extent().total_steps() as f64;
    let all = all.min(plan.preset.training.max_seconds.unwrap_or(f64::INFINITY));
    Ok(format!(
        "about {} without evaluations and the export: {step:.2} s for a step, the mean of {} on {}",
        HumanDuration(Duration::from_secs_f64(all)),
        counted.len(),
        device::describe(device),
    ))
}

/// The most memory that this process has had, the measured steps included.
fn peak_memory() -> String {
    match memory::peak_bytes() {
        Some(bytes) => {
            format!("{} at the most in these steps; the export may need more", HumanBytes(bytes))
        }
        None => "unknown on this system".to_owned(),
    }
}
