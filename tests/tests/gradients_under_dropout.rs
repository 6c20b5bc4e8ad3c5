//! Gradient check under dropout by finite differences, since PyTorch draws other masks and is no reference.
//!
//! In a file of its own: the device's random state is one for the whole process, and a test beside
//! it would draw from it.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use artifact::GptConfig;
use artifact::config::Activation;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};
use gpt::model::{Gpt, cross_entropy};

/// Moves every weight by `distance` times its gradient.
struct Move<'a> {
    gradients: &'a GradientsParams,
    distance: f64,
    square_norm: f64,
}

impl ModuleMapper for Move<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.gradients.get::<D>(param.id).unwrap();
        self.square_norm += f64::from(gradient.clone().square().sum().into_scalar::<f32>());
        let step = Tensor::from_inner(gradient * self.distance);
        param.map(|weight| (weight + step).detach().require_grad())
    }
}

/// Along its gradient g a loss rises by |g|^2 a unit of distance, as long as the same activations
/// are dropped.
#[test]
fn gradients_agree_with_finite_differences() {
    let config = GptConfig {
        vocab_size: 17,
        context_length: 8,
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        d_ff: 32,
        dropout: 0.2,
        qkv_bias: false,
        tied_output_head: false,
        activation: Activation::default(),
    };
    let device = gpt::device::cpu().autodiff();
    device.seed(5);
    let model = Gpt::new(&config, &device);
    let loss_of = |model: &Gpt| {
        device.seed(9); // the same masks every time
        let inputs = [[1, 5, 3, 16, 0, 2, 9, 9], [4, 4, 7, 8, 1, 0, 2, 3]];
        let targets = [[5, 3, 16, 0, 2, 9, 9, 1], [4, 7, 8, 1, 0, 2, 3, 6]];
        let logits = model.forward(Tensor::<2, Int>::from_ints(inputs, &device));
        cross_entropy(logits, Tensor::from_ints(targets, &device))
    };
    let gradients = GradientsParams::from_grads(loss_of(&model).backward(), &model);
    let moved = |distance| {
        let mut mover = Move { gradients: &gradients, distance, square_norm: 0.0 };
        let model = model.clone().map(&mut mover);
        (f64::from(loss_of(&model).into_scalar::<f32>()), mover.square_norm)
    };
    let distance = 1e-3;
    let ((ahead, square_norm), (behind, _)) = (moved(distance), moved(-distance));
    let slope = (ahead - behind) / (2.0 * distance);
    println!("slope {slope}, square of the gradient's norm {square_norm}");
    assert!((slope / square_norm - 1.0).abs() < 0.01);
}
