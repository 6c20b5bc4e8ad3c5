//! Metadata of a GGUF file: keys with typed values, the shape of a model and its language.

use std::collections::HashSet;

use artifact::config::LAYER_NORM_EPSILON;
use artifact::tokenizer::Pattern;
use artifact::tokenizer::byte_level::Vocabulary;
use artifact::{GptConfig, Tokenizer};

use super::tensors::Precision;
use crate::weights::Language;
use crate::weights::error::SaveError;

/// Kinds of tokens, as llama.cpp numbers them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// Types of values, as the format numbers them.
const UINT32: u32 = 4;
const INT32: u32 = 5;
const FLOAT32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Keys and values, encoded.
#[derive(Default)]
pub struct Metadata {
    /// Number of keys.
    pub count: u64,
    /// Keys and values, one after the other.
    pub bytes: Vec<u8>,
}

impl Metadata {
    /// That of a model; `name` is what people call it.
    ///
    /// # Errors
    /// If its chat template does not say where an answer ends.
    pub fn of(
        config: &GptConfig,
        language: Option<Language<'_>>,
        name: &str,
        precision: Precision,
    ) -> Result<Self, SaveError> {
        let mut metadata = Self::default();
        metadata.text("general.architecture", "gpt2");
        metadata.text("general.name", name);
        metadata.number("general.file_type", precision.file_type());
        for (key, length) in [
            ("gpt2.context_length", config.context_length),
            ("gpt2.embedding_length", config.d_model),
            ("gpt2.block_count", config.n_layers),
            ("gpt2.feed_forward_length", config.d_ff),
            ("gpt2.attention.head_count", config.n_heads),
            ("gpt2.vocab_size", config.vocab_size),
        ] {
            metadata.number(key, length as u32);
        }
        metadata.key("gpt2.attention.layer_norm_epsilon", FLOAT32);
        metadata.bytes.extend((LAYER_NORM_EPSILON as f32).to_le_bytes());
        match language {
            Some(language) => {
                metadata.tokenizer(language.tokenizer, config.vocab_size);
                metadata.chat_template(language)?;
            }
            // llama.cpp then takes ids.
            None => metadata.text("tokenizer.ggml.model", "none"),
        }
        Ok(metadata)
    }

    /// How conversations are written, and the token that ends an answer, where another ends a text.
    fn chat_template(&mut self, language: Language<'_>) -> Result<(), SaveError> {
        let Some(template) = language.chat_template else { return Ok(()) };
        self.text("tokenizer.chat_template", template.source());
        if let Some(end_of_answer) = language.end_of_answer()? {
            self.number("tokenizer.ggml.eot_token_id", end_of_answer);
        }
        Ok(())
    }

    /// A token for each id of the model: those that the tokenizer does not have are never to be drawn.
    fn tokenizer(&mut self, tokenizer: &Tokenizer, vocab_size: usize) {
        let vocabulary = Vocabulary::of(tokenizer);
        let n_tokens = vocabulary.tokens.len();
        let special: HashSet<u32> = tokenizer.special_tokens().into_iter().map(|(id, _)| id).collect();
        self.text("tokenizer.ggml.model", "gpt2");
        if let Some(pattern) = tokenizer.pattern() {
            self.text("tokenizer.ggml.pre", pre_tokenizer(pattern));
        }
        let padding: Vec<String> = (n_tokens..vocab_size).map(|id| format!("[PAD{id}]")).collect();
        let tokens = || vocabulary.tokens.iter().chain(&padding);
        self.array("tokenizer.ggml.tokens", STRING, tokens().count());
        tokens().for_each(|token| self.string(token));
        self.array("tokenizer.ggml.token_type", INT32, tokens().count());
        for id in 0..tokens().count() {
            let kind = match id {
                _ if id >= n_tokens => UNUSED,
                _ if special.contains(&(id as u32)) => CONTROL,
                _ => NORMAL,
            };
            self.bytes.extend(kind.to_le_bytes());
        }
        self.array("tokenizer.ggml.merges", STRING, vocabulary.merges.len());
        vocabulary.merges.iter().for_each(|(left, right)| self.string(&format!("{left} {right}")));
        for key in ["tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"] {
            if let Some(end_of_text) = tokenizer.end_of_text() {
                self.number(key, end_of_text);
            }
        }
        self.key("tokenizer.ggml.add_bos_token", BOOL);
        self.bytes.push(0);
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.string(key);
        self.bytes.extend(kind.to_le_bytes());
        self.count += 1;
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key, STRING);
        self.string(value);
    }

    fn number(&mut self, key: &str, value: u32) {
        self.key(key, UINT32);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Begins an array of `length` values.
    fn array(&mut self, key: &str, kind: u32, length: usize) {
        self.key(key, ARRAY);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend((length as u64).to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        put_string(text, &mut self.bytes);
    }
}

/// What llama.cpp calls a split pattern.
fn pre_tokenizer(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Gpt2 => "gpt-2",
        Pattern::Cl100k => "llama-bpe",
        Pattern::Qwen2 => "qwen2",
        Pattern::O200k => "gpt-4o",
    }
}

/// Appends a text after its length.
pub fn put_string(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_after_their_type() {
        let mut metadata = Metadata::default();
        metadata.number("ab", 7);
        metadata.text("c", "de");
        let expected = [
            &[2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', 4, 0, 0, 0, 7, 0, 0, 0][..],
            &[1, 0, 0, 0, 0, 0, 0, 0, b'c', 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'd', b'e'],
        ];
        assert_eq!((metadata.count, metadata.bytes), (2, expected.concat()));
    }
}
