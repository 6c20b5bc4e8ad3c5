//! GELU, the Gaussian error linear unit, in the tanh form that GPT-2 uses and in the exact form.
//!
//! Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), <https://arxiv.org/abs/1606.08415>.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::tensor::Tensor;

use crate::device::fused;

/// A smooth gate that lets large numbers pass and holds small ones back.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    fused::gelu(x, from_primitives)
}

/// The same gate without the approximation by tanh: `x` times the normal distribution's share below `x`.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn exact_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    fused::exact_gelu(x, exact_from_primitives)
}

/// `0.5 x (1 + erf(x / sqrt(2)))`
fn exact_from_primitives<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = x.clone() * FRAC_1_SQRT_2;
    x * 0.5 * (inner.erf() + 1.0)
}

/// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`
fn from_primitives<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cube = x.clone().square() * x.clone();
    let inner = (x.clone() + cube * 0.044715) * (2.0 / PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::layers;
    use crate::device::testing::assert_same;

    /// Reference: the formula in double precision (Python's `math`).
    #[test]
    fn follows_the_formula() {
        let x = Tensor::<1>::from_floats([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], &device::cpu());
        let expected = [-0.003_637, -0.158_808, -0.154_286, 0.0, 0.345_714, 0.841_192, 2.996_363];
        for (y, expected) in gelu(x).into_data().try_to_vec::<f32>().unwrap().into_iter().zip(expected) {
            assert!((y - expected).abs() < 1e-6, "{y} != {expected}");
        }
    }

    /// Reference: `0.5 x (1 + erf(x / sqrt(2)))` in double precision (Python's `math`).
    #[test]
    fn the_exact_form_follows_its_formula() {
        let x = Tensor::<1>::from_floats([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], &device::cpu());
        let expected =
            [-0.004_049_7, -0.158_655_25, -0.154_268_77, 0.0, 0.345_731_23, 0.841_344_8, 2.995_950_3];
        for (y, expected) in exact_gelu(x).into_data().try_to_vec::<f32>().unwrap().into_iter().zip(expected)
        {
            assert!((y - expected).abs() < 1e-6, "{y} != {expected}");
        }
    }

    #[test]
    fn the_fused_forms_are_the_same() {
        assert_same([7, 5], gelu, from_primitives);
        assert_same([7, 5], exact_gelu, exact_from_primitives);
        assert_same([7, 5], |x| layers::gelu(x, from_primitives), from_primitives);
    }
}
