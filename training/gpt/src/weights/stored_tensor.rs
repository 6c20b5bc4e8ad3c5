//! Tensor in a file that has not been read yet.

use std::io;
use std::path::PathBuf;

use burn::tensor::DType;

/// A tensor that has not been read yet.
pub(super) struct StoredTensor {
    /// The file that it is in.
    pub(super) path: PathBuf,
    /// Type of its elements, if they are floating-point numbers.
    pub(super) float: Option<DType>,
    /// Name of the type of its elements.
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    /// Reads its bytes, row by row.
    pub(super) read: Box<dyn Fn() -> io::Result<Vec<u8>>>,
}
