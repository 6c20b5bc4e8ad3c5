//! GPT-2, the whole model: embeddings, transformer blocks, output head.
//!
//! LLMs-from-scratch, chapter 4. Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).

use artifact::GptConfig;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::affine;
use super::attention::CausalSelfAttention;
use super::block::TransformerBlock;
use super::causal_mask::causal_mask;
use super::dropout::Dropout;
use super::embedding::Embedding;
use super::feed_forward::FeedForward;
use super::layer_norm::LayerNorm;
use super::linear::Linear;
use super::loss::{cross_entropy, fused_cross_entropy, head_loss};
use super::packing::Packing;
use crate::device::Arithmetic;

/// A decoder of the GPT-2 family: from token ids to the logits of the next token at every position.
#[derive(Module, Debug)]
pub struct Gpt {
    /// A vector for each token id.
    pub token_embedding: Embedding,
    /// A vector for each position.
    pub position_embedding: Embedding,
    embedding_dropout: Dropout,
    /// Transformer blocks.
    pub blocks: Vec<TransformerBlock>,
    /// Before the output head.
    pub final_norm: LayerNorm,
    /// From `d_model` to a logit for each id; `None` when it shares the token embedding's weights.
    pub output_head: Option<Linear>,
    #[module(skip)]
    config: GptConfig,
    #[module(skip)]
    arithmetic: Arithmetic,
}

impl Gpt {
    /// Where its weights lie.
    pub fn device(&self) -> Device {
        self.token_embedding.weight.device()
    }

    /// A model with random weights, drawn from the device's random state. `config` must be
    /// [valid](GptConfig::validate).
    pub fn new(config: &GptConfig, device: &Device) -> Self {
        Self {
            token_embedding: Embedding::new(config.vocab_size, config.d_model, device),
            position_embedding: Embedding::new(config.context_length, config.d_model, device),
            embedding_dropout: Dropout::new(config.dropout),
            blocks: (0..config.n_layers).map(|_| TransformerBlock::new(config, device)).collect(),
            final_norm: LayerNorm::new(config.d_model, device),
            output_head: (!config.tied_output_head)
                .then(|| Linear::new(config.d_model, config.vocab_size, false, device)),
            config: config.clone(),
            arithmetic: Arithmetic::default(),
        }
    }

    /// The same model, computed in another way: the same up to rounding, and by kernels without dropout of attention
    /// weights.
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.arithmetic = arithmetic;
        self.final_norm.arithmetic = arithmetic;
        self.output_head.iter_mut().for_each(|head| head.arithmetic = arithmetic);
        for TransformerBlock { norm1, attention, norm2, feed_forward, .. } in &mut self.blocks {
            [norm1, norm2].into_iter().for_each(|norm| norm.arithmetic = arithmetic);
            attention.arithmetic = arithmetic;
            feed_forward.arithmetic = arithmetic;
            let CausalSelfAttention { query, key, value, output, .. } = attention;
            let FeedForward { expand, contract, .. } = feed_forward;
            let linear_maps = [query, key, value, output, expand, contract];
            linear_maps.into_iter().for_each(|linear| linear.arithmetic = arithmetic);
        }
        self
    }

    /// The same model with weights that have no gradients.
    pub(super) fn without_gradients(self) -> Self {
        let Self { config, arithmetic, .. } = &self;
        let (config, arithmetic) = (config.clone(), *arithmetic);
        Self { config, ..self.freeze() }.with_arithmetic(arithmetic)
    }

    /// Another number of ids, which its weights have.
    pub(super) fn set_vocab_size(&mut self, vocab_size: usize) {
        self.config.vocab_size = vocab_size;
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The logits of the token that follows each position.
    ///
    /// # Shapes
    /// - `ids`: `[batch, seq]`, with `seq` at most `context_length` and every id below `vocab_size`
    /// - output: `[batch, seq, vocab_size]`
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let x = self.embed(ids); // [batch, seq, d_model]
        self.logits(self.transform(x))
    }

    /// Cross-entropy of the tokens that follow each position.
    ///
    /// # Shapes
    /// - `ids`: `[batch, seq]`, as for [`forward`](Self::forward)
    /// - `targets`: `[batch, seq]`
    /// - output: `[1]`
    pub fn loss(&self, ids: Tensor<2, Int>, targets: Tensor<2, Int>) -> Tensor<1> {
        self.loss_of(self.transform(self.embed(ids)), targets)
    }

    /// The same of texts one behind the other, and of the tokens that count alone.
    ///
    /// # Shapes
    /// - `ids`: `[1, seq]`
    /// - `targets`: `[1, n]`, the ids that follow the tokens that count
    /// - output: `[1]`
    pub fn packed_loss(&self, ids: Tensor<2, Int>, targets: Tensor<2, Int>, packing: &Packing) -> Tensor<1> {
        self.loss_of(self.transform_packed(ids, packing), targets)
    }

    /// The logits of the tokens that count, of texts one behind the other.
    ///
    /// # Shapes
    /// - `ids`: `[1, seq]`
    /// - output: `[1, n, vocab_size]`
    pub fn packed_forward(&self, ids: Tensor<2, Int>, packing: &Packing) -> Tensor<3> {
        self.logits(self.transform_packed(ids, packing))
    }

    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`, of the final LayerNorm
    /// - `targets`: `[batch, seq]`
    /// - output: `[1]`
    fn loss_of(&self, x: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
        match self.arithmetic {
            Arithmetic::Primitives => cross_entropy(self.logits(x), targets),
            Arithmetic::Kernels => fused_cross_entropy(self.logits(x), targets),
            Arithmetic::Bf16 => head_loss(x, self.head_weight(), targets),
        }
    }

    /// The logits of the token that follows the last position: all that generation needs.
    ///
    /// # Shapes
    /// - `ids`: `[batch, seq]`, as for [`forward`](Self::forward)
    /// - output: `[batch, vocab_size]`
    pub fn next_token_logits(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let x = self.transform(self.embed(ids)); // [batch, seq, d_model]
        let [_, seq, _] = x.dims();
        self.logits(x.narrow(1, seq - 1, 1)).squeeze_dim(1)
    }

    /// Token embeddings plus position embeddings.
    ///
    /// # Shapes
    /// - `ids`: `[batch, seq]`, as for [`forward`](Self::forward)
    /// - output: `[batch, seq, d_model]`
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, seq] = ids.dims();
        let positions = Tensor::arange(0..seq as i64, &ids.device());
        self.embed_at(ids, positions)
    }

    /// # Shapes
    /// - `ids`: `[batch, seq]`
    /// - `positions`: `[seq]`
    /// - output: `[batch, seq, d_model]`
    fn embed_at(&self, ids: Tensor<2, Int>, positions: Tensor<1, Int>) -> Tensor<3> {
        let [batch, seq] = ids.dims();
        let tokens = self.token_embedding.forward(ids.reshape([batch * seq])); // [batch * seq, d_model]
        let tokens = tokens.reshape([batch, seq, self.config.d_model]);
        let positions = self.position_embedding.forward(positions); // [seq, d_model]
        self.embedding_dropout.forward(tokens + positions.unsqueeze())
    }

    /// The blocks and the final LayerNorm.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    pub fn transform(&self, mut x: Tensor<3>) -> Tensor<3> {
        let [_, seq, _] = x.dims();
        let mask = causal_mask(seq, &x.device());
        for block in &self.blocks {
            x = block.forward(x, mask.clone());
        }
        self.final_norm.forward(x)
    }

    /// The tokens that count, after the final LayerNorm, of texts one behind the other.
    ///
    /// # Shapes
    /// - `ids`: `[1, seq]`
    /// - output: `[1, n, d_model]`
    fn transform_packed(&self, ids: Tensor<2, Int>, packing: &Packing) -> Tensor<3> {
        let mut x = self.embed_at(ids, packing.positions());
        for block in &self.blocks {
            x = block.forward_packed(x, packing);
        }
        self.final_norm.forward(packing.counted_of(x))
    }

    /// The output head.
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`
    /// - output: `[batch, seq, vocab_size]`
    pub fn logits(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.output_head {
            Some(output_head) => output_head.forward(x),
            None => {
                let [batch, seq, d_model] = x.dims();
                let x = x.reshape([batch * seq, d_model]);
                let logits = affine::map(self.arithmetic, x, self.head_weight(), None);
                logits.reshape([batch, seq, self.config.vocab_size])
            }
        }
    }

    /// The weight of the output head, `[d_model, vocab_size]`.
    fn head_weight(&self) -> Tensor<2> {
        match &self.output_head {
            Some(output_head) => output_head.weight.val(),
            None => self.token_embedding.weight.val().transpose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::model::parameters;
    use artifact::Tokenizer;
    use artifact::config::Activation;

    fn small(dropout: f64) -> GptConfig {
        GptConfig {
            vocab_size: 31,
            context_length: 12,
            d_model: 16,
            n_layers: 2,
            n_heads: 4,
            d_ff: 64,
            dropout,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        }
    }

    fn logits(model: &Gpt, ids: [i32; 6]) -> Vec<f32> {
        let ids = Tensor::<1, Int>::from_ints(ids, &device::cpu()).unsqueeze();
        model.forward(ids).into_data().iter().collect()
    }

    #[test]
    fn a_later_token_leaves_earlier_logits_alone() {
        for arithmetic in [Arithmetic::Primitives, Arithmetic::Kernels, Arithmetic::Bf16] {
            let model = Gpt::new(&small(0.0), &device::cpu()).with_arithmetic(arithmetic).valid();
            let before = logits(&model, [1, 2, 3, 4, 5, 6]);
            let after = logits(&model, [1, 2, 3, 4, 30, 6]);
            let changed = 4 * 31; // the first logit of position 4
            assert_eq!(before[..changed], after[..changed]);
            assert_ne!(before[changed..], after[changed..]);
        }
    }

    /// Gradients, too, of both kinds of output heads, and of queries with biases; those of bf16 up to its rounding.
    #[test]
    fn the_fused_models_are_the_same() {
        let device = device::cpu().autodiff();
        let ids = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [11, 9, 7, 5, 3, 1, 2, 4, 6, 8, 10]];
        let ids = Tensor::<2, Int>::from_ints(ids, &device);
        for tied_output_head in [false, true] {
            let config = GptConfig { tied_output_head, qkv_bias: tied_output_head, ..small(0.0) };
            let model = crate::model::init::gpt2(Gpt::new(&config, &device));
            let run = |model: &Gpt| {
                let loss = model.loss(ids.clone(), ids.clone());
                let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), model);
                (loss.into_scalar::<f32>(), parameters::visit(model, Gradients(gradients, Vec::new())).1)
            };
            let (expected_loss, expected) = run(&model);
            for (arithmetic, of_loss, of_gradients) in
                [(Arithmetic::Kernels, 1e-5, 3e-5), (Arithmetic::Bf16, 1e-3, 0.04)]
            {
                let (loss, gradients) = run(&model.clone().with_arithmetic(arithmetic));
                assert!((loss / expected_loss - 1.0).abs() < of_loss, "{loss} {expected_loss}");
                for ((name, gradient), (_, expected)) in gradients.iter().zip(&expected) {
                    let largest = expected.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
                    let difference =
                        gradient.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    // Scores of equal sums leave keys' biases without a gradient but for rounding.
                    let tolerance = of_gradients * largest.max(1e-4);
                    assert!(difference <= tolerance, "{arithmetic:?} {name}: {difference} of {largest}");
                }
                assert_eq!(gradients.len(), expected.len());
            }
        }
    }

    struct Gradients(burn::optim::GradientsParams, Vec<(String, Vec<f32>)>);

    impl parameters::ParameterVisitor for Gradients {
        fn visit<const D: usize>(
            &mut self,
            path: &parameters::ParameterPath,
            param: &burn::module::Param<Tensor<D>>,
        ) {
            let gradient = self.0.get::<D>(param.id).unwrap().into_data();
            self.1.push((path.name(), gradient.try_to_vec().unwrap()));
        }
    }

    #[test]
    fn dropout_acts_in_training_only() {
        let model = Gpt::new(&small(0.5), &device::cpu().autodiff());
        let ids = [1, 2, 3, 4, 5, 6];
        let train = |ids: [i32; 6]| {
            let ids = Tensor::<1, Int>::from_ints(ids, &device::cpu().autodiff()).unsqueeze();
            model.forward(ids).into_data()
        };
        assert_ne!(train(ids), train(ids));
        let valid = model.valid();
        assert_eq!(logits(&valid, ids), logits(&valid, ids));
    }

    #[test]
    fn has_the_parameters_that_its_configuration_says() {
        for config in [
            small(0.1),
            GptConfig { tied_output_head: true, ..small(0.1) },
            GptConfig { qkv_bias: true, ..small(0.1) },
        ] {
            let model = Gpt::new(&config, &device::cpu());
            assert_eq!(model.num_params(), config.num_parameters(), "{config:?}");
        }
    }

    #[test]
    fn the_verdict_model_has_162_419_712_parameters() {
        let preset = crate::preset::Preset::named("the-verdict", &[]).unwrap();
        assert_eq!(preset.model.vocab_size, Tokenizer::gpt2().unwrap().vocab_size());
        assert_eq!(Gpt::new(&preset.model, &device::cpu()).num_params(), 162_419_712);
    }
}
