//! Exported model with the KV cache of one text: new ids in, some logits out.

use std::path::Path;

use artifact::GptConfig;
use artifact::manifest::Precision;

use crate::cache::{CacheRows, TextCache};
use crate::error::EngineError;
use crate::graph::{Graph, Part};
use crate::inspection::Inspection;
use crate::kernel_set::Kernels;
use crate::session::{self, LoadTimes, LoadedSession};

/// A model loaded into ONNX Runtime, and the positions of one text that it has run.
pub struct OnnxModel {
    graph: Graph,
    cache: TextCache,
}

impl OnnxModel {
    /// Loads the graph at `path`, which stores its weights in `precision` and has the shape `config`, to
    /// run on `threads` threads.
    ///
    /// # Errors
    /// If ONNX Runtime is missing or refuses the file, or the graph is not one of the exporter's.
    pub fn load(
        path: &Path,
        precision: Precision,
        config: &GptConfig,
        threads: usize,
    ) -> Result<Self, EngineError> {
        Self::new(session::load(path, precision, config, threads)?, path, precision, config)
    }

    /// Loads a graph from memory, which can be released afterwards. `name` stands for it in errors.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn from_memory(
        bytes: &[u8],
        name: &str,
        precision: Precision,
        config: &GptConfig,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let name = Path::new(name);
        Self::new(session::from_memory(bytes, name, precision, config, threads)?, name, precision, config)
    }

    fn new(
        loaded: LoadedSession,
        path: &Path,
        precision: Precision,
        config: &GptConfig,
    ) -> Result<Self, EngineError> {
        let graph = Graph::new(loaded, path, precision, config)?;
        let cache = graph.new_cache()?;
        Ok(Self { graph, cache })
    }

    /// Without the text.
    pub(crate) fn into_graph(self) -> Graph {
        self.graph
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        self.graph.config()
    }

    /// The precision of its stored weights.
    pub fn precision(&self) -> Precision {
        self.graph.precision()
    }

    /// The kernels that it runs on.
    pub fn kernels(&self) -> Kernels {
        self.graph.kernels()
    }

    /// Whether it runs on the crate `kernels`, where a row gives the same bits alone and among others. It does
    /// where its weights are quantized and the processor has AVX2.
    pub fn has_own_kernels(&self) -> bool {
        self.graph.shares_passes()
    }

    /// Times of loading it.
    pub fn load_times(&self) -> LoadTimes {
        self.graph.load_times()
    }

    /// Number of positions that have been run.
    pub fn length(&self) -> usize {
        self.cache.length()
    }

    /// Forgets all but the first `length` positions.
    ///
    /// # Errors
    /// If ONNX Runtime cannot make a tensor.
    pub fn truncate(&mut self, length: usize) -> Result<(), EngineError> {
        Ok(self.cache.truncate(length)?)
    }

    /// Keys and values of the positions `start..end`, which have been run.
    ///
    /// # Errors
    /// If ONNX Runtime cannot give its tensors.
    pub fn rows(&self, start: usize, end: usize) -> Result<CacheRows, EngineError> {
        Ok(self.cache.rows(start, end)?)
    }

    /// Takes keys and values as if the positions after the first `start` had been run; what was beyond
    /// them is forgotten.
    ///
    /// # Errors
    /// If ONNX Runtime cannot make a tensor.
    pub fn restore(&mut self, start: usize, rows: &CacheRows) -> Result<(), EngineError> {
        Ok(self.cache.write(start, rows)?)
    }

    /// Runs the positions that follow those that have been run, and calls `read` with the logits at the `wanted`
    /// ones of them, `[wanted, vocab_size]` in one row. With int4 weights (w4), kernels of our own and a large
    /// vocabulary, all but those of the likeliest tokens, some two hundred, are less exact.
    ///
    /// `ids` must not be empty, and all positions together must fit into the context; `wanted` counts
    /// from the first of `ids`.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, the context is too short, or ONNX Runtime fails; the
    /// positions that have been run are then as they were.
    pub fn run<R>(
        &mut self,
        ids: &[u32],
        wanted: &[usize],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        self.graph.check(self.cache.length(), ids)?;
        self.graph.run(&mut [Part { cache: &mut self.cache, ids, wanted }], read)
    }

    /// Whether the graph has its activations among its outputs: those of earlier exporters do not.
    pub fn is_inspectable(&self) -> bool {
        self.graph.is_inspectable()
    }

    /// Runs `ids` from the first position on, and gives the activations. No position counts as run afterwards.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, there are none or too many, or ONNX Runtime fails.
    pub fn inspect(&mut self, ids: &[u32]) -> Result<Inspection, EngineError> {
        self.cache.truncate(0)?;
        self.graph.inspect(&mut self.cache, ids)
    }
}
