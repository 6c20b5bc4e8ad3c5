//! An exported model with its key-value cache: new ids in, some logits out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use artifact::GptConfig;
use artifact::manifest::Precision;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_key, past_value,
    present_key, present_value,
};
use memmap2::Mmap;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

use crate::cache::{CacheRows, KvCache, Layout};
use crate::error::EngineError;
use crate::inspection::{self, Inspection};
use crate::outline::outline;
use crate::runtime;
use crate::step::Step;

/// Runs of at most so many new positions are kept bound: decoding, and verifying a draft.
const MAX_KEPT_IDS: usize = 8;

/// How long a thread of ONNX Runtime spins for its next piece of work before it sleeps. Within a run the
/// next piece comes sooner; between requests nothing should burn the processor.
const SPIN_MICROSECONDS: &str = "1000";

/// Whose operators a model runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// ONNX Runtime's own.
    OnnxRuntime,
    /// This crate's, for processors with AVX2.
    Avx2,
    /// This crate's, for processors with AVX-512 VNNI. They give the same bits.
    Avx512,
}

/// A model loaded into ONNX Runtime, and the positions that it has run.
pub struct OnnxModel {
    session: Session,
    config: GptConfig,
    precision: Precision,
    kernels: Kernels,
    /// Tells our kernels that attention weights are asked for.
    inspected: Arc<AtomicBool>,
    layout: Layout,
    cache: KvCache,
    /// Bound runs on the memory of the cache.
    steps: Vec<Step>,
    load_times: LoadTimes,
}

/// How long the parts of loading took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadTimes {
    /// The ONNX Runtime library; next to nothing if it was loaded before.
    pub runtime: Duration,
    /// Reading the graph, allocating, and laying the weights out for the processor.
    pub session: Duration,
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
        let outline = match precision {
            Precision::W8 | Precision::W4 => outline_of(path),
            Precision::Float32 | Precision::Other => None, // has no weights of bytes
        };
        Self::commit(path, precision, config, threads, |builder| match outline {
            Some(outline) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_string_lossy();
                builder
                    .clone()
                    .with_config_entry("session.model_external_initializers_file_folder_path", folder)?
                    .commit_from_memory(&outline)
            }
            // What there is to say about the file, ONNX Runtime says.
            None => builder.commit_from_file(path),
        })
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
        Self::commit(Path::new(name), precision, config, threads, |builder| builder.commit_from_memory(bytes))
    }

    fn commit(
        path: &Path,
        precision: Precision,
        config: &GptConfig,
        threads: usize,
        commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Self, EngineError> {
        let failed = |source: ort::Error| EngineError::Load { path: path.to_owned(), source };
        let start = Instant::now();
        let environment = runtime::environment()?;
        let runtime = start.elapsed();
        let builder = Session::builder(&environment).map_err(failed)?;
        let inspected = Arc::default();
        let (mut builder, kernels) =
            configure(builder, precision, config, threads, &inspected).map_err(failed)?;
        let session = commit(&mut builder).map_err(failed)?;
        let load_times = LoadTimes { runtime, session: start.elapsed() - runtime };

        let layout = match precision {
            Precision::W8 | Precision::W4 => Layout::InPlace,
            Precision::Float32 | Precision::Other => Layout::Growing,
        };
        check_interface(&session, config, layout, path)?;
        let d_head = head_width(&session).unwrap_or_else(|| config.d_head());
        let cache = KvCache::new(layout, config, d_head).map_err(failed)?;
        let config = config.clone();
        Ok(Self {
            session,
            config,
            precision,
            kernels,
            inspected,
            layout,
            cache,
            steps: Vec::new(),
            load_times,
        })
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// How its weights are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What its operators are compiled to.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether it runs on kernels of this crate, of which a row gives the same bits alone and among
    /// others. It does where the processor has AVX2.
    pub fn has_own_kernels(&self) -> bool {
        self.kernels != Kernels::OnnxRuntime
    }

    /// How long loading it took.
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

    /// Runs the positions that follow those that have been run, and calls `read` with the logits at
    /// the `wanted` ones of them, `[wanted, vocab_size]` in one row. With weights of 4 bits, kernels of this
    /// crate and a large vocabulary, all but those of the likeliest tokens, some two hundred, are less exact.
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

    /// Whether the graph tells what happens inside: those of earlier exporters do not.
    pub fn is_inspectable(&self) -> bool {
        inspection::is_possible(&self.session)
    }

    /// Runs `ids` from the first position on, and gives what happens inside. No position counts as run
    /// afterwards.
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

/// The graph of a file whose weights can be mapped.
fn outline_of(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    // SAFETY: files of a version are written once and under another name; nothing writes to them later.
    let map = unsafe { Mmap::map(&file) }.ok()?;
    outline(&map, path.file_name()?.to_str()?)
}

/// Sets a session up, and says whether it takes our kernels. Graphs are exported with their operators fused
/// already; what is left for ONNX Runtime to optimise is cheap.
fn configure(
    builder: SessionBuilder,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
    inspected: &Arc<AtomicBool>,
) -> ort::Result<(SessionBuilder, Kernels)> {
    let (builder, kernels) = with_own_kernels(builder, precision, config, threads, inspected)?;
    // Our kernels have threads of their own.
    let threads = if kernels == Kernels::OnnxRuntime { threads } else { 1 };
    let spins = threads > 1;
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::Level1)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(spins)?
        .with_config_entry(
            "session.intra_op.spin_duration_us",
            if spins { SPIN_MICROSECONDS } else { "0" },
        )?;
    Ok((builder, kernels))
}

#[cfg(target_arch = "x86_64")]
fn with_own_kernels(
    builder: SessionBuilder,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
    inspected: &Arc<AtomicBool>,
) -> ort::Result<(SessionBuilder, Kernels)> {
    // Where all else has 8 bits, logits with less would be the largest error.
    let shortlist = precision == Precision::W4;
    match crate::kernels::operators(config, threads, shortlist, inspected)? {
        Some((operators, kernels)) => Ok((builder.with_operators(operators)?, kernels)),
        None => Ok((builder, Kernels::OnnxRuntime)),
    }
}

/// There are none for this processor.
#[cfg(not(target_arch = "x86_64"))]
fn with_own_kernels(
    builder: SessionBuilder,
    _: Precision,
    _: &GptConfig,
    _: usize,
    _: &Arc<AtomicBool>,
) -> ort::Result<(SessionBuilder, Kernels)> {
    Ok((builder, Kernels::OnnxRuntime))
}

/// Width of a head in the cache, if the graph fixes it.
fn head_width(session: &Session) -> Option<usize> {
    let input = session.inputs().iter().find(|input| input.name() == past_key(0))?;
    usize::try_from(*input.dtype().tensor_shape()?.get(3)?).ok()
}

fn check_interface(
    session: &Session,
    config: &GptConfig,
    layout: Layout,
    path: &Path,
) -> Result<(), EngineError> {
    let mut inputs = vec![INPUT_IDS.to_owned(), POSITION_IDS.into(), LOGIT_POSITIONS.into()];
    if layout == Layout::InPlace {
        inputs.extend([SEQLENS_K.to_owned(), TOTAL_SEQUENCE_LENGTH.into()]);
    }
    let mut outputs = vec![LOGITS.to_owned()];
    for layer in 0..config.n_layers {
        inputs.extend([past_key(layer), past_value(layer)]);
        outputs.extend([present_key(layer), present_value(layer)]);
    }
    for (what, expected, found) in
        [("input", inputs, session.inputs()), ("output", outputs, session.outputs())]
    {
        if let Some(name) = expected.into_iter().find(|name| found.iter().all(|outlet| outlet.name() != name))
        {
            return Err(EngineError::Interface { path: PathBuf::from(path), what, name });
        }
    }
    Ok(())
}
