//! Target of an export: the path of a graph, and how long it may be.

use std::path::{Path, PathBuf};

use artifact::onnx::data_file_name;

/// Where protobuf ends: readers take no longer message.
pub const MAX_GRAPH_BYTES: usize = i32::MAX as usize;

/// Where a graph is written.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its file.
    pub path: &'a Path,
    /// The longest file that holds its weights too; those of a longer one go to [`data_path`](Self::data_path).
    /// At most [`MAX_GRAPH_BYTES`].
    pub max_bytes: usize,
}

impl<'a> From<&'a Path> for Target<'a> {
    fn from(path: &'a Path) -> Self {
        Self { path, max_bytes: MAX_GRAPH_BYTES }
    }
}

impl Target<'_> {
    /// The file for weights that do not fit into the graph's.
    pub fn data_path(&self) -> PathBuf {
        data_path(self.path)
    }
}

/// The file beside a graph with its external data, if it has some.
pub fn data_path(graph: &Path) -> PathBuf {
    graph.with_file_name(data_file_name(&graph.file_name().unwrap_or_default().to_string_lossy()))
}
