//! Errors of an export to ONNX.

use std::io;
use std::path::PathBuf;

use crate::device::linear_algebra::FactorError;

/// Protobuf readers stop here.
pub(super) const MAX_FILE_BYTES: usize = i32::MAX as usize;

/// Why an ONNX file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// Protobuf ends at 2 GB.
    #[error(
        "the ONNX file would have {bytes} bytes, the format ends at {MAX_FILE_BYTES}; make the model smaller"
    )]
    TooLarge {
        /// Length that the file would have.
        bytes: usize,
    },
    /// Activations or gradients overflow on the calibration text.
    #[error("GPTQ calibration: on the calibration text, the model computes numbers that are not finite")]
    NotFinite,
    /// A Hessian has no Cholesky factor.
    #[error(transparent)]
    Factor(#[from] FactorError),
}
