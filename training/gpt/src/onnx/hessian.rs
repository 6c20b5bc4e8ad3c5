//! Hessian of a matrix's rows, for GPTQ: it tells what errors of rounding cost.
//!
//! The cost of an error `e` of a row of weights is `e H e^T`, with a Hessian `H` that all rows of a matrix
//! share.

use burn::tensor::{Device, Tensor};

use super::cholesky::inverse_factor;
use super::error::ExportError;

/// Share of the mean of a Hessian's diagonal that is added to it: a text with fewer tokens than a vector
/// has numbers says nothing about some directions.
const DAMPING: f32 = 0.01;

/// Hessian of the rows of a matrix, by the Cholesky factor of its inverse.
#[derive(Clone, Debug)]
pub struct Hessian {
    /// `[columns, columns]`, upper triangular: `factor^T factor` is the inverse.
    pub factor: Tensor<2>,
}

impl Hessian {
    /// The Hessian of these second moments, damped.
    ///
    /// # Shapes
    /// - `moments`: `[columns, columns]`, of any scale
    ///
    /// # Errors
    /// If they are not finite, or there is no memory.
    pub fn of_moments(moments: Tensor<2>) -> Result<Self, ExportError> {
        let [columns, _] = moments.dims();
        let identity = Tensor::eye(columns, &moments.device());
        let mean = (moments.clone() * identity.clone()).sum() / columns as f32;
        let mean: f32 = mean.into_scalar();
        if !mean.is_finite() {
            return Err(ExportError::NotFinite);
        }
        // Of as good as zeros alone: any error is as good as another.
        let damping = if mean < f32::MIN_POSITIVE / DAMPING { 1.0 } else { DAMPING * mean };
        Ok(Self { factor: inverse_factor(moments + identity * damping)? })
    }
}

/// Second moments of vectors: a sum of `x^T x`.
pub struct Moments(Tensor<2>);

impl Moments {
    /// Of no vectors yet.
    pub fn new(columns: usize, device: &Device) -> Self {
        Self(Tensor::zeros([columns, columns], device))
    }

    /// Adds the vectors of a batch.
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, columns]`
    pub fn add(&mut self, x: &Tensor<3>) {
        let [batch, seq, columns] = x.dims();
        let x = x.clone().reshape([batch * seq, columns]);
        self.0 = self.0.clone() + x.clone().transpose().matmul(x);
    }

    /// The Hessian of the sum.
    ///
    /// # Errors
    /// As [`Hessian::of_moments`].
    pub fn hessian(self) -> Result<Hessian, ExportError> {
        Hessian::of_moments(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn moments_of_zeros_are_no_error_and_others_than_numbers_are() {
        let zeros = Tensor::zeros([2, 2], &device::cpu());
        assert_eq!(values(Hessian::of_moments(zeros.clone()).unwrap().factor), [1.0, 0.0, 0.0, 1.0]);
        let error = Hessian::of_moments(zeros + f32::NAN).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
    }
}
