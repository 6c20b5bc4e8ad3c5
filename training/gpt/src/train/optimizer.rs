//! Initial model and optimizer of a run, as its settings say.

use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::adamw::AdamW;
use crate::model::{Gpt, init};
use crate::preset::{Initialization, Preset, TrainingSettings};

/// A model with random weights that the random seed decides.
pub fn new_model(preset: &Preset, device: &Device) -> Gpt {
    device.seed(preset.training.seed);
    let model = Gpt::new(&preset.model, device);
    match preset.initialization() {
        Initialization::Pytorch => model,
        Initialization::Gpt2 => init::gpt2(model),
    }
}

/// The optimizer of a run, with PyTorch's defaults where the settings are silent.
pub fn adamw(settings: &TrainingSettings) -> ModuleOptimizer {
    let optimizer = ModuleOptimizer::from(AdamW::new(settings.weight_decay));
    if settings.decay_vectors {
        return optimizer;
    }
    let vectors = ParamGroup::from_any_predicates(vec!["bias", "scale", "shift"]);
    optimizer.with_group(vectors, AdamW::new(0.0), None)
}
