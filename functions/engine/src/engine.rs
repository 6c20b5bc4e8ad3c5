//! From a prompt to its continuation.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use artifact::{GptConfig, Sampler};

use crate::error::EngineError;
use crate::generation::{FinishReason, Generation, GenerationOptions, Token, Work};
use crate::inspection::Inspection;
use crate::model::{LoadTimes, OnnxModel};
use crate::prefix_cache::{Chunk, PrefixCache};
use crate::speculation::{DraftLength, Drafter, MAX_DRAFT, run_costs};

/// Positions that a run of a prompt takes: few enough that prompts which begin alike share most, many
/// enough that a position costs no more than in a longer run.
pub const PREFILL_CHUNK: usize = 32;

/// Memory for the keys and values of earlier prompts: three whole contexts of the largest preset.
pub const PREFIX_CACHE_BYTES: usize = 64 << 20;

/// Room that a text gets at the beginning; a longer one makes more when it needs it.
const MAX_RESERVED_IDS: usize = 1 << 12;

/// Which of the ids of a verification to give logits for: all.
const ALL: [usize; MAX_DRAFT + 1] = [0, 1, 2, 3, 4, 5];

/// Generates with one model, one text at a time; callers wait for each other.
pub struct Engine {
    state: Mutex<State>,
    config: GptConfig,
    load_times: LoadTimes,
    slide_stride: usize,
}

struct State {
    model: OnnxModel,
    prefixes: PrefixCache,
    drafter: Option<Box<dyn Drafter>>,
}

impl Engine {
    /// An engine that, when the context is full, lets go of a quarter of it at once.
    pub fn new(model: OnnxModel) -> Self {
        let config = model.config().clone();
        let slide_stride = (config.context_length / 4).max(1);
        let load_times = model.load_times();
        let state = State { model, prefixes: PrefixCache::new(PREFIX_CACHE_BYTES), drafter: None };
        Self { state: Mutex::new(state), config, load_times, slide_stride }
    }

    /// Sets how many of the oldest positions are let go of when the context is full, from 1 to the
    /// context length.
    ///
    /// Positions are absolute, so everything that stays is computed anew. 1 lets the model see as
    /// much as it can at every token, at the price of a whole context for each; a larger stride
    /// pays that price once in `stride` tokens.
    #[must_use]
    pub fn with_slide_stride(mut self, stride: usize) -> Self {
        self.slide_stride = stride.clamp(1, self.config.context_length);
        self
    }

    /// Guesses the next tokens with `drafter`.
    #[must_use]
    pub fn with_drafter(mut self, drafter: Box<dyn Drafter>) -> Self {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).drafter = Some(drafter);
        self
    }

    /// Sets how much memory the keys and values of earlier prompts may take; 0 keeps none.
    #[must_use]
    pub fn with_prefix_cache(mut self, bytes: usize) -> Self {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).prefixes = PrefixCache::new(bytes);
        self
    }

    /// Shape of the model.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// How long loading the model took.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    /// Continues `prompt`. Of a prompt that is longer than the context, the model sees the end.
    ///
    /// # Errors
    /// If the prompt is empty or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn generate(&self, prompt: &[u32], options: &GenerationOptions) -> Result<Generation, EngineError> {
        self.generate_with(prompt, options, |_| ControlFlow::Continue(()))
    }

    /// Runs `ids` and gives what happens inside; `None` if the model does not tell.
    ///
    /// # Errors
    /// If `ids` is empty, too long or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn inspect(&self, ids: &[u32]) -> Result<Option<Inspection>, EngineError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.model.is_inspectable() {
            return Ok(None);
        }
        state.model.inspect(ids).map(Some)
    }

    /// Runs `ids`, which must fit into the context, and gives the logits at each position to `read`: those
    /// of what may follow it.
    ///
    /// # Errors
    /// If `ids` is empty, too long or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn read_logits(&self, ids: &[u32], mut read: impl FnMut(usize, &[f32])) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.model.truncate(0)?;
        for (chunk, ids) in ids.chunks(ALL.len()).enumerate() {
            state.model.run(ids, &ALL[..ids.len()], |logits| {
                for (index, logits) in logits.chunks(self.config.vocab_size).enumerate() {
                    read(chunk * ALL.len() + index, logits);
                }
            })?;
        }
        Ok(())
    }

    /// Continues `prompt` and gives each token to `take` when it is chosen, until that breaks.
    ///
    /// # Errors
    /// As of [`generate`](Self::generate).
    pub fn generate_with(
        &self,
        prompt: &[u32],
        options: &GenerationOptions,
        take: impl FnMut(Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, EngineError> {
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        let start = Instant::now();
        // A generation that panicked leaves nothing behind that the next one would look at.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { model, prefixes, drafter } = &mut *state;
        model.truncate(0)?;
        let mut text = Text::new(prompt, options, start, take);
        let draft_length = DraftLength::new(run_costs(model.precision(), model.kernels()));
        let mut runner = Runner {
            context_length: self.config.context_length,
            vocab_size: self.config.vocab_size,
            slide_stride: self.slide_stride,
            window_start: prompt.len().saturating_sub(self.config.context_length),
            model,
            prefixes,
            drafter: drafter.as_deref().filter(|_| options.draft),
            draft_length,
            drafted: Vec::with_capacity(MAX_DRAFT + 1),
            work: Work::default(),
        };
        while text.finish_reason.is_none() {
            runner.advance(&mut text)?;
        }
        let mut ids = text.ids;
        Ok(Generation {
            ids: ids.split_off(prompt.len()),
            finish_reason: text.finish_reason.unwrap_or(FinishReason::Length),
            first_token: text.first_token,
            total: start.elapsed(),
            work: runner.work,
        })
    }
}

/// A text that grows token by token, until there is a reason to end it.
struct Text<'a, F> {
    ids: Vec<u32>,
    prompt_length: usize,
    options: &'a GenerationOptions,
    sampler: Sampler,
    take: F,
    start: Instant,
    first_token: Duration,
    finish_reason: Option<FinishReason>,
}

impl<'a, F: FnMut(Token<'_>) -> ControlFlow<()>> Text<'a, F> {
    fn new(prompt: &[u32], options: &'a GenerationOptions, start: Instant, take: F) -> Self {
        let mut ids = Vec::with_capacity(prompt.len() + options.max_tokens.min(MAX_RESERVED_IDS));
        ids.extend_from_slice(prompt);
        let mut text = Self {
            ids,
            prompt_length: prompt.len(),
            options,
            sampler: Sampler::new(options.sampling, options.seed),
            take,
            start,
            first_token: Duration::ZERO,
            finish_reason: None,
        };
        text.end_if_due();
        text
    }

    fn remaining(&self) -> usize {
        self.options.max_tokens - (self.ids.len() - self.prompt_length)
    }

    /// Chooses the next id from its logits.
    fn choose(&mut self, logits: &[f32]) -> u32 {
        let id = self.sampler.sample(logits);
        if self.first_token.is_zero() {
            self.first_token = self.start.elapsed();
        }
        if self.options.stop_id == Some(id) {
            self.finish_reason = Some(FinishReason::Stop);
            return id;
        }
        self.ids.push(id);
        if (self.take)(Token { id, logits }).is_break() {
            self.finish_reason = Some(FinishReason::Cancelled);
            return id;
        }
        self.end_if_due();
        id
    }

    fn end_if_due(&mut self) {
        if self.remaining() == 0 {
            self.finish_reason = Some(FinishReason::Length);
        } else if self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.finish_reason = Some(FinishReason::Deadline);
        }
    }
}

/// Runs the model over a text that grows.
struct Runner<'a> {
    context_length: usize,
    vocab_size: usize,
    slide_stride: usize,
    /// The model sees the ids from here on.
    window_start: usize,
    model: &'a mut OnnxModel,
    prefixes: &'a mut PrefixCache,
    drafter: Option<&'a dyn Drafter>,
    draft_length: DraftLength,
    /// The ids of a run: the last one of the text, and a guess at what follows.
    drafted: Vec<u32>,
    work: Work,
}

impl Runner<'_> {
    /// Runs what has not been run of a text, and chooses at least one id that follows it.
    fn advance<F>(&mut self, text: &mut Text<'_, F>) -> Result<(), EngineError>
    where
        F: FnMut(Token<'_>) -> ControlFlow<()>,
    {
        if text.ids.len() - self.window_start > self.context_length {
            self.window_start = text.ids.len() - (self.context_length + 1 - self.slide_stride);
            self.model.truncate(0)?;
        }
        let window = self.window_start;
        if self.model.length() > 0 && self.model.length() + 1 == text.ids.len() - window {
            return self.decode(text);
        }
        let logits = self.prefill(&text.ids[window..], text.ids.len() == text.prompt_length)?;
        text.choose(&logits);
        Ok(())
    }

    /// Runs the last id of a text, and a draft of the next ones with it.
    fn decode<F>(&mut self, text: &mut Text<'_, F>) -> Result<(), EngineError>
    where
        F: FnMut(Token<'_>) -> ControlFlow<()>,
    {
        let past = self.model.length();
        self.drafted.clear();
        self.drafted.extend(text.ids.last());
        if let Some(drafter) = self.drafter {
            let room = self.context_length - past - 1;
            let max = self.draft_length.next().min(room).min(text.remaining() - 1);
            if max > 0 {
                drafter.draft(&text.ids[self.window_start..], max, &mut self.drafted);
                self.drafted.truncate(max + 1);
            }
        }
        let (ids, vocab_size) = (&self.drafted, self.vocab_size);
        let guesses = &ids[1..];
        let mut accepted = 0;
        let begin = Instant::now();
        let mut run_time = Duration::ZERO;
        self.model.run(ids, &ALL[..ids.len()], |logits| {
            run_time = begin.elapsed();
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                let id = text.choose(logits);
                if text.finish_reason.is_some() || guesses.get(row) != Some(&id) {
                    break;
                }
                accepted += 1;
            }
        })?;
        self.work.runs += 1;
        self.work.run_time += run_time;
        if !guesses.is_empty() {
            self.work.drafted += guesses.len();
            self.work.accepted += accepted;
            self.draft_length.record(guesses.len(), accepted);
            self.model.truncate(past + 1 + accepted)?;
        }
        Ok(())
    }

    /// Runs a window from its beginning, in chunks; gives the logits at its last position. Chunks of a
    /// prompt are looked for among those of earlier prompts.
    fn prefill(&mut self, window: &[u32], is_prompt: bool) -> Result<Vec<f32>, EngineError> {
        for start in (0..window.len()).step_by(PREFILL_CHUNK) {
            let end = window.len().min(start + PREFILL_CHUNK);
            let is_last = end == window.len();
            let prefix = &window[..end];
            if is_prompt && let Some(chunk) = self.prefixes.find(prefix, start, is_last) {
                self.model.restore(start, &chunk.rows)?;
                self.work.reused += end - start;
                if let (true, Some(logits)) = (is_last, &chunk.logits) {
                    return Ok(logits.clone());
                }
                continue;
            }
            let wanted: &[usize] = if is_last { &[end - start - 1] } else { &[] };
            let begin = Instant::now();
            let logits = self.model.run(&prefix[start..], wanted, <[f32]>::to_vec)?;
            self.work.runs += 1;
            self.work.run_time += begin.elapsed();
            self.work.prefilled += end - start;
            if is_prompt && self.prefixes.is_on() {
                let rows = self.model.rows(start, end)?;
                let logits = is_last.then(|| logits.clone());
                self.prefixes.insert(Chunk::new(prefix, start, rows, logits));
            }
            if is_last {
                return Ok(logits);
            }
        }
        Err(EngineError::EmptyPrompt)
    }
}
