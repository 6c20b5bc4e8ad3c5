//! Special tokens in text: encoding in which their spelling is the token, such as `<|endoftext|>`.

use std::cmp::Reverse;

use super::tokenizer::Tokenizer;

impl Tokenizer {
    /// Encodes text in which the spelling of a special token is that token; of spellings that begin alike, the longest.
    /// Only for text whose author may end documents: [`encode`](Self::encode) takes spellings for text.
    pub fn encode_with_special(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for (part, special) in self.split_at_special(text) {
            match special {
                Some(id) => ids.push(id),
                None => ids.extend(self.encode(part)),
            }
        }
        ids
    }

    /// The same text in parts: spellings of special tokens with their ids, and what is between them.
    pub fn split_at_special<'a>(&self, text: &'a str) -> Vec<(&'a str, Option<u32>)> {
        let mut special = self.special_tokens();
        special.retain(|(_, spelling)| !spelling.is_empty());
        special.sort_by_key(|(_, spelling)| Reverse(spelling.len()));
        let (mut parts, mut start, mut position) = (Vec::new(), 0, 0);
        while let Some(next) = text[position..].chars().next() {
            let rest = &text[position..];
            match special.iter().find(|(_, spelling)| rest.starts_with(spelling)) {
                Some((id, spelling)) => {
                    let end = position + spelling.len();
                    parts.extend([(&text[start..position], None), (&text[position..end], Some(*id))]);
                    (start, position) = (end, end);
                }
                None => position += next.len_utf8(),
            }
        }
        parts.push((&text[start..], None));
        parts.retain(|(part, _)| !part.is_empty());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bpe, Pattern, bpe::Token};
    use super::*;

    #[test]
    fn a_spelling_is_the_token() {
        let tokenizer = Tokenizer::bytes().unwrap();
        let (end, byte) = (tokenizer.end_of_text().unwrap(), |text| tokenizer.encode(text));
        assert_eq!(tokenizer.encode_with_special("<|endoftext|>"), [end]);
        let expected = [byte("é<|"), vec![end, end], byte("x")].concat();
        assert_eq!(tokenizer.encode_with_special("é<|<|endoftext|><|endoftext|>x"), expected);
        assert_eq!(tokenizer.encode_with_special("<|endoftext|"), byte("<|endoftext|"));
        assert!(tokenizer.encode_with_special("").is_empty());
    }

    #[test]
    fn the_longest_of_spellings_that_begin_alike_counts() {
        let mut tokens = ["<s>", "<s>>"].map(|spelling| Token::Special(spelling.to_owned())).to_vec();
        tokens.extend((0..=u8::MAX).map(|byte| Token::Bytes(vec![byte])));
        let tokenizer = Tokenizer::new(Bpe::imported(Pattern::Gpt2.into(), tokens, &[]).unwrap()).unwrap();
        let more = tokenizer.encode(">")[0];
        assert_eq!(tokenizer.encode_with_special("<s>><s><s>>>"), [1, 0, 1, more]);
    }

    #[test]
    fn special_tokens_can_be_added() {
        for tokenizer in [Tokenizer::bytes().unwrap(), Tokenizer::gpt2().unwrap()] {
            let more = tokenizer.with_special(&["<|im_end|>", "<|endoftext|>"]).unwrap();
            let first = tokenizer.vocab_size() as u32;
            let text = "It ends. <|endoftext|>";
            assert_eq!(more.encode(text), tokenizer.encode(text));
            assert_eq!((more.vocab_size() as u32, more.end_of_text()), (first + 1, tokenizer.end_of_text()));
            assert_eq!(more.encode_with_special("<|im_end|>"), [first]);
            let (reference, file) = (more.reference(), super::super::json::tokenizer_json(&more));
            let again = Tokenizer::from_manifest(&reference, Some(&file)).unwrap();
            assert_eq!(again.special_tokens(), more.special_tokens());
        }
        assert!(Tokenizer::bytes().unwrap().with_special(&[""]).is_err());
    }
}
