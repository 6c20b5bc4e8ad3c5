//! More token ids for a model, such as those of the special tokens of a conversation.

use burn::module::Param;
use burn::tensor::Tensor;

use super::gpt::Gpt;
use super::linear::Linear;

impl Gpt {
    /// The model with `vocab_size` ids, if it has fewer. A new id begins as the mean of all others, in the embedding and
    /// in the output head, so that it is no likelier than they are.
    #[must_use]
    pub fn with_vocab_size(mut self, vocab_size: usize) -> Self {
        let found = self.config().vocab_size;
        if found >= vocab_size {
            return self;
        }
        let more = vocab_size - found;
        let grown = |weight: Tensor<2>, axis: usize| {
            let mut shape = weight.dims();
            shape[axis] = more;
            let mean = weight.clone().mean_dim(axis).expand(shape);
            Param::from_tensor(Tensor::cat(vec![weight, mean], axis).detach())
        };
        self.token_embedding.weight = grown(self.token_embedding.weight.val(), 0);
        self.output_head =
            self.output_head.map(|head| Linear { weight: grown(head.weight.val(), 1), ..head });
        self.set_vocab_size(vocab_size);
        self
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Int;

    use super::*;
    use crate::device;

    #[test]
    fn new_ids_are_the_mean_of_the_others() {
        for tied in [false, true] {
            let overrides = ["model.vocab_size=5".to_owned(), format!("model.tied_output_head={tied}")];
            let overrides = overrides.map(|setting| setting.parse().unwrap());
            let config = crate::preset::Preset::named("tiny", &overrides).unwrap().model;
            let model = Gpt::new(&config, &device::cpu()).valid();
            let grown = model.clone().with_vocab_size(7);
            assert_eq!((grown.config().vocab_size, grown.num_params()), (7, grown.config().num_parameters()));
            let ids = Tensor::<2, Int>::from_ints([[1, 4]], &device::cpu());
            let [before, after] = [&model, &grown].map(|model| model.forward(ids.clone()));
            let known = after.clone().narrow(2, 0, 5) - before.clone();
            assert!(known.abs().max().into_scalar::<f32>() < 1e-6);
            // The output head is linear: the logits of the new ids are the mean of the others.
            let new = after.narrow(2, 5, 2) - before.mean_dim(2).expand([1, 2, 2]);
            assert!(new.abs().max().into_scalar::<f32>() < 1e-5);
            assert_eq!(grown.clone().with_vocab_size(6).config().vocab_size, 7);
        }
    }
}
