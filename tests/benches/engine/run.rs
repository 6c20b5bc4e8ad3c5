//! Prompts and settings of a benchmark run, and the measurements of one process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use artifact::{GptConfig, Manifest, Tokenizer};
use e2e::process::root;
use serde::{Deserialize, Serialize};

/// Lengths of the prompts that the decoding starts from and that prefilling is measured with, in tokens.
pub const DECODE_PROMPT: usize = 8;
pub const PREFILL: [usize; 2] = [64, 200];
/// What users of a model of "The Verdict" ask it.
const REQUESTS: [&str; 3] = ["I HAD always thought", "Jack Gisburn was", "The painting"];

/// The model, the prompts and the counts: `run.json`, which every measuring process reads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    /// The folder of the version.
    pub model: PathBuf,
    /// Its safetensors.
    weights: PathBuf,
    pub config: GptConfig,
    /// A folder with the same weights in the formats of other runtimes.
    converted: PathBuf,
    /// The beginning of a text, best of that which the model was trained on.
    pub decode_prompt: Vec<u32>,
    /// How many new ids decoding is measured with.
    pub decode_tokens: Vec<usize>,
    pub prefill_prompts: Vec<Vec<u32>>,
    pub request_prompts: Vec<Vec<u32>>,
    /// Beginnings of lines that no model of ours was trained on: those of this project's README.
    pub unseen_prompts: Vec<Vec<u32>>,
    pub request_tokens: usize,
    pub temperature: f32,
    pub top_k: usize,
    /// How often each process measures a decoding and a prefill.
    pub repeats: usize,
}

impl Run {
    /// Measures the version in the folder `model` with the beginning of a text; the other runtimes'
    /// files go to `converted`.
    pub fn new(model: &Path, manifest: &Manifest, text: &Path, converted: PathBuf) -> Result<Self> {
        let tokenizer = Tokenizer::gpt2()?;
        let config = manifest.config.clone();
        let decode_tokens = vec![50, 150];
        let longest = (DECODE_PROMPT + decode_tokens[1]).max(PREFILL[1]);
        ensure!(
            config.vocab_size == tokenizer.vocab_size() && config.context_length >= longest,
            "this benchmark needs a model of GPT-2's tokens with a context of at least {longest}, such as that of \
             the preset the-verdict; {} has a vocabulary of {} and a context of {}",
            model.display(),
            config.vocab_size,
            config.context_length,
        );
        let ids = std::fs::read_to_string(text).with_context(|| text.display().to_string())?;
        let ids = tokenizer.encode(&ids);
        let first = |count: usize| {
            let too_short = || format!("{} has {} tokens, {count} are needed", text.display(), ids.len());
            ids.get(..count).map(<[u32]>::to_vec).with_context(too_short)
        };
        Ok(Self {
            weights: model.join("model.safetensors"),
            model: model.to_owned(),
            config,
            converted,
            decode_prompt: first(DECODE_PROMPT)?,
            decode_tokens,
            prefill_prompts: PREFILL.into_iter().map(first).collect::<Result<_>>()?,
            request_prompts: REQUESTS.into_iter().map(|prompt| tokenizer.encode(prompt)).collect(),
            unseen_prompts: unseen_prompts(&tokenizer)?,
            request_tokens: 50,
            temperature: 0.7,
            top_k: 50,
            repeats: 3,
        })
    }
}

/// As many prompts as users ask, each the beginning of a line that is long enough.
fn unseen_prompts(tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let readme = std::fs::read_to_string(root().join("README.md")).context("README.md")?;
    let lines = readme.lines().filter(|line| line.starts_with(char::is_alphabetic));
    let ids = lines.map(|line| tokenizer.encode(line)).filter(|ids| ids.len() >= 2 * DECODE_PROMPT);
    Ok(ids.step_by(10).take(REQUESTS.len()).map(|ids| ids[..DECODE_PROMPT].to_vec()).collect())
}

/// Texts of a kind of prompt: how fast they were, and how good the drafts.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Drafts {
    pub tokens_per_second: f64,
    pub drafted: usize,
    pub accepted: usize,
}

/// What one process has measured, see `peers/measure.py`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub version: String,
    pub load_ms: Option<f64>,
    /// Parts of it, for the runtime that tells.
    #[serde(default)]
    pub load_parts_ms: BTreeMap<String, f64>,
    /// By the length of the prompt.
    pub prefill_ms: BTreeMap<usize, Vec<f64>>,
    /// By the number of new ids.
    pub decode_tokens_per_second: BTreeMap<usize, Vec<f64>>,
    /// One for each prompt; none if the runtime has no program for that.
    pub request_ms: Vec<f64>,
    /// None as well.
    pub greedy_ids: Option<Vec<u32>>,
    /// Of prompts like the training text, and of others.
    #[serde(default)]
    pub drafts: Option<[Drafts; 2]>,
    /// Milliseconds of a pass of so many positions with the logits of all: a batch of texts, or a draft.
    #[serde(default)]
    pub rows_ms: BTreeMap<usize, Vec<f64>>,
    pub peak_rss_bytes: u64,
}
