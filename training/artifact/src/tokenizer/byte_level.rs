//! Byte-level BPE vocabulary as text and merges, as `vocab.json`, `merges.txt`, `tokenizer.json` and GGUF have it.
//!
//! These files write a token as text, with a printable character for each byte: `Ġ` for a space. A merge is a pair
//! of tokens; the tokenizer joins the pair with the lowest number first.

use std::collections::HashMap;
use std::fmt;

use super::characters::{BYTES, characters};
use super::tokenizer::Tokenizer;

/// A vocabulary: token `i` has the id `i`, and merges come in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// The tokens as text; special ones as they are spelled.
    pub tokens: Vec<String>,
    /// The merges, each a pair of tokens as text.
    pub merges: Vec<(String, String)>,
}

/// The first difference of a vocabulary from GPT-2's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An id has another token, or none.
    Token {
        /// The id.
        id: usize,
        /// Its token.
        found: Option<String>,
        /// GPT-2's token.
        expected: String,
    },
    /// A merge is another one, or missing.
    Merge {
        /// Its number, from 0.
        index: usize,
        /// The pair, separated by a space.
        found: Option<String>,
        /// GPT-2's pair.
        expected: Option<String>,
    },
}

impl fmt::Display for Difference {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &Option<String>| match text {
            Some(text) => format!("`{text}`"),
            None => "nothing".to_owned(),
        };
        match self {
            Self::Token { id, found, expected } => {
                write!(f, "its token {id} is {}, in GPT-2's vocabulary it is `{expected}`", quoted(found))
            }
            Self::Merge { index, found, expected } => {
                let (found, expected) = (quoted(found), quoted(expected));
                write!(f, "its merge {index} is {found}, in GPT-2's vocabulary it is {expected}")
            }
        }
    }
}

impl Vocabulary {
    /// That of a tokenizer.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        // A tokenizer has all ids below their number.
        let bytes = |id| tokenizer.decode_bytes(&[id]).unwrap_or_default();
        let bytes: Vec<Vec<u8>> = (0..tokenizer.vocab_size() as u32).map(bytes).collect();
        let characters = characters();
        let text =
            |bytes: &[u8]| -> String { bytes.iter().map(|&byte| characters[usize::from(byte)]).collect() };
        let ranked: Vec<&[u8]> =
            tokenizer.ranked().into_iter().map(|id| bytes[id as usize].as_slice()).collect();
        let ranks: HashMap<&[u8], usize> =
            ranked.iter().enumerate().map(|(rank, token)| (*token, rank)).collect();
        let merges = ranked.iter().skip(BYTES).map(|token| {
            let (left, right) = token.split_at(last_merge(token, &ranks));
            (text(left), text(right))
        });
        let merges = merges.collect();
        let mut tokens: Vec<String> = bytes.iter().map(|token| text(token)).collect();
        for (id, spelling) in tokenizer.special_tokens() {
            tokens[id as usize] = spelling.to_owned();
        }
        Self { tokens, merges }
    }

    /// Compares another vocabulary with this one. It may have further tokens, with ids after all of these, which
    /// are returned in the order of their ids.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(
        &self,
        tokens: &HashMap<String, u32>,
        merges: &[(String, String)],
    ) -> Result<Vec<String>, Difference> {
        let mut by_id: HashMap<usize, &str> = HashMap::with_capacity(tokens.len());
        // Of two tokens with one id, one is not GPT-2's.
        for (token, &id) in tokens {
            let known = by_id.entry(id as usize).or_insert(token);
            if self.tokens.get(id as usize).is_some_and(|expected| expected == known) {
                *known = token;
            }
        }
        for (id, expected) in self.tokens.iter().enumerate() {
            let found = by_id.remove(&id);
            if found != Some(expected.as_str()) {
                let (found, expected) = (found.map(str::to_owned), expected.clone());
                return Err(Difference::Token { id, found, expected });
            }
        }
        let different =
            (0..merges.len().max(self.merges.len())).find(|&i| merges.get(i) != self.merges.get(i));
        if let Some(index) = different {
            let pair = |merges: &[(String, String)]| {
                merges.get(index).map(|(left, right)| format!("{left} {right}"))
            };
            return Err(Difference::Merge { index, found: pair(merges), expected: pair(&self.merges) });
        }
        let mut added: Vec<_> = by_id.into_iter().collect();
        added.sort_unstable();
        Ok(added.into_iter().map(|(_, token)| token.to_owned()).collect())
    }
}

/// Where a token is joined from two others: its bytes are joined as the tokenizer does, until two parts are left.
fn last_merge(token: &[u8], ranks: &HashMap<&[u8], usize>) -> usize {
    let mut starts: Vec<usize> = (0..token.len()).collect();
    while starts.len() > 2 {
        let rank = |index: usize| {
            let end = starts.get(index + 2).copied().unwrap_or(token.len());
            ranks.get(&token[starts[index]..end]).copied()
        };
        let best = (0..starts.len() - 1).filter_map(|index| Some((rank(index)?, index))).min();
        let Some((_, index)) = best else { break };
        starts.remove(index + 1);
    }
    starts.get(1).copied().unwrap_or(token.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sha256Hex;

    fn gpt2() -> Vocabulary {
        Vocabulary::of(&Tokenizer::gpt2().unwrap())
    }

    fn ids(vocabulary: &Vocabulary) -> HashMap<String, u32> {
        vocabulary.tokens.iter().cloned().zip(0..).collect()
    }

    /// Reference: the digest of OpenAI's `vocab.bpe`, as tiktoken has it for the encoding `gpt2`.
    #[test]
    fn merges_are_openais() {
        let mut file = "#version: 0.2\n".to_owned();
        for (left, right) in gpt2().merges {
            file += &format!("{left} {right}\n");
        }
        assert_eq!(
            Sha256Hex::of_bytes(file.as_bytes()).as_str(),
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
        );
    }

    #[test]
    fn tokens_are_written_with_a_character_for_each_byte() {
        let vocabulary = gpt2();
        assert_eq!(vocabulary.tokens.len(), 50_257);
        for (id, token) in [(0, "!"), (220, "Ġ"), (198, "Ċ"), (262, "Ġthe"), (50_256, "<|endoftext|>")] {
            assert_eq!(vocabulary.tokens[id], token);
        }
    }

    #[test]
    fn a_vocabulary_is_known_by_its_contents() {
        let gpt2 = gpt2();
        assert_eq!(gpt2.compare(&ids(&gpt2), &gpt2.merges), Ok(vec![]));
        let mut more = ids(&gpt2);
        more.insert("<|user|>".to_owned(), 50_258);
        more.insert("<|pad|>".to_owned(), 50_257);
        assert_eq!(gpt2.compare(&more, &gpt2.merges), Ok(vec!["<|pad|>".to_owned(), "<|user|>".to_owned()]));

        // Of the same size, with two tokens exchanged.
        let mut other = ids(&gpt2);
        other.insert("Ġthe".to_owned(), 263);
        other.insert(gpt2.tokens[263].clone(), 262);
        let difference = gpt2.compare(&other, &gpt2.merges).unwrap_err().to_string();
        assert!(
            difference.contains("its token 262 is") && difference.contains("it is `Ġthe`"),
            "{difference}"
        );
        let mut fewer = ids(&gpt2);
        fewer.remove("<|endoftext|>");
        let difference = gpt2.compare(&fewer, &gpt2.merges).unwrap_err().to_string();
        assert!(difference.contains("its token 50256 is nothing"), "{difference}");

        let mut merges = gpt2.merges.clone();
        merges.swap(3, 4);
        let difference = gpt2.compare(&ids(&gpt2), &merges).unwrap_err();
        assert!(matches!(difference, Difference::Merge { index: 3, .. }), "{difference}");
        assert!(gpt2.compare(&ids(&gpt2), &gpt2.merges[1..]).is_err());
    }
}
