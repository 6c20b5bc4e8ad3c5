//! Memorizing: a model whose validation loss rises while its training loss falls learns its text by heart.

use super::evaluation::{Evaluation, lowest};

/// A validation loss that is higher by less, as a share of the lowest, may be so by chance.
pub const SMALLEST_RISE: f64 = 0.01;
/// Evaluations in a row that must show it.
const EVALUATIONS: usize = 2;

/// The evaluation with the lowest validation loss, if the latest ones show that the model memorizes: each of them has a
/// clearly higher one, and a lower training loss.
pub fn memorizes_since(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    let (index, best) = lowest(evaluations)?;
    let latest = evaluations.get(index + 1..)?;
    let latest = &latest[latest.len().checked_sub(EVALUATIONS)?..];
    let shows = |evaluation: &Evaluation| {
        evaluation.val_loss > best.val_loss * (1.0 + SMALLEST_RISE) && evaluation.train_loss < best.train_loss
    };
    latest.iter().all(shows).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(losses: &[(f64, f64)]) -> Option<usize> {
        let evaluations: Vec<_> = losses
            .iter()
            .enumerate()
            .map(|(step, &(train_loss, val_loss))| Evaluation {
                epoch: 1,
                step,
                tokens_seen: 0,
                train_loss,
                val_loss,
                bits_per_byte: None,
                seconds: 0.0,
            })
            .collect();
        memorizes_since(&evaluations).map(|best| best.step)
    }

    #[test]
    fn two_higher_validation_losses_at_lower_training_losses_show_it() {
        let begin = [(11.0, 11.0), (8.0, 8.0), (6.0, 7.0)];
        let with = |latest: &[(f64, f64)]| since(&[&begin[..], latest].concat());
        assert_eq!(with(&[(5.0, 7.2), (4.0, 7.3)]), Some(2));
        assert_eq!(with(&[(5.0, 7.05), (4.0, 7.2), (3.0, 7.1)]), Some(2));
        // Once; too little; one of them too little; training loss no lower; a new lowest.
        assert_eq!(with(&[(5.0, 7.3)]), None);
        assert_eq!(with(&[(5.0, 7.05), (4.0, 7.06)]), None);
        assert_eq!(with(&[(5.0, 7.3), (4.0, 7.06)]), None);
        assert_eq!(with(&[(6.1, 7.3), (5.0, 7.3)]), None);
        assert_eq!(with(&[(5.0, 7.3), (4.0, 6.9)]), None);
    }

    #[test]
    fn a_model_that_has_not_been_trained_memorizes_nothing() {
        assert_eq!(since(&[]), None);
        // The weights that training began with had the lowest loss.
        assert_eq!(since(&[(3.0, 3.0), (2.9, 3.2)]), None);
    }
}
