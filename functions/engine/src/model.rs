//! Exported model with its KV cache: new ids in, some logits out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact::GptConfig;
use artifact::manifest::Precision;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, past_key, past_value, present_key, present_value,
};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

use crate::cache::{CacheRows, KvCache, Layout};
use crate::error::EngineError;
use crate::inspection::{self, Inspection};
use crate::kernel_set::Kernels;
use crate::session::{self, LoadTimes, LoadedSession};
use crate::step::Step;

/// Runs of at most so many new positions are kept bound: decoding, and verifying a draft.
const MAX_KEPT_IDS: usize = 8;

/// A model loaded into ONNX Runtime, and the positions that it has run.
pub struct OnnxModel {
    session: Session,
    config: GptConfig,
    precision: Precision,
    kernels: Kernels,
    /// Tells the attention operator that its weights are asked for.
    inspected: Arc<AtomicBool>,
    layout: Layout,
    cache: KvCache,
    /// Bound runs on the memory of the cache.
    steps: Vec<Step>,
    load_times: LoadTimes,
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
        let LoadedSession { session, kernels, inspected, layout, d_head, load_times } = loaded;
        let failed = |source: ort::Error| EngineError::Load { path: path.to_owned(), source };
        let cache = KvCache::new(layout, config, d_head).map_err(failed)?;
        let (config, steps) = (config.clone(), Vec::new());
        Ok(Self { session, config, precision, kernels, inspected, layout, cache, steps, load_times })
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The precision of its stored weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The kernels that it runs on.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether it runs on the crate `kernels`, where a row gives the same bits alone and among others. It does
    /// where the processor has AVX2.
    pub fn has_own_kernels(&self) -> bool {
        self.kernels != Kernels::OnnxRuntime
    }

    /// Times of loading it.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
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
        let GptConfig { vocab_size, context_length, .. } = self.config;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::TokenOutOfRange { id, vocab_size });
        }
        let total = self.cache.length() + ids.len();
        if total > context_length {
            return Err(EngineError::ContextOverflow { positions: total, context_length });
        }
        let result = match self.layout {
            Layout::InPlace => self.run_in_place(ids, wanted, read)?,
            Layout::Growing => self.run_growing(ids, wanted, read)?,
        };
        self.cache.grown_to(total);
        Ok(result)
    }

    /// Whether the graph has its activations among its outputs: those of earlier exporters do not.
    pub fn is_inspectable(&self) -> bool {
        inspection::is_possible(&self.session)
    }

    /// Runs `ids` from the first position on, and gives the activations. No position counts as run afterwards.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, there are none or too many, or ONNX Runtime fails.
    pub fn inspect(&mut self, ids: &[u32]) -> Result<Inspection, EngineError> {
        self.truncate(0)?;
        let GptConfig { vocab_size, context_length, n_layers, .. } = self.config;
        if ids.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::TokenOutOfRange { id, vocab_size });
        }
        if ids.len() > context_length {
            return Err(EngineError::ContextOverflow { positions: ids.len(), context_length });
        }
        self.inspected.store(true, Ordering::Relaxed);
        let result = inspection::inspect(&mut self.session, &self.cache, self.layout, ids, n_layers);
        self.inspected.store(false, Ordering::Relaxed);
        Ok(result?)
    }

    fn run_in_place<R>(
        &mut self,
        ids: &[u32],
        wanted: &[usize],
        read: impl FnOnce(&[f32]) -> R,
    ) -> ort::Result<R> {
        let (past, vocab_size) = (self.cache.length(), self.config.vocab_size);
        let Self { session, cache, steps, .. } = self;
        if let Some(step) = steps.iter_mut().find(|step| step.fits(ids.len(), wanted.len())) {
            return Ok(read(step.run(session, ids, wanted, past)?));
        }
        let mut step = Step::new(session, cache, ids.len(), wanted.len(), vocab_size)?;
        let result = read(step.run(session, ids, wanted, past)?);
        if ids.len() <= MAX_KEPT_IDS {
            steps.push(step);
        }
        Ok(result)
    }

    fn run_growing<R>(
        &mut self,
        ids: &[u32],
        wanted: &[usize],
        read: impl FnOnce(&[f32]) -> R,
    ) -> ort::Result<R> {
        let past = self.cache.length();
        let row = |values: Vec<i64>| Tensor::from_array(([1, values.len()], values));
        let input_ids = row(ids.iter().map(|&id| i64::from(id)).collect())?;
        let position_ids = row((past as i64..(past + ids.len()) as i64).collect())?;
        let wanted: Vec<i64> = wanted.iter().map(|&position| position as i64).collect();
        let logit_positions = Tensor::from_array(([wanted.len()], wanted))?;

        let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
            (INPUT_IDS.to_owned(), input_ids.into()),
            (POSITION_IDS.to_owned(), position_ids.into()),
            (LOGIT_POSITIONS.to_owned(), logit_positions.into()),
        ];
        for (layer, tensors) in self.cache.tensors.chunks_exact(2).enumerate() {
            inputs.push((past_key(layer), (&tensors[0]).into()));
            inputs.push((past_value(layer), (&tensors[1]).into()));
        }
        let mut outputs = self.session.run(inputs)?;

        let missing = |name: String| ort::Error::new(format!("the run gave no output `{name}`"));
        let mut take = |name: String| outputs.remove(&name).ok_or_else(|| missing(name));
        let mut tensors = Vec::with_capacity(2 * self.config.n_layers);
        for layer in 0..self.config.n_layers {
            tensors.extend([take(present_key(layer))?, take(present_value(layer))?]);
        }
        let logits = take(LOGITS.to_owned())?;
        let result = read(logits.try_extract_tensor::<f32>()?.1);
        drop(outputs);
        self.cache.tensors = tensors;
        Ok(result)
    }
}
