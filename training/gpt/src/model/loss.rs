//! Cross-entropy, the loss of a language model.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor};

use super::affine;
use crate::device::{bf16, fused, layers};

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

/// That of an output head in bf16, by [`bf16::head_loss`].
///
/// # Shapes
/// - `x`: `[batch, seq, d_model]`
/// - `weight`: `[d_model, vocab_size]`
/// - `targets`: `[batch, seq]`
/// - output: `[1]`
pub fn head_loss(x: Tensor<3>, weight: Tensor<2>, targets: Tensor<2, Int>) -> Tensor<1> {
    let (x, targets) = in_rows(x, targets);
    bf16::head_loss(x, weight, targets, head_loss_from_primitives)
}

/// # Shapes
/// - `x`: `[n, d_model]`
/// - `weight`: `[d_model, vocab_size]`
/// - `targets`: `[n]`
/// - output: `[1]`
fn head_loss_from_primitives(x: Tensor<2>, weight: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    from_primitives(affine::in_bf16(x, weight, None).cast(DType::F32), targets)
}

/// `[batch * seq, width]` and `[batch * seq]`
fn in_rows(x: Tensor<3>, targets: Tensor<2, Int>) -> (Tensor<2>, Tensor<1, Int>) {
    let [batch, seq, width] = x.dims();
    (x.reshape([batch * seq, width]), targets.reshape([batch * seq]))
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
    use crate::device::testing::{self, assert_close, assert_same};
    use crate::device::{self, Device};

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

    /// Of weights of either layout, of a vocabulary that is padded and one that is not, and of a loss that is multiplied by
    /// something.
    #[test]
    fn the_head_in_bf16_is_the_same() {
        type Head<'a> = &'a dyn Fn(Tensor<2>, Tensor<2>, Tensor<1, Int>) -> Tensor<1>;
        let fused = |x, weight, targets| bf16::head_loss(x, weight, targets, |_, _, _| panic!("on libtorch"));
        let [n, d_model] = [6, 20];
        for vocab_size in [37, 64, 70] {
            let targets = |device: &Device| Tensor::<1, Int>::from_ints([4, 0, 36, 1, 1, 3], device);
            let matrix = |device: &Device, shape: [usize; 2], step| {
                Tensor::<2>::from_data(testing::numbers(&shape, step), device) / 3
            };
            let of_x = |head: Head, x: Tensor<2>| {
                let device = x.device();
                head(x, matrix(&device, [d_model, vocab_size], 1.1), targets(&device)) * 9.7
            };
            let of_weight = |head: Head, weight: Tensor<2>| {
                let device = weight.device();
                head(matrix(&device, [n, d_model], 0.3), weight / 3, targets(&device)) * 9.7
            };
            let of_transposed = |head: Head, weight: Tensor<2>| of_weight(head, weight.transpose());
            let definition: Head = &head_loss_from_primitives;
            let tolerance = 2.0 * testing::BF16;
            assert_close(tolerance, [n, d_model], |x| of_x(&fused, x), |x| of_x(definition, x));
            let shape = [d_model, vocab_size];
            assert_close(tolerance, shape, |w| of_weight(&fused, w), |w| of_weight(definition, w));
            let shape = [vocab_size, d_model];
            assert_close(tolerance, shape, |w| of_transposed(&fused, w), |w| of_transposed(definition, w));
        }
    }
}
