//! Output head in bf16 and its cross-entropy, in chunks of rows.
//!
//! The logits are by far the largest activations of a small model. They are kept in bf16, and where they lie, the loss puts
//! its gradient: neither they nor their probabilities are ever in memory whole in float32. Their number is filled up to a
//! multiple of 64 on the device, without which a GPU multiplies at two thirds of its speed; nothing of that is seen outside.

use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::{Int, Tensor};
use tch::Kind::{BFloat16, Double, Float};

use super::rounded;
use crate::device::derivative::{Input, apply_to_wanted};

type Tracked = Autodiff<LibTorch>;

/// Logits of a chunk: few enough to stay in a processor's cache, many enough to keep a GPU busy.
const CHUNK: i64 = 1 << 20;
const CHUNK_ON_GPU: i64 = 1 << 26;
/// The number of logits is a multiple of this.
const TILE: i64 = 64;

/// Cross-entropy of the logits `x weight`, `-mean(log softmax(x weight)[target])`. Factors and logits are rounded to bf16,
/// softmax and loss are in float32.
///
/// # Shapes
/// - `x`: `[n, d_model]`
/// - `weight`: `[d_model, vocab_size]`
/// - `targets`: `[n]`
/// - output: `[1]`, in float32
pub fn head_loss(
    x: Tensor<2>,
    weight: Tensor<2>,
    targets: Tensor<1, Int>,
    definition: impl FnOnce(Tensor<2>, Tensor<2>, Tensor<1, Int>) -> Tensor<1>,
) -> Tensor<1> {
    let column = targets.clone().unsqueeze_dim::<2>(1); // [n, 1]
    let column = column.clone().try_into_primitive::<LibTorch>().or(column.try_into_primitive::<Tracked>());
    let inputs = [Input::new(x.clone()), Input::new(weight.clone())];
    let (Ok(column), [Some(of_x), Some(of_weight)]) = (column, inputs) else {
        return definition(x, weight, targets);
    };
    let is_tracked = matches!(of_x, Input::Tracked(_));
    apply_to_wanted(
        [of_x, of_weight],
        |[x, weight]| {
            let head = Head::new(x, weight);
            let loss = head.loss(&column.tensor, is_tracked);
            (TchTensor::new(loss), head)
        },
        |head, gradient, wanted| head.gradients(&gradient.tensor, wanted),
    )
}

/// What is kept for the gradient.
#[derive(Clone, Debug)]
struct Head {
    /// `[n, d_model]`, in bf16
    x: TchTensor,
    /// `[d_model, padded]`, in bf16, and zeros behind the vocabulary.
    weight: TchTensor,
    /// The logits, `[n, padded]`, in bf16; later their gradients.
    logits: TchTensor,
    vocab_size: i64,
    kind_of_x: tch::Kind,
}

impl Head {
    fn new(x: &TchTensor, weight: &TchTensor) -> Self {
        let (vocab_size, kind_of_x) = (weight.tensor.size()[1], x.tensor.kind());
        let (x, weight) = (rounded(x), padded(&weight.tensor));
        let logits = TchTensor::new(x.tensor.mm(&weight));
        let weight = TchTensor::new(weight);
        Self { x, weight, logits, vocab_size, kind_of_x }
    }

    /// The loss. Leaves its gradient in the place of the logits, if it is asked for.
    fn loss(&self, targets: &tch::Tensor, with_gradient: bool) -> tch::Tensor {
        let logits = &self.logits.tensor;
        let [count, padded] = [0, 1].map(|axis| logits.size()[axis]);
        let chunk = if logits.device().is_cuda() { CHUNK_ON_GPU } else { CHUNK };
        let rows = (chunk / padded).max(1);
        let mut total = tch::Tensor::zeros([], (Double, logits.device()));
        for first in (0..count).step_by(rows as usize) {
            let rows = rows.min(count - first);
            let mut logits = logits.narrow(0, first, rows).narrow(1, 0, self.vocab_size);
            let targets = targets.narrow(0, first, rows);
            let mut log_probabilities = logits.log_softmax(-1, Float);
            let _ = total.g_sub_(&log_probabilities.gather(1, &targets, false).sum(Double));
            if with_gradient {
                // (softmax(logits) - one_hot(targets)) / n
                let mut difference = log_probabilities.exp_();
                let ones = tch::Tensor::ones_like(&targets).to_kind(Float);
                let _ = difference.scatter_add_(1, &targets, &-ones);
                logits.copy_(&difference.g_mul_scalar_(1.0 / count as f64));
            }
        }
        if with_gradient && padded > self.vocab_size {
            let _ = logits.narrow(1, self.vocab_size, padded - self.vocab_size).zero_();
        }
        (total / count as f64).to_kind(Float).reshape([1])
    }

    /// Of `x` and of the weight, as far as they are wanted, given that of the loss.
    fn gradients(&self, gradient: &tch::Tensor, [of_x, of_weight]: [bool; 2]) -> [Option<TchTensor>; 2] {
        let (x, weight, of_logits) = (&self.x.tensor, &self.weight.tensor, &self.logits.tensor);
        // By the factor, which stays on the device, the smaller matrices are multiplied.
        let of_x =
            of_x.then(|| (of_logits.mm(&weight.tr()).to_kind(Float) * gradient).to_kind(self.kind_of_x));
        let of_weight = of_weight.then(|| {
            let x = (x.to_kind(Float) * gradient).to_kind(BFloat16);
            match weight.is_contiguous() {
                true => x.tr().mm(of_logits).narrow(1, 0, self.vocab_size).to_kind(Float),
                // Lies as the weight does.
                false => of_logits.tr().mm(&x).narrow(0, 0, self.vocab_size).to_kind(Float).tr(),
            }
        });
        [of_x, of_weight].map(|gradient| gradient.map(TchTensor::new))
    }
}

/// The weight in bf16 with zeros behind the vocabulary, where its number of ids is no multiple of a tile. A transposed one
/// stays transposed.
fn padded(weight: &tch::Tensor) -> tch::Tensor {
    if !weight.is_contiguous() && weight.tr().is_contiguous() {
        return padded_along(&weight.tr(), 0).tr();
    }
    padded_along(weight, 1)
}

fn padded_along(weight: &tch::Tensor, axis: i64) -> tch::Tensor {
    let mut shape = weight.size();
    let count = shape[axis as usize];
    let more = (TILE - count % TILE) % TILE;
    if more == 0 {
        return weight.to_kind(BFloat16);
    }
    shape[axis as usize] += more;
    let padded = tch::Tensor::empty(&shape, (BFloat16, weight.device()));
    padded.narrow(axis, 0, count).copy_(weight);
    let _ = padded.narrow(axis, count, more).zero_();
    padded
}
