//! Errors of laying out weights.

/// An error of laying out quantized weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A format that the kernels do not have.
    #[error(
        "expected 4 or 8 bits in blocks of a multiple of 16 up to {max_block_size}, of a matrix that is not empty; \
         found {bits} bits in blocks of {block_size}, {d_in} rows and {d_out} columns"
    )]
    Format {
        /// Bits of a weight.
        bits: usize,
        /// Weights that share a scale.
        block_size: usize,
        /// The largest block there can be.
        max_block_size: usize,
        /// Length of a column.
        d_in: usize,
        /// Number of columns.
        d_out: usize,
    },
    /// A tensor of another length than its format says.
    #[error("expected {expected} numbers of {what}, found {found}")]
    Length {
        /// `weights`, `scales` or `biases`.
        what: &'static str,
        /// The number by the format.
        expected: usize,
        /// The number of the tensor.
        found: usize,
    },
    /// The arena cannot grow.
    #[error("no memory for weights: {0}")]
    Memory(#[from] std::io::Error),
}
