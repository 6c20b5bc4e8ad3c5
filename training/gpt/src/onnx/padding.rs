//! Padding of attention heads to a width that `GroupQueryAttention` takes.

use artifact::GptConfig;
use burn::tensor::Tensor;

/// `GroupQueryAttention` takes heads whose width is a multiple of this.
const HEAD_MULTIPLE: usize = 8;

/// Width of a head with its padding.
pub(super) fn padded_head(config: &GptConfig) -> usize {
    config.d_head().next_multiple_of(HEAD_MULTIPLE)
}

/// Zeros after each `length` values, up to a multiple of `unit`.
pub(super) fn pad(values: &[f32], length: usize, unit: usize) -> Vec<f32> {
    let zeros = length.next_multiple_of(unit) - length;
    values
        .chunks(length)
        .flat_map(|chunk| chunk.iter().copied().chain(std::iter::repeat_n(0.0, zeros)))
        .collect()
}

/// Zeros after each head, up to a width of `padded`.
///
/// # Shapes
/// - `x`: `[batch, seq, n_heads * d_head]`
/// - output: `[batch, seq, n_heads * padded]`
pub(super) fn pad_heads(x: Tensor<3>, n_heads: usize, padded: usize) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    let d_head = width / n_heads;
    let heads = x.reshape([batch, seq, n_heads, d_head]);
    let zeros = Tensor::zeros([batch, seq, n_heads, padded - d_head], &heads.device());
    Tensor::cat(vec![heads, zeros], 3).reshape([batch, seq, n_heads * padded])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    #[test]
    fn heads_are_filled_up_one_by_one() {
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device::cpu()).reshape([1, 1, 4]);
        let padded = pad_heads(x, 2, 3).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(padded, [1.0, 2.0, 0.0, 3.0, 4.0, 0.0]);
    }
}
