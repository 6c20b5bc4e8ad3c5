//! Affine map of matrices, `x W + b`: what linear layers compute, in one of several ways.

use burn::tensor::{DType, Tensor};

use crate::device::{Arithmetic, bf16, layers};

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
    use burn::tensor::Device;

    use super::*;
    use crate::device::testing::{self, assert_close};

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
}
