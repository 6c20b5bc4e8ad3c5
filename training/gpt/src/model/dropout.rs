//! Dropout: a share of the activations is set to 0 in training.
//!
//! Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014).

use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};

/// In training, sets each number to 0 with a probability `p` and divides the others by `1 - p`, so
/// that sums keep their expected size. In evaluation ([`Module::valid`]) it does nothing.
#[derive(Module, Debug)]
pub struct Dropout {
    probability: f64,
    training: Param<Flag>,
}

impl Dropout {
    /// Drops with `probability`, which is at least 0 and below 1.
    pub fn new(probability: f64) -> Self {
        Self { probability, training: Param::from_bool(true) }
    }

    /// The share that it drops now: none in evaluation.
    pub fn share(&self) -> f64 {
        if self.training.is_enabled() { self.probability } else { 0.0 }
    }

    /// # Shapes
    /// - `x` and output: any, the same
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.share() == 0.0 {
            return x;
        }
        let keep = 1.0 - self.probability;
        let kept = x.random_like(Distribution::Bernoulli(keep)); // 1 with probability `keep`, else 0
        x * (kept / keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn is_off_in_evaluation() {
        let device = device::cpu();
        let x = Tensor::<1>::from_floats([1.0, -2.0, 3.0], &device);
        let y = Dropout::new(0.9).valid().forward(x.clone());
        assert_eq!(y.into_data(), x.into_data());
    }

    #[test]
    fn drops_and_scales_in_training() {
        let device = device::cpu();
        let count = 100_000;
        let y = Dropout::new(0.1).forward(Tensor::<1>::ones([count], &device));
        let y = y.into_data().try_to_vec::<f32>().unwrap();
        let dropped = y.iter().filter(|&&v| v == 0.0).count();
        assert!(y.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.9).abs() < 1e-6));
        // Expected 10,000; the standard deviation is sqrt(100,000 * 0.1 * 0.9) = 95.
        assert!((9_500..10_500).contains(&dropped), "{dropped}");
    }
}
