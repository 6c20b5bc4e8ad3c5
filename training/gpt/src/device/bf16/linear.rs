//! Linear map in bf16.

use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;
use tch::Kind;

use super::rounded;
use crate::device::derivative::{Input, apply};

/// Linear map, `x weight + bias`, of numbers that are rounded to bf16.
///
/// # Shapes
/// - `x`: `[n, d_in]`
/// - `weight`: `[d_in, d_out]`
/// - `bias`: `[d_out]`
/// - output: `[n, d_out]`, in bf16
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    definition: impl FnOnce(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>,
) -> Tensor<2> {
    let (Some(of_x), Some(of_weight)) = (Input::new(x.clone()), Input::new(weight.clone())) else {
        return definition(x, weight, bias);
    };
    let Some(bias) = bias else {
        return apply(
            [of_x, of_weight],
            |[x, weight]| {
                let factors = Factors::new(x, weight);
                (TchTensor::new(factors.x.tensor.mm(&factors.weight.tensor)), factors)
            },
            |factors, gradient| factors.gradients(&gradient.tensor),
        );
    };
    let Some(of_bias) = Input::new(bias.clone()) else { return definition(x, weight, Some(bias)) };
    apply(
        [of_x, of_weight, of_bias],
        |[x, weight, bias]| {
            let factors = Factors::new(x, weight);
            (TchTensor::new(rounded(bias).tensor.addmm(&factors.x.tensor, &factors.weight.tensor)), factors)
        },
        |factors, gradient| {
            let gradient = gradient.tensor;
            let [of_x, of_weight] = factors.gradients(&gradient);
            [of_x, of_weight, TchTensor::new(gradient.sum_dim_intlist(&[0_i64][..], false, Kind::Float))]
        },
    )
}

/// Both factors in bf16, and what they were.
#[derive(Clone, Debug)]
struct Factors {
    x: TchTensor,
    weight: TchTensor,
    kinds: [Kind; 2],
}

impl Factors {
    fn new(x: &TchTensor, weight: &TchTensor) -> Self {
        let kinds = [x, weight].map(|tensor| tensor.tensor.kind());
        let [x, weight] = [x, weight].map(rounded);
        Self { x, weight, kinds }
    }

    /// Of `x weight`: `gradient weight^T` and `x^T gradient`.
    fn gradients(&self, gradient: &tch::Tensor) -> [TchTensor; 2] {
        let (x, weight) = (&self.x.tensor, &self.weight.tensor);
        let of_weight = if weight.is_contiguous() {
            x.tr().mm(gradient)
        } else {
            gradient.tr().mm(x).tr() // lies as the weight does, so that none of the two is copied
        };
        let [of_x, of_weight] = [(gradient.mm(&weight.tr()), 0), (of_weight, 1)]
            .map(|(product, factor)| TchTensor::new(product.to_kind(self.kinds[factor])));
        [of_x, of_weight]
    }
}
