//! Packing of texts into one row, in which they do not see each other: neither in attention nor by their positions.
//!
//! Conversations have many lengths. Padded to the longest, most of a batch would be padding; one behind the other, all of
//! it is text. Only attention mixes tokens, and it is computed text by text: texts of about the same length in rows of
//! their own, which their padding does not change, as it comes last and nothing looks ahead.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::causal_mask::causal_mask;

/// Texts one behind the other in one row.
#[derive(Clone, Debug)]
pub struct Packing {
    lengths: Vec<usize>,
    counted: Vec<usize>,
    /// `[seq]`: the place of each token in its text.
    positions: Tensor<1, Int>,
    groups: Vec<Group>,
    /// `[seq]`: the row of each token among those of all groups.
    places: Tensor<1, Int>,
    /// `[n]`: the tokens whose next one counts for the loss.
    counted_rows: Tensor<1, Int>,
}

/// Texts of about the same length.
#[derive(Clone, Debug)]
struct Group {
    texts: usize,
    length: usize,
    /// `[texts * length]`: the token in each row; where a text is shorter, any.
    tokens: Tensor<1, Int>,
}

impl Packing {
    /// Texts of these lengths, of which the tokens at `counted`, by their place in the row, are those whose next token
    /// counts for the loss.
    pub fn new(lengths: Vec<usize>, counted: Vec<usize>, device: &Device) -> Self {
        let numbers = |numbers: Vec<i64>| {
            let count = numbers.len();
            Tensor::<1, Int>::from_data(TensorData::new(numbers, [count]), device)
        };
        let mut starts = Vec::with_capacity(lengths.len());
        let mut seq = 0;
        for length in &lengths {
            starts.push(seq);
            seq += length;
        }
        let mut by_length: Vec<usize> = (0..lengths.len()).collect();
        by_length.sort_by_key(|&text| lengths[text]);
        let (mut groups, mut places, mut rows) = (Vec::new(), vec![0; seq], 0);
        // A text is at least half as long as the longest of its group, so padding is less than half of any.
        for texts in
            by_length.chunk_by(|&a, &b| lengths[a].next_power_of_two() == lengths[b].next_power_of_two())
        {
            let length = texts.last().map_or(0, |&text| lengths[text]);
            let mut tokens = Vec::with_capacity(texts.len() * length);
            for &text in texts {
                let (start, own) = (starts[text], lengths[text]);
                (0..own).for_each(|place| places[start + place] = (rows + place) as i64);
                tokens.extend((0..length).map(|place| (start + place.min(own - 1)) as i64));
                rows += length;
            }
            groups.push(Group { texts: texts.len(), length, tokens: numbers(tokens) });
        }
        let positions = lengths.iter().flat_map(|&length| 0..length as i64).collect();
        let counted_rows = numbers(counted.iter().map(|&token| token as i64).collect());
        Self {
            positions: numbers(positions),
            groups,
            places: numbers(places),
            counted_rows,
            lengths,
            counted,
        }
    }

    /// The length of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The places in the row whose next token counts for the loss.
    pub fn counted(&self) -> &[usize] {
        &self.counted
    }

    /// # Shapes
    /// - output: `[seq]`
    pub(super) fn positions(&self) -> Tensor<1, Int> {
        self.positions.clone()
    }

    /// Lets `attend` work on texts in rows of their own, with their causal mask.
    ///
    /// # Shapes
    /// - `inputs` and output: `[1, seq, d_model]`
    /// - those of `attend`: `[texts, length, d_model]`, and `[length, length]`
    pub(super) fn by_text<const N: usize>(
        &self,
        inputs: [Tensor<3>; N],
        attend: impl Fn([Tensor<3>; N], Tensor<2>) -> Tensor<3>,
    ) -> Tensor<3> {
        let [_, seq, d_model] = inputs[0].dims();
        let inputs = inputs.map(|input| input.reshape([seq, d_model]));
        let rows = self.groups.iter().map(|Group { texts, length, tokens }| {
            let of_texts = inputs
                .each_ref()
                .map(|input| input.clone().select(0, tokens.clone()).reshape([*texts, *length, d_model]));
            let mask = causal_mask(*length, &of_texts[0].device());
            attend(of_texts, mask).reshape([texts * length, d_model])
        });
        Tensor::cat(rows.collect(), 0).select(0, self.places.clone()).reshape([1, seq, d_model])
    }

    /// The tokens whose next one counts.
    ///
    /// # Shapes
    /// - `x`: `[1, seq, d_model]`
    /// - output: `[1, n, d_model]`
    pub(super) fn counted_of(&self, x: Tensor<3>) -> Tensor<3> {
        x.select(1, self.counted_rows.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::Arithmetic;
    use crate::model::{Gpt, parameters};
    use burn::optim::GradientsParams;

    fn ids(ids: &[i64], device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), device)
    }

    #[test]
    fn texts_of_about_the_same_length_share_a_group() {
        let packing = Packing::new(vec![3, 8, 5, 4, 1], vec![2], &device::cpu());
        let groups = packing.groups.iter().map(|group| (group.texts, group.length)).collect::<Vec<_>>();
        assert_eq!(groups, [(1, 1), (2, 4), (2, 8)]);
        let positions: Vec<i64> = packing.positions().into_data().iter().collect();
        assert_eq!(positions, [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 0, 1, 2, 3, 0]);
        // In their rows and back again, nothing is lost.
        let x = Tensor::<1, Int>::arange(0..21, &device::cpu()).float().reshape([1, 21, 1]);
        let back = packing.by_text([x.clone()], |[x], _| x);
        assert_eq!(back.into_data(), x.into_data());
    }

    /// Loss and gradients of three packed texts, two of whose answers count, are those of the texts one by one.
    #[test]
    fn packed_texts_do_not_see_each_other() {
        let device = device::cpu().autodiff();
        let texts: [&[i64]; 3] = [&[1, 2, 3, 4, 5], &[6, 7, 8], &[9, 10, 11, 12, 13, 14]];
        // In the first, the third and fourth token have answers after them; in the last, the second.
        let counted: [&[usize]; 3] = [&[2, 3], &[], &[1]];
        let overrides = ["model.vocab_size=31", "model.dropout=0.0"].map(|setting| setting.parse().unwrap());
        let config = crate::preset::Preset::named("tiny", &overrides).unwrap().model;
        let model = Gpt::new(&config, &device);
        let starts = [0, 5, 8];
        let packing = Packing::new(
            texts.iter().map(|text| text.len()).collect(),
            starts
                .iter()
                .zip(counted)
                .flat_map(|(start, counted)| counted.iter().map(move |at| start + at))
                .collect(),
            &device,
        );
        let targets = [4, 5, 11];
        for arithmetic in [Arithmetic::Primitives, Arithmetic::Kernels] {
            let model = model.clone().with_arithmetic(arithmetic);
            let loss = model.packed_loss(ids(&texts.concat(), &device), ids(&targets, &device), &packing);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);

            let alone = |text: &[i64], counted: &[usize]| {
                let logits = model.forward(ids(text, &device));
                let indices: Vec<i64> = counted.iter().map(|&at| at as i64).collect();
                let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [counted.len()]), &device);
                logits.select(1, indices)
            };
            let logits = Tensor::cat(vec![alone(texts[0], counted[0]), alone(texts[2], counted[2])], 1);
            let expected = crate::model::cross_entropy(logits, ids(&targets, &device));
            let expected_gradients = GradientsParams::from_grads(expected.backward(), &model);
            let (loss, expected): (f32, f32) = (loss.into_scalar(), expected.into_scalar());
            assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
            let difference = parameters::visit(
                &model,
                Difference { gradients, expected: expected_gradients, largest: 0.0 },
            );
            assert!(difference.largest < 1e-5, "{}", difference.largest);
        }
    }

    struct Difference {
        gradients: GradientsParams,
        expected: GradientsParams,
        largest: f32,
    }

    impl parameters::ParameterVisitor for Difference {
        fn visit<const D: usize>(
            &mut self,
            _path: &parameters::ParameterPath,
            param: &burn::module::Param<Tensor<D>>,
        ) {
            let [found, expected] =
                [&self.gradients, &self.expected].map(|all| all.get::<D>(param.id).unwrap());
            self.largest = self.largest.max((found - expected).abs().max().into_scalar());
        }
    }
}
