//! Pace of training: tokens a second, measured on this machine with the texts of the run.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;

use crate::corpus::{Corpus, TooShort, dataset};
use crate::preset::Preset;
use crate::train::{Checkpoints, Run, TrainError, new_model};

/// Steps that set everything up, and do not count.
const FIRST_STEPS: usize = 2;
/// Steps that are timed at the least.
const FEWEST_STEPS: usize = 3;
/// And at the most.
const MOST_STEPS: usize = 24;

/// A preset of which no step can be made.
#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    /// The texts are too short.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// The memory is not enough.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Seconds that a step of this preset takes: the median of some, made in about `time` and thrown away.
///
/// # Errors
/// If the corpus is too short for one, or the memory is not enough.
pub fn seconds_per_step(
    preset: &Preset,
    corpus: &Corpus,
    device: &Device,
    time: Duration,
) -> Result<f64, PaceError> {
    let training = &preset.training;
    let (train_set, validation_set) =
        dataset::split(corpus, preset.model.context_length, preset.stride(), training.batch_size)?;
    let run = Run {
        train_set: &train_set,
        validation_set: &validation_set,
        settings: training,
        device,
        samples: None,
        workers: None,
        records: None,
        checkpoints: &Checkpoints::new("", serde_json::Value::Null),
        mirror: None,
        resume: false,
        stop: &AtomicBool::new(false),
    };
    let model = || new_model(preset, device).with_arithmetic(training.arithmetic());
    let steps = |count| run.measure(model(), FIRST_STEPS + count);
    let seconds = steps(FEWEST_STEPS)?;
    let in_time = (time.as_secs_f64() / median(&seconds)) as usize;
    if in_time <= 3 * FEWEST_STEPS {
        return Ok(median(&seconds));
    }
    Ok(median(&steps((in_time - FEWEST_STEPS).min(MOST_STEPS))?))
}

/// Median of the steps that count. A run that has only those before them has no others to judge by.
fn median(seconds: &[f64]) -> f64 {
    let counted = seconds.get(FIRST_STEPS..).filter(|counted| !counted.is_empty()).unwrap_or(seconds);
    let mut sorted = counted.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_steps_and_a_slow_one_do_not_count() {
        assert_eq!(median(&[9.0, 5.0, 1.0, 1.2, 7.0]), 1.2);
        assert_eq!(median(&[9.0]), 9.0);
    }
}
