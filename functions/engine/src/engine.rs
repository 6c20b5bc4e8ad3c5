//! Text generation engine: one model that continues prompts, many at a time.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use artifact::GptConfig;

use crate::cache::memory::KvMemory;
use crate::cache::{CacheShape, PAGE};
use crate::continuation::Continuation;
use crate::error::EngineError;
use crate::generation::{Generation, GenerationOptions, Token};
use crate::inspection::Inspection;
use crate::model::OnnxModel;
use crate::prefix_cache::{Claim, PrefixCache};
pub use crate::scheduler::PREFILL_CHUNK;
use crate::scheduler::job::{Group, Job};
use crate::scheduler::occupancy::{Gauge, Occupancy};
use crate::scheduler::worker::Worker;
use crate::session::LoadTimes;
use crate::sink::{Sink, ToCaller, WaitingCaller};
use crate::speculation::{Drafter, MAX_DRAFT};

/// Texts that run at the same time, unless an engine is told otherwise.
pub const DEFAULT_SLOTS: usize = 8;
/// Whole contexts whose keys and values are kept for later prompts, unless an engine is told otherwise; of a small model
/// as many as fit into [`MIN_PREFIX_BYTES`].
pub const DEFAULT_PREFIX_CONTEXTS: usize = 4;
/// Memory for the keys and values of earlier prompts that any model gets, unless an engine is told otherwise.
pub const MIN_PREFIX_BYTES: usize = 64 << 20;

/// Generates with one model, on a thread that owns it. Texts run at the same time, and none depends on the others: the
/// same options give the same text alone and among many.
pub struct Engine {
    thread: Mutex<Thread>,
    gauge: Arc<Gauge>,
    groups: AtomicU64,
    config: GptConfig,
    cache_shape: CacheShape,
    load_times: LoadTimes,
    limits: Limits,
    /// Number of ids that a text can have; the model may have more, for padding.
    n_ids: usize,
}

/// What texts may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Texts that run at the same time.
    pub slots: usize,
    /// Memory for the keys and values of texts that run. One whose need does not fit beside the others waits.
    pub kv_bytes: usize,
    /// Memory for the keys and values of earlier prompts.
    pub prefix_bytes: usize,
}

/// A text that is to be generated.
pub struct TextRequest<'a> {
    /// Ids that it continues, at least one. Of more than the context holds, the model sees the end.
    pub prompt: &'a [u32],
    /// How to continue them.
    pub options: GenerationOptions,
    /// Takes what comes.
    pub sink: Box<dyn Sink>,
}

/// The thread of the model: it starts with the first text.
enum Thread {
    Idle(Box<Worker>),
    Runs(Sender<Vec<Job>>, JoinHandle<()>),
    /// It could not start.
    None,
}

impl Engine {
    /// An engine that, when the context is full, lets go of a quarter of it at once; with room for
    /// [`DEFAULT_SLOTS`] whole contexts, and for [`DEFAULT_PREFIX_CONTEXTS`] of earlier prompts.
    pub fn new(model: OnnxModel) -> Self {
        let (config, load_times) = (model.config().clone(), model.load_times());
        let graph = model.into_graph();
        let cache_shape = graph.cache_shape();
        let limits = Limits { slots: DEFAULT_SLOTS, kv_bytes: 0, prefix_bytes: 0 };
        let worker = Worker::new(graph, KvMemory::new(0), PrefixCache::new(0), limits.slots);
        let gauge = worker.gauge();
        let (n_ids, thread) = (config.vocab_size, Mutex::new(Thread::Idle(Box::new(worker))));
        let engine =
            Self { thread, gauge, groups: AtomicU64::new(0), config, cache_shape, load_times, limits, n_ids };
        let prefix_bytes = (DEFAULT_PREFIX_CONTEXTS * engine.context_bytes()).max(MIN_PREFIX_BYTES);
        engine.with_slots(DEFAULT_SLOTS).with_prefix_cache(prefix_bytes)
    }

    /// Sets how many ids the tokenizer has, if the model has more: the others, with which a vocabulary is filled up
    /// to a round number, are never drawn, have no logits in any result, and are errors in a prompt.
    #[must_use]
    pub fn with_tokenizer_size(mut self, n_ids: usize) -> Self {
        self.n_ids = n_ids.clamp(1, self.config.vocab_size);
        self
    }

    /// Sets how many of the oldest positions are let go of when the context is full, from 1 to the
    /// context length. Before the first text, as all that follow.
    ///
    /// Positions are absolute, so everything that stays is computed anew. 1 lets the model see as
    /// much as it can at every token, at the price of a whole context for each; a larger stride
    /// pays that price once in `stride` tokens.
    #[must_use]
    pub fn with_slide_stride(self, stride: usize) -> Self {
        let stride = stride.clamp(1, self.config.context_length);
        self.configured(|worker| worker.slide_stride = stride)
    }

    /// Uses speculative decoding with the drafts of `drafter`.
    #[must_use]
    pub fn with_drafter(self, drafter: Box<dyn Drafter>) -> Self {
        self.configured(|worker| worker.drafter = Some(drafter))
    }

    /// Sets the length of all drafts, in place of the one that pays by what it costs and how often guesses are right: for
    /// tests and measurements.
    #[must_use]
    pub fn with_draft_length(self, length: usize) -> Self {
        self.configured(|worker| worker.fixed_draft_length = Some(length.min(MAX_DRAFT)))
    }

    /// Sets how many texts run at the same time, at least 1, with memory for a whole context of each.
    #[must_use]
    pub fn with_slots(mut self, slots: usize) -> Self {
        self.limits.slots = slots.max(1);
        let Limits { slots, prefix_bytes, .. } = self.limits;
        let kv_bytes = slots * self.context_bytes();
        self.configured(|worker| worker.slots = slots).with_kv_cache(kv_bytes).with_prefix_cache(prefix_bytes)
    }

    /// Sets how much memory the keys and values of texts that run may take: at least that of one context.
    #[must_use]
    pub fn with_kv_cache(mut self, bytes: usize) -> Self {
        self.limits.kv_bytes = bytes.max(self.context_bytes());
        let positions = self.limits.kv_bytes / self.cache_shape.position_bytes().max(1);
        self.configured(|worker| worker.memory = KvMemory::new(positions))
    }

    /// Sets how much memory the keys and values of earlier prompts may take; 0 keeps none, but what
    /// texts of a request have in common, until all of them have run it: a prompt for each slot at most, and no more than
    /// texts that run may take.
    #[must_use]
    pub fn with_prefix_cache(mut self, bytes: usize) -> Self {
        self.limits.prefix_bytes = bytes;
        let prefixes = match bytes {
            0 => PrefixCache::of_requests(
                (self.limits.slots * self.prompt_bytes()).min(self.limits.kv_bytes.max(self.prompt_bytes())),
            ),
            _ => PrefixCache::new(bytes),
        };
        self.configured(|worker| worker.prefixes = prefixes)
    }

    /// Its thread has not started: that takes a reference, which nobody has who owns the engine and has not used it.
    fn configured(mut self, set: impl FnOnce(&mut Worker)) -> Self {
        if let Thread::Idle(worker) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner) {
            set(worker);
        }
        self
    }

    /// Shape of the model.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// Number of ids that a text can have.
    pub fn n_ids(&self) -> usize {
        self.n_ids
    }

    /// Times of loading the model.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    /// What texts may take.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Memory of the keys and values of a whole context, in whole pages.
    pub fn context_bytes(&self) -> usize {
        self.config.context_length.next_multiple_of(PAGE) * self.cache_shape.position_bytes()
    }

    /// Memory of the chunks of a prompt: their keys and values, their ids up to the end of each, and logits.
    fn prompt_bytes(&self) -> usize {
        let context_length = self.config.context_length;
        let ids = context_length.div_ceil(PREFILL_CHUNK) * context_length * size_of::<u32>();
        self.context_bytes() + ids + self.config.vocab_size * size_of::<f32>()
    }

    /// How busy it is.
    pub fn occupancy(&self) -> Occupancy {
        self.gauge.get()
    }

    /// Generates the texts of one request: where slots are short, requests get as many as each other, and a prompt is run
    /// once for all of its texts, as far as there is memory to keep it.
    ///
    /// # Errors
    /// If a prompt is empty or has ids outside the vocabulary, if it is to be read and does not fit into the context,
    /// or if there is no thread; no text is begun then. All else is told to the sinks.
    pub fn submit<'a>(&self, texts: impl IntoIterator<Item = TextRequest<'a>>) -> Result<(), EngineError> {
        let group = self.group();
        let texts: Vec<TextRequest<'a>> = texts.into_iter().collect();
        // Texts that begin alike, if nothing is kept for all.
        let mut claims: HashMap<&[u32], Claim> = HashMap::new();
        if self.limits.prefix_bytes == 0 {
            for text in &texts {
                claims
                    .entry(self.beginning(text.prompt))
                    .and_modify(|claim| {
                        claim.get_or_insert_default();
                    })
                    .or_insert(None);
            }
        }
        let mut jobs = Vec::with_capacity(texts.len());
        for TextRequest { prompt, options, sink } in texts {
            if prompt.is_empty() {
                return Err(EngineError::EmptyPrompt);
            }
            self.check(prompt)?;
            let context_length = self.config.context_length;
            if options.reads_prompt && prompt.len() > context_length {
                return Err(EngineError::ContextOverflow { positions: prompt.len(), context_length });
            }
            let claim = claims.get(self.beginning(prompt)).cloned().flatten();
            let text = Box::new(Continuation::new(prompt, self.n_ids, options, sink));
            jobs.push(Job::Text { group, text, claim });
        }
        drop(claims); // each text has its own
        self.send(jobs)
    }

    /// What has to be the same if chunks of two prompts are.
    fn beginning<'a>(&self, prompt: &'a [u32]) -> &'a [u32] {
        let seen = &prompt[prompt.len().saturating_sub(self.config.context_length)..];
        &seen[..seen.len().min(PREFILL_CHUNK)]
    }

    fn group(&self) -> Group {
        Group(self.groups.fetch_add(1, Ordering::Relaxed))
    }

    /// Continues `prompt` and waits for the whole text.
    ///
    /// # Errors
    /// As of [`submit`](Self::submit), or if ONNX Runtime fails.
    pub fn generate(&self, prompt: &[u32], options: &GenerationOptions) -> Result<Generation, EngineError> {
        self.wait(prompt, options, None, |_| ControlFlow::Continue(()))
    }

    /// Continues `prompt` and gives each token to `take` when it is chosen, on this thread, until that breaks. Other
    /// texts wait meanwhile.
    ///
    /// # Errors
    /// As of [`generate`](Self::generate).
    pub fn generate_with(
        &self,
        prompt: &[u32],
        options: &GenerationOptions,
        mut take: impl FnMut(Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, EngineError> {
        let (answer, answers) = mpsc::channel();
        self.wait(prompt, options, Some(answers), |token| {
            let goes_on = take(token);
            // If nobody listens, the text has ended, and that is told next.
            let _ = answer.send(goes_on);
            goes_on
        })
    }

    fn wait(
        &self,
        prompt: &[u32],
        options: &GenerationOptions,
        answers: Option<Receiver<ControlFlow<()>>>,
        mut take: impl FnMut(Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, EngineError> {
        let (to_caller, told) = mpsc::channel();
        let sink = Box::new(WaitingCaller { to_caller, answers });
        self.submit([TextRequest { prompt, options: options.clone(), sink }])?;
        for message in told {
            match message {
                ToCaller::Token(id, logits, is_stop) => {
                    let _ = take(Token { id, logits: &logits, is_stop }); // the answer has been sent
                }
                ToCaller::End(result) => return result,
            }
        }
        Err(EngineError::Ended)
    }

    /// Runs `ids` and gives the activations inside the model; `None` if its graph does not have them.
    ///
    /// # Errors
    /// If `ids` is empty, too long or has ids outside the vocabulary, or ONNX Runtime fails.
    pub fn inspect(&self, ids: &[u32]) -> Result<Option<Inspection>, EngineError> {
        self.check(ids)?;
        let (reply, replied) = mpsc::channel();
        self.send(vec![Job::Inspection { group: self.group(), ids: ids.to_vec(), reply }])?;
        let mut inspection = replied.recv().map_err(|_| EngineError::Ended)??;
        if let Some(inspection) = &mut inspection {
            inspection.logits.truncate(self.n_ids);
        }
        Ok(inspection)
    }

    /// Checks that ids are those that a text can have.
    fn check(&self, ids: &[u32]) -> Result<(), EngineError> {
        match ids.iter().find(|&&id| id as usize >= self.n_ids) {
            Some(&id) => Err(EngineError::TokenOutOfRange { id, vocab_size: self.n_ids }),
            None => Ok(()),
        }
    }

    /// Hands jobs to the thread, which starts with the first.
    fn send(&self, new: Vec<Job>) -> Result<(), EngineError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Thread::Idle(_) = &*thread
            && let Thread::Idle(worker) = std::mem::replace(&mut *thread, Thread::None)
        {
            let (sender, jobs) = mpsc::channel();
            let started = thread::Builder::new().name("model".to_owned()).spawn(move || worker.work(&jobs));
            *thread = Thread::Runs(sender, started.map_err(EngineError::Thread)?);
        }
        match &*thread {
            Thread::Runs(jobs, _) => jobs.send(new).map_err(|_| EngineError::Ended),
            Thread::Idle(_) | Thread::None => Err(EngineError::Ended),
        }
    }
}

impl Drop for Engine {
    /// Waits until the model is released, unless it is the model's own thread that lets go of the engine last.
    fn drop(&mut self) {
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Thread::Runs(jobs, handle) = std::mem::replace(thread, Thread::None) {
            drop(jobs);
            if handle.thread().id() != thread::current().id() {
                let _ = handle.join(); // its panics are caught, and told by the hook
            }
        }
    }
}
