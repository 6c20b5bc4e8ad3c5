//! Settings of a training run, in this project's words and in those of three well-known code bases.
//!
//! For the fields of `[model]` see [`artifact::config`], for those of `[corpus]` [`CorpusSettings`]. Fields of `[training]` and `[sample]`:
//!
//! | here | PyTorch, LLMs-from-scratch | nanoGPT `train.py` | Hugging Face `TrainingArguments` |
//! |---|---|---|---|
//! | `seed` | `torch.manual_seed` | 1337 | `seed` |
//! | `initialization` | that of the layers | as GPT-2 | as GPT-2 (`initializer_range`) |
//! | `epochs` | `num_epochs` | – | `num_train_epochs` |
//! | `max_steps` | – | `max_iters` | `max_steps` |
//! | `max_seconds` | – | – | – |
//! | `batch_size` | `batch_size` of `DataLoader` | `batch_size` | `per_device_train_batch_size` |
//! | `accumulate_batches` | – | `gradient_accumulation_steps` | `gradient_accumulation_steps` |
//! | `tokens_per_step` | – | `tokens_per_iter`, which it prints | – |
//! | `window` | `max_length` | `block_size` | – |
//! | `stride` | `stride` | random windows | – |
//! | `train_fraction` | `train_ratio` | in `prepare.py` | – |
//! | `learning_rate` | `lr` of `AdamW`, `peak_lr` | `learning_rate` | `learning_rate` |
//! | `optimizer` | `torch.optim.AdamW`, `torch.optim.Muon` | AdamW | `optim` |
//! | `muon_learning_rate` | `lr` of `Muon` | – | – |
//! | `beta_1`, `beta_2` | `betas` | `beta1`, `beta2` | `adam_beta1`, `adam_beta2` |
//! | `epsilon` | `eps` | 1e-8 | `adam_epsilon` |
//! | `warmup_steps` | `warmup_steps` | `warmup_iters` | `warmup_steps` |
//! | `final_learning_rate` | `eta_min` of `CosineAnnealingLR`, `min_lr` | `min_lr` | – |
//! | `decay` | – | a cosine | `lr_scheduler_type` |
//! | `decay_fraction` | – | `lr_decay_iters`, in steps | – |
//! | `weight_decay` | `weight_decay` of `AdamW` | `weight_decay` | `weight_decay` |
//! | `decay_vectors` | always | never | never |
//! | `clip_gradient_norm` | `max_norm` of `clip_grad_norm_` | `grad_clip` | `max_grad_norm` |
//! | `evaluate_every_steps` | `eval_freq` | `eval_interval` | `eval_steps` |
//! | `evaluation_batches` | `eval_iter` | `eval_iters` | – |
//! | `final_evaluation_windows` | – | – | – |
//! | `stop_after_evaluations` | – | – | `early_stopping_patience` |
//! | `keep_best` | – | `always_save_checkpoint = False` | `load_best_model_at_end` |
//! | `fused` | – | – | – |
//! | `precision` | `dtype` of `torch.autocast` | `dtype` | `bf16` |
//! | `checkpoint_every_steps` | – | `eval_interval` | `save_steps` |
//! | `sample_every_steps` | – | – | – |
//! | `max_tokens` | `max_new_tokens` | `max_new_tokens` | `max_new_tokens` |
//!
//! A name from the other columns in a preset is an error that gives the name here.

use artifact::GptConfig;
use artifact::tokenizer::Pattern;
use serde::{Deserialize, Serialize};

use crate::corpus::CorpusSettings;
use crate::device::Arithmetic;
use crate::model::LoraSettings;
use crate::tokenizer::TokenizerSource;

/// A model and how to train it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The shape of the model.
    pub model: GptConfig,
    /// Hyper-parameters, evaluations and checkpoints.
    pub training: TrainingSettings,
    /// A change of few parameters that is learned in place of the weights, which stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSettings>,
    /// The text that is sampled after each epoch.
    pub sample: SampleSettings,
    /// How texts become token ids, unless `--tokenizer` says otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tokenizer: TokenizerSettings,
    /// The texts to train on, unless `--corpus` gives others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusSettings>,
}

impl Preset {
    /// Tokens from the start of one window to the start of the next.
    pub fn stride(&self) -> usize {
        self.training.stride.unwrap_or_else(|| self.window())
    }

    /// Tokens of a training window, and the most of a conversation.
    pub fn window(&self) -> usize {
        self.training.window.unwrap_or(self.model.context_length)
    }

    /// Distributions of the initial weights. PyTorch's embeddings are standard normal, with which a tied output
    /// head would begin at logits of size `sqrt(d_model)`.
    pub fn initialization(&self) -> Initialization {
        self.training.initialization.unwrap_or(if self.model.tied_output_head {
            Initialization::Gpt2
        } else {
            Initialization::Pytorch
        })
    }
}

/// Hyper-parameters, evaluations and checkpoints of a training run. Optional settings are off unless they are
/// set; without them a run is that of LLMs-from-scratch, chapter 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Seed of the random numbers for weights, shuffles and dropout.
    pub seed: u64,
    /// Distributions of the initial weights; without it, PyTorch's, or GPT-2's where the output head is the
    /// token embedding. See [`Preset::initialization`].
    pub initialization: Option<Initialization>,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Optimizer steps after which the run ends, if its epochs have more.
    pub max_steps: Option<usize>,
    /// Training time, evaluations included, after which the run ends, if its epochs and `max_steps` have more. The
    /// last `decay_fraction` of the steps begins when the rest of the time is what it takes. The number of steps that
    /// come of it is published as `max_steps`, with which the same weights are trained again.
    pub max_seconds: Option<f64>,
    /// Windows in each batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step.
    #[serde(default = "one")]
    pub accumulate_batches: usize,
    /// Tokens of a step: as many batches are averaged as have them, instead of `accumulate_batches`. The weights are then
    /// the same, up to rounding, whatever `batch_size` the memory is enough for. See
    /// [`Preset::resolve_batches`].
    pub tokens_per_step: Option<usize>,
    /// Tokens of a training window, at most the context length, which it is without it: a text may be shorter than the
    /// context of the model that learns it. See [`Preset::window`].
    pub window: Option<usize>,
    /// Tokens from the start of one window to the start of the next; without it, the length of a window, so that
    /// each token is trained on once in an epoch. See [`Preset::stride`].
    pub stride: Option<usize>,
    /// Share of the corpus's characters to train on; the rest validates.
    pub train_fraction: f64,
    /// Optimizer of the matrices in the transformer blocks; all other weights are AdamW's.
    #[serde(default)]
    pub optimizer: MatrixOptimizer,
    /// Learning rate of Muon, the highest of its schedule, which has the shape of that of AdamW; without it, that of
    /// its publication. See [`muon_learning_rate`](Self::muon_learning_rate).
    pub muon_learning_rate: Option<f64>,
    /// AdamW's decay of the running mean of the gradient.
    #[serde(default = "beta_1")]
    pub beta_1: f64,
    /// AdamW's decay of the running mean of the squared gradient.
    #[serde(default = "beta_2")]
    pub beta_2: f64,
    /// What AdamW adds to the root of that mean, before it divides by it.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Learning rate of AdamW, the highest of the schedule.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises linearly from 0 to `learning_rate`.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Learning rate of the last step, to which the rate decays; without it, the rate stays constant.
    pub final_learning_rate: Option<f64>,
    /// Shape of that decay.
    #[serde(default)]
    pub decay: Decay,
    /// Share of the run's steps, the last ones, in which the rate decays; before them it is constant. 1 is all after
    /// the warm-up.
    #[serde(default = "all")]
    pub decay_fraction: f64,
    /// Decoupled weight decay, of AdamW and of Muon.
    pub weight_decay: f64,
    /// Whether weight decay includes biases and LayerNorms, as in LLMs-from-scratch, or matrices only.
    #[serde(default = "yes")]
    pub decay_vectors: bool,
    /// Largest global norm of the gradients; larger ones are scaled down to it.
    pub clip_gradient_norm: Option<f64>,
    /// Steps from one evaluation to the next.
    pub evaluate_every_steps: usize,
    /// Batches of each split in an evaluation, their windows spread over all of it.
    pub evaluation_batches: usize,
    /// Windows of the validation text, spread over all of it, on which the finished model and its exports are
    /// evaluated; without it, all.
    pub final_evaluation_windows: Option<usize>,
    /// Early stopping: ends the training after so many evaluations without a lower validation loss.
    pub stop_after_evaluations: Option<usize>,
    /// Publishes the weights with the lowest validation loss instead of the last ones, also of a run that
    /// diverges.
    #[serde(default)]
    pub keep_best: bool,
    /// Computes linear maps, attention, LayerNorm, GELU, cross-entropy and Muon's iteration by fused operations: the
    /// same up to rounding; where the processor has AMX, products take the first 16 of float32's 24 bits. Attention
    /// weights are not dropped then.
    #[serde(default)]
    pub fused: bool,
    /// What products, attention and the activations that are kept are computed in; weights, the optimizer's state, sums
    /// and losses are float32. See [`resolve_precision`](Self::resolve_precision).
    #[serde(default)]
    pub precision: Precision,
    /// Steps from one checkpoint to the next; without it, only Ctrl-C, SIGTERM and the end of the training make
    /// one.
    pub checkpoint_every_steps: Option<usize>,
    /// Steps from one sample text to the next, and there is one of the last step; without it, there is one after each
    /// epoch.
    pub sample_every_steps: Option<usize>,
}

impl TrainingSettings {
    /// How the model computes, once its [precision is resolved](Self::resolve_precision).
    pub fn arithmetic(&self) -> Arithmetic {
        match (self.precision, self.fused) {
            (Precision::Bf16, _) => Arithmetic::Bf16,
            (_, true) => Arithmetic::Kernels,
            (_, false) => Arithmetic::Primitives,
        }
    }

    /// Replaces `auto` by what it means on a device: bf16 where that is multiplied faster than float32. Fused operations
    /// are float32. It stands in the identity of a run and beside its weights, and so is the same when they are trained
    /// further elsewhere.
    pub fn resolve_precision(&mut self, prefers_bf16: impl FnOnce() -> bool) {
        if self.precision == Precision::Auto {
            let is_bf16 = !self.fused && prefers_bf16();
            self.precision = if is_bf16 { Precision::Bf16 } else { Precision::Float32 };
        }
    }

    /// Learning rate of Muon, the highest of its schedule.
    pub fn muon_learning_rate(&self) -> f64 {
        self.muon_learning_rate.unwrap_or(MUON_LEARNING_RATE)
    }

    /// Share of the run's steps in which the learning rate decays: none where it is constant.
    pub fn decaying_share(&self) -> f64 {
        if self.final_learning_rate.is_some() { self.decay_fraction } else { 0.0 }
    }
}

/// Optimizer of the matrices in the transformer blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatrixOptimizer {
    /// The one of all other weights.
    #[default]
    Adamw,
    /// Orthogonal updates: fewer steps for the same loss, each of which takes longer.
    Muon,
}

/// Numbers that a training computes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits, 24 of them digits.
    #[default]
    Float32,
    /// 16 bits, 8 of them digits, with the range of float32.
    Bf16,
    /// What the device multiplies faster.
    Auto,
}

/// Shape of the learning rate's decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Half a cosine: slow at both ends.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

/// Distributions of the initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// As PyTorch's layers: embeddings standard normal, linear maps uniform over `±1/sqrt(d_in)`.
    Pytorch,
    /// As GPT-2: normal with standard deviation 0.02, projections into the residual stream divided
    /// by `sqrt(2 n_layers)`, biases 0.
    Gpt2,
}

/// Jordan's, for his speedruns of GPT-2.
const MUON_LEARNING_RATE: f64 = 0.02;

// PyTorch's defaults of AdamW.
fn beta_1() -> f64 {
    0.9
}

fn beta_2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn all() -> f64 {
    1.0
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// The tokenizer of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerSettings {
    /// `gpt2`, `bytes`, `train`, `train:N` or the path of a `tokenizer.json`. With another than GPT-2's,
    /// `model.vocab_size` need not be given: it is the tokenizer's, unless it is larger.
    pub source: TokenizerSource,
    /// Split pattern of a tokenizer that is trained.
    pub pattern: Pattern,
}

fn is_default(settings: &TokenizerSettings) -> bool {
    *settings == TokenizerSettings::default()
}

/// A text to sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Tokens to generate.
    pub max_tokens: usize,
    /// Divides the logits; 0 is greedy.
    pub temperature: f32,
    /// Number of most likely tokens to draw from.
    pub top_k: usize,
    /// Example prompts, the first of which is continued after each epoch; without them, they are beginnings of paragraphs
    /// of the corpus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
}
