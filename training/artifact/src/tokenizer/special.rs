//! Special tokens in text: encoding in which their spelling is the token, such as `<|endoftext|>`.

use std::cmp::Reverse;

use super::tokenizer::Tokenizer;

impl Tokenizer {
    /// Encodes text in which the spelling of a special token is that token; of spellings that begin alike, the longest.
    /// Only for text whose author may end documents: [`encode`](Self::encode) takes spellings for text.
    pub fn encode_with_special(&self, text: &str) -> Vec<u32> {
        let mut special = self.special_tokens();
        special.retain(|(_, spelling)| !spelling.is_empty());
        special.sort_by_key(|(_, spelling)| Reverse(spelling.len()));
        let (mut ids, mut start, mut position) = (Vec::new(), 0, 0);
        while let Some(next) = text[position..].chars().next() {
            let rest = &text[position..];
            match special.iter().find(|(_, spelling)| rest.starts_with(spelling)) {
                Some((id, spelling)) => {
                    ids.extend(self.encode(&text[start..position]));
                    ids.push(*id);
                    position += spelling.len();
                    start = position;
                }
                None => position += next.len_utf8(),
            }
        }
        ids.extend(self.encode(&text[start..]));
        ids
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
}
