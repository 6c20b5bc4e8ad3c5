//! Linear layer: `y = x W + b`.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Tensor};

use crate::device::{Arithmetic, bf16, layers};

/// A learned linear map from `d_in` to `d_out` features.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_in, d_out]`. PyTorch stores the transpose; import and export turn it around.
    pub weight: Param<Tensor<2>>,
    /// `[d_out]`
    pub bias: Option<Param<Tensor<1>>>,
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
        map(self.arithmetic, x, weight, bias).reshape([batch, seq, d_out])
    }
}

/// # Shapes
/// - `x`: `[n, d_in]`
/// - `weight` and `bias`: `[d_in, d_out]` and `[d_out]`
/// - output: `[n, d_out]`
pub(super) fn map(
    arithmetic: Arithmetic,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    match arithmetic {
        Arithmetic::Primitives => from_primitives(x, weight, bias),
        Arithmetic::Kernels => layers::linear(x, weight, bias, from_primitives),
        Arithmetic::Bf16 => bf16::linear(x, weight, bias, in_bf16),
    }
}

/// The same of numbers that are rounded to bf16.
///
/// # Shapes
/// - as for [`from_primitives`]
pub(super) fn in_bf16(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let [x, weight] = [x, weight].map(|factor| factor.cast(DType::BF16));
    from_primitives(x, weight, bias.map(|bias| bias.cast(DType::BF16)))
}

/// # Shapes
/// - `x`: `[n, d_in]`
/// - output: `[n, d_out]`
fn from_primitives(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = x.matmul(weight); // [n, d_out]
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::testing::{self, assert_close};

    #[test]
    fn multiplies_and_adds() {
        let device = device::cpu();
        let linear = Linear {
            weight: Param::from_tensor(Tensor::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device)),
            bias: Some(Param::from_tensor(Tensor::from_floats([0.5, 0.0, -0.5], &device))),
            arithmetic: Arithmetic::default(),
        };
        let x = Tensor::<3>::from_floats([[[1.0, 0.0], [1.0, 1.0]]], &device);
        let y = linear.forward(x).into_data();
        assert_eq!(y.try_to_vec::<f32>().unwrap(), [1.5, 2.0, 2.5, 5.5, 7.0, 8.5]);
    }

    /// Each in turn is the function's argument. 40 products of numbers up to 3 have 2^-17 of their size as an error,
    /// and partly cancel each other out.
    #[test]
    fn the_fused_forms_are_the_same() {
        let [n, d_in, d_out] = [7, 40, 33];
        let fixed = |shape: &[usize], step| testing::numbers(shape, step);
        let matrix =
            |like: &Device, shape: [usize; 2], step| Tensor::<2>::from_data(fixed(&shape, step), like);
        let vector = |like: &Device, step| Tensor::<1>::from_data(fixed(&[d_out], step), like);
        let kernels = |x, weight, bias| layers::linear(x, weight, bias, from_primitives);
        let bf16 = |x, weight, bias| {
            bf16::linear(x, weight, bias, |_, _, _| panic!("it is on libtorch")).cast(DType::F32)
        };
        let rounded = |x, weight, bias| in_bf16(x, weight, bias).cast(DType::F32);
        type Function<'a> = &'a dyn Fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>;
        let of_x = |f: Function, x: Tensor<2>| {
            let device = x.device();
            f(x, matrix(&device, [d_in, d_out], 1.1), Some(vector(&device, 0.3)))
        };
        let of_weight = |f: Function, weight: Tensor<2>| {
            let x = matrix(&weight.device(), [n, d_in], 1.1);
            f(x, weight.transpose(), None)
        };
        let of_bias = |f: Function, bias: Tensor<1>| {
            let device = bias.device();
            f(matrix(&device, [n, d_in], 1.1), matrix(&device, [d_in, d_out], 0.3), Some(bias))
        };
        let pairs: [(f32, Function, Function); 2] =
            [(2e-4, &kernels, &from_primitives), (testing::BF16, &bf16, &rounded)];
        for (tolerance, fused, definition) in pairs {
            assert_close(tolerance, [n, d_in], |x| of_x(fused, x), |x| of_x(definition, x));
            assert_close(tolerance, [d_out, d_in], |x| of_weight(fused, x), |x| of_weight(definition, x));
            assert_close(tolerance, [d_out], |x| of_bias(fused, x), |x| of_bias(definition, x));
        }
    }

    #[test]
    fn starts_within_pytorchs_bounds() {
        let device = device::cpu();
        let linear = Linear::new(16, 1000, true, &device);
        let largest: f32 = linear.weight.val().abs().max().into_scalar();
        assert!((0.24..=0.25).contains(&largest), "{largest}"); // 1 / sqrt(16)
    }
}
