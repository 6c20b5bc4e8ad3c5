//! Cholesky factors by libtorch, in double precision.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;
use tch::{Kind, TchError};

/// A matrix that has no Cholesky factor, or for which none could be computed.
#[derive(Debug, thiserror::Error)]
#[error("a matrix cannot be factored, expected a positive definite one and enough memory: {reason}")]
pub struct FactorError {
    /// Why not.
    pub reason: String,
}

/// The upper triangular `u` with `u^T u = matrix^-1`.
///
/// # Shapes
/// - `matrix` and output: `[n, n]`
///
/// # Errors
/// If the matrix is not positive definite, or there is no memory.
pub fn inverse_factor(
    matrix: Tensor<2>,
    definition: impl FnOnce(Tensor<2>) -> Result<Tensor<2>, FactorError>,
) -> Result<Tensor<2>, FactorError> {
    let Ok(primitive) = matrix.clone().try_into_primitive::<LibTorch>() else { return definition(matrix) };
    let factor = in_double_precision(&primitive.tensor);
    let factor = factor.map_err(|error| FactorError { reason: error.to_string() })?;
    Ok(Tensor::from_primitive::<LibTorch>(TchTensor::new(factor)))
}

/// Inverting loses as many digits as the condition number has, so this takes 64 bits.
fn in_double_precision(matrix: &tch::Tensor) -> Result<tch::Tensor, TchError> {
    // Cholesky's l l^T, of the matrix with its axes turned round, is v v^T with an upper v: then
    // matrix^-1 = v^-T v^-1.
    let upper = matrix.to_kind(Kind::Double).flip([0, 1]).f_linalg_cholesky(false)?.flip([0, 1]);
    let identity = tch::Tensor::eye(upper.size()[0], (Kind::Double, upper.device()));
    Ok(upper.f_linalg_solve_triangular(&identity, true, true, false)?.to_kind(Kind::Float))
}
