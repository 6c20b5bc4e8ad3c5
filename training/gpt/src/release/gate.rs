//! Promotion gate: the thresholds that a new version must meet before it is served.

use artifact::manifest::Precision;

use super::evaluation::Comparison;
use crate::train::evaluation::Score;

/// Largest absolute difference between a logit of the float32 export and the model's. What different orders
/// of summation cause is below 1e-4 in our tests.
pub const LARGEST_LOGIT_DIFFERENCE: f64 = 1e-3;
/// Largest mean Kullback-Leibler divergence of a quantized export's next-token distribution from the
/// model's, in nats.
pub const LARGEST_KL_DIVERGENCE: f64 = 1e-2;
/// By how much the validation loss may exceed that of the version being served, in nats per token, unless
/// `--margin` says otherwise.
pub const DEFAULT_MARGIN: f64 = 0.05;
/// By how much the score on tasks may be below that of the version being served, unless `--task-margin` says otherwise.
pub const DEFAULT_TASK_MARGIN: f64 = 0.0;
/// The lowest score on tasks, unless `--min-score` says otherwise.
pub const DEFAULT_MIN_SCORE: f64 = 0.0;

/// The thresholds for one decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// See [`LARGEST_LOGIT_DIFFERENCE`].
    pub largest_logit_difference: f64,
    /// See [`LARGEST_KL_DIVERGENCE`].
    pub kl_divergence: f64,
    /// By how much the validation loss may exceed that of the version being served, on the same
    /// text, in nats per token of the new version's tokenizer.
    pub margin: f64,
    /// By how much the score on tasks may be below that of the version being served, on the same tasks.
    pub task_margin: f64,
    /// The lowest score on tasks.
    pub min_score: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            largest_logit_difference: LARGEST_LOGIT_DIFFERENCE,
            kl_divergence: LARGEST_KL_DIVERGENCE,
            margin: DEFAULT_MARGIN,
            task_margin: DEFAULT_TASK_MARGIN,
            min_score: DEFAULT_MIN_SCORE,
        }
    }
}

/// The threshold that a version misses.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum GateFailure {
    /// The float32 export does not compute what the model computes.
    #[error(
        "a logit of the float32 export differs from the model's by {found:e}, at most {allowed:e} is allowed"
    )]
    Parity {
        /// The largest difference.
        found: f64,
        /// The threshold.
        allowed: f64,
    },
    /// A quantized export has lost too much.
    #[error(
        "the {precision} export diverges from the model by {found:e} nats, at most {allowed:e} is allowed"
    )]
    Divergence {
        /// The export.
        precision: Precision,
        /// Mean Kullback-Leibler divergence.
        found: f64,
        /// The threshold.
        allowed: f64,
    },
    /// Its validation loss is higher than that of the version being served.
    #[error(
        "its validation loss is {new}, that of the version being served is {serving} on the \
         same text, and at most {margin} more is allowed"
    )]
    Worse {
        /// Of the new version.
        new: Score,
        /// Of the version being served, counted in the tokens of the new one.
        serving: Score,
        /// The threshold.
        margin: f64,
    },
    /// Its score on tasks is too low, whatever is being served.
    #[error("its task score is {new:.4}, expected at least {min_score}")]
    LowScore {
        /// Of the new version.
        new: f64,
        /// The threshold.
        min_score: f64,
    },
    /// Its score on tasks is lower than that of the version being served.
    #[error(
        "its task score is {new:.4}, that of the version being served is {serving:.4} on the same tasks, and at most \
         {margin} less is allowed"
    )]
    WorseAtTasks {
        /// Of the new version.
        new: f64,
        /// Of the version being served.
        serving: f64,
        /// The threshold.
        margin: f64,
    },
}

impl Gate {
    /// Judges a new version by its exports alone.
    ///
    /// # Errors
    /// The first export that is too far from its model. NaN fails too.
    pub fn judge_exports<'a>(
        &self,
        exports: impl IntoIterator<Item = (Precision, &'a Comparison)>,
    ) -> Result<(), GateFailure> {
        for (precision, comparison) in exports {
            let (found, allowed) = match precision {
                Precision::Float32 => (comparison.largest_logit_difference, self.largest_logit_difference),
                _ => (comparison.kl_divergence, self.kl_divergence),
            };
            if found.is_nan() || found > allowed {
                return Err(match precision {
                    Precision::Float32 => GateFailure::Parity { found, allowed },
                    _ => GateFailure::Divergence { precision, found, allowed },
                });
            }
        }
        Ok(())
    }

    /// Judges a new version by its loss and that of the version being served, on the same text and counted in the same
    /// tokens.
    ///
    /// # Errors
    /// If it is higher by more than the margin, or not finite.
    pub fn judge_loss(&self, new: &Score, serving: &Score) -> Result<(), GateFailure> {
        if new.loss.is_finite() && new.loss <= serving.loss + self.margin {
            return Ok(());
        }
        Err(GateFailure::Worse { new: *new, serving: *serving, margin: self.margin })
    }

    /// Judges a new version by the share of tasks that it does right, and that of the version being served if there is
    /// one.
    ///
    /// # Errors
    /// If it is too low, or lower by more than the margin.
    pub fn judge_tasks(&self, new: f64, serving: Option<f64>) -> Result<(), GateFailure> {
        let Self { min_score, task_margin: margin, .. } = *self;
        if new < min_score {
            return Err(GateFailure::LowScore { new, min_score });
        }
        match serving {
            Some(serving) if new < serving - margin => {
                Err(GateFailure::WorseAtTasks { new, serving, margin })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(loss: f64) -> Score {
        Score { loss, tokens: 100, bytes: 400 }
    }

    fn judge(
        precision: Precision,
        kl_divergence: f64,
        largest_logit_difference: f64,
    ) -> Result<(), GateFailure> {
        let score = score(6.0);
        let comparison = Comparison { score, kl_divergence, top_1_agreement: 1.0, largest_logit_difference };
        Gate::default().judge_exports([(precision, &comparison)])
    }

    #[test]
    fn lets_pass_what_is_exact_and_no_worse() {
        assert_eq!(judge(Precision::Float32, 0.0, 1e-3), Ok(()));
        assert_eq!(judge(Precision::W4, 1e-2, 3.0), Ok(()));
        assert_eq!(Gate::default().judge_loss(&score(6.04), &score(6.0)), Ok(()));
    }

    /// 8 nats for each of 75 tokens are as many as 6 for each of 100, so the margin of 0.05 ends at 6.05.
    #[test]
    fn versions_with_different_tokenizers_are_compared_by_byte() {
        let serving = Score { loss: 8.0, tokens: 75, bytes: 400 };
        let judge = |new: Score| Gate::default().judge_loss(&new, &serving.in_tokens_of(&new));
        assert_eq!(judge(score(6.04)), Ok(()));
        let failure = judge(score(6.06)).unwrap_err().to_string();
        assert!(failure.contains("that of the version being served is 6.0000 (2.16 bits"), "{failure}");
    }

    #[test]
    fn versions_are_compared_by_tasks() {
        let strict = Gate { min_score: 0.5, ..Gate::default() };
        let lenient = Gate { task_margin: 0.25, ..Gate::default() };
        assert_eq!(strict.judge_tasks(0.5, None), Ok(()));
        assert_eq!(strict.judge_tasks(0.75, Some(0.75)), Ok(()));
        assert_eq!(lenient.judge_tasks(0.5, Some(0.75)), Ok(()));
        let failure = strict.judge_tasks(0.25, None).unwrap_err().to_string();
        assert!(failure.contains("is 0.2500, expected at least 0.5"), "{failure}");
        for (gate, new) in [(strict, 0.5), (lenient, 0.25)] {
            let failure = gate.judge_tasks(new, Some(0.75)).unwrap_err();
            assert_eq!(failure, GateFailure::WorseAtTasks { new, serving: 0.75, margin: gate.task_margin });
            assert!(failure.to_string().contains("being served is 0.7500"), "{failure}");
        }
    }

    #[test]
    fn holds_back_what_is_inexact_or_worse() {
        for difference in [2e-3, f64::NAN] {
            assert!(matches!(
                judge(Precision::Float32, 0.0, difference).unwrap_err(),
                GateFailure::Parity { .. }
            ));
        }
        for divergence in [2e-2, f64::NAN] {
            let failure = judge(Precision::W4, divergence, 0.0).unwrap_err();
            assert!(failure.to_string().contains("w4 export diverges"), "{failure}");
        }
        for loss in [6.06, f64::NAN] {
            let failure = Gate::default().judge_loss(&score(loss), &score(6.0)).unwrap_err();
            assert!(
                failure.to_string().contains("6.0000 (2.16 bits per byte) on the same text"),
                "{failure}"
            );
        }
    }
}
