//! Linear map in bf16.

use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;
use tch::Kind;

use super::rounded;
use crate::device::derivative::{Input, apply_to_wanted};

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
        return apply_to_wanted(
            [of_x, of_weight],
            |[x, weight]| {
                let factors = Factors::new(x, weight);
                (TchTensor::new(factors.x.tensor.mm(&factors.weight.tensor)), factors)
            },
            |factors, gradient, wanted| factors.gradients(&gradient.tensor, wanted),
        );
    };
    let Some(of_bias) = Input::new(bias.clone()) else { return definition(x, weight, Some(bias)) };
    apply_to_wanted(
        [of_x, of_weight, of_bias],
        |[x, weight, bias]| {
            let factors = Factors::new(x, weight);
            (TchTensor::new(rounded(bias).tensor.addmm(&factors.x.tensor, &factors.weight.tensor)), factors)
        },
        |factors, gradient, [x, weight, bias]| {
            let gradient = gradient.tensor;
            let [of_x, of_weight] = factors.gradients(&gradient, [x, weight]);
            let sums = || TchTensor::new(gradient.sum_dim_intlist(&[0_i64][..], false, Kind::Float));
            [of_x, of_weight, bias.then(sums)]
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

    /// Of `x weight`: `gradient weight^T` and `x^T gradient`, as far as they are wanted.
    fn gradients(&self, gradient: &tch::Tensor, [of_x, of_weight]: [bool; 2]) -> [Option<TchTensor>; 2] {
        let (x, weight) = (&self.x.tensor, &self.weight.tensor);
        let of_weight = of_weight.then(|| match weight.is_contiguous() {
            true => x.tr().mm(gradient),
            false => gradient.tr().mm(x).tr(), // lies as the weight does, so that none of the two is copied
        });
        let of_x = of_x.then(|| gradient.mm(&weight.tr()));
        let [kind_of_x, kind_of_weight] = self.kinds;
        [(of_x, kind_of_x), (of_weight, kind_of_weight)]
            .map(|(product, kind)| product.map(|product| TchTensor::new(product.to_kind(kind))))
    }
}
