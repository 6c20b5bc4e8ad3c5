//! Comparison of a fused function with its definition by primitives, for tests.

use burn::tensor::{Tensor, TensorData};

use crate::device;

/// Tolerance of results that are rounded to bf16 at last, and were once or twice on the way.
pub const BF16: f32 = 1.0 / 128.0;

/// All different, positive and negative; drawn numbers could depend on another test.
pub fn numbers(shape: &[usize], step: f32) -> TensorData {
    let values = (0..shape.iter().product()).map(|i: usize| 3.0 * ((i + 1) as f32 * step).sin());
    TensorData::new(values.collect::<Vec<f32>>(), shape.to_vec())
}

/// Checks that a function has the same values and gradients as its definition, and the same values
/// without autodiff. The gradient is that of a sum with unequal weights.
pub fn assert_same<const D: usize, const E: usize>(
    shape: [usize; D],
    function: impl Fn(Tensor<D>) -> Tensor<E>,
    definition: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    assert_close(2e-6, shape, function, definition);
}

/// The same with differences up to a part of the largest number, or of 1.
pub fn assert_close<const D: usize, const E: usize>(
    tolerance: f32,
    shape: [usize; D],
    function: impl Fn(Tensor<D>) -> Tensor<E>,
    definition: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let device = device::cpu().autodiff();
    let x = Tensor::<D>::from_data(numbers(&shape, 0.7), &device).require_grad();
    let values_and_gradient = |function: &dyn Fn(Tensor<D>) -> Tensor<E>| {
        let y = function(x.clone());
        let weights = Tensor::<E>::from_data(numbers(&y.dims(), 1.3), &device);
        let gradients = (y.clone() * weights).sum().backward();
        [y.inner().into_data(), x.grad(&gradients).unwrap().into_data()]
    };
    let [values, gradient] = values_and_gradient(&function);
    let [expected, expected_gradient] = values_and_gradient(&definition);
    let without_autodiff = function(x.clone().inner()).into_data();
    for (what, found, expected) in [
        ("values", &values, &expected),
        ("values without autodiff", &without_autodiff, &expected),
        ("gradient", &gradient, &expected_gradient),
    ] {
        let pairs: Vec<(f32, f32)> = found.iter::<f32>().zip(expected.iter::<f32>()).collect();
        let largest = pairs.iter().map(|(_, expected)| expected.abs()).fold(0.0, f32::max);
        let difference = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.shape() == expected.shape() && largest > 0.0);
        assert!(difference <= tolerance * largest.max(1.0), "{what}: {difference} of {largest}");
    }
}
