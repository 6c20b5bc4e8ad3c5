//! Initial model and optimizer of a run, as its settings say.

use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::adamw::AdamW;
use super::muon::Muon;
use crate::model::{Gpt, init};
use crate::preset::{Initialization, MatrixOptimizer, Preset, TrainingSettings};

/// A model with random weights that the random seed decides.
pub fn new_model(preset: &Preset, device: &Device) -> Gpt {
    device.seed(preset.training.seed);
    let model = Gpt::new(&preset.model, device);
    match preset.initialization() {
        Initialization::Pytorch => model,
        Initialization::Gpt2 => init::gpt2(model),
    }
}

/// The optimizer of a run.
pub fn optimizer(settings: &TrainingSettings) -> ModuleOptimizer {
    let TrainingSettings { beta_1, beta_2, epsilon, weight_decay, learning_rate, fused, .. } = *settings;
    let adamw = AdamW { beta_1, beta_2, epsilon, weight_decay };
    let mut optimizer = ModuleOptimizer::from(adamw.clone());
    if !settings.decay_vectors {
        let vectors = ParamGroup::from_any_predicates(vec!["bias", "scale", "shift"]);
        optimizer = optimizer.with_group(vectors, AdamW { weight_decay: 0.0, ..adamw }, None);
    }
    match settings.optimizer {
        MatrixOptimizer::Adamw => optimizer,
        MatrixOptimizer::Muon => {
            // All vectors in a block have other names.
            let matrices = ParamGroup::from_predicates(vec!["blocks.", ".weight"]);
            let rate_scale = settings.muon_learning_rate() / learning_rate;
            optimizer.with_group(matrices, Muon { rate_scale, weight_decay, fused }, None)
        }
    }
}
