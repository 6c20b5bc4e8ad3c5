//! Low-rank changes (LoRA) of a whole model: put on, taken off, worked into its weights.

use burn::module::{Module, Param};

use super::attention::CausalSelfAttention;
use super::block::TransformerBlock;
use super::feed_forward::FeedForward;
use super::gpt::Gpt;
use super::linear::Linear;
use super::lora::{Lora, LoraSettings, LoraTarget};

/// The changes of a model, in the order of its linear maps: what checkpoints hold of it.
#[derive(Module, Debug)]
pub struct Adapters {
    /// Each of them.
    pub changes: Vec<Lora>,
}

impl Gpt {
    /// The model with changes that do nothing yet, drawn from the device's random state, to be learned in place of its
    /// weights, which stay as they are.
    #[must_use]
    pub fn with_lora(self, settings: &LoraSettings) -> Self {
        let mut model = self.without_gradients();
        let device = model.device();
        model.each_linear(|target, linear| {
            linear.lora = settings
                .targets
                .contains(&target)
                .then(|| Lora::new(linear.weight.dims(), settings, &device));
        });
        model
    }

    /// The model with its changes worked into its weights; bit for bit the same if it has none.
    #[must_use]
    pub fn merged(mut self) -> Self {
        self.each_linear(|_, linear| {
            if let Some(lora) = linear.lora.take() {
                // Without what led to it: the sum is a weight like any other.
                linear.weight = Param::from_tensor((linear.weight.val() + lora.change()).detach());
            }
        });
        self
    }

    /// Its changes, if it has some.
    pub fn adapters(&self) -> Option<Adapters> {
        let mut changes = Vec::new();
        // Modules are handles of their tensors.
        self.clone().each_linear(|_, linear| changes.extend(linear.lora.clone()));
        (!changes.is_empty()).then_some(Adapters { changes })
    }

    /// The model with other changes in place of its own, in their order.
    #[must_use]
    pub fn with_adapters(mut self, adapters: Adapters) -> Self {
        let mut changes = adapters.changes.into_iter();
        self.each_linear(|_, linear| {
            if linear.lora.is_some() {
                linear.lora = changes.next();
            }
        });
        self
    }

    /// Calls `act` on each linear map of the blocks, in their order.
    pub fn each_linear(&mut self, mut act: impl FnMut(LoraTarget, &mut Linear)) {
        for TransformerBlock { attention, feed_forward, .. } in &mut self.blocks {
            let CausalSelfAttention { query, key, value, output, .. } = attention;
            let FeedForward { expand, contract, .. } = feed_forward;
            let linear_maps = [query, key, value, output, expand, contract];
            LoraTarget::ALL.into_iter().zip(linear_maps).for_each(|(target, linear)| act(target, linear));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::{Distribution, Int, Tensor};

    use super::*;
    use crate::device;
    use crate::device::Arithmetic;
    use crate::model::parameters::{self, ParameterPath, ParameterVisitor};

    fn model() -> Gpt {
        let overrides = ["model.vocab_size=31", "model.dropout=0.0"].map(|setting| setting.parse().unwrap());
        let config = crate::preset::Preset::named("tiny", &overrides).unwrap().model;
        Gpt::new(&config, &device::cpu().autodiff())
    }

    fn settings() -> LoraSettings {
        LoraSettings {
            rank: 2,
            targets: vec![LoraTarget::Query, LoraTarget::Contract],
            ..LoraSettings::default()
        }
    }

    fn ids() -> Tensor<2, Int> {
        Tensor::from_ints([[1, 2, 3, 4, 5]], &device::cpu().autodiff())
    }

    struct Trained(GradientsParams, Vec<String>);

    impl ParameterVisitor for Trained {
        fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
            if self.0.get::<D>(param.id).is_some() {
                self.1.push(path.name());
            }
        }
    }

    #[test]
    fn only_the_changes_have_gradients() {
        for arithmetic in [Arithmetic::Primitives, Arithmetic::Kernels, Arithmetic::Bf16] {
            let base = model().with_arithmetic(arithmetic);
            let before: f32 = base.loss(ids(), ids()).into_scalar();
            let model = base.with_lora(&settings());
            let loss = model.loss(ids(), ids());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            // It begins as the model that it was.
            assert_eq!(loss.into_scalar::<f32>(), before);
            let names = parameters::visit(&model, Trained(gradients, Vec::new())).1;
            let expected = ["query", "contract"].map(|layer| {
                let folder = if layer == "query" { "attention" } else { "feed_forward" };
                ["a", "b"].map(|matrix| format!("{folder}.{layer}.lora.{matrix}"))
            });
            let expected: Vec<String> = (0..2)
                .flat_map(|block| {
                    expected.concat().into_iter().map(move |name| format!("blocks.{block}.{name}"))
                })
                .collect();
            assert_eq!(names, expected, "{arithmetic:?}");
        }
    }

    #[test]
    fn merged_it_computes_the_same() {
        let mut model = model().with_lora(&settings());
        let device = model.device();
        model.each_linear(|_, linear| {
            if let Some(lora) = &mut linear.lora {
                lora.b = Param::from_tensor(Tensor::random(
                    lora.b.dims(),
                    Distribution::Normal(0.0, 0.5),
                    &device,
                ));
            }
        });
        let adapted = model.forward(ids()).into_data();
        assert_eq!(model.adapters().unwrap().changes.len(), 4);
        assert_eq!(model.adapters().unwrap().num_params(), settings().num_parameters(model.config()));
        let merged = model.clone().merged();
        assert!(merged.adapters().is_none());
        adapted.assert_approx_eq::<f32>(
            &merged.forward(ids()).into_data(),
            burn::tensor::Tolerance::absolute(1e-5),
        );
        // Taken off and put on again.
        let again = model.clone().with_lora(&settings()).with_adapters(model.adapters().unwrap());
        assert_eq!(again.forward(ids()).into_data(), adapted);
    }
}
