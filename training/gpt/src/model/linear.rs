//! Linear layer: `y = x W + b`.

use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};

use super::affine;
use super::lora::Lora;
use crate::device::Arithmetic;

/// A learned linear map from `d_in` to `d_out` features.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_in, d_out]`. PyTorch stores the transpose; import and export turn it around.
    pub weight: Param<Tensor<2>>,
    /// `[d_out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// What is learned in place of the weight, if it stays as it is.
    pub lora: Option<Lora>,
    /// How it computes.
    #[module(skip)]
    pub arithmetic: Arithmetic,
}

impl Linear {
    /// Draws weight and bias from the uniform distribution over `±1/sqrt(d_in)`, as PyTorch does.
    pub fn new(d_in: usize, d_out: usize, with_bias: bool, device: &Device) -> Self {
        let bound = 1.0 / (d_in as f64).sqrt();
        let uniform = Distribution::Uniform(-bound, bound);
        Self {
            weight: Param::from_tensor(Tensor::random([d_in, d_out], uniform, device)),
            bias: with_bias.then(|| Param::from_tensor(Tensor::random([d_out], uniform, device))),
            lora: None,
            arithmetic: Arithmetic::default(),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, seq, d_in]`
    /// - output: `[batch, seq, d_out]`, in bf16 if that is how it computes
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, seq, d_in] = x.dims();
        let [_, d_out] = self.weight.dims();
        // One large product: batched, the weight's gradient would be computed once per text.
        let x = x.reshape([batch * seq, d_in]);
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        let change = self.lora.as_ref().map(|lora| lora.forward(self.arithmetic, x.clone()));
        let y = affine::map(self.arithmetic, x, weight, bias);
        let y = match change {
            Some(change) => y + change,
            None => y,
        };
        y.reshape([batch, seq, d_out])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn multiplies_and_adds() {
        let device = device::cpu();
        let linear = Linear {
            weight: Param::from_tensor(Tensor::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device)),
            bias: Some(Param::from_tensor(Tensor::from_floats([0.5, 0.0, -0.5], &device))),
            lora: None,
            arithmetic: Arithmetic::default(),
        };
        let x = Tensor::<3>::from_floats([[[1.0, 0.0], [1.0, 1.0]]], &device);
        let y = linear.forward(x).into_data();
        assert_eq!(y.try_to_vec::<f32>().unwrap(), [1.5, 2.0, 2.5, 5.5, 7.0, 8.5]);
    }

    #[test]
    fn starts_within_pytorchs_bounds() {
        let device = device::cpu();
        let linear = Linear::new(16, 1000, true, &device);
        let largest: f32 = linear.weight.val().abs().max().into_scalar();
        assert!((0.24..=0.25).contains(&largest), "{largest}"); // 1 / sqrt(16)
    }
}
