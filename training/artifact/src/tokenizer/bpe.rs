//! Byte-level BPE vocabulary: a token for each id, and the order in which merging makes them.
//!
//! tiktoken joins the two neighbours whose token has the lowest rank, whatever they are. Hugging Face's tokenizers join
//! the pair that is first in a list of merges. Both make the same of every text if each token is ranked by the merge
//! that makes it: whatever surrounds the bytes of a token, as long as nothing crosses their borders they are joined as if
//! they were alone, so the last two parts that become a token are always the same two.
//!
//! So a vocabulary is ranked by joining the bytes of each token as its merges say. A token that they do not make is in
//! no text; its id still has its bytes.

use std::collections::HashMap;

use crate::hash::Sha256Hex;

use super::characters::{BYTES, END_OF_TEXT_NAME, bytes_in_order};
use super::error::UnsupportedTokenizer;
use super::pattern::Pattern;
use super::pre_tokenizer::PreTokenizer;

/// The most ids of a tokenizer: as many as a model can have.
pub const MAX_IDS: usize = 1 << 20;
/// The longest token.
const MAX_TOKEN_BYTES: usize = 4096;
/// Spellings of the token between texts, the likelier first.
const ENDS_OF_TEXT: [&str; 10] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<EOT>",
    "<|begin_of_text|>",
    "<s>",
    "[SEP]",
];

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Bytes of a text.
    Bytes(Vec<u8>),
    /// A special token: no text is encoded to it, and it is decoded to its spelling.
    Special(String),
}

impl Token {
    /// The bytes that it is decoded to.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Special(spelling) => spelling.as_bytes(),
        }
    }
}

/// A byte-level BPE vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bpe {
    pre_tokenizer: PreTokenizer,
    tokens: Vec<Token>,
    /// Ids by their rank: the bytes, then what merging makes.
    ranked: Vec<u32>,
}

/// A merge: the ids of two tokens and of the one that they make.
type Merge = (u32, u32, u32);

impl Bpe {
    /// The 256 bytes, in the order of their [characters](super::characters), and `<|endoftext|>`.
    pub fn bytes() -> Self {
        Self::trained(Pattern::Gpt2, Vec::new())
    }

    /// The 256 bytes, the tokens that a training made of them one after the other, and `<|endoftext|>`.
    pub fn trained(pattern: Pattern, made: Vec<Vec<u8>>) -> Self {
        let bytes = bytes_in_order().into_iter().map(|byte| vec![byte]);
        Self::ranked_in_order(pattern, bytes.chain(made))
    }

    /// These tokens, of which the first 256 are the bytes and the others are made in their order, and `<|endoftext|>`.
    pub(super) fn ranked_in_order(pattern: Pattern, tokens: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut tokens: Vec<Token> = tokens.into_iter().map(Token::Bytes).collect();
        let ranked = (0..tokens.len() as u32).collect();
        tokens.push(Token::Special(END_OF_TEXT_NAME.to_owned()));
        Self { pre_tokenizer: pattern.into(), tokens, ranked }
    }

    /// A vocabulary from elsewhere, with its merges in their order as pairs of ids.
    ///
    /// # Errors
    /// If a byte has no token, a merge makes none, or two tokens are one.
    pub fn imported(
        pre_tokenizer: PreTokenizer,
        tokens: Vec<Token>,
        merges: &[(u32, u32)],
    ) -> Result<Self, UnsupportedTokenizer> {
        let (bytes, merges) = check(&tokens, merges)?;
        let mut ranks: HashMap<(u32, u32), (usize, u32)> = HashMap::with_capacity(merges.len());
        // The last of two equal merges counts, as in Hugging Face's tokenizers.
        for (rank, &(left, right, made)) in merges.iter().enumerate() {
            ranks.insert((left, right), (rank, made));
        }
        let mut made: Vec<(usize, u32)> = Vec::with_capacity(merges.len());
        for (id, token) in (0..).zip(&tokens) {
            if let Token::Bytes(text) = token
                && let Some(rank) =
                    last_rank(text.iter().map(|&byte| bytes[usize::from(byte)]).collect(), id, &ranks)
            {
                made.push((rank, id));
            }
        }
        made.sort_unstable();
        let ranked = sorted(&bytes).into_iter().chain(made.into_iter().map(|(_, id)| id)).collect();
        Ok(Self { pre_tokenizer, tokens, ranked })
    }

    /// A vocabulary that this program has written: each merge makes a token that is in use, and no two the same.
    ///
    /// # Errors
    /// As of [`imported`](Self::imported), or if two merges make the same token.
    pub fn written(
        pre_tokenizer: PreTokenizer,
        tokens: Vec<Token>,
        merges: &[(u32, u32)],
    ) -> Result<Self, UnsupportedTokenizer> {
        let (bytes, merges) = check(&tokens, merges)?;
        let mut is_made = vec![false; tokens.len()];
        for &(_, _, made) in &merges {
            if std::mem::replace(&mut is_made[made as usize], true) {
                return Err(UnsupportedTokenizer(format!("two of its merges make the token {made}")));
            }
        }
        let ranked = sorted(&bytes).into_iter().chain(merges.into_iter().map(|(_, _, made)| made)).collect();
        Ok(Self { pre_tokenizer, tokens, ranked })
    }

    /// The same vocabulary with more special tokens, but for those that it has.
    ///
    /// # Errors
    /// If a spelling is empty, or there are too many ids.
    pub(super) fn with_special<'a>(
        mut self,
        spellings: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnsupportedTokenizer> {
        for spelling in spellings {
            if spelling.is_empty() {
                return Err(UnsupportedTokenizer("a special token has no spelling".to_owned()));
            }
            let token = Token::Special(spelling.to_owned());
            if !self.tokens.contains(&token) {
                self.tokens.push(token);
            }
        }
        if self.tokens.len() > MAX_IDS {
            let found = self.tokens.len();
            return Err(UnsupportedTokenizer(format!("it has {found} ids, expected at most {MAX_IDS}")));
        }
        Ok(self)
    }

    /// What it does to texts before.
    pub fn pre_tokenizer(&self) -> &PreTokenizer {
        &self.pre_tokenizer
    }

    /// The token of each id.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The ids that texts are encoded to, by rank: 256 bytes, then the lower the earlier it is made.
    pub fn ranked(&self) -> &[u32] {
        &self.ranked
    }

    /// A token that no text is encoded to, though it is no special one.
    pub fn unused(&self) -> Option<&[u8]> {
        let mut is_used = vec![false; self.tokens.len()];
        self.ranked.iter().for_each(|&id| is_used[id as usize] = true);
        self.tokens.iter().zip(is_used).find_map(|(token, is_used)| match token {
            Token::Bytes(bytes) if !is_used => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// The special token between texts, told by its spelling.
    pub fn end_of_text(&self) -> Option<u32> {
        let id = |spelling: &&str| {
            (0..).zip(&self.tokens).find_map(|(id, token)| match token {
                Token::Special(found) if found == spelling => Some(id),
                _ => None,
            })
        };
        ENDS_OF_TEXT.iter().find_map(id)
    }

    /// Digest of everything that ids and texts depend on: pre-tokenizer, tokens, ranks.
    pub fn sha256(&self) -> Sha256Hex {
        // A known pattern by its name alone, as before there were others.
        let pre_tokenizer = match self.pre_tokenizer.known() {
            Some(pattern) => pattern.to_string(),
            None => self.pre_tokenizer.recipe(),
        };
        let mut recipe = format!("byte-level BPE\n{pre_tokenizer}\n{}\n", self.tokens.len()).into_bytes();
        for token in &self.tokens {
            recipe.push(u8::from(matches!(token, Token::Special(_))));
            recipe.extend((token.bytes().len() as u32).to_le_bytes());
            recipe.extend(token.bytes());
        }
        self.ranked.iter().for_each(|id| recipe.extend(id.to_le_bytes()));
        Sha256Hex::of_bytes(&recipe)
    }
}

/// The id of each byte, and the merges with what they make.
fn check(
    tokens: &[Token],
    merges: &[(u32, u32)],
) -> Result<([u32; BYTES], Vec<Merge>), UnsupportedTokenizer> {
    let refuse = |reason| Err(UnsupportedTokenizer(reason));
    if tokens.len() > MAX_IDS {
        return refuse(format!("it has {} ids, expected at most {MAX_IDS}", tokens.len()));
    }
    let mut ids: HashMap<&[u8], u32> = HashMap::with_capacity(tokens.len());
    for (id, token) in (0..).zip(tokens) {
        let Token::Bytes(bytes) = token else { continue };
        if bytes.is_empty() || bytes.len() > MAX_TOKEN_BYTES {
            let found = bytes.len();
            return refuse(format!("its token {id} has {found} bytes, expected 1 to {MAX_TOKEN_BYTES}"));
        }
        if let Some(other) = ids.insert(bytes, id) {
            return refuse(format!("its tokens {other} and {id} are the same"));
        }
    }
    let mut bytes = [0; BYTES];
    for (byte, id) in (0..=u8::MAX).zip(&mut bytes) {
        match ids.get(&[byte][..]) {
            Some(&found) => *id = found,
            None => return refuse(format!("it has no token for the byte {byte:#04x}, so it loses texts")),
        }
    }
    let mut made = Vec::with_capacity(merges.len());
    for &(left, right) in merges {
        let part = |id: u32| tokens.get(id as usize).map(Token::bytes).unwrap_or_default();
        let joined = [part(left), part(right)].concat();
        match ids.get(joined.as_slice()) {
            Some(&id) => made.push((left, right, id)),
            None => {
                let joined = String::from_utf8_lossy(&joined);
                return refuse(format!("one of its merges makes `{joined}`, which is none of its tokens"));
            }
        }
    }
    Ok((bytes, made))
}

fn sorted(bytes: &[u32; BYTES]) -> [u32; BYTES] {
    let mut sorted = *bytes;
    sorted.sort_unstable();
    sorted
}

/// Joins parts as merges say, the lowest rank first, and gives the rank of the last merge if that makes the token
/// `id`.
fn last_rank(mut parts: Vec<u32>, id: u32, ranks: &HashMap<(u32, u32), (usize, u32)>) -> Option<usize> {
    let mut last = None;
    while parts.len() > 1 {
        let pairs = parts.windows(2).enumerate();
        let found = pairs.filter_map(|(index, pair)| Some((*ranks.get(&(pair[0], pair[1]))?, index)));
        let ((rank, made), index) = found.min_by_key(|((rank, _), index)| (*rank, *index))?;
        parts[index] = made;
        parts.remove(index + 1);
        last = Some(rank);
    }
    last.filter(|_| parts == [id])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes, in their own order, and more tokens.
    fn tokens(more: &[&str]) -> Vec<Token> {
        let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
        bytes.chain(more.iter().map(|text| text.as_bytes().to_vec())).map(Token::Bytes).collect()
    }

    const A: u32 = b'a' as u32;
    const B: u32 = b'b' as u32;

    #[test]
    fn tokens_are_ranked_by_the_merge_that_makes_them() {
        // ab is 256, ba 257, aba 258; aba is made of ab and a, since ab comes first.
        let tokens = tokens(&["ab", "ba", "aba"]);
        let bpe = Bpe::imported(Pattern::Gpt2.into(), tokens.clone(), &[(A, B), (256, A), (B, A), (A, 257)])
            .unwrap();
        assert_eq!(bpe.ranked()[BYTES..], [256, 258, 257]);
        assert_eq!(bpe.unused(), None);
        // Without that merge, nothing makes aba: a and ba are never neighbours.
        let bpe = Bpe::imported(Pattern::Gpt2.into(), tokens.clone(), &[(A, B), (B, A), (A, 257)]).unwrap();
        assert_eq!((&bpe.ranked()[BYTES..], bpe.unused()), (&[256, 257][..], Some(&b"aba"[..])));
        // The same as it is written: what is in use.
        let written = Bpe::written(Pattern::Gpt2.into(), tokens.clone(), &[(A, B), (B, A)]).unwrap();
        assert_eq!((written.sha256(), written), (bpe.sha256(), bpe));
        assert!(Bpe::written(Pattern::Gpt2.into(), tokens, &[(A, B), (A, B)]).is_err());
    }

    #[test]
    fn a_vocabulary_that_is_none_is_refused_by_token() {
        let refusal = |tokens: Vec<Token>, merges: &[(u32, u32)]| {
            Bpe::imported(Pattern::Gpt2.into(), tokens, merges).unwrap_err().to_string()
        };
        assert!(refusal(tokens(&[])[..255].to_vec(), &[]).contains("the byte 0xff"));
        assert!(refusal(tokens(&["ab", "ab"]), &[]).contains("its tokens 256 and 257 are the same"));
        assert!(refusal(tokens(&[]), &[(A, B)]).contains("makes `ab`, which is none of its tokens"));
        assert!(refusal(tokens(&[""]), &[]).contains("its token 256 has 0 bytes"));
    }

    #[test]
    fn the_digest_depends_on_pattern_tokens_and_ranks() {
        let digest = |pattern: Pattern, more: &[&str], merges: &[(u32, u32)]| {
            Bpe::imported(pattern.into(), tokens(more), merges).unwrap().sha256()
        };
        let first = digest(Pattern::Gpt2, &["ab", "ba"], &[(A, B), (B, A)]);
        assert_eq!(digest(Pattern::Gpt2, &["ab", "ba"], &[(A, B), (B, A)]), first);
        for other in [
            digest(Pattern::Cl100k, &["ab", "ba"], &[(A, B), (B, A)]),
            digest(Pattern::Gpt2, &["ba", "ab"], &[(A, B), (B, A)]),
            digest(Pattern::Gpt2, &["ab", "ba"], &[(B, A), (A, B)]),
        ] {
            assert_ne!(other, first);
        }
        let with_space = PreTokenizer { prefix_space: true, ..Pattern::Gpt2.into() };
        let merges = [(A, B), (B, A)];
        assert_ne!(Bpe::imported(with_space, tokens(&["ab", "ba"]), &merges).unwrap().sha256(), first);
    }

    #[test]
    fn the_end_of_a_text_is_told_by_its_spelling() {
        let with = |specials: &[&str]| {
            let specials = specials.iter().map(|text| Token::Special((*text).to_owned()));
            let tokens = tokens(&[]).into_iter().chain(specials).collect();
            Bpe::imported(Pattern::Gpt2.into(), tokens, &[]).unwrap().end_of_text()
        };
        assert_eq!(with(&["<s>", "<pad>", "</s>"]), Some(258));
        assert_eq!(with(&["<s>", "<|endoftext|>"]), Some(257));
        assert_eq!(with(&["<pad>"]), None);
        assert_eq!(Bpe::bytes().end_of_text(), Some(256));
    }
}
