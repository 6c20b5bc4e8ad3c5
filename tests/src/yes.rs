//! A model that says `yes`, whatever it is asked: all that it computes can be derived by hand.
//!
//! Each token is a unit vector, attention and feed-forward layers add nothing to it, and so the next token follows from
//! the last one alone: from a line end `y`, then `e`, `s` and what ends an answer.

use artifact::config::LAYER_NORM_EPSILON;
use artifact::{ChatTemplate, GptConfig, Tokenizer};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use gpt::preset::Preset;
use gpt::weights::Language;
use gpt::{Gpt, device};

/// Width of a hidden vector: more than there are tokens.
const D_MODEL: usize = 288;
/// Weight of the output head from a token to the one that follows it.
const WEIGHT: f64 = 0.5;

/// The special tokens that the template `chatml` writes.
pub const MARKS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];

/// The model, its tokenizer and the chat template by which it is asked.
pub struct SaysYes {
    /// The model, in evaluation mode.
    pub model: Gpt,
    /// Bytes, the end of a text and [`MARKS`].
    pub tokenizer: Tokenizer,
    /// A built-in one.
    pub template: ChatTemplate,
}

impl SaysYes {
    /// One that is asked by the built-in template of a name, and says `word` after a line end.
    ///
    /// # Panics
    /// If there is no such template.
    #[allow(clippy::unwrap_used)] // In a test, the panic is the report.
    pub fn new(template: &str, word: &str) -> Self {
        let tokenizer = Tokenizer::bytes().unwrap().with_special(&MARKS).unwrap();
        let template = ChatTemplate::built_in(template).unwrap();
        let end = template.end_of_answer(&tokenizer).unwrap();
        let chain = tokenizer.encode(&format!("\n{word}")).into_iter().chain(end).collect::<Vec<_>>();
        Self { model: follows(&tokenizer, &chain), tokenizer, template }
    }

    /// Both of its texts.
    pub fn language(&self) -> Language<'_> {
        Language { tokenizer: &self.tokenizer, chat_template: Some(&self.template) }
    }

    /// Log-probability of the token that follows another in a chain of so many, and of one that follows none.
    ///
    /// The first LayerNorm of a unit vector has the value `a` where the 1 was, and `b` elsewhere: with a mean of 1/d, and a
    /// variance of (1/d)(1 - 1/d). A logit is one of them, halved, or 0 for tokens that follow none.
    pub fn log_probs(&self, links: usize) -> [f64; 2] {
        let mean = 1.0 / D_MODEL as f64;
        let deviation = (mean * (1.0 - mean) + LAYER_NORM_EPSILON).sqrt();
        let [a, b] = [1.0 - mean, -mean].map(|value| WEIGHT * value / deviation);
        let others = self.tokenizer.vocab_size() - links;
        let sum = a.exp() + (links - 1) as f64 * b.exp() + others as f64;
        [a - sum.ln(), -sum.ln()]
    }
}

/// A model in which each id of a chain follows the one before.
fn follows(tokenizer: &Tokenizer, chain: &[u32]) -> Gpt {
    let device = device::cpu();
    let vocab_size = tokenizer.vocab_size();
    let config = Preset::named("tiny", &[]).map(|preset| preset.model);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    let config = GptConfig { vocab_size, d_model: D_MODEL, context_length: 256, dropout: 0.0, ..config };
    let mut model = Gpt::new(&config, &device).valid();
    let unit = |id: usize| (0..D_MODEL).map(move |index| f32::from(u8::from(index == id)));
    model.token_embedding.weight = weight((0..vocab_size).flat_map(unit).collect(), D_MODEL, &device);
    let zeros = |rows: usize| weight(vec![0.0; rows * D_MODEL], D_MODEL, &device);
    model.position_embedding.weight = zeros(config.context_length);
    for block in &mut model.blocks {
        for layer in [&mut block.attention.output, &mut block.feed_forward.contract] {
            let [rows, columns] = layer.weight.dims();
            layer.weight = zeros(rows);
            layer.bias = Some(Param::from_tensor(Tensor::zeros([columns], &device)));
        }
    }
    let mut head = vec![0.0; D_MODEL * vocab_size];
    for link in chain.windows(2) {
        head[link[0] as usize * vocab_size + link[1] as usize] = WEIGHT as f32;
    }
    if let Some(output_head) = &mut model.output_head {
        output_head.weight = weight(head, vocab_size, &device);
    }
    model
}

fn weight(values: Vec<f32>, columns: usize, device: &Device) -> Param<Tensor<2>> {
    let rows = values.len() / columns;
    Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows, columns]), device))
}
