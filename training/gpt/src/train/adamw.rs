//! AdamW: steps whose length is the same for weights with large and with small gradients.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019),
//! <https://arxiv.org/abs/1711.05101>, algorithm 2.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::device::in_place;

/// The optimizer of a run, for one parameter. Its defaults are PyTorch's.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// How much of the mean gradient is kept from step to step.
    pub beta_1: f64,
    /// The same for the mean square of the gradient.
    pub beta_2: f64,
    /// Keeps a step finite where the gradient has always been 0.
    pub epsilon: f64,
    /// The part of a weight that a step of length 1 takes away.
    pub weight_decay: f64,
}

impl AdamW {
    /// With PyTorch's defaults for everything else.
    pub fn new(weight_decay: f64) -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let zeros = || Tensor::zeros(gradient.shape(), &gradient.device());
        let state = state.map_or_else(|| AdaptiveMomentumState::new(0, zeros(), zeros()), |s| s.momentum);
        let time = state.time + 1;

        // The means begin at 0; this is how much of their weight is on real gradients.
        let [correction_1, correction_2] =
            [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powi(time as i32));
        let step_size = (learning_rate / correction_1) as f32;
        let deviation_scale = (1.0 / correction_2.sqrt()) as f32;
        let kept = (1.0 - learning_rate * self.weight_decay) as f32;
        let [beta_1, beta_2, epsilon] = [self.beta_1, self.beta_2, self.epsilon].map(|value| value as f32);

        let tensors = [weight, state.moment_1, state.moment_2];
        let [weight, moment_1, moment_2] = in_place::update(tensors, gradient, |[w, m, v], g| {
            let m = beta_1 * m + (1.0 - beta_1) * g;
            let v = beta_2 * v + (1.0 - beta_2) * g * g;
            let w = kept * w - step_size * m / (v.sqrt() * deviation_scale + epsilon);
            [w, m, v]
        });
        let state = AdamWState::new(AdaptiveMomentumState::new(time, moment_1, moment_2));
        (weight, Some(state))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    /// By hand: the first step is as long as the learning rate, whatever the gradient. In the second,
    /// a gradient of 0 leaves a mean of 0.9 * 0.1 * 0.5 / (1 - 0.9²) and a mean square of
    /// 0.999 * 0.001 * 0.5² / (1 - 0.999²), of which the step is 0.1 * 0.670058.
    #[test]
    fn decays_and_steps() {
        let vector = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device::cpu());
        let optimizer = AdamW::new(0.5);
        let (weight, state) = optimizer.step(0.1, vector([1.0, 2.0]), vector([0.5, -3.0]), None);
        let first = weight.clone().into_data().try_to_vec::<f32>().unwrap();
        let (weight, state) = optimizer.step(0.1, weight, vector([0.0, -3.0]), state);
        assert_eq!(state.unwrap().momentum.time, 2);
        let second = weight.into_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in [first, second].concat().iter().zip([0.85, 2.0, 0.740_494, 2.0]) {
            assert!((found - expected).abs() < 1e-5, "{found} != {expected}");
        }
    }
}
