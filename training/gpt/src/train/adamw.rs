//! AdamW optimizer, with decoupled weight decay.
//!
//! Its steps have the same length for weights with large and with small gradients.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019),
//! <https://arxiv.org/abs/1711.05101>, algorithm 2.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::device::in_place;

/// The optimizer of a run, for one parameter.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// Decay of the running mean of the gradient.
    pub beta_1: f64,
    /// Decay of the running mean of the squared gradient.
    pub beta_2: f64,
    /// Keeps a step finite where the gradient has always been 0.
    pub epsilon: f64,
    /// The part of a weight that a step of length 1 takes away.
    pub weight_decay: f64,
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
        let update = Update {
            beta_1: self.beta_1 as f32,
            beta_2: self.beta_2 as f32,
            new_1: (1.0 - self.beta_1) as f32,
            new_2: (1.0 - self.beta_2) as f32,
            epsilon: self.epsilon as f32,
            kept: (1.0 - learning_rate * self.weight_decay) as f32,
            step_size: (learning_rate / correction_1) as f32,
            deviation_scale: (1.0 / correction_2.sqrt()) as f32,
        };
        let tensors = [weight, state.moment_1, state.moment_2];
        let [weight, moment_1, moment_2] = in_place::update(
            tensors,
            gradient,
            |numbers, gradient| update.of_numbers(numbers, gradient),
            |tensors, gradient| update.of_tensors(tensors, gradient),
        );
        let state = AdamWState::new(AdaptiveMomentumState::new(time, moment_1, moment_2));
        (weight, Some(state))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}

/// One step of the algorithm, with the corrections of its means worked into the constants.
#[derive(Clone, Copy, Debug)]
struct Update {
    beta_1: f32,
    beta_2: f32,
    /// Weights of the new gradient in the means. From a `beta_2` in float32, `1 - beta_2` has five digits.
    new_1: f32,
    new_2: f32,
    epsilon: f32,
    /// Share of a weight that weight decay leaves.
    kept: f32,
    step_size: f32,
    deviation_scale: f32,
}

impl Update {
    /// Weight and moments after a step.
    ///
    /// # Shapes
    /// - all tensors: any, the same
    fn of_tensors<const D: usize>(self, [w, m, v]: [Tensor<D>; 3], g: Tensor<D>) -> [Tensor<D>; 3] {
        let m = m * self.beta_1 + g.clone() * self.new_1;
        let v = v * self.beta_2 + g.square() * self.new_2;
        let deviation = v.clone().sqrt() * self.deviation_scale + self.epsilon;
        let w = w * self.kept - m.clone() * self.step_size / deviation;
        [w, m, v]
    }

    /// The same for one element of each.
    // A call for each element would cost more than what it computes.
    #[inline]
    fn of_numbers(self, [w, m, v]: [f32; 3], g: f32) -> [f32; 3] {
        let m = self.beta_1 * m + self.new_1 * g;
        let v = self.beta_2 * v + self.new_2 * g * g;
        let w = self.kept * w - self.step_size * m / (v.sqrt() * self.deviation_scale + self.epsilon);
        [w, m, v]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    /// With PyTorch's defaults.
    fn adamw(weight_decay: f64) -> AdamW {
        AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay }
    }

    /// By hand: the first step is as long as the learning rate, whatever the gradient. In the second,
    /// a gradient of 0 leaves a mean of 0.9 * 0.1 * 0.5 / (1 - 0.9²) and a mean square of
    /// 0.999 * 0.001 * 0.5² / (1 - 0.999²), of which the step is 0.1 * 0.670058.
    #[test]
    fn decays_and_steps() {
        let vector = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device::cpu());
        let optimizer = adamw(0.5);
        let (weight, state) = optimizer.step(0.1, vector([1.0, 2.0]), vector([0.5, -3.0]), None);
        let first = weight.clone().into_data().try_to_vec::<f32>().unwrap();
        let (weight, state) = optimizer.step(0.1, weight, vector([0.0, -3.0]), state);
        assert_eq!(state.unwrap().momentum.time, 2);
        let second = weight.into_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in [first, second].concat().iter().zip([0.85, 2.0, 0.740_494, 2.0]) {
            assert!((found - expected).abs() < 1e-5, "{found} != {expected}");
        }
    }

    /// As PyTorch computes them: in double precision, then rounded.
    #[test]
    fn the_weights_of_a_new_gradient_are_exact() {
        let vector = |value: f32| Tensor::<1>::from_floats([value], &device::cpu());
        let (_, state) = adamw(0.0).step(0.1, vector(1.0), vector(1.0), None);
        let AdaptiveMomentumState { moment_1, moment_2, .. } = state.unwrap().momentum;
        let moments = [moment_1, moment_2].map(|moment| moment.into_scalar::<f32>());
        assert_eq!(moments, [0.1, 0.001]);
    }

    #[test]
    fn the_fused_step_is_the_same() {
        let update = Update {
            beta_1: 0.9,
            beta_2: 0.999,
            new_1: 0.1,
            new_2: 0.001,
            epsilon: 1e-8,
            kept: 0.99,
            step_size: 0.1,
            deviation_scale: 3.0,
        };
        let numbers = |step: f32| -> Vec<f32> { (1..100).map(|i| (i as f32 * step).sin()).collect() };
        let vector = |step: f32| Tensor::<1>::from_floats(numbers(step).as_slice(), &device::cpu());
        let tensors = || [vector(0.3), vector(0.7), vector(1.1).square()];
        let fused = in_place::update(
            tensors(),
            vector(1.3),
            |numbers, gradient| update.of_numbers(numbers, gradient),
            |_, _| panic!("the tensors are on the CPU through libtorch"),
        );
        let expected = update.of_tensors(tensors(), vector(1.3));
        for (found, expected) in fused.into_iter().zip(expected) {
            let difference: f32 = (found - expected).abs().max().into_scalar();
            assert!(difference <= 1e-6, "{difference}");
        }
    }
}
