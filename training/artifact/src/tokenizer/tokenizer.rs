//! Tokenizer: byte-level byte-pair encoding (BPE) of text to token ids and back.
//!
//! Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016), on bytes
//! as in GPT-2. Every text has ids and every id has bytes; the bytes of one id need not be a whole
//! character. GPT-2's vocabulary is compiled in; a model with another one carries it in `tokenizer.json`.

use std::fmt;

use tiktoken_rs::CoreBPE;

use crate::hash::Sha256Hex;
use crate::manifest::TokenizerRef;

use super::bpe::{Bpe, Token};
use super::characters::END_OF_TEXT_NAME;
use super::error::UnsupportedTokenizer;
use super::file::read_written;
use super::pattern::Pattern;
use super::pre_tokenizer::{PreTokenizer, Splitter};

/// GPT-2's token id of `<|endoftext|>`, which separates documents.
pub const END_OF_TEXT: u32 = 50_256;

/// Name of GPT-2's tokenizer in a manifest.
pub const GPT2: &str = "gpt2";

/// Name of any other in a manifest; its digest says which.
const BPE: &str = "bpe";

/// File name of a tokenizer inside a version's folder, in Hugging Face's format.
pub const FILE_NAME: &str = "tokenizer.json";

/// More than a tokenizer's file needs: that of a quarter of a million tokens takes 20 MB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// SHA-256 of GPT-2's vocabulary: the bytes of every id in order, each after its length as u32 little
/// endian. A test compares it with the vocabulary, so that readers need not hash it.
const GPT2_SHA256: &str = "a5623714bcf19049eb0fd78df19b6daa1e61ac435b86a5deae767768e7fcdc3d";

/// A token id outside the vocabulary.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("token id {id} is not in the vocabulary of the tokenizer, which has {vocab_size} ids")]
pub struct UnknownToken {
    /// The id.
    pub id: u32,
    /// Ids are below it.
    pub vocab_size: usize,
}

/// Why a tokenizer cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A vocabulary did not load.
    #[error("loading the vocabulary of a tokenizer: {0}")]
    Vocabulary(String),
    /// The manifest asks for a tokenizer that this build does not have and the version does not carry.
    #[error(
        "tokenizer `{name}` with SHA-256 {sha256} is not known; this build has `{GPT2}` with {GPT2_SHA256}, and the \
         version carries none"
    )]
    Unknown {
        /// The name in the manifest.
        name: String,
        /// The digest in the manifest.
        sha256: String,
    },
    /// It does what is not supported.
    #[error("{FILE_NAME}: {0}")]
    File(#[from] UnsupportedTokenizer),
    /// The file that a version carries is another tokenizer than the manifest names.
    #[error("{FILE_NAME}: expected the tokenizer with SHA-256 {expected}, found one with {found}")]
    Differs {
        /// The digest in the manifest.
        expected: String,
        /// That of the file.
        found: String,
    },
}

/// A byte-level byte-pair encoding.
pub struct Tokenizer {
    /// Encodes to ranks.
    bpe: CoreBPE,
    /// `None` for GPT-2's, whose ids are its ranks.
    own: Option<Own>,
}

/// A vocabulary that is not compiled in.
struct Own {
    bpe: Bpe,
    sha256: Sha256Hex,
    /// Whether ranks are ids.
    is_ranked: bool,
    /// Ids of the special tokens, and of the one that ends a text: each prompt is looked through for them.
    special: Vec<u32>,
    end_of_text: Option<u32>,
    /// What is done to texts before, if that is more than to cut them by a known pattern.
    splitter: Option<Splitter>,
}

/// The expression of what is not cut further.
const WHOLE: &str = "(?s:.+)";

impl Tokenizer {
    /// Loads GPT-2's vocabulary, 50,257 ids, which takes 20 to 30 ms.
    ///
    /// # Errors
    /// If the vocabulary that is compiled in cannot be parsed.
    pub fn gpt2() -> Result<Self, TokenizerError> {
        let bpe = tiktoken_rs::r50k_base().map_err(|error| TokenizerError::Vocabulary(error.to_string()))?;
        Ok(Self { bpe, own: None })
    }

    /// The tokenizer with this vocabulary.
    ///
    /// # Errors
    /// If an expression that splits texts does not compile, or leaves words together.
    pub fn new(bpe: Bpe) -> Result<Self, TokenizerError> {
        let token = |id: u32| bpe.tokens()[id as usize].bytes().to_vec();
        let ranks = bpe.ranked().iter().map(|&id| token(id)).zip(0..).collect();
        let pre_tokenizer = bpe.pre_tokenizer();
        let expression = pre_tokenizer.pattern.map_or(WHOLE, Pattern::expression_to_run);
        let core = CoreBPE::new(ranks, std::iter::empty().collect(), expression);
        let core = core.map_err(|error| TokenizerError::Vocabulary(error.to_string()))?;
        let is_ranked = bpe.ranked().iter().copied().eq(0..bpe.ranked().len() as u32);
        let splitter = match pre_tokenizer.known() {
            Some(_) => None,
            None => Some(Splitter::new(pre_tokenizer)?),
        };
        let is_special = |(id, token): (u32, &Token)| matches!(token, Token::Special(_)).then_some(id);
        let special = (0..).zip(bpe.tokens()).filter_map(is_special).collect();
        let (sha256, end_of_text) = (bpe.sha256(), bpe.end_of_text());
        let own = Own { sha256, bpe, is_ranked, special, end_of_text, splitter };
        Ok(Self { bpe: core, own: Some(own) })
    }

    /// The same tokenizer with special tokens in addition, whose ids follow its own; those that it has already stay as they
    /// are.
    ///
    /// # Errors
    /// As of [`new`](Self::new), or if a spelling is empty.
    pub fn with_special(&self, spellings: &[impl AsRef<str>]) -> Result<Self, TokenizerError> {
        let bpe = match &self.own {
            Some(own) => own.bpe.clone(),
            None => Bpe::ranked_in_order(Pattern::Gpt2, self.gpt2_tokens()),
        };
        let bpe = bpe.with_special(spellings.iter().map(AsRef::as_ref))?;
        Self::new(bpe)
    }

    /// The bytes of GPT-2's ids, all but the last.
    fn gpt2_tokens(&self) -> Vec<Vec<u8>> {
        (0..END_OF_TEXT).filter_map(|id| self.bpe.decode_bytes(&[id]).ok()).collect()
    }

    /// One token for each byte, and `<|endoftext|>`: 257 ids.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn bytes() -> Result<Self, TokenizerError> {
        Self::new(Bpe::bytes())
    }

    /// The tokenizer that a manifest names; `file` is the [`FILE_NAME`] of its version, if it has one.
    ///
    /// # Errors
    /// If this build has no tokenizer of that name and vocabulary, and the file is none with that digest.
    pub fn from_manifest(reference: &TokenizerRef, file: Option<&[u8]>) -> Result<Self, TokenizerError> {
        if reference.name == GPT2 && reference.sha256.as_str() == GPT2_SHA256 {
            return Self::gpt2();
        }
        let Some(file) = file else {
            let (name, sha256) = (reference.name.clone(), reference.sha256.to_string());
            return Err(TokenizerError::Unknown { name, sha256 });
        };
        let tokenizer = Self::new(read_written(file)?)?;
        let found = tokenizer.reference();
        if found.sha256 != reference.sha256 {
            let (expected, found) = (reference.sha256.to_string(), found.sha256.to_string());
            return Err(TokenizerError::Differs { expected, found });
        }
        Ok(tokenizer)
    }

    /// The entry of this tokenizer in a manifest.
    pub fn reference(&self) -> TokenizerRef {
        let (name, sha256) = match &self.own {
            None => (GPT2, Sha256Hex::from_const(GPT2_SHA256)),
            Some(own) => (BPE, own.sha256.clone()),
        };
        TokenizerRef { name: name.to_owned(), sha256 }
    }

    /// Whether it is GPT-2's, which no version needs to carry.
    pub fn is_gpt2(&self) -> bool {
        self.own.is_none()
    }

    /// What it does to texts before it encodes them.
    pub fn pre_tokenizer(&self) -> PreTokenizer {
        self.own.as_ref().map_or_else(|| Pattern::Gpt2.into(), |own| own.bpe.pre_tokenizer().clone())
    }

    /// How it splits texts, if that is all that it does before.
    pub fn pattern(&self) -> Option<Pattern> {
        self.own.as_ref().map_or(Some(Pattern::Gpt2), |own| own.bpe.pre_tokenizer().known())
    }

    /// Number of ids; all ids are below it.
    pub fn vocab_size(&self) -> usize {
        self.own.as_ref().map_or(END_OF_TEXT as usize + 1, |own| own.bpe.tokens().len())
    }

    /// The token between documents, which a text begins after; an imported tokenizer may have none.
    pub fn end_of_text(&self) -> Option<u32> {
        self.own.as_ref().map_or(Some(END_OF_TEXT), |own| own.end_of_text)
    }

    /// The special tokens and their spelling, by id. No text is encoded to them.
    pub fn special_tokens(&self) -> Vec<(u32, &str)> {
        let Some(own) = &self.own else { return vec![(END_OF_TEXT, END_OF_TEXT_NAME)] };
        let special = own.special.iter().filter_map(|&id| match &own.bpe.tokens()[id as usize] {
            Token::Special(spelling) => Some((id, spelling.as_str())),
            Token::Bytes(_) => None,
        });
        special.collect()
    }

    /// The ids that texts are encoded to, by rank: 256 bytes, then the lower the earlier merging makes it.
    pub(super) fn ranked(&self) -> Vec<u32> {
        self.own.as_ref().map_or_else(|| (0..END_OF_TEXT).collect(), |own| own.bpe.ranked().to_vec())
    }

    /// Encodes text. The spelling of a special token is text like any other, so that a prompt
    /// cannot smuggle one in.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_part(text, true)
    }

    /// Encodes a part of a text that is cut where a piece ends; `begins` says whether the text begins with it. Some
    /// tokenizers put a space before each text.
    pub fn encode_part(&self, text: &str, begins: bool) -> Vec<u32> {
        let mut ids = match self.own.as_ref().and_then(|own| own.splitter.as_ref()) {
            None => self.bpe.encode_ordinary(text),
            Some(splitter) => {
                let text = splitter.normalized(text, begins);
                splitter.pieces(&text).into_iter().flat_map(|piece| self.bpe.encode_ordinary(piece)).collect()
            }
        };
        if let Some(own) = self.own.as_ref().filter(|own| !own.is_ranked) {
            ids.iter_mut().for_each(|rank| *rank = own.bpe.ranked()[*rank as usize]);
        }
        ids
    }

    /// The bytes of a sequence of ids.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, UnknownToken> {
        let unknown = |id| UnknownToken { id, vocab_size: self.vocab_size() };
        let Some(own) = &self.own else {
            return self.bpe.decode_bytes(ids).map_err(|error| unknown(error.token));
        };
        let mut bytes = Vec::with_capacity(4 * ids.len());
        for &id in ids {
            bytes.extend(own.bpe.tokens().get(id as usize).ok_or_else(|| unknown(id))?.bytes());
        }
        Ok(bytes)
    }

    /// Length of an id's text in bytes: 0 for a special token, and for an id that is not in the vocabulary.
    pub fn token_bytes(&self, id: u32) -> usize {
        let Some(own) = &self.own else {
            let bytes = if id == END_OF_TEXT { None } else { self.bpe.decode_bytes(&[id]).ok() };
            return bytes.map_or(0, |bytes| bytes.len());
        };
        match own.bpe.tokens().get(id as usize) {
            Some(Token::Bytes(bytes)) => bytes.len(),
            Some(Token::Special(_)) | None => 0,
        }
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

impl fmt::Display for Tokenizer {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_gpt2() {
            return f.write_str("GPT-2's");
        }
        write!(f, "byte-level BPE of {} ids, {}", self.vocab_size(), self.pre_tokenizer())
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
    use super::super::json::tokenizer_json;
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
    fn an_id_outside_the_vocabulary_is_an_error() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        assert_eq!(tokenizer.decode(&[0, 50_257]), Err(UnknownToken { id: 50_257, vocab_size: 50_257 }));
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
        assert!(Tokenizer::from_manifest(&reference, None).unwrap().is_gpt2());
        for other in [
            TokenizerRef { name: "cl100k".to_owned(), ..reference.clone() },
            TokenizerRef { sha256: Sha256Hex::of_bytes(b"another vocabulary"), ..reference },
        ] {
            assert!(Tokenizer::from_manifest(&other, None).is_err());
        }
    }

    #[test]
    fn a_token_has_the_bytes_of_its_text() {
        let bytes = Tokenizer::bytes().unwrap();
        assert_eq!((bytes.vocab_size(), bytes.end_of_text()), (257, Some(256)));
        let gpt2 = TOKENIZER.get_or_init(|| Tokenizer::gpt2().unwrap());
        for tokenizer in [&bytes, gpt2] {
            let text = "It is 字, 🎨.";
            let ids = tokenizer.encode(text);
            assert_eq!(ids.iter().map(|&id| tokenizer.token_bytes(id)).sum::<usize>(), text.len());
            let end = tokenizer.end_of_text().unwrap();
            assert_eq!(tokenizer.special_tokens(), [(end, "<|endoftext|>")]);
            assert_eq!((tokenizer.token_bytes(end), tokenizer.token_bytes(end + 1)), (0, 0));
            let unknown = UnknownToken { id: end + 1, vocab_size: end as usize + 1 };
            assert_eq!(tokenizer.decode(&[end + 1]), Err(unknown));
        }
        // GPT-2 has the bytes in the same order.
        assert_eq!(bytes.encode(" the"), [" ", "t", "h", "e"].map(|letter| gpt2.encode(letter)[0]));
    }

    /// `<s>` first, and bytes and merges in an order of their own.
    #[test]
    fn ids_need_not_be_ranks() {
        let mut tokens = vec![Token::Special("<s>".to_owned()), Token::Bytes(b"the".to_vec())];
        tokens.extend((0..=u8::MAX).rev().map(|byte| Token::Bytes(vec![byte])));
        tokens.push(Token::Bytes(b"th".to_vec()));
        let id = |byte: u8| 257 - u32::from(byte);
        let merges = [(id(b't'), id(b'h')), (258, id(b'e'))];
        let tokenizer =
            Tokenizer::new(Bpe::imported(Pattern::Gpt2.into(), tokens, &merges).unwrap()).unwrap();
        assert_eq!(tokenizer.encode("thethx<s>"), [1, 258, id(b'x'), id(b'<'), id(b's'), id(b'>')]);
        assert_eq!(tokenizer.decode(&[0, 1, 258]).unwrap(), "<s>theth");
        assert_eq!(tokenizer.end_of_text(), Some(0));
    }

    #[test]
    fn a_carried_tokenizer_is_the_one_that_the_manifest_names() {
        let made = vec![b"th".to_vec(), b"the".to_vec()];
        let tokenizer = Tokenizer::new(Bpe::trained(Pattern::Cl100k, made.clone())).unwrap();
        let (reference, file) = (tokenizer.reference(), tokenizer_json(&tokenizer));
        let again = Tokenizer::from_manifest(&reference, Some(&file)).unwrap();
        assert_eq!(again.encode("the them"), tokenizer.encode("the them"));
        assert!(matches!(Tokenizer::from_manifest(&reference, None), Err(TokenizerError::Unknown { .. })));
        let other = Tokenizer::new(Bpe::trained(Pattern::Qwen2, made)).unwrap();
        let error = Tokenizer::from_manifest(&other.reference(), Some(&file)).err().unwrap().to_string();
        assert!(error.contains("expected the tokenizer with SHA-256"), "{error}");
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
