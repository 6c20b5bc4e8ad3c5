//! Causal mask of attention: a token does not see the future.

use burn::tensor::{Device, Int, Tensor};

/// Causal mask, which keeps a token from seeing the future: 0 where row `i` may look at column `j`, which
/// is where `j <= i`, and minus infinity where it may not. It is added to the scores before the softmax.
///
/// # Shapes
/// - output: `[seq, seq]`
pub fn causal_mask(seq: usize, device: &Device) -> Tensor<2> {
    let positions = Tensor::<1, Int>::arange(0..seq as i64, device);
    let rows = positions.clone().unsqueeze_dim::<2>(1).expand([seq, seq]);
    let columns = positions.unsqueeze_dim::<2>(0).expand([seq, seq]);
    Tensor::zeros([seq, seq], device).mask_fill(columns.greater(rows), f32::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn the_mask_hides_the_future_only() {
        let mask = causal_mask(3, &device::cpu()).into_data().try_to_vec::<f32>().unwrap();
        let hidden = f32::NEG_INFINITY;
        assert_eq!(mask, [0.0, hidden, hidden, 0.0, 0.0, hidden, 0.0, 0.0, 0.0]);
    }
}
