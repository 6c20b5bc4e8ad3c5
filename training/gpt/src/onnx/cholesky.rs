//! Cholesky factor of an inverse matrix, as GPTQ needs it.

use burn::tensor::Tensor;

use crate::device::linear_algebra::{self, FactorError};

/// The upper triangular `u` with `u^T u = matrix^-1`.
///
/// # Shapes
/// - `matrix` and output: `[n, n]`
///
/// # Errors
/// If the matrix is not positive definite, or there is no memory.
pub fn inverse_factor(matrix: Tensor<2>) -> Result<Tensor<2>, FactorError> {
    linear_algebra::inverse_factor(matrix, from_primitives)
}

/// With `matrix = v v^T` and an upper triangular `v`, `matrix^-1 = v^-T v^-1`, so `u = v^-1`.
fn from_primitives(matrix: Tensor<2>) -> Result<Tensor<2>, FactorError> {
    let [n, _] = matrix.dims();
    let zeros = Tensor::<2>::zeros([n, n], &matrix.device());

    // 1. The columns of `v`, from the last: `matrix[i, j] = sum of v[i, k] v[j, k] over k >= j`.
    let mut v = zeros.clone();
    for j in (0..n).rev() {
        let rows = v.clone().slice([0..j + 1, 0..n]); // columns up to j are still 0
        let row = v.clone().slice([j..j + 1, 0..n]);
        let rest = matrix.clone().slice([0..j + 1, j..j + 1]) - rows.matmul(row.transpose()); // [j + 1, 1]
        let diagonal = rest.clone().slice([j..j + 1, 0..1]).sqrt(); // [1, 1]
        v = v.slice_assign([0..j + 1, j..j + 1], rest / diagonal);
    }

    // 2. The rows of `u`, from the last: `v u` is the identity.
    let identity = Tensor::<2>::eye(n, &matrix.device());
    let mut u = zeros;
    for i in (0..n).rev() {
        let row = v.clone().slice([i..i + 1, 0..n]); // rows of `u` up to i are still 0
        let rest = identity.clone().slice([i..i + 1, 0..n]) - row.clone().matmul(u.clone()); // [1, n]
        u = u.slice_assign([i..i + 1, 0..n], rest / row.slice([0..1, i..i + 1]));
    }
    let sum: f32 = u.clone().sum().into_scalar();
    if sum.is_finite() {
        Ok(u)
    } else {
        Err(FactorError { reason: "a number of its diagonal is not positive".to_owned() })
    }
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
        for factor in [inverse_factor, from_primitives] {
            let matrix = Tensor::from_floats([[5.0, 2.0], [2.0, 1.0]], &device::cpu());
            let factor = values(factor(matrix).unwrap());
            for (found, expected) in factor.iter().zip([1.0, -2.0, 0.0, 1.0]) {
                assert!((found - expected).abs() <= 1e-5, "{factor:?}");
            }
        }
    }

    #[test]
    fn libtorchs_factor_is_the_same() {
        let x: Vec<f32> = (0..20 * 7).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = Tensor::<1>::from_floats(x.as_slice(), &device::cpu()).reshape([20, 7]);
        let matrix = x.clone().transpose().matmul(x) + Tensor::eye(7, &device::cpu()) * 0.1;
        let found = values(inverse_factor(matrix.clone()).unwrap());
        let expected = values(from_primitives(matrix).unwrap());
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-4 * largest, "{found} {expected}, of {largest}");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        for factor in [inverse_factor, from_primitives] {
            let matrix = Tensor::from_floats([[1.0, 2.0], [2.0, 1.0]], &device::cpu());
            assert!(factor(matrix).is_err());
        }
    }
}
