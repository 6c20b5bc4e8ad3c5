//! Cross-entropy, the loss of a language model.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use crate::device::{fused, layers};

/// Mean cross-entropy in nats: how surprised the model is by the token that really follows,
/// `-mean(log softmax(logits)[target])`.
///
/// # Shapes
/// - `logits`: `[batch, seq, vocab_size]`
/// - `targets`: `[batch, seq]`
/// - output: `[1]`
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    let (logits, targets) = in_rows(logits, targets);
    fused::cross_entropy(logits, targets, from_primitives)
}

/// The same by [`layers::cross_entropy`].
///
/// # Shapes
/// - as for [`cross_entropy`]
pub fn fused_cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    let (logits, targets) = in_rows(logits, targets);
    layers::cross_entropy(logits, targets, from_primitives)
}

/// `[batch * seq, vocab_size]` and `[batch * seq]`
fn in_rows(logits: Tensor<3>, targets: Tensor<2, Int>) -> (Tensor<2>, Tensor<1, Int>) {
    let [batch, seq, vocab_size] = logits.dims();
    (logits.reshape([batch * seq, vocab_size]), targets.reshape([batch * seq]))
}

/// # Shapes
/// - `logits`: `[n, vocab_size]`
/// - `targets`: `[n]`
/// - output: `[1]`
fn from_primitives(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let of_targets = log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1)); // [n, 1]
    -of_targets.mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::testing::assert_same;

    /// softmax([0, ln 3]) = [1/4, 3/4], so the targets 0 and 1 cost (ln 4 + ln 4/3) / 2.
    #[test]
    fn is_the_mean_surprise() {
        let device = device::cpu();
        let logits = Tensor::<3>::from_floats([[[0.0, 3f32.ln()], [0.0, 3f32.ln()]]], &device);
        let loss: f32 = cross_entropy(logits, Tensor::from_ints([[0, 1]], &device)).into_scalar();
        let expected = (4f32.ln() + (4f32 / 3.0).ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} != {expected}");
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let device = device::cpu();
        let logits = Tensor::<3>::from_floats([[[1e4, 0.0]]], &device);
        let loss: f32 = cross_entropy(logits, Tensor::from_ints([[1]], &device)).into_scalar();
        assert_eq!(loss, 1e4);
    }

    #[test]
    fn the_fused_forms_are_the_same() {
        let targets = |logits: &Tensor<3>| Tensor::from_ints([[4, 0, 2], [1, 1, 3]], &logits.device());
        let definition = |logits: Tensor<3>| {
            let targets = targets(&logits).reshape([6]);
            from_primitives(logits.reshape([6, 5]), targets)
        };
        assert_same([2, 3, 5], |logits| cross_entropy(logits.clone(), targets(&logits)), definition);
        assert_same([2, 3, 5], |logits| fused_cross_entropy(logits.clone(), targets(&logits)), definition);
    }
}
