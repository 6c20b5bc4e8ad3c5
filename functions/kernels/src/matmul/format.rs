//! Format of quantized weights: bits, blocks and strips of columns.

use crate::error::WeightsError;
use crate::simd::{LANES, MAX_LINES};

/// Columns of a strip, which is what a task takes.
pub(crate) const STRIP: usize = LANES * MAX_LINES;
/// The largest block: the sum of 512 products of -128 and 32,767 has 32 bits.
pub const MAX_BLOCK_SIZE: usize = 512;
/// Bytes of a word, which is what one lane of the multiplication takes.
const WORD: usize = 4;

/// Format of a quantized matrix, that of ONNX Runtime's operator `MatMulNBits` without zero points: columns one
/// after the other, in blocks of weights that share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Length of a row of activations, `K`.
    pub(crate) d_in: usize,
    /// Columns, `N`.
    pub(crate) d_out: usize,
    /// Of a weight: 4 or 8.
    pub(crate) bits: usize,
    /// Weights of a column that share a scale.
    pub(crate) block_size: usize,
}

impl Format {
    /// A matrix of `d_in` rows and `d_out` columns, whose weights have `bits`, 4 or 8, and share a scale in blocks of
    /// `block_size`, a multiple of 16 up to [`MAX_BLOCK_SIZE`].
    ///
    /// # Errors
    /// If the kernels do not have this format.
    pub fn new(d_in: usize, d_out: usize, bits: usize, block_size: usize) -> Result<Self, WeightsError> {
        let has_blocks = block_size > 0 && block_size.is_multiple_of(16) && block_size <= MAX_BLOCK_SIZE;
        if d_in == 0 || d_out == 0 || !matches!(bits, 4 | 8) || !has_blocks {
            return Err(WeightsError::Format {
                bits,
                block_size,
                max_block_size: MAX_BLOCK_SIZE,
                d_in,
                d_out,
            });
        }
        Ok(Self { d_in, d_out, bits, block_size })
    }

    /// Length of a row of activations, `K`.
    pub fn d_in(self) -> usize {
        self.d_in
    }

    /// Number of columns, `N`, and so the length of a row of the product.
    pub fn d_out(self) -> usize {
        self.d_out
    }

    /// Number of rows in `x`, `[rows, d_in]`.
    ///
    /// # Panics
    /// If the last one is not whole.
    pub(crate) fn rows(self, x: &[f32]) -> usize {
        assert!(x.len().is_multiple_of(self.d_in), "whole rows of activations");
        x.len() / self.d_in
    }

    /// Blocks of a column; the last one may be filled up.
    #[inline]
    pub(crate) fn blocks(self) -> usize {
        self.d_in.div_ceil(self.block_size)
    }

    /// Words of a block.
    #[inline]
    pub(crate) fn words(self) -> usize {
        self.block_size * self.bits / (8 * WORD)
    }

    /// Length of a row of activations, filled up to whole blocks.
    #[inline]
    pub(crate) fn padded(self) -> usize {
        self.blocks() * self.block_size
    }

    /// The zero point, which is subtracted from every weight.
    #[inline]
    pub(crate) fn zero_point(self) -> i32 {
        1 << (self.bits - 1)
    }

    /// The largest integer of an activation, which has 8 bits or 16.
    #[inline]
    pub(crate) fn largest_activation(self) -> f32 {
        if self.bits == 4 { 127.0 } else { 32_767.0 }
    }

    /// Strips of columns; the last one may be filled up.
    #[inline]
    pub(crate) fn strips(self) -> usize {
        self.d_out.div_ceil(STRIP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_refused() {
        assert_eq!(Format::new(5, 7, 4, 16).unwrap().blocks(), 1);
        for (d_in, d_out, bits, block_size) in
            [(0, 7, 4, 16), (5, 0, 4, 16), (5, 7, 2, 16), (5, 7, 8, 0), (5, 7, 8, 24), (5, 7, 8, 1024)]
        {
            let error = Format::new(d_in, d_out, bits, block_size).unwrap_err().to_string();
            assert!(error.contains("multiple of 16 up to 512"), "{error}");
        }
    }
}
