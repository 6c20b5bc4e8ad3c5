//! Muon optimizer: momentum, made orthogonal by a Newton-Schulz iteration.
//!
//! An update by the gradient is of low rank: a few directions of it are large. With all its singular values near 1, it
//! changes the rare directions as much as the frequent ones. Each weight matrix gets an update of its own, so query, key
//! and value are orthogonal each for itself.
//!
//! Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024),
//! <https://kellerjordan.github.io/posts/muon/>. There, weights are `[d_out, d_in]`; here they are `[d_in, d_out]`.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{DType, Device, Tensor};

use crate::device::{self, orthogonal};

/// Share of the momentum that a step keeps.
const MOMENTUM: f64 = 0.95;
const ITERATIONS: usize = 5;
/// Coefficients of the iteration, `x (a + b x^2 + c x^4)` for each singular value `x`: chosen for the steepest start.
/// They bring values to 0.7 to 1.2, not to 1, which is no worse for training.
const A: f64 = 3.4445;
const B: f64 = -4.7750;
const C: f64 = 2.0315;
/// Keeps the iteration finite where the gradient is 0.
const EPSILON: f64 = 1e-7;
/// Smaller dimension of a matrix from which on products of bf16 are faster than what casting costs.
const SMALLEST_IN_BF16: usize = 256;

/// The optimizer of a run, for one matrix.
#[derive(Clone, Debug)]
pub struct Muon {
    /// Its learning rate, as a multiple of that of the schedule.
    pub rate_scale: f64,
    /// The part of a weight that a step of length 1 takes away.
    pub weight_decay: f64,
    /// Whether [`orthogonal`] makes updates orthogonal.
    pub fused: bool,
}

/// State of one matrix: the running mean of its gradient.
#[derive(Clone, Debug)]
pub struct MuonState<const D: usize> {
    momentum: Tensor<D>,
}

impl<const D: usize> RecordState for MuonState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "momentum", self.momentum.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let momentum = source.take_tensor(prefix, "momentum")?;
        Some(Self { momentum: Tensor::from_data(momentum, device) })
    }
}

impl Optimizer for Muon {
    type State<const D: usize> = MuonState<D>;

    /// # Panics
    /// If the weight is no matrix.
    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<MuonState<D>>,
    ) -> (Tensor<D>, Option<MuonState<D>>) {
        let learning_rate = learning_rate * self.rate_scale;
        let new = gradient.clone() * (1.0 - MOMENTUM);
        let momentum = match state {
            Some(state) => state.momentum * MOMENTUM + new.clone(),
            None => new.clone(),
        };
        // Nesterov's: as if the next step had the same gradient.
        let update = momentum.clone() * MOMENTUM + new;

        let [d_in, d_out] = matrix_dims(&update);
        let update = orthogonalize(update.reshape([d_in, d_out]), self.fused); // [d_in, d_out]
        // An orthogonal matrix that has more outputs than inputs gives smaller ones.
        let length = learning_rate * (d_out as f64 / d_in as f64).max(1.0).sqrt();
        let weight_dims = weight.dims();
        let weight = weight * (1.0 - learning_rate * self.weight_decay);
        let weight = weight - (update * length).reshape(weight_dims);
        (weight, Some(MuonState { momentum }))
    }

    fn to_device<const D: usize>(state: MuonState<D>, device: &Device) -> MuonState<D> {
        MuonState { momentum: state.momentum.to_device(device) }
    }
}

fn matrix_dims<const D: usize>(tensor: &Tensor<D>) -> [usize; 2] {
    match tensor.dims()[..] {
        [d_in, d_out] => [d_in, d_out],
        _ => panic!("Muon is for matrices, found {:?}", tensor.dims()),
    }
}

/// A matrix with the same singular vectors and singular values near 1.
///
/// # Shapes
/// - `matrix` and output: `[rows, columns]`
fn orthogonalize(matrix: Tensor<2>, fused: bool) -> Tensor<2> {
    match fused {
        true => orthogonal::newton_schulz(matrix, [A, B, C], ITERATIONS, EPSILON, from_primitives),
        false => from_primitives(matrix),
    }
}

/// The iteration by tensor primitives: in bf16 where that is faster.
///
/// # Shapes
/// - `matrix` and output: `[rows, columns]`
fn from_primitives(matrix: Tensor<2>) -> Tensor<2> {
    let smaller = matrix.dims().into_iter().min().unwrap_or_default();
    let is_bf16_faster = smaller >= SMALLEST_IN_BF16 && device::multiplies_bf16();
    newton_schulz(matrix, if is_bf16_faster { DType::BF16 } else { DType::F32 })
}

/// The iteration, in numbers of a type.
///
/// # Shapes
/// - `matrix` and output: `[rows, columns]`
fn newton_schulz(matrix: Tensor<2>, dtype: DType) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    // Products are of the smaller side.
    let is_tall = rows > columns;
    let x = if is_tall { matrix.transpose() } else { matrix }; // [smaller, larger]
    let norm = x.clone().square().sum().sqrt() + EPSILON; // [1]
    let mut x = (x / norm.unsqueeze()).cast(dtype);
    for _ in 0..ITERATIONS {
        let squares = x.clone().matmul(x.clone().transpose()); // [smaller, smaller]
        let factor = squares.clone() * B + squares.clone().matmul(squares) * C;
        x = x.clone() * A + factor.matmul(x);
    }
    let x = x.cast(DType::F32);
    if is_tall { x.transpose() } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    const GRADIENT: [[f32; 3]; 2] = [[1.0, 2.0, -1.0], [0.5, -1.0, 3.0]];

    fn matrix<const R: usize, const C: usize>(rows: [[f32; C]; R]) -> Tensor<2> {
        Tensor::from_floats(rows, &device::cpu())
    }

    fn assert_close(found: Tensor<2>, expected: &[f32], tolerance: f32) {
        let found = found.into_data().try_to_vec::<f32>().unwrap();
        let is_close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < tolerance);
        assert!(is_close && found.len() == expected.len(), "{found:?} != {expected:?}");
    }

    /// Expected is what Jordan's `zeropower_via_newtonschulz5` gives in double precision.
    #[test]
    fn the_iteration_is_the_published_one() {
        let expected = [0.609_008_5, 0.813_593_4, 0.098_732_7, 0.360_674_2, 0.087_498_7, 0.748_562_7];
        assert_close(orthogonalize(matrix(GRADIENT), true), &expected, 1e-3);
        assert_close(orthogonalize(matrix(GRADIENT).transpose(), true).transpose(), &expected, 1e-3);
        assert_close(orthogonalize(matrix([[0.0, 0.0]]), true), &[0.0, 0.0], 1e-9);
        assert_close(newton_schulz(matrix(GRADIENT), DType::F32), &expected, 1e-5);
        let tall = newton_schulz(matrix(GRADIENT).transpose(), DType::F32);
        assert_close(tall.transpose(), &expected, 1e-5);
        assert_close(newton_schulz(matrix(GRADIENT), DType::BF16), &expected, 3e-2);
        assert_close(newton_schulz(matrix([[0.0, 0.0]]), DType::F32), &[0.0, 0.0], 1e-9);
    }

    /// Of a diagonal matrix they are on the diagonal.
    #[test]
    fn singular_values_become_about_1() {
        let diagonal: Vec<f32> = (0..8).map(|i| 30.0 * 0.6_f32.powi(i)).collect();
        let matrix =
            Tensor::<1>::from_floats(diagonal.as_slice(), &device::cpu()).unsqueeze::<2>().transpose();
        let matrix = matrix * Tensor::<2>::eye(8, &device::cpu());
        for fused in [false, true] {
            let orthogonal = orthogonalize(matrix.clone(), fused).into_data().try_to_vec::<f32>().unwrap();
            for (place, value) in orthogonal.iter().enumerate() {
                let is_right = if place % 9 == 0 { (0.65..1.25).contains(value) } else { value.abs() < 1e-4 };
                assert!(is_right, "{value} at {place}");
            }
        }
    }

    /// Of matrices as a model has them, square, wide and tall, and wider than a block of AMX.
    #[test]
    fn the_fused_iteration_is_the_same() {
        for [rows, columns] in [[64, 64], [40, 100], [100, 40]] {
            let numbers = || {
                let numbers = device::testing::numbers(&[rows, columns], 0.7);
                Tensor::<2>::from_data(numbers, &device::cpu())
            };
            let expected = newton_schulz(numbers(), DType::F32).into_data().try_to_vec::<f32>().unwrap();
            assert_close(orthogonalize(numbers(), true), &expected, 1e-3);
        }
    }

    /// Expected are two steps in double precision, of Jordan's `muon_update` with its momentum, on `[d_in, d_out]`: the
    /// update of a matrix with 2 inputs and 3 outputs is `sqrt(1.5)` long, that of 3 and 2 is not stretched.
    #[test]
    fn steps_by_nesterov_momentum_and_decays() {
        for fused in [false, true] {
            let muon = Muon { rate_scale: 0.5, weight_decay: 0.5, fused };
            let tolerance = if fused { 1e-4 } else { 1e-5 };
            let ones = || Tensor::<2>::ones([2, 3], &device::cpu());
            let (weight, state) = muon.step(0.2, ones(), matrix(GRADIENT), None);
            assert_close(
                weight.clone(),
                &[0.875_412, 0.850_355_5, 0.937_907_8, 0.905_826_6, 0.939_283_6, 0.858_320_1],
                tolerance,
            );
            let (weight, _) = muon.step(0.2, weight, matrix([[0.0, 1.0, 1.0], [-2.0, 0.5, 0.25]]), state);
            assert_close(
                weight,
                &[0.801_952_2, 0.689_292_7, 0.859_039_6, 0.955_409_9, 0.891_628_7, 0.728_160_9],
                tolerance,
            );
            let (tall, _) = muon.step(0.2, ones().transpose(), matrix(GRADIENT).transpose(), None);
            assert_close(
                tall,
                &[0.889_099_1, 0.913_932_6, 0.868_640_6, 0.941_250_1, 0.940_126_7, 0.875_143_7],
                tolerance,
            );
        }
    }

    #[test]
    fn a_state_survives_a_checkpoint() {
        let state = MuonState { momentum: matrix(GRADIENT) };
        let mut sink = StateSink::default();
        state.state_flatten("7", &mut sink);
        let mut source = StateSource::default();
        sink.tensors.into_iter().for_each(|(name, data)| source.insert_tensor(name, data));
        let read = MuonState::<2>::state_unflatten("7", &mut source, &device::cpu()).unwrap();
        assert_eq!(read.momentum.into_data(), state.momentum.into_data());
    }
}
