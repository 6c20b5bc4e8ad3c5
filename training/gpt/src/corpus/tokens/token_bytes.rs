//! Lengths of tokens in bytes of text, by id: what a loss in bits per byte is counted with.

use std::sync::Arc;

use artifact::Tokenizer;

/// The length of each id's text. A separator of documents has none.
#[derive(Clone, Debug)]
pub struct TokenBytes(Arc<[u32]>);

impl TokenBytes {
    /// The lengths of a tokenizer's ids.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        (0..tokenizer.vocab_size() as u32).map(|id| tokenizer.token_bytes(id) as u32).collect()
    }

    /// Bytes of the text that ids of this tokenizer stand for.
    pub fn sum(&self, ids: &[i64]) -> usize {
        ids.iter().map(|&id| self.0.get(id as usize).map_or(0, |&bytes| bytes as usize)).sum()
    }
}

impl FromIterator<u32> for TokenBytes {
    fn from_iter<I: IntoIterator<Item = u32>>(lengths: I) -> Self {
        Self(lengths.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use artifact::tokenizer::END_OF_TEXT;

    use super::*;

    #[test]
    fn counts_the_bytes_of_texts_without_their_separators() {
        let tokenizer = Tokenizer::gpt2().unwrap();
        let text = "Gemälde: 🎨\n";
        let mut ids: Vec<i64> = tokenizer.encode(text).into_iter().map(i64::from).collect();
        ids.push(i64::from(END_OF_TEXT));
        assert_eq!(TokenBytes::of(&tokenizer).sum(&ids.repeat(2)), 2 * text.len());
    }
}
