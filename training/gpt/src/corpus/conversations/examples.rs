//! Examples: conversations as token ids, of which the answers are learned.

use std::ops::Range;
use std::sync::Arc;

use artifact::Tokenizer;
use artifact::chat::Example;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::corpus::batch::Batch;
use crate::corpus::tokens::TokenBytes;
use crate::model::Packing;

/// Conversations of one split.
#[derive(Clone, Debug)]
pub struct Examples {
    examples: Arc<[Example]>,
    token_bytes: TokenBytes,
}

impl Examples {
    /// Examples, each with something to learn, whose ids are of a tokenizer with these lengths.
    pub fn new(examples: Vec<Example>, token_bytes: TokenBytes) -> Self {
        Self { examples: examples.into(), token_bytes }
    }

    /// Those that fit a context, and the number of those that do not: all but the last id of one are inputs.
    pub fn fitting(&self, context_length: usize) -> (Self, usize) {
        let fits = |example: &&Example| example.ids.len() <= context_length + 1;
        let examples: Arc<[Example]> = self.examples.iter().filter(fits).cloned().collect();
        let left_out = self.examples.len() - examples.len();
        (Self { examples, token_bytes: self.token_bytes.clone() }, left_out)
    }

    /// Number of examples.
    pub fn count(&self) -> usize {
        self.examples.len()
    }

    /// Number of ids of all of them.
    pub fn tokens(&self) -> usize {
        self.examples.iter().map(|example| example.ids.len()).sum()
    }

    /// Number of ids of all answers: those that are learned.
    pub fn answer_tokens(&self) -> usize {
        self.examples.iter().flat_map(|example| &example.answers).map(Range::len).sum()
    }

    /// Length of the longest, in ids.
    pub fn longest(&self) -> usize {
        self.examples.iter().map(|example| example.ids.len()).max().unwrap_or(0)
    }

    /// A batch of some of them, one behind the other.
    ///
    /// # Shapes
    /// - inputs: `[1, seq]`, all ids but the last of each
    /// - targets: `[1, n]`, the ids of their answers
    pub fn batch(&self, numbers: &[usize], device: &Device) -> Batch {
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        let (mut lengths, mut counted) = (Vec::with_capacity(numbers.len()), Vec::new());
        for &number in numbers {
            let example = &self.examples[number];
            let ids = &example.ids;
            let length = ids.len().saturating_sub(1);
            for place in example.targets() {
                counted.push(inputs.len() + place - 1);
                targets.push(i64::from(ids[place]));
            }
            inputs.extend(ids[..length].iter().map(|&id| i64::from(id)));
            lengths.push(length);
        }
        let target_bytes = self.token_bytes.sum(&targets);
        let row = |ids: Vec<i64>| {
            let count = ids.len();
            Tensor::<2, Int>::from_data(TensorData::new(ids, [1, count]), device)
        };
        let packing = Packing::new(lengths, counted, device);
        Batch { inputs: row(inputs), targets: row(targets), target_bytes, packing: Some(packing) }
    }

    /// The same conversations for a model with another tokenizer: their text, of which the answers are the same.
    ///
    /// # Errors
    /// If an id is not in the vocabulary of `from`.
    pub fn reencoded(
        &self,
        from: &Tokenizer,
        to: &Tokenizer,
    ) -> Result<Self, artifact::tokenizer::UnknownToken> {
        let reencoded = |example: &Example| {
            let mut ids = Vec::new();
            let mut encode = |range: Range<usize>| {
                let start = ids.len();
                ids.extend(to.encode_with_special(&from.decode(&example.ids[range])?));
                Ok(start..ids.len())
            };
            let (mut answers, mut end) = (Vec::new(), 0);
            for answer in &example.answers {
                encode(end..answer.start)?;
                end = answer.end;
                answers.push(encode(answer.clone())?);
            }
            encode(end..example.ids.len())?;
            Ok(Example { ids, answers })
        };
        let examples = self.examples.iter().map(reencoded).collect::<Result<_, _>>()?;
        Ok(Self { examples, token_bytes: TokenBytes::of(to) })
    }
}

#[cfg(test)]
mod tests {
    use artifact::chat::{ChatTemplate, Message, Role};

    use super::*;
    use crate::device;

    fn ids(tensor: Tensor<2, Int>) -> Vec<i64> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// Bytes of ids are the ids.
    fn examples(examples: &[(&[u32], &[[usize; 2]])]) -> Examples {
        let example = |(ids, answers): &(&[u32], &[[usize; 2]])| Example {
            ids: ids.to_vec(),
            answers: answers.iter().map(|&[start, end]| start..end).collect(),
        };
        Examples::new(examples.iter().map(example).collect(), (0..100).collect())
    }

    #[test]
    fn only_answers_are_targets() {
        let examples =
            examples(&[(&[10, 11, 12, 13], &[[2, 4]]), (&[20, 21, 22, 23, 24], &[[1, 2], [4, 5]])]);
        let batch = examples.batch(&[1, 0], &device::cpu());
        assert_eq!(ids(batch.inputs), [20, 21, 22, 23, 10, 11, 12]);
        assert_eq!(ids(batch.targets), [21, 24, 12, 13]);
        let packing = batch.packing.unwrap();
        assert_eq!((packing.lengths(), packing.counted()), (&[4, 3][..], &[0, 3, 5, 6][..]));
        assert_eq!(batch.target_bytes, 21 + 24 + 12 + 13);
        assert_eq!((examples.tokens(), examples.answer_tokens(), examples.longest()), (9, 4, 5));
    }

    #[test]
    fn what_does_not_fit_the_context_is_left_out() {
        let examples = examples(&[(&[1, 2, 3], &[[1, 3]]), (&[1, 2, 3, 4, 5], &[[4, 5]])]);
        let (fitting, left_out) = examples.fitting(3);
        assert_eq!((fitting.count(), left_out), (1, 1));
        assert_eq!(examples.fitting(4).1, 0);
    }

    #[test]
    fn another_tokenizer_has_the_same_answers() {
        let (gpt2, bytes) = (Tokenizer::gpt2().unwrap(), Tokenizer::bytes().unwrap());
        let template = ChatTemplate::built_in("instruction").unwrap();
        let messages = [Message::new(Role::User, "Who?"), Message::new(Role::Assistant, "It is I.")];
        let of = |tokenizer: &Tokenizer| {
            Examples::new(vec![template.example(tokenizer, &messages).unwrap()], TokenBytes::of(tokenizer))
        };
        let reencoded = of(&gpt2).reencoded(&gpt2, &bytes).unwrap();
        assert_eq!(reencoded.examples, of(&bytes).examples);
    }
}
