//! External data of ONNX: weights in a file of their own beside the graph, which says where in it each of them is.
//!
//! The format: <https://onnx.ai/onnx/repo-docs/ExternalData.html>.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::proto::{EXTERNAL, StringStringEntryProto, TensorProto};

/// Weights begin at multiples of a page, so that they can be memory-mapped one by one.
const ALIGNMENT: u64 = 4096;

/// Shorter constants stay in the graph, where shape inference looks at them.
pub(super) const MIN_BYTES: usize = 1024;

/// A file of weights that grows.
pub(super) struct ExternalData {
    file: BufWriter<File>,
    location: String,
    length: u64,
}

impl ExternalData {
    /// An empty file at `path`, in the folder of the graph.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let location = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { file: BufWriter::new(File::create(path)?), location, length: 0 })
    }

    /// Moves the elements of a tensor, `bytes`, here.
    pub(super) fn append(&mut self, tensor: &mut TensorProto, bytes: &[u8]) -> io::Result<()> {
        let offset = self.length.next_multiple_of(ALIGNMENT);
        self.file.write_all(&vec![0; (offset - self.length) as usize])?;
        self.file.write_all(bytes)?;
        self.length = offset + bytes.len() as u64;
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
        tensor.external_data = vec![
            entry("location", self.location.clone()),
            entry("offset", offset.to_string()),
            entry("length", bytes.len().to_string()),
        ];
        tensor.data_location = EXTERNAL;
        Ok(())
    }

    /// Writes what has not been written yet.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(())
    }
}
