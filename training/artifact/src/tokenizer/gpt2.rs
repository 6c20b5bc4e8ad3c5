//! GPT-2 tokenizer: byte-pair encoding of text to token ids and back.
//!
//! Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016), on bytes
//! as in GPT-2. Every text has ids and every id has bytes; the bytes of one id need not be a whole
//! character.

use tiktoken_rs::CoreBPE;

use crate::hash::Sha256Hex;
use crate::manifest::TokenizerRef;

/// Token id of `<|endoftext|>`, which separates documents.
pub const END_OF_TEXT: u32 = 50_256;

/// Name of this tokenizer in a manifest.
pub const GPT2: &str = "gpt2";

/// SHA-256 of the vocabulary: the bytes of every id in order, each after its length as u32 little
/// endian. A test compares it with the vocabulary, so that readers need not hash it.
const GPT2_SHA256: &str = "a5623714bcf19049eb0fd78df19b6daa1e61ac435b86a5deae767768e7fcdc3d";

/// A token id outside the vocabulary.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("token id {0} is not in the vocabulary of the {GPT2} tokenizer (0 to {END_OF_TEXT})")]
pub struct UnknownToken(pub u32);

/// Why a tokenizer cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The vocabulary that is compiled in did not load.
    #[error("loading the {GPT2} vocabulary: {0}")]
    Vocabulary(String),
    /// The manifest asks for a tokenizer that this build does not have.
    #[error(
        "tokenizer `{name}` with SHA-256 {sha256} is not known; this build has `{GPT2}` with {GPT2_SHA256}"
    )]
    Unknown {
        /// The name in the manifest.
        name: String,
        /// The digest in the manifest.
        sha256: String,
    },
}

/// The byte-pair encoding of GPT-2, 50,257 ids.
pub struct Tokenizer {
    bpe: CoreBPE,
}

impl Tokenizer {
    /// Loads the vocabulary, which takes 20 to 30 ms.
    ///
    /// # Errors
    /// If the vocabulary that is compiled in cannot be parsed.
    pub fn gpt2() -> Result<Self, TokenizerError> {
        let bpe = tiktoken_rs::r50k_base().map_err(|error| TokenizerError::Vocabulary(error.to_string()))?;
        Ok(Self { bpe })
    }

    /// The tokenizer that a manifest names.
    ///
    /// # Errors
    /// If this build has no tokenizer of that name and vocabulary.
    pub fn from_manifest(reference: &TokenizerRef) -> Result<Self, TokenizerError> {
        if reference.name == GPT2 && reference.sha256.as_str() == GPT2_SHA256 {
            return Self::gpt2();
        }
        Err(TokenizerError::Unknown { name: reference.name.clone(), sha256: reference.sha256.to_string() })
    }

    /// The entry of this tokenizer in a manifest.
    pub fn reference(&self) -> TokenizerRef {
        TokenizerRef { name: GPT2.to_owned(), sha256: Sha256Hex::from_const(GPT2_SHA256) }
    }

    /// Number of ids; all ids are below it.
    pub fn vocab_size(&self) -> usize {
        END_OF_TEXT as usize + 1
    }

    /// Encodes text. The spelling of a special token is text like any other, so that a prompt
    /// cannot smuggle one in.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.bpe.encode_ordinary(text)
    }

    /// Length in bytes of the text that an id stands for. [`END_OF_TEXT`] stands for none, and neither does an id
    /// outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> usize {
        if id == END_OF_TEXT { 0 } else { self.decode_bytes(&[id]).map_or(0, |bytes| bytes.len()) }
    }

    /// The bytes of a sequence of ids.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, UnknownToken> {
        self.bpe.decode_bytes(ids).map_err(|error| UnknownToken(error.token))
    }

    /// The text of a sequence of ids. An incomplete character at its end is left out; bytes that
    /// form no character become U+FFFD.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, UnknownToken> {
        let mut bytes = self.decode_bytes(ids)?;
        bytes.truncate(complete_utf8_length(&bytes));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Length of `bytes` without a character that has begun but not ended.
fn complete_utf8_length(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // Invalid bytes further up: look at what follows them.
        Err(error) => {
            let rest = error.valid_up_to() + error.error_len().unwrap_or(1);
            rest + complete_utf8_length(&bytes[rest..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Reference {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u32>,
    }

    /// Reference: Python's tiktoken, encoding `gpt2`, special tokens read as text.
    #[test]
    fn equals_tiktoken_id_for_id() {
        let reference: Reference =
            serde_json::from_str(include_str!("../../../../tests/reference/tokenizer.json")).unwrap();
        let tokenizer = Tokenizer::gpt2().unwrap();
        assert!(reference.cases.len() >= 10);
        for Case { text, ids } in reference.cases {
            assert_eq!(tokenizer.encode(&text), ids, "{text:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }

    #[test]
    fn the_spelling_of_a_special_token_is_text() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        assert!(!tokenizer.encode("<|endoftext|>").contains(&END_OF_TEXT));
        assert_eq!(tokenizer.decode(&[END_OF_TEXT]).unwrap(), "<|endoftext|>");
    }

    #[test]
    fn decode_leaves_out_a_character_that_has_only_begun() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let ids = tokenizer.encode("art 🎨");
        assert_eq!(tokenizer.decode(&ids).unwrap(), "art 🎨");
        assert_eq!(tokenizer.decode(&ids[..ids.len() - 1]).unwrap(), "art ");
        assert_eq!(complete_utf8_length(b"a\xffb\xf0\x9f"), 3);
    }

    #[test]
    fn lengths_of_ids_add_up_to_the_text_without_separators() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let text = "It's a picture: 🎨, 字.";
        let mut ids = tokenizer.encode(text);
        ids.extend([END_OF_TEXT, 50_257]);
        assert_eq!(ids.iter().map(|&id| tokenizer.token_bytes(id)).sum::<usize>(), text.len());
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_an_error() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        assert_eq!(tokenizer.decode(&[0, 50_257]), Err(UnknownToken(50_257)));
    }

    #[test]
    fn a_manifest_names_the_vocabulary_by_its_contents() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let mut vocabulary = Vec::new();
        for id in 0..tokenizer.vocab_size() as u32 {
            let bytes = tokenizer.decode_bytes(&[id]).unwrap();
            vocabulary.extend((bytes.len() as u32).to_le_bytes());
            vocabulary.extend(bytes);
        }
        let reference = tokenizer.reference();
        assert_eq!(reference.sha256, Sha256Hex::of_bytes(&vocabulary));
        assert!(Tokenizer::from_manifest(&reference).is_ok());
        for other in [
            TokenizerRef { name: "cl100k".to_owned(), ..reference.clone() },
            TokenizerRef { sha256: Sha256Hex::of_bytes(b"another vocabulary"), ..reference },
        ] {
            assert!(Tokenizer::from_manifest(&other).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_text_survives_the_round_trip(text in any::<String>()) {
            let tokenizer = TOKENIZER.get_or_init(|| Tokenizer::gpt2().unwrap());
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)).unwrap(), text);
        }
    }

    static TOKENIZER: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
}
