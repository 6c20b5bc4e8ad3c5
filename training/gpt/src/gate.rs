//! What a new version must show before it is served.

use crate::evaluate::Comparison;

/// The conditions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// How far a logit of the float32 export may lie from the model's.
    pub largest_logit_difference: f64,
    /// By how much the validation loss may exceed that of the version being served, on the same
    /// text, in nats per token.
    pub margin: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { largest_logit_difference: 1e-3, margin: 0.05 }
    }
}

/// Why a version is not to be served.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum GateFailure {
    /// The export does not compute what the model computes.
    #[error("a logit of the export lies {found:e} from the model's, at most {allowed:e} is allowed")]
    Parity {
        /// The largest distance.
        found: f64,
        /// What the gate allows.
        allowed: f64,
    },
    /// It predicts worse than what is served.
    #[error(
        "its validation loss is {new:.4}, that of the version being served is {serving:.4} on the \
         same text, and at most {margin} more is allowed"
    )]
    Worse {
        /// Of the new version.
        new: f64,
        /// Of the version being served.
        serving: f64,
        /// What the gate allows.
        margin: f64,
    },
}

impl Gate {
    /// Judges a new version by its export and by the loss of the version being served, if there is
    /// one, on the same text.
    ///
    /// # Errors
    /// The first condition that does not hold. A loss that is no number fails too.
    pub fn judge(&self, new: &Comparison, serving_val_loss: Option<f64>) -> Result<(), GateFailure> {
        let (found, allowed) = (new.largest_logit_difference, self.largest_logit_difference);
        if found.is_nan() || found > allowed {
            return Err(GateFailure::Parity { found, allowed });
        }
        match serving_val_loss {
            Some(serving) if !new.val_loss.is_finite() || new.val_loss > serving + self.margin => {
                Err(GateFailure::Worse { new: new.val_loss, serving, margin: self.margin })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(val_loss: f64, largest_logit_difference: f64) -> Comparison {
        Comparison {
            val_loss,
            perplexity: val_loss.exp(),
            kl_divergence: 0.0,
            top_1_agreement: 1.0,
            largest_logit_difference,
            tokens: 100,
        }
    }

    #[test]
    fn lets_pass_what_is_exact_and_no_worse() {
        let gate = Gate::default();
        assert_eq!(gate.judge(&comparison(6.0, 1e-3), None), Ok(()));
        assert_eq!(gate.judge(&comparison(6.04, 1e-5), Some(6.0)), Ok(()));
    }

    #[test]
    fn holds_back_what_is_inexact_or_worse() {
        let gate = Gate::default();
        let parity = |difference| gate.judge(&comparison(6.0, difference), None).unwrap_err();
        assert!(matches!(parity(2e-3), GateFailure::Parity { .. }));
        assert!(matches!(parity(f64::NAN), GateFailure::Parity { .. }));
        let worse = |loss| gate.judge(&comparison(loss, 0.0), Some(6.0)).unwrap_err();
        assert!(matches!(worse(6.06), GateFailure::Worse { .. }));
        assert!(worse(f64::NAN).to_string().contains("6.0000"));
    }
}
