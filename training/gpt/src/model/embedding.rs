//! Embedding table: a vector for each id.

use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Int, Tensor};

/// A learned vector for each of `count` ids: of tokens, or of positions.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, d_model]`
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Draws the table from the standard normal distribution, as PyTorch does.
    pub fn new(count: usize, d_model: usize, device: &Device) -> Self {
        let normal = Distribution::Normal(0.0, 1.0);
        Self { weight: Param::from_tensor(Tensor::random([count, d_model], normal, device)) }
    }

    /// Looks up the vector of each id.
    ///
    /// # Shapes
    /// - `ids`: `[n]`, each below `count`
    /// - output: `[n, d_model]`
    pub fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.weight.val().select(0, ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn looks_up_rows() {
        let device = device::cpu();
        let table = Tensor::from_floats([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], &device);
        let embedding = Embedding { weight: Param::from_tensor(table) };
        let vectors = embedding.forward(Tensor::from_ints([2, 0, 2], &device)).into_data();
        assert_eq!(vectors.try_to_vec::<f32>().unwrap(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
    }
}
