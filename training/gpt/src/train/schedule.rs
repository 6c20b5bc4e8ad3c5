//! Learning rate schedule: linear warm-up, then constant, then a decay along a cosine or a line.
//!
//! Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017); with a constant part, Hu et
//! al., "MiniCPM" (2024), <https://arxiv.org/abs/2404.06395>, section 4.

use std::f64::consts::PI;

use crate::preset::{Decay, TrainingSettings};

/// Learning rate of step `step`, counted from 0, of `total_steps`.
pub fn learning_rate(settings: &TrainingSettings, step: usize, total_steps: usize) -> f64 {
    let highest = settings.learning_rate;
    if step < settings.warmup_steps {
        return highest * (step + 1) as f64 / (settings.warmup_steps + 1) as f64;
    }
    let Some(lowest) = settings.final_learning_rate else { return highest };
    let start = decay_start(settings, total_steps).max(settings.warmup_steps);
    let falling_steps = total_steps.saturating_sub(start + 1).max(1);
    let progress = (step.saturating_sub(start) as f64 / falling_steps as f64).min(1.0);
    let left = match settings.decay {
        Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
        Decay::Linear => 1.0 - progress,
    };
    lowest + (highest - lowest) * left
}

/// The step, counted from 0, with which the decay of a run of `total_steps` begins, if the warm-up is over by then.
/// Its rate is still the highest. Without a decay, it is the end of the run.
pub fn decay_start(settings: &TrainingSettings, total_steps: usize) -> usize {
    let decaying = (settings.decaying_share() * total_steps as f64).round() as usize;
    total_steps.saturating_sub(decaying)
}

/// Steps of the run whose decay begins with step `start`, counted from 0: the inverse of [`decay_start`]. It is at
/// least one more than `start`, and there is none where the whole of a run decays.
pub fn steps_of_decay_at(settings: &TrainingSettings, start: usize) -> Option<usize> {
    let constant_share = 1.0 - settings.decaying_share();
    (constant_share > 0.0).then(|| ((start as f64 / constant_share).round() as usize).max(start + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    fn settings(warmup_steps: usize, final_learning_rate: Option<f64>) -> TrainingSettings {
        TrainingSettings {
            learning_rate: 0.8,
            warmup_steps,
            final_learning_rate,
            ..Preset::named("tiny", &[]).unwrap().training
        }
    }

    fn rates_of(settings: &TrainingSettings, total_steps: usize) -> Vec<f64> {
        (0..total_steps).map(|step| learning_rate(settings, step, total_steps)).collect()
    }

    fn rates(warmup_steps: usize, final_learning_rate: Option<f64>, total_steps: usize) -> Vec<f64> {
        rates_of(&settings(warmup_steps, final_learning_rate), total_steps)
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close && found.len() == expected.len(), "{found:?} != {expected:?}");
    }

    #[test]
    fn is_constant_unless_told_otherwise() {
        assert_close(&rates(0, None, 3), &[0.8, 0.8, 0.8]);
    }

    /// Three steps of warm-up end below the highest rate; then cos(0), cos(pi/2), cos(pi).
    #[test]
    fn rises_linearly_and_falls_as_a_cosine() {
        assert_close(&rates(3, Some(0.2), 6), &[0.2, 0.4, 0.6, 0.8, 0.5, 0.2]);
    }

    /// Of eight steps the last four decay, the first of them at the highest rate.
    #[test]
    fn is_constant_until_the_last_part() {
        let half = TrainingSettings { decay_fraction: 0.5, ..settings(1, Some(0.2)) };
        let cosine = [0.8, 0.65, 0.35, 0.2]; // 0.2 + 0.3 (1 + cos(0, pi/3, 2 pi/3, pi))
        assert_close(&rates_of(&half, 8), &[&[0.4, 0.8, 0.8, 0.8], &cosine[..]].concat());
        let linear = TrainingSettings { decay: Decay::Linear, ..half };
        assert_close(&rates_of(&linear, 8), &[0.4, 0.8, 0.8, 0.8, 0.8, 0.6, 0.4, 0.2]);
    }

    #[test]
    fn a_run_that_is_all_warmup_does_not_divide_by_zero() {
        assert_close(&rates(3, Some(0.0), 3), &[0.2, 0.4, 0.6]);
        assert_close(&rates(0, Some(0.0), 1), &[0.8]);
    }

    /// Then a run that is ended by time has the rates of one that was planned with so many steps.
    #[test]
    fn a_decay_begins_with_the_step_that_the_length_of_the_run_was_chosen_for() {
        for decay_fraction in [0.01, 0.2, 1.0 / 3.0, 0.4, 0.5, 0.9, 0.99] {
            let settings = TrainingSettings { decay_fraction, ..settings(0, Some(0.0)) };
            for start in (0..2000).chain([12_345, 999_999]) {
                let total = steps_of_decay_at(&settings, start).unwrap();
                let rates =
                    [start.saturating_sub(1), start].map(|step| learning_rate(&settings, step, total));
                assert_eq!(rates, [0.8, 0.8], "{start} of {total} with {decay_fraction}");
                assert!(total > start && decay_start(&settings, total) <= start + 1);
            }
        }
        assert_eq!(steps_of_decay_at(&settings(0, None), 7), Some(8));
        assert_eq!(steps_of_decay_at(&settings(0, Some(0.0)), 7), None);
    }
}
