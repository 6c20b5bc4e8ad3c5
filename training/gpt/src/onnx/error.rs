//! Errors of an export to ONNX.

use std::io;
use std::path::PathBuf;

use artifact::config::ConfigError;

use super::target::MAX_GRAPH_BYTES;
use crate::device::linear_algebra::FactorError;

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
        "the ONNX graph would have {bytes} bytes without its weights, the format ends at {MAX_GRAPH_BYTES}; make \
         the model smaller"
    )]
    TooLarge {
        /// Length that the graph would have.
        bytes: usize,
    },
    /// The configuration describes no model.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Activations or gradients overflow on the calibration text.
    #[error("GPTQ calibration: on the calibration text, the model computes numbers that are not finite")]
    NotFinite,
    /// A Hessian has no Cholesky factor.
    #[error(transparent)]
    Factor(#[from] FactorError),
}
