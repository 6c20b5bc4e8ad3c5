//! Learning rate schedule: linear warm-up, then a cosine.
//!
//! Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).

use std::f64::consts::PI;

use crate::preset::TrainingSettings;

/// Learning rate of step `step`, counted from 0, of `total_steps`.
pub fn learning_rate(settings: &TrainingSettings, step: usize, total_steps: usize) -> f64 {
    let highest = settings.learning_rate;
    if step < settings.warmup_steps {
        return highest * (step + 1) as f64 / (settings.warmup_steps + 1) as f64;
    }
    let Some(lowest) = settings.final_learning_rate else { return highest };
    let after_warmup = total_steps.saturating_sub(settings.warmup_steps + 1).max(1);
    let progress = ((step - settings.warmup_steps) as f64 / after_warmup as f64).min(1.0);
    lowest + (highest - lowest) * 0.5 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    fn rates(warmup_steps: usize, final_learning_rate: Option<f64>, total_steps: usize) -> Vec<f64> {
        let settings = TrainingSettings {
            learning_rate: 0.8,
            warmup_steps,
            final_learning_rate,
            ..Preset::named("tiny", &[]).unwrap().training
        };
        (0..total_steps).map(|step| learning_rate(&settings, step, total_steps)).collect()
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

    #[test]
    fn a_run_that_is_all_warmup_does_not_divide_by_zero() {
        assert_close(&rates(3, Some(0.0), 3), &[0.2, 0.4, 0.6]);
        assert_close(&rates(0, Some(0.0), 1), &[0.8]);
    }
}
