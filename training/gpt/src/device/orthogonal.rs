//! Matrices made orthogonal by a Newton-Schulz iteration.
//!
//! It is a dozen products of a matrix in turn; libtorch multiplies small ones in float32 at a twentieth of AMX's speed.
//! The contract is that of [this folder](super).

use burn::backend::LibTorch;
use burn::tensor::Tensor;
use kernels::training::NewtonSchulz;

use super::derivative::Input;
use super::memory::{elements_mut, unshared};
use super::processor::{Processor, inputs, processor};

/// Repeats `x (a + b x^T x + c (x^T x)^2)`, from `matrix / (norm(matrix) + epsilon)` on.
///
/// # Shapes
/// - `matrix` and output: `[rows, columns]`
pub fn newton_schulz(
    matrix: Tensor<2>,
    [a, b, c]: [f64; 3],
    iterations: usize,
    epsilon: f64,
    definition: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    let Some([Input::Plain(found)]) = inputs([Input::new(matrix.clone())]) else { return definition(matrix) };
    drop(matrix);
    let Processor { multiplier, pool, .. } = processor();
    let mut x = unshared(found);
    let iteration = NewtonSchulz { coefficients: [a, b, c].map(|a| a as f32), iterations, epsilon };
    iteration.run(*multiplier, pool, elements_mut(&mut x), [rows, columns]);
    Tensor::from_primitive::<LibTorch>(x)
}
