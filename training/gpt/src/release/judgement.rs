//! Judgement of a model and its exports on a validation text, as the promotion gate and people read it.

use std::fmt;

use artifact::Tokenizer;
use artifact::manifest::{EvaluationSummary, Precision, TokenizerRef, Variant};
use burn::tensor::Device;
use comfy_table::{CellAlignment, Table, presets};
use engine::OnnxModel;

use super::error::ReleaseError;
use super::evaluation::{Comparison, compare, random_windows, score_export};
use super::export::Export;
use crate::corpus::conversations::Examples;
use crate::corpus::tokens::reencode;
use crate::corpus::{Batch, Corpus, Dataset, Tokens, TooShort};
use crate::device;
use crate::model::Gpt;
use crate::train::evaluation::{Score, spread};

/// Without a text, exports are compared with their model on so many windows of random ids.
const RANDOM_WINDOWS: usize = 2;

/// The validation part of a corpus, for judging models.
pub struct ValidationText {
    part: Part,
    /// The tokenizer that its ids are of.
    pub tokenizer: TokenizerRef,
    limit: Option<usize>,
}

/// What is predicted: all of a text, or the answers of conversations.
enum Part {
    Text(Tokens),
    Conversations(Examples),
}

impl ValidationText {
    /// The validation part of a corpus: all of it, or `limit` windows from all over it.
    pub fn new(corpus: &Corpus, tokenizer: &Tokenizer, limit: Option<usize>) -> Self {
        let part = match corpus.conversations() {
            Some([_, validation]) => Part::Conversations(validation.clone()),
            None => Part::Text(corpus.validation().clone()),
        };
        Self { part, tokenizer: tokenizer.reference(), limit }
    }

    /// The same text for a model with the tokenizer `to`; that of its ids is `from`.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn encoded_for(&self, from: &Tokenizer, to: &Tokenizer) -> Result<Self, ReleaseError> {
        let part = match &self.part {
            Part::Text(tokens) => Part::Text(reencode(tokens, from, to)?),
            Part::Conversations(examples) => Part::Conversations(examples.reencoded(from, to)?),
        };
        Ok(Self { part, tokenizer: to.reference(), limit: self.limit })
    }

    /// Loss of an exported model on it, in windows of its own context length.
    ///
    /// # Errors
    /// If the text is shorter than the context, or ONNX Runtime fails.
    pub fn score(&self, export: &mut OnnxModel) -> Result<Score, ReleaseError> {
        let dataset = self.dataset(export.config().context_length)?;
        let device = device::cpu();
        Ok(score_export(export, self.batches(&dataset, &device))?)
    }

    /// The text in batches of one window: all of it, or as much as the limit allows.
    fn batches<'a>(&self, dataset: &'a Dataset, device: &'a Device) -> Box<dyn Iterator<Item = Batch> + 'a> {
        match self.limit {
            Some(limit) if limit < dataset.windows() => {
                let windows = spread(dataset.windows(), 1, limit);
                Box::new(windows.map(|windows| dataset.batch(&windows, device)))
            }
            _ => Box::new(dataset.whole(device)),
        }
    }

    /// Adjacent windows of a model's context length, or of all of a text that is shorter; the conversations that fit it.
    fn dataset(&self, context_length: usize) -> Result<Dataset, TooShort> {
        match &self.part {
            Part::Text(tokens) => {
                let window = context_length.min(tokens.count().saturating_sub(1)).max(1);
                Dataset::new(tokens.clone(), window, window, 1)
            }
            Part::Conversations(examples) => {
                Dataset::of_conversations(examples, context_length, "validation", 1)
            }
        }
    }
}

/// An export beside its model.
pub struct JudgedExport {
    /// How its weights are stored.
    pub precision: Precision,
    /// File name of its graph.
    pub file: String,
    /// Its loss, and its distance from the model.
    pub comparison: Comparison,
}

/// Loss of a model, and the distance of each of its exports from it.
pub struct Judgement {
    /// Loss of the model on the text, if there is one.
    pub score: Option<Score>,
    /// Each export.
    pub exports: Vec<JudgedExport>,
}

impl Judgement {
    /// Runs a model, in evaluation mode, and its exports over the validation text;
    /// without a text, over random ids.
    ///
    /// # Errors
    /// If the text is too short, or ONNX Runtime fails.
    pub fn of(
        model: &Gpt,
        exports: Vec<Export>,
        text: Option<&ValidationText>,
    ) -> Result<Self, ReleaseError> {
        let (names, mut loaded): (Vec<_>, Vec<_>) =
            exports.into_iter().map(|export| ((export.precision, export.file), export.model)).unzip();
        let mut borrowed: Vec<&mut OnnxModel> = loaded.iter_mut().collect();
        let device = model.device();
        let (score, comparisons) = match text {
            Some(text) => {
                let dataset = text.dataset(model.config().context_length)?;
                compare(model, &mut borrowed, text.batches(&dataset, &device))?
            }
            None => compare(model, &mut borrowed, random_windows(model.config(), RANDOM_WINDOWS, &device))?,
        };
        let exports = names.into_iter().zip(comparisons);
        let judged = |((precision, file), comparison)| JudgedExport { precision, file, comparison };
        Ok(Self { score: text.map(|_| score), exports: exports.map(judged).collect() })
    }

    /// The model's loss, for a manifest.
    pub fn evaluation_summary(&self) -> Option<EvaluationSummary> {
        self.score.map(|score| EvaluationSummary {
            val_loss: score.loss,
            perplexity: score.perplexity(),
            tokens: score.tokens,
            bits_per_byte: score.bits_per_byte(),
            text_bytes: Some(score.bytes),
        })
    }

    /// An export of it, for a manifest; `bytes` is the length of its file.
    pub fn variant(&self, export: &JudgedExport, bytes: u64) -> Variant {
        let JudgedExport { precision, file, comparison } = export;
        // Loss on random ids means nothing.
        let score = self.score.map(|_| comparison.score);
        Variant {
            precision: *precision,
            file: file.clone(),
            bytes,
            val_loss: score.map(|score| score.loss),
            perplexity: score.map(|score| score.perplexity()),
            bits_per_byte: score.and_then(|score| score.bits_per_byte()),
            kl_divergence: comparison.kl_divergence,
            top_1_agreement: comparison.top_1_agreement,
            largest_logit_difference: comparison.largest_logit_difference,
        }
    }
}

impl fmt::Display for Judgement {
    /// A table: the model, and each export below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(score) = &self.score {
            writeln!(f, "evaluated on {} tokens, {} bytes of text", score.tokens, score.bytes)?;
        }
        let figures = |score: Option<Score>| match score {
            Some(score) => [
                format!("{:.4}", score.loss),
                score.bits_per_byte().map_or("-".to_owned(), |bits| format!("{bits:.4}")),
                format!("{:.2}", score.perplexity()),
            ],
            None => ["-"; 3].map(str::to_owned),
        };
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["", "loss", "bits/byte", "perplexity", "KL", "top-1", "logits"]);
        let [loss, bits, perplexity] = figures(self.score);
        table.add_row(["model".to_owned(), loss, bits, perplexity]);
        for JudgedExport { precision, comparison, .. } in &self.exports {
            let [loss, bits, perplexity] = figures(self.score.map(|_| comparison.score));
            table.add_row([
                precision.to_string(),
                loss,
                bits,
                perplexity,
                format!("{:.1e}", comparison.kl_divergence),
                format!("{:.2}%", 100.0 * comparison.top_1_agreement),
                format!("{:.1e}", comparison.largest_logit_difference),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if index >= 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        f.write_str(&table.trim_fmt())
    }
}
