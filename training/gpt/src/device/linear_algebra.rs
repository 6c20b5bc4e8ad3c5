//! Factors of matrices, which burn does not have.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;
use tch::{Kind, TchError};

/// Why a matrix has no such factor, or none could be computed.
#[derive(Debug, thiserror::Error)]
#[error("a matrix cannot be factored, expected a positive definite one and enough memory: {0}")]
pub struct FactorError(#[from] TchError);

/// The upper triangular `u` with `u^T u = matrix^-1`.
///
/// # Shapes
/// - `matrix` and output: `[n, n]`
///
/// # Errors
/// If the matrix is not positive definite, or there is no memory.
///
/// # Panics
/// If the matrix is not one of libtorch without autodiff.
pub fn inverse_factor(matrix: Tensor<2>) -> Result<Tensor<2>, FactorError> {
    let matrix = match matrix.try_into_primitive::<LibTorch>() {
        Ok(matrix) => matrix.tensor,
        Err(error) => panic!("a tensor without autodiff was expected: {error:?}"),
    };
    // Cholesky's l l^T, of the matrix with its axes turned round, is v v^T with an upper v: then
    // matrix^-1 = v^-T v^-1. In 64 bits, as inverting loses as many digits as the condition has.
    let upper = matrix.to_kind(Kind::Double).flip([0, 1]).f_linalg_cholesky(false)?.flip([0, 1]);
    let identity = tch::Tensor::eye(upper.size()[0], (Kind::Double, upper.device()));
    let factor = upper.f_linalg_solve_triangular(&identity, true, true, false)?.to_kind(Kind::Float);
    Ok(Tensor::from_primitive::<LibTorch>(TchTensor::new(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    fn values(matrix: Tensor<2>) -> Vec<f32> {
        matrix.into_data().try_to_vec().unwrap()
    }

    /// By hand: the inverse of `[[5, 2], [2, 1]]` is `[[1, -2], [-2, 5]] = u^T u`.
    #[test]
    fn the_factor_is_that_of_the_inverse() {
        let matrix = Tensor::from_floats([[5.0, 2.0], [2.0, 1.0]], &device::cpu());
        let factor = values(inverse_factor(matrix).unwrap());
        for (found, expected) in factor.iter().zip([1.0, -2.0, 0.0, 1.0]) {
            assert!((found - expected).abs() <= 1e-6, "{factor:?}");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        let matrix = Tensor::from_floats([[1.0, 2.0], [2.0, 1.0]], &device::cpu());
        assert!(inverse_factor(matrix).is_err());
    }
}
