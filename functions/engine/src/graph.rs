//! Graph of a model in ONNX Runtime: new positions of one text or several in, some logits out.
//!
//! On our own kernels a position gives the same bits whatever others are run with it, so that texts share a pass. Where
//! ONNX Runtime's kernels run, it does not: there a pass has one text.

use std::path::Path;
use std::sync::Arc;

use artifact::GptConfig;
use artifact::manifest::Precision;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, past_key, past_value, present_key, present_value,
};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

use crate::cache::tensors::{Layout, TensorCache};
use crate::cache::{CacheShape, TextCache};
use crate::error::EngineError;
use crate::inspection::{self, Inspection};
use crate::kernel_set::Kernels;
use crate::plan::{PlannedText, SharedPlan};
use crate::session::{LoadTimes, LoadedSession};
use crate::step::{Rows, Step, no_texts};
use crate::threads::ThreadPool;

/// Passes of at most so many new positions are kept bound: the ends of prompts.
const MAX_KEPT_ROWS: usize = 8;
/// And those of at most so many if all of their logits are wanted: decoding of several texts, and verifying their drafts.
/// There are as many of these as positions, while of prompts beside them there would be thousands.
const MAX_KEPT_DECODING_ROWS: usize = 64;

/// A text's part of a pass: the ids that follow what its cache has.
pub(crate) struct Part<'a> {
    pub(crate) cache: &'a mut TextCache,
    pub(crate) ids: &'a [u32],
    /// Which of them logits are wanted for, counted from the first of `ids`.
    pub(crate) wanted: &'a [usize],
}

/// A model loaded into ONNX Runtime. It knows no texts between passes: their caches are their owners'.
pub(crate) struct Graph {
    session: Session,
    config: GptConfig,
    precision: Precision,
    kernels: Kernels,
    pool: Option<Arc<ThreadPool>>,
    plan: SharedPlan,
    layout: Option<Layout>,
    cache_shape: CacheShape,
    /// Keys and values of no texts, for our own operators: `[0, n_heads, context_length, d_head]`.
    no_texts: Tensor<f32>,
    /// Bound passes of our own operators.
    steps: Vec<Step>,
    load_times: LoadTimes,
}

impl Graph {
    pub(crate) fn new(
        loaded: LoadedSession,
        path: &Path,
        precision: Precision,
        config: &GptConfig,
    ) -> Result<Self, EngineError> {
        let LoadedSession { session, kernels, pool, plan, layout, cache_shape, load_times } = loaded;
        let no_texts = no_texts(cache_shape);
        let no_texts = no_texts.map_err(|source| EngineError::Load { path: path.to_owned(), source })?;
        let (config, steps) = (config.clone(), Vec::new());
        Ok(Self {
            session,
            config,
            precision,
            kernels,
            pool,
            plan,
            layout,
            cache_shape,
            no_texts,
            steps,
            load_times,
        })
    }

    pub(crate) fn config(&self) -> &GptConfig {
        &self.config
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Threads that have nothing to do between passes.
    pub(crate) fn pool(&self) -> Option<Arc<ThreadPool>> {
        self.pool.clone()
    }

    /// Whether several texts can share a pass, with the bits that each gets alone.
    pub(crate) fn shares_passes(&self) -> bool {
        self.kernels != Kernels::OnnxRuntime
    }

    pub(crate) fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    pub(crate) fn cache_shape(&self) -> CacheShape {
        self.cache_shape
    }

    /// Positions that a text of at most so many sets memory aside for.
    pub(crate) fn need(&self, positions: usize) -> usize {
        match self.layout {
            Some(Layout::InPlace) => self.config.context_length,
            Some(Layout::Growing) | None => positions.min(self.config.context_length),
        }
    }

    /// The cache of a new text.
    ///
    /// # Errors
    /// If ONNX Runtime cannot make its tensors.
    pub(crate) fn new_cache(&self) -> Result<TextCache, EngineError> {
        Ok(TextCache::new(self.cache_shape, self.layout)?)
    }

    /// Checks that a run can add `ids` to `past` positions.
    pub(crate) fn check(&self, past: usize, ids: &[u32]) -> Result<(), EngineError> {
        let GptConfig { vocab_size, context_length, .. } = self.config;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::TokenOutOfRange { id, vocab_size });
        }
        let positions = past + ids.len();
        if positions > context_length {
            return Err(EngineError::ContextOverflow { positions, context_length });
        }
        Ok(())
    }

    /// Runs the parts of a pass, and calls `read` with the logits at the wanted positions, `[wanted, vocab_size]` in
    /// the order of the parts.
    ///
    /// Several only if texts can share a pass; ids of each must be there and fit, see [`check`](Self::check).
    ///
    /// # Errors
    /// If ONNX Runtime fails; the caches then have the positions that they had.
    pub(crate) fn run<R>(
        &mut self,
        parts: &mut [Part<'_>],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        match parts {
            [Part { cache: TextCache::Tensors(cache), ids, wanted }] => match cache.layout() {
                Layout::InPlace => self.run_in_place(cache, ids, wanted, read),
                Layout::Growing => self.run_growing(cache, ids, wanted, read),
            },
            parts => self.run_shared(parts, read),
        }
    }

    /// A pass of our own operators, whose caches are in the plan while it runs.
    fn run_shared<R>(
        &mut self,
        parts: &mut [Part<'_>],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        if parts.iter().any(|part| matches!(part.cache, TextCache::Tensors(_))) {
            return Err(ort::Error::new("ONNX Runtime's kernels run one text at a time").into());
        }
        let rows =
            parts.iter().map(|part| Rows { ids: part.ids, wanted: part.wanted, past: part.cache.length() });
        let rows: Vec<Rows<'_>> = rows.collect();
        let mut plan = self.plan.lock();
        plan.texts.clear();
        for part in &mut *parts {
            if let TextCache::Slot(cache) = &mut *part.cache {
                cache.reserve(cache.length() + part.ids.len());
                plan.texts.push(PlannedText { new: part.ids.len(), cache: std::mem::take(cache) });
            }
        }
        drop(plan);
        let result = self.run_rows(&rows, read);
        let mut plan = self.plan.lock();
        for (part, PlannedText { new, mut cache }) in parts.iter_mut().zip(plan.texts.drain(..)) {
            if result.is_ok() {
                cache.grown_to(cache.length() + new);
            }
            *part.cache = TextCache::Slot(cache);
        }
        Ok(result?)
    }

    fn run_rows<R>(&mut self, rows: &[Rows<'_>], read: impl FnOnce(&[f32]) -> R) -> ort::Result<R> {
        let Self { session, no_texts, steps, cache_shape, .. } = self;
        let new: usize = rows.iter().map(|rows| rows.ids.len()).sum();
        let wanted: usize = rows.iter().map(|rows| rows.wanted.len()).sum();
        if let Some(step) = steps.iter_mut().find(|step| step.fits(new, wanted)) {
            return step.run(session, rows, read);
        }
        let mut step = Step::on_no_texts(session, no_texts, cache_shape.n_layers, new, wanted)?;
        let result = step.run(session, rows, read)?;
        if new <= if new == wanted { MAX_KEPT_DECODING_ROWS } else { MAX_KEPT_ROWS } {
            steps.push(step);
        }
        Ok(result)
    }

    fn run_in_place<R>(
        &mut self,
        cache: &mut TensorCache,
        ids: &[u32],
        wanted: &[usize],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        let past = cache.length();
        let mut step = Step::on_cache(&self.session, cache, ids.len(), wanted.len())?;
        let result = step.run(&mut self.session, &[Rows { ids, wanted, past }], read)?;
        cache.grown_to(past + ids.len());
        Ok(result)
    }

    fn run_growing<R>(
        &mut self,
        cache: &mut TensorCache,
        ids: &[u32],
        wanted: &[usize],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        let past = cache.length();
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
        for (layer, tensors) in cache.tensors.chunks_exact(2).enumerate() {
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
        cache.tensors = tensors;
        cache.grown_to(past + ids.len());
        Ok(result)
    }

    /// Whether the graph has its activations among its outputs: those of earlier exporters do not.
    pub(crate) fn is_inspectable(&self) -> bool {
        inspection::is_possible(&self.session)
    }

    /// Runs `ids` from the first position on, on an empty cache, and gives the activations. What it writes into the
    /// cache counts for nothing.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, there are none or too many, or ONNX Runtime fails.
    pub(crate) fn inspect(&mut self, cache: &mut TextCache, ids: &[u32]) -> Result<Inspection, EngineError> {
        if ids.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        self.check(0, ids)?;
        let n_layers = self.config.n_layers;
        match cache {
            TextCache::Tensors(cache) => {
                let in_place = cache.layout() == Layout::InPlace;
                Ok(inspection::inspect(&mut self.session, &cache.tensors, in_place, ids, n_layers)?)
            }
            TextCache::Slot(cache) => {
                cache.truncate(0);
                cache.reserve(ids.len());
                let mut plan = self.plan.lock();
                plan.texts.clear();
                plan.texts.push(PlannedText { new: ids.len(), cache: std::mem::take(cache) });
                plan.inspected = true;
                drop(plan);
                // The same for each: keys and values of no texts.
                let tensors = (0..2 * n_layers).map(|_| Ok(no_texts(self.cache_shape)?.into_dyn()));
                let tensors: ort::Result<Vec<_>> = tensors.collect();
                let result = tensors.and_then(|tensors| {
                    inspection::inspect(&mut self.session, &tensors, true, ids, n_layers)
                });
                let mut plan = self.plan.lock();
                plan.inspected = false;
                if let Some(PlannedText { cache: written, .. }) = plan.texts.pop() {
                    *cache = written;
                }
                Ok(result?)
            }
        }
    }
}
